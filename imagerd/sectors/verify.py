# SPDX-License-Identifier: Apache-2.0
"""What batches of raw sectors are, and whether they are right.

Rules that are easy to get wrong, each from real discs:

- A sector of zeros has the EDC and the parity of zeros; only its missing sync tells.
- The EDC of a mode 2 form 1 sector with an empty body is 0: it proves nothing without parity.
- A form 2 EDC of 0 means that it was not computed.
- An EDC that is right makes the data good, whatever parity says; wrong parity is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.edc import FORM1_RANGE, FORM2_RANGE, MODE1_RANGE, edc_ok
from imagerd.sectors.geometry import (
    BODY,
    EDC_FORM1,
    EDC_FORM2,
    FORM2_BIT,
    HEADER,
    INTERMEDIATE,
    MODE,
    SUBHEADER,
    SUBMODE,
    SYNC_ROW,
    Flags,
    as_raw,
    lba_msf,
)
from imagerd.sectors.parity import p_q_ok

Words: TypeAlias = npt.NDArray[np.uint32]  # (n, 588): a sector as little-endian words
Kinds: TypeAlias = npt.NDArray[np.uint8]  # (n,) of SectorKind
EdcStates: TypeAlias = npt.NDArray[np.uint8]  # (n,) of EdcState

_MODE_BITS: Final = 0x1F  # the upper three mark run-in, run-out and link blocks of packet writing
_SYNC_BYTES_NEEDED: Final = 8  # of 12, to take a sector with a damaged sync for data


class SectorKind(IntEnum):
    """What a sector is by its own bytes."""

    AUDIO = 0  # no sync
    MODE0 = 1
    MODE1 = 2
    MODE2 = 3  # formless
    MODE2_FORM1 = 4
    MODE2_FORM2 = 5
    INVALID_MODE = 6
    NO_SYNC = 7  # no sync where data should be


class EdcState(IntEnum):
    """What the EDC says."""

    NOT_APPLICABLE = 0  # audio, mode 0, formless mode 2: they have none
    GOOD = 1
    WRONG = 2
    NOT_COMPUTED = 3  # form 2 with an EDC of 0, which is legal


@dataclass(frozen=True, slots=True)
class Check:
    """Findings for n sectors, arrays of shape (n,).

    `kind` and `edc` hold `SectorKind` and `EdcState`. `header_ok`: the address is one, and the one
    expected. `p_ok` and `q_ok` are True where there is no parity and where it was not looked at
    (see `parity_checked`). `proven`: sync, address and EDC are right. `wrong`: a data sector that
    contradicts itself or its place; audio never is. `regenerable`: mode 1, and every one of the
    2352 bytes follows from address and user data; known only if an LBA was given.
    """

    kind: Kinds
    sync_ok: Flags
    header_ok: Flags
    edc: EdcStates
    p_ok: Flags
    q_ok: Flags
    parity_checked: Flags
    regenerable: Flags
    proven: Flags
    wrong: Flags

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def data_ok(self) -> Flags:
        """Where the EDC vouches for the user data, be sync or address right or not."""
        good: Flags = self.edc == EdcState.GOOD
        return good

    @property
    def parity_wrong(self) -> Flags:
        """Where P or Q is wrong."""
        return ~(self.p_ok & self.q_ok)


def check(raw: Bytes2D, lba: int | None = None, *, parity: bool = True) -> Check:
    """Check (n, 2352) raw sectors of which nothing is known; without a sync they are audio.

    `lba` is where the first belongs. Without `parity`, P and Q are looked at only where the EDC is
    wrong or proves nothing: five times faster, and `regenerable` is then False.
    """
    return _check(as_raw(raw), lba, parity, data=False)


def check_data(raw: Bytes2D, lba: int | None = None, *, parity: bool = True) -> Check:
    """As `check`, for sectors of a data track: those without a sync are NO_SYNC and wrong.

    A sector of which at most four bytes of the sync are damaged is taken for what its header says.
    """
    return _check(as_raw(raw), lba, parity, data=True)


def whole(raw: Bytes2D, lba: int) -> Flags:
    """(n,): data sectors of which every byte is right: EDC, P and Q, address, and the mode byte.

    Of the header of mode 2 neither EDC nor parity knows anything; the upper bits of the mode byte
    are for the link blocks of packet writing, which then do not count.
    """
    found = check_data(raw, lba)
    right: Flags = found.proven & ~found.parity_wrong & (raw[:, MODE] <= _MODE_BITS)
    return right


def regenerable(raw: Bytes2D, lba: int) -> Flags:
    """(n,): mode 1 sectors that `to_raw` makes, bit for bit, of their user data and address.

    That is: sync, the header of that LBA, EDC, zeros behind it, P and Q all as they must be.
    """
    return check(raw, lba).regenerable


def edc_check(raw: Bytes2D, kind: Kinds | None = None) -> EdcStates:
    """(n,) of `EdcState`, and nothing else: the cheap path. `kind`: if known already."""
    raw = as_raw(raw)
    if kind is None:
        kind = classify(raw)
    return _edc_states(raw, kind)


def sync_ok(raw: Bytes2D) -> Flags:
    """(n,): whether the twelve bytes of sync are right."""
    words = as_raw(raw).view("<u4")
    right: Flags = words[:, 0] == 0xFFFFFF00
    right &= words[:, 1] == 0xFFFFFFFF
    right &= words[:, 2] == 0x00FFFFFF
    return right


def header_ok(raw: Bytes2D, lba: int | None = None) -> Flags:
    """(n,): whether the address is BCD minute, second, frame; with `lba`, that of each sector."""
    address = raw[:, HEADER:MODE]
    if lba is not None:
        same = address == lba_msf(lba, len(raw))
    else:
        limits = np.array((0x99, 0x59, 0x74), np.uint8)
        same = ((address & 15) < 10) & (address <= limits)
    right: Flags = same.all(axis=1)
    return right


def classify(raw: Bytes2D, *, data: bool = False) -> Kinds:
    """(n,) of `SectorKind`. `data`: they are of a data track, see `check_data`."""
    raw = as_raw(raw)
    return _classify(raw, sync_ok(raw), data=data)


def _classify(raw: Bytes2D, synced: Flags, *, data: bool) -> Kinds:
    table = np.full(32, SectorKind.INVALID_MODE, np.uint8)
    table[:3] = SectorKind.MODE0, SectorKind.MODE1, SectorKind.MODE2
    kind: Kinds = np.take(table, raw[:, MODE] & _MODE_BITS)
    if not synced.all():
        lost = ~synced
        if data:
            rows = np.flatnonzero(lost)
            matching = (raw[rows, :HEADER] == SYNC_ROW).sum(axis=1)
            lost[rows] = matching < _SYNC_BYTES_NEEDED
        kind[lost] = SectorKind.NO_SYNC if data else SectorKind.AUDIO
    rows = np.flatnonzero(kind == SectorKind.MODE2)
    if len(rows):
        kind[rows] = _forms(raw, rows)
    return kind


def _forms(raw: Bytes2D, rows: npt.NDArray[np.intp]) -> Kinds:
    """The form of mode 2 sectors, by their subheader, which is there twice in an XA sector.

    Where its two copies disagree, the EDC decides; failing that, copies of which at least half
    agrees are a damaged subheader, others no subheader.
    """
    heads = raw[rows, SUBHEADER : SUBHEADER + 8]
    same = (heads[:, :4] == heads[:, 4:]).sum(axis=1)
    form2 = heads[:, SUBMODE - SUBHEADER] & FORM2_BIT != 0
    kind = np.where(form2, SectorKind.MODE2_FORM2, SectorKind.MODE2_FORM1).astype(np.uint8)
    for at in np.flatnonzero(same < 4).tolist():
        row = [int(rows[at])]
        if edc_ok(raw, FORM1_RANGE, row)[0]:
            kind[at] = SectorKind.MODE2_FORM1
        elif edc_ok(raw, FORM2_RANGE, row)[0]:
            kind[at] = SectorKind.MODE2_FORM2
        elif same[at] < 2:
            kind[at] = SectorKind.MODE2
    return kind


def _edc_states(raw: Bytes2D, kind: Kinds) -> EdcStates:
    states = np.zeros(len(raw), np.uint8)
    for which, covered in (
        (SectorKind.MODE1, MODE1_RANGE),
        (SectorKind.MODE2_FORM1, FORM1_RANGE),
        (SectorKind.MODE2_FORM2, FORM2_RANGE),
    ):
        mine = kind == which
        count = np.count_nonzero(mine)
        if count == len(raw):
            states[:] = np.where(edc_ok(raw, covered), EdcState.GOOD, EdcState.WRONG)
        elif count:
            good = edc_ok(raw, covered, np.flatnonzero(mine).tolist())
            states[mine] = np.where(good, EdcState.GOOD, EdcState.WRONG)
    absent = (kind == SectorKind.MODE2_FORM2) & (states == EdcState.WRONG)
    if absent.any():
        absent &= raw.view("<u4")[:, EDC_FORM2 // 4] == 0
        states[absent] = EdcState.NOT_COMPUTED
    return states


def _parity(raw: Bytes2D, kind: Kinds, wanted: Flags) -> tuple[Flags, Flags]:
    """P right and Q right where `wanted`, True elsewhere."""
    form1: Flags = kind == SectorKind.MODE2_FORM1
    if wanted.all():
        return p_q_ok(raw, mode2=form1)
    p_ok, q_ok = np.ones(len(raw), np.bool_), np.ones(len(raw), np.bool_)
    if wanted.any():
        p_ok[wanted], q_ok[wanted] = p_q_ok(raw[wanted], mode2=form1[wanted])
    return p_ok, q_ok


def _check(raw: Bytes2D, lba: int | None, parity: bool, *, data: bool) -> Check:
    words = raw.view("<u4")
    synced = sync_ok(raw)
    kind = _classify(raw, synced, data=data)
    header = header_ok(raw, lba)
    edc = _edc_states(raw, kind)
    form1 = kind == SectorKind.MODE2_FORM1
    empty = form1 & (words[:, EDC_FORM1 // 4] == 0)
    wanted: Flags = form1 | (kind == SectorKind.MODE1)
    if not parity:
        wanted &= (edc == EdcState.WRONG) | empty
    p_ok, q_ok = _parity(raw, kind, wanted)
    framed = synced & header
    sound = _sound(raw, kind, edc, ~empty | (p_ok & q_ok))
    return Check(
        kind,
        synced,
        header,
        edc,
        p_ok,
        q_ok,
        wanted,
        _regenerable(words, kind, framed & sound & wanted & p_ok & q_ok, lba),
        framed & sound,
        _wrong(kind, framed, edc, sound),
    )


def _sound(raw: Bytes2D, kind: Kinds, edc: EdcStates, trusted: Flags) -> Flags:
    """Where the content proves itself: a good EDC, or the zeros of mode 0."""
    sound: Flags = (edc == EdcState.GOOD) & trusted
    rows = np.flatnonzero(kind == SectorKind.MODE0)
    if len(rows):
        sound[rows] = ~raw[rows, BODY:].any(axis=1)
    return sound


def _regenerable(words: Words, kind: Kinds, sound: Flags, lba: int | None) -> Flags:
    if lba is None:
        return np.zeros(len(kind), np.bool_)
    at = INTERMEDIATE // 4
    exact: Flags = sound & (kind == SectorKind.MODE1)
    exact &= (words[:, HEADER // 4] >> 24) == 1  # all of the mode byte
    exact &= (words[:, at] | words[:, at + 1]) == 0
    return exact


def _wrong(kind: Kinds, framed: Flags, edc: EdcStates, sound: Flags) -> Flags:
    wrong: Flags = (edc == EdcState.WRONG) | (~framed & (kind != SectorKind.AUDIO))
    wrong |= (kind == SectorKind.NO_SYNC) | (kind == SectorKind.INVALID_MODE)
    wrong |= (kind == SectorKind.MODE0) & ~sound
    return wrong
