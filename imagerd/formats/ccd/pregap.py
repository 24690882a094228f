# SPDX-License-Identifier: Apache-2.0
"""Where a pregap begins, as Q tells it: CloneCD leaves INDEX 0 out of its .ccd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imagerd.disc.msf import to_bcd
from imagerd.formats.datafile import DataFile
from imagerd.sectors.geometry import SUB
from imagerd.sectors.subchannel import q_crc_ok

_STEP = 256  # sectors looked at in one go, backwards


def pregap_start(
    sub: DataFile, row_of: Callable[[int], int], track: int, least: int, index1: int
) -> int:
    """The LBA from which every sound position of Q up to `index1` says `track`, index 0.

    `index1` itself if there is none; `row_of` gives the number in the .sub of an LBA. Rows whose
    CRC is wrong say nothing; of those that hold a code instead of a position, P tells a pause.
    """
    found, end = index1, index1
    while end > least:
        begin = max(least, end - _STEP)
        channels, _ = sub.rows(row_of(begin) * SUB, end - begin, SUB)
        q = np.ascontiguousarray(channels[:, 12:24])
        sound = q_crc_ok(q)
        position = sound & (q[:, 0] & 15 == 1)
        own = position & (q[:, 1] == to_bcd(track)) & (q[:, 2] == 0)
        own |= sound & ~position & (channels[:, :12] == 0xFF).all(axis=1)
        others = np.flatnonzero(position & ~own)
        after = int(others[-1]) + 1 if len(others) else 0
        rows = np.flatnonzero(own[after:])
        if len(rows):
            found = begin + after + int(rows[0])
        if len(others) or not len(rows):
            break
        end = begin
    return found
