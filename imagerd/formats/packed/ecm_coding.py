# SPDX-License-Identifier: Apache-2.0
"""ECM's sectors in batches: which can be made again out of less, what is kept, and the making.

::

    kind  kept                                   of it becomes
    0     a byte                                 that byte
    1     3 address, 2048 data                   2352 bytes: a mode 1 sector
    2     4 subheader, 2048 data                 2336 bytes: mode 2 form 1, from its subheader on
    3     4 subheader, 2324 data                 2336 bytes: mode 2 form 2, from its subheader on
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.base.digests import Buffer
from imagerd.disc.source import Bytes2D
from imagerd.sectors.edc import (
    FORM1_RANGE,
    FORM2_RANGE,
    MODE1_RANGE,
    form1_edc_ok,
    form2_edc_ok,
    mode1_edc_ok,
    write_edc,
)
from imagerd.sectors.geometry import (
    BODY,
    EDC_FORM1,
    EDC_FORM2,
    EDC_MODE1,
    HEADER,
    INTERMEDIATE,
    MODE,
    P_PARITY,
    RAW,
    SUBHEADER,
    SYNC_ROW,
    XA_DATA,
    Flags,
)
from imagerd.sectors.parity import generate, p_q_ok

KEPT: Final = (1, 2051, 2052, 2328)
MADE: Final = (1, 2352, 2336, 2336)
_MOST: Final = 1 << 31
_END: Final = b"\xfc\xff\xff\xff\x3f"  # kind 0, and a count that cannot be
LITERAL_16: Final = 15 << 2  # the header of a record of 16 bytes, in front of each mode 2 body


def header(kind: int, count: int) -> bytes:
    """The header of a record of `count` units: 2 bits of kind, then count - 1 in 5, 7, 7 … bits."""
    left = count - 1
    result = bytearray([(left & 31) << 2 | kind])
    left >>= 5
    while left:
        result[-1] |= 0x80
        result.append(left & 0x7F)
        left >>= 7
    return bytes(result)


def parse_header(data: bytes | bytearray | memoryview, at: int) -> tuple[int, int, int]:
    """Kind, count, and where the payload begins; count 0 for the end of the records.

    Raises `ValueError` for a count that none has, or where `data` end.
    """
    try:
        byte = data[at]
        kind, count, shift = byte & 3, byte >> 2 & 31, 5
        while byte & 0x80:
            at += 1
            byte = data[at]
            count |= (byte & 0x7F) << shift
            shift += 7
            if shift > 33 and byte & 0x80:
                raise ValueError("the count of a record is too long")
    except IndexError:
        raise ValueError("the file ends within a record") from None
    if count == 0xFFFF_FFFF:
        return kind, 0, at + 1
    if count + 1 > _MOST:
        raise ValueError("the count of a record is too large")
    return kind, count + 1, at + 1


def end_of_records(edc: int) -> bytes:
    """The end marker, and the EDC of all that was packed."""
    return _END + edc.to_bytes(4, "little")


def kinds_of(raw: Bytes2D) -> npt.NDArray[np.uint8]:
    """(n,): as which kind each of (n, 2352) can be kept; 0 where every byte is needed."""
    kinds = np.zeros(len(raw), np.uint8)
    mode1 = (raw[:, :HEADER] == SYNC_ROW).all(1) & (raw[:, MODE] == 1)
    mode1 &= ~raw[:, INTERMEDIATE:P_PARITY].any(1)
    _mark(kinds, raw, mode1, 1)
    twice = (raw[:, SUBHEADER : SUBHEADER + 4] == raw[:, SUBHEADER + 4 : XA_DATA]).all(1)
    _mark(kinds, raw, twice & (kinds == 0), 2)
    _mark(kinds, raw, twice & (kinds == 0), 3)
    return kinds


def _mark(kinds: npt.NDArray[np.uint8], raw: Bytes2D, candidates: Flags, kind: int) -> None:
    """Set `kind` for those candidates of which EDC, and P and Q, are right."""
    rows = np.flatnonzero(candidates)
    if not len(rows):
        return
    some = raw if len(rows) == len(raw) else raw[rows]
    right = (mode1_edc_ok, form1_edc_ok, form2_edc_ok)[kind - 1](some)
    if kind != 3 and right.any():
        if not right.all():
            rows, some = rows[right], some[right]
            right = np.ones(len(rows), np.bool_)
        p_ok, q_ok = p_q_ok(some, mode2=kind == 2)
        right = p_ok & q_ok
    kinds[rows[right]] = kind


def encode(raw: Bytes2D) -> list[Buffer]:
    """The records of (n, 2352) contiguous bytes, in parts to be written one after another."""
    kinds = kinds_of(raw)
    borders = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(raw)]
    parts: list[Buffer] = []
    for start, stop in pairwise(borders):
        part = raw[start:stop]
        if len(part):
            parts.extend(_records(int(kinds[start]), part))
    return parts


def _records(kind: int, raw: Bytes2D) -> tuple[Buffer, ...]:
    if kind == 0:
        return header(0, raw.size), raw.data
    if kind == 1:
        kept = np.empty((len(raw), KEPT[1]), np.uint8)
        kept[:, :3] = raw[:, HEADER:MODE]
        kept[:, 3:] = raw[:, BODY:EDC_MODE1]
        return header(1, len(raw)), kept.data
    # Sync and header are kept as they are, so each body is a record of its own.
    records = np.empty((len(raw), 18 + KEPT[kind]), np.uint8)
    records[:, 0] = LITERAL_16
    records[:, 1:17] = raw[:, :BODY]
    records[:, 17] = kind
    records[:, 18:22] = raw[:, SUBHEADER : SUBHEADER + 4]
    records[:, 22:] = raw[:, XA_DATA : EDC_FORM1 if kind == 2 else EDC_FORM2]
    return (records.data,)


def decode(kind: int, kept: Bytes2D) -> Bytes2D:
    """(n, MADE[kind]) of (n, KEPT[kind]), for kinds 1 to 3."""
    raw = np.empty((len(kept), RAW), np.uint8)
    if kind == 1:
        make_mode1(kept, raw)
        return raw
    raw[:, :BODY] = 0
    raw[:, SUBHEADER : SUBHEADER + 4] = raw[:, SUBHEADER + 4 : XA_DATA] = kept[:, :4]
    if kind == 2:
        raw[:, XA_DATA:EDC_FORM1] = kept[:, 4:]
        write_edc(raw, FORM1_RANGE)
        generate(raw, mode2=True)
    else:
        raw[:, XA_DATA:EDC_FORM2] = kept[:, 4:]
        write_edc(raw, FORM2_RANGE)
    return raw[:, BODY:]


def make_mode1(kept: Bytes2D, raw: Bytes2D) -> None:
    """Fill `raw`, (n, 2352), from `kept`, (n, 2051)."""
    raw[:, :HEADER] = SYNC_ROW
    raw[:, HEADER:MODE] = kept[:, :3]
    raw[:, MODE] = 1
    raw[:, BODY:EDC_MODE1] = kept[:, 3:]
    raw[:, INTERMEDIATE:P_PARITY] = 0
    write_edc(raw, MODE1_RANGE)
    generate(raw)
