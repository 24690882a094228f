# SPDX-License-Identifier: Apache-2.0
"""Where things lie in a raw sector of 2352 bytes (ECMA-130, clause 14; CD-ROM XA for the forms).

::

    mode 1         sync 0–11 | header 12–15 | data 16–2063 | EDC 2064 | zeros 2068 | P 2076 | Q 2248
    mode 2 form 1  sync, header | subheader 16–23 | data 24–2071 | EDC 2072 | P 2076 | Q 2248
    mode 2 form 2  sync, header | subheader 16–23 | data 24–2347 | EDC 2348
    mode 2 formless, mode 0      sync, header | 2336 bytes
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from imagerd.disc.msf import LBA_MAX, LBA_MIN, PREGAP
from imagerd.disc.source import Bytes2D

RAW: Final = 2352
USER: Final = 2048
FORM2_USER: Final = 2324
SUB: Final = 96

SYNC: Final = bytes([0]) + bytes([255]) * 10 + bytes([0])
SYNC_ROW: Final = np.frombuffer(SYNC, np.uint8)
HEADER: Final = 12
MODE: Final = 15
BODY: Final = 16  # what follows the header
SUBHEADER: Final = 16
SUBMODE: Final = 18  # and its copy at 22
FORM2_BIT: Final = 0x20
XA_DATA: Final = 24
EDC_MODE1: Final = 2064
INTERMEDIATE: Final = 2068  # 8 bytes of zero in mode 1
EDC_FORM1: Final = 2072
EDC_FORM2: Final = 2348
P_PARITY: Final = 2076
Q_PARITY: Final = 2248

Flags: TypeAlias = npt.NDArray[np.bool_]  # (n,)

_WRAP: Final = 100 * 60 * 75


def as_raw(raw: Bytes2D) -> Bytes2D:
    """`raw` as a contiguous (n, 2352) array of bytes; copied only where it must be.

    Raises `ValueError` for another shape: a bug of the caller's.
    """
    if raw.ndim != 2 or raw.shape[1] != RAW:
        raise ValueError(f"raw sectors have the shape (n, {RAW}), not {raw.shape}")
    return np.ascontiguousarray(raw, dtype=np.uint8)


@cache
def msf_table() -> Bytes2D:
    """(450000, 3) BCD minute, second, frame of every count of sectors below 100 minutes."""
    bcd = np.arange(100)
    bcd = (bcd // 10 << 4 | bcd % 10).astype(np.uint8)
    parts: Bytes2D = np.empty((100, 60, 75, 3), np.uint8)
    parts[..., 0] = bcd[:, None, None]
    parts[..., 1] = bcd[:60, None]
    parts[..., 2] = bcd[:75]
    table = parts.reshape(_WRAP, 3)
    table.flags.writeable = False
    return table


def lba_msf(lba: int, count: int) -> Bytes2D:
    """(count, 3) BCD addresses of the sectors from `lba`, as headers and Q hold them.

    LBAs -45150 … 449849; below -150 they come out as 90:00:00 … 99:59:74 (MMC-6, table 691).
    Raises `ValueError` outside.
    """
    if lba < LBA_MIN or lba + count - 1 > LBA_MAX:
        raise ValueError(f"LBA {lba}+{count} has no MSF")
    first = lba + PREGAP
    table = msf_table()
    rows = np.arange(first, first + count) % _WRAP
    return table[first : first + count] if first >= 0 else np.take(table, rows, axis=0)
