# SPDX-License-Identifier: Apache-2.0
"""EDC, the CRC-32 of data sectors (ECMA-130, 14.3).

Reflected polynomial 0xD8018001, initial value 0, no final inversion, stored little-endian. So the
EDC of a range followed by its own EDC is 0, and that of zeros is 0: only the sync (in mode 1) and
the subheader keep an empty sector from proving itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from fastcrc import crc32

from imagerd.base.digests import Buffer
from imagerd.disc.source import Bytes2D
from imagerd.sectors.geometry import (
    EDC_FORM1,
    EDC_FORM2,
    EDC_MODE1,
    RAW,
    SUBHEADER,
    Flags,
    as_raw,
)

_edc = crc32.cd_rom_edc

MODE1_RANGE: Final = (0, EDC_MODE1)  # the sync is covered, too
FORM1_RANGE: Final = (SUBHEADER, EDC_FORM1)
FORM2_RANGE: Final = (SUBHEADER, EDC_FORM2)


def edc(data: Buffer, start: int = 0) -> int:
    """EDC of `data`, continuing from `start`."""
    return _edc(data, start)


def residues(
    raw: Bytes2D, covered: tuple[int, int], rows: Iterable[int] | None = None
) -> npt.NDArray[np.uint32]:
    """EDC over the covered range *and* the stored EDC of each row (or of `rows`): 0 where right."""
    raw = as_raw(raw)
    flat = raw.reshape(-1).data
    first, last = covered[0], covered[1] + 4
    starts = range(first, raw.size, RAW) if rows is None else [RAW * r + first for r in rows]
    span = last - first
    return np.array([_edc(flat[at : at + span]) for at in starts], np.uint32)


def edc_ok(raw: Bytes2D, covered: tuple[int, int], rows: Iterable[int] | None = None) -> Flags:
    """Whether the stored EDC is that of the range `covered`: one of `MODE1_RANGE`, ….

    For form 2 a stored EDC of 0 means "not computed"; here it is simply wrong.
    """
    if rows is None and not any(_each(as_raw(raw), covered)):
        return np.ones(len(raw), np.bool_)  # nearly always, and worth being quick
    right: Flags = residues(raw, covered, rows) == 0
    return right


def _each(raw: Bytes2D, covered: tuple[int, int]) -> Iterator[int]:
    """As `residues`, one after another without a step of the interpreter's."""
    return map(_edc, map(raw.reshape(-1).data.__getitem__, _slices(len(raw), covered)))


@lru_cache(maxsize=8)
def _slices(rows: int, covered: tuple[int, int]) -> tuple[slice, ...]:
    first, last = covered[0], covered[1] + 4
    return tuple(slice(at + first, at + last) for at in range(0, rows * RAW, RAW))


def mode1_edc_ok(raw: Bytes2D) -> Flags:
    """(n,): whether each sector's EDC is right, taken as mode 1 (bytes 0–2063)."""
    return edc_ok(raw, MODE1_RANGE)


def form1_edc_ok(raw: Bytes2D) -> Flags:
    """(n,): whether each sector's EDC is right, taken as mode 2 form 1 (bytes 16–2071)."""
    return edc_ok(raw, FORM1_RANGE)


def form2_edc_ok(raw: Bytes2D) -> Flags:
    """(n,): whether each sector's EDC is right, taken as mode 2 form 2 (bytes 16–2347)."""
    return edc_ok(raw, FORM2_RANGE)


def write_edc(raw: Bytes2D, covered: tuple[int, int]) -> None:
    """Store the EDC of the range `covered` behind it, in place. `raw` must be contiguous."""
    if not raw.flags.c_contiguous or raw.shape[1] != RAW:
        raise ValueError("the EDC is written in place: give a contiguous (n, 2352) array")
    flat = raw.reshape(-1).data
    first, last = covered
    values = [_edc(flat[at + first : at + last]) for at in range(0, raw.size, RAW)]
    raw[:, last : last + 4] = np.array(values, "<u4").view(np.uint8).reshape(-1, 4)
