# SPDX-License-Identifier: Apache-2.0
"""Correction of damaged sectors by their parity, with the EDC as judge.

Whatever the decoder comes up with counts only if the EDC then matches (a wrong guess passes with
a probability of 2^-32), and never if all that it leaves is zeros, whose EDC matches by nature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.decoder import SIZE, WAYS, Decoder, Mask, Symbols
from imagerd.sectors.edc import FORM1_RANGE, FORM2_RANGE, MODE1_RANGE, edc
from imagerd.sectors.geometry import (
    FORM2_BIT,
    HEADER,
    MODE,
    P_PARITY,
    RAW,
    SUBHEADER,
    SUBMODE,
    SYNC_ROW,
    lba_msf,
)
from imagerd.sectors.verify import header_ok

Sector: TypeAlias = npt.NDArray[np.uint8]  # (2352,)

_SYNC_BYTES_NEEDED: Final = 8
_MODE_BITS: Final = 0x1F


@dataclass(frozen=True, slots=True)
class Correction:
    """A sector whose EDC is right: `data` (2352 bytes) and the offsets that differ from the input.

    `parity_ok` is False where P or Q still is wrong, as on discs that were mastered so.
    """

    data: bytes
    changed: tuple[int, ...]
    parity_ok: bool


@dataclass(frozen=True, slots=True)
class Repair:
    """A batch after repair: `data` (n, 2352), what was corrected by row, and rows given up."""

    data: Bytes2D
    corrected: dict[int, Correction]
    failed: tuple[int, ...]


def correct(
    sector: Sector,
    *,
    lba: int | None = None,
    mode2: bool | None = None,
    erasures: Mask | None = None,
) -> Correction | None:
    """Mend one sector of 2352 bytes; None if it cannot be, or is no data sector to begin with.

    `lba`: where it belongs, so that a damaged header can be restored (mode 2 has no other way).
    `mode2`: what the track is, where the mode byte may be damaged. `erasures`: bytes that are
    known to be doubtful, (2352,), for example by C2; a hint, tried first, then left aside.

    Form 2 has no parity: only its sync and header can be restored. Refused is a sector that has
    neither most of its sync nor the header expected (zeros and other filling never become data),
    and a mode 2 sector that names another address: its EDC is good wherever it was read from.
    """
    if sector.shape != (RAW,):
        raise ValueError(f"one raw sector has the shape ({RAW},), not {sector.shape}")
    header = None if lba is None else lba_msf(lba, 1)[0]
    read_mode = int(sector[MODE]) & _MODE_BITS
    mode = read_mode if mode2 is None else 2 if mode2 else 1
    if mode not in (1, 2) or not _is_data(sector, header, mode):
        return None
    if mode == 2 and header is not None and _is_elsewhere(sector, header):
        return None
    fresh = sector.copy()
    fresh[:HEADER] = SYNC_ROW
    if header is not None:
        fresh[HEADER:MODE] = header
    if read_mode != mode:
        fresh[MODE] = mode
    for form2 in _forms(fresh, mode):
        mended = _form2(fresh) if form2 else _mended(fresh, mode, erasures, header is not None)
        if mended is not None:
            return _result(sector, mended, mode, has_parity=not form2)
    return None


def repair(
    raw: Bytes2D, rows: Iterable[int], *, lba: int | None = None, mode2: bool | None = None
) -> Repair:
    """Try to correct the `rows` (those whose EDC is wrong) of a batch that begins at `lba`."""
    data, corrected, failed = raw.copy(), {}, []
    for row in rows:
        at = None if lba is None else lba + row
        correction = correct(raw[row], lba=at, mode2=mode2)
        if correction is None:
            failed.append(row)
        else:
            corrected[row] = correction
            data[row] = np.frombuffer(correction.data, np.uint8)
    return Repair(data, corrected, tuple(failed))


def _is_data(sector: Sector, header: Sector | None, mode: int) -> bool:
    if int((sector[:HEADER] == SYNC_ROW).sum()) >= _SYNC_BYTES_NEEDED:
        return True
    right = header is not None and bool((sector[HEADER:MODE] == header).all())
    return right and int(sector[MODE]) == mode


def _is_elsewhere(sector: Sector, header: Sector) -> bool:
    named = sector[HEADER:MODE]
    return bool((named != header).any()) and bool(header_ok(sector[None])[0])


def _forms(sector: Sector, mode: int) -> tuple[bool, ...]:
    """Whether to take it for form 2, in the order of trying: damage may hide the form."""
    if mode == 1:
        return (False,)
    return (True, False) if sector[SUBMODE] & FORM2_BIT else (False, True)


def _form2(sector: Sector) -> Sector | None:
    first, last = FORM2_RANGE
    is_form2 = bool(sector[SUBMODE] & FORM2_BIT)
    return sector if is_form2 and edc(sector[first : last + 4].tobytes()) == 0 else None


def _mended(sector: Sector, mode: int, erasures: Mask | None, header_known: bool) -> Sector | None:
    """Try the ways and hints one after another, each from the sector as it was read."""
    fixed = 4 if mode == 2 or header_known else 0
    head = sector[:HEADER].tobytes()
    first, last = MODE1_RANGE if mode == 1 else FORM1_RANGE
    empty_before = not sector[SUBHEADER:P_PARITY].any()

    def judge(block: Symbols) -> bool:
        if edc((head + block.tobytes())[first : last + 4]):
            return False
        return empty_before or bool(block[SUBHEADER - HEADER : P_PARITY - HEADER].any())

    none = np.zeros(SIZE, np.bool_)
    hints = [none] if erasures is None or not erasures.any() else [erasures[HEADER:], none]
    for hint in hints:
        for way in WAYS:
            block = _block(sector, mode)
            if Decoder(block, fixed, judge).run(way, hint):
                whole = sector.copy()
                whole[HEADER + fixed :] = block[fixed:]
                return whole
    return None


def _block(sector: Sector, mode: int) -> Symbols:
    """What parity is computed of: all after the sync, the header as zero in mode 2."""
    block = sector[HEADER:].copy()
    if mode == 2:
        block[:4] = 0
    return block


def _result(read: Sector, mended: Sector, mode: int, *, has_parity: bool) -> Correction:
    parity_ok = not has_parity or Decoder(_block(mended, mode), 0, lambda _: True).clean()
    changed = tuple(np.flatnonzero(read != mended).tolist())
    return Correction(mended.tobytes(), changed, parity_ok)
