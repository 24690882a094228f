# SPDX-License-Identifier: Apache-2.0
"""Q put right in a copy: what a frame must have said, by those around it that are right.

Positions count: from a frame with a right CRC the ones beside it follow, forward and back, as long
as track and index stay (ECMA-130, 22.3.3). MCN and ISRC repeat themselves but for the frame of the
address. Of all that a damaged frame may have been, the one at the smallest bit distance is taken,
if that is small enough and no other is as near; else the frame is left as it was read. What was
read is never changed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.geometry import Flags, msf_table
from imagerd.sectors.subchannel import LEAD_OUT, Q, q_crc_ok, q_of, seal

# Of 96 bits. A frame of noise is 48 off, give or take 5: one in a thousand million comes so near.
LIMIT: Final = 16
_Q_BIT: Final = 0x40
_FRAMES: Final = 100 * 60 * 75
_NONE: Final = -1
_UNFIT: Final = Q * 8 + 1  # a distance that no frame has
_BELOW: Final = np.array([0xA0, 0x60, 0x75] * 2, np.uint8)  # minute, second, frame

Integers = npt.NDArray[np.int64]


def repair_q(
    sub: Bytes2D, *, keep: Flags | None = None, limit: int = LIMIT
) -> tuple[Bytes2D, Flags]:
    """(n, 96) raw P–W of consecutive sectors with Q put right, and (n,) which rows were.

    A copy; rows of `keep` (made wrong on purpose) and rows without any Q stay as they are. A row
    may differ from what it becomes in `limit` of its 96 bits at most. Only Q changes.
    """
    q = q_of(sub)
    right = q_crc_ok(q)
    wrong = ~right & q.any(axis=1)
    if keep is not None:
        wrong &= ~keep
    rows = np.flatnonzero(wrong)
    result = sub.copy()
    if not len(rows):
        return result, wrong
    best, distance = _nearest(q, rows, _candidates(q, rows, right))
    taken = distance <= limit
    repaired = np.zeros(len(sub), np.bool_)
    repaired[rows[taken]] = True
    bits = np.unpackbits(best[taken], axis=1) * np.uint8(_Q_BIT)
    result[repaired] = result[repaired] & np.uint8(0xFF ^ _Q_BIT) | bits
    return result, repaired


def _nearest(q: Bytes2D, rows: Integers, candidates: list[tuple[Bytes2D, Flags]]) -> tuple[
    Bytes2D, npt.NDArray[np.int64]
]:  # fmt: skip
    """The candidate at the smallest distance of each row; unfit where two are equally near."""
    best = np.zeros((len(rows), Q), np.uint8)
    least = np.full(len(rows), _UNFIT, np.int64)
    tied = np.zeros(len(rows), np.bool_)
    for made, known in candidates:
        seal(made)
        distance = np.bitwise_count(made ^ q[rows]).sum(axis=1, dtype=np.int64)
        distance[~known] = _UNFIT
        closer = distance < least
        tied |= (distance == least) & (made != best).any(axis=1)
        tied &= ~closer
        best[closer], least[closer] = made[closer], distance[closer]
    least[tied] = _UNFIT
    return best, least


def _candidates(q: Bytes2D, rows: Integers, right: Flags) -> list[tuple[Bytes2D, Flags]]:
    """What each of `rows` may have been: (m, 12) frames without CRC, and (m,) whether at all."""
    adr = q[:, 0] & 15
    places = np.flatnonzero(right & (adr == 1) & (q[:, 1] != 0) & _is_bcd(q))
    made = []
    positions = []
    for anchor in _around(places, rows):
        position, known = _position(q, rows, anchor)
        positions.append((position, known, anchor))
        made.append((position.copy(), known))
    for kind in (2, 3):
        for anchor in _around(np.flatnonzero(right & (adr == kind)), rows):
            for position, known, place in positions:
                told = q[anchor]
                told[:, 9] = position[:, 9]
                told[:, 0] = position[:, 0] & 0xF0 | kind
                there = known & (anchor != _NONE)
                if kind == 3:
                    there &= _track_near(q, places, anchor) == q[place, 1]
                made.append((told, there))
    return made


def _around(among: Integers, rows: Integers) -> tuple[Integers, Integers]:
    """Of each of `rows` the nearest of `among` before and behind it; -1 for none."""
    if not len(among):
        return np.full(len(rows), _NONE), np.full(len(rows), _NONE)
    at = np.searchsorted(among, rows)
    before = np.where(at > 0, among[np.maximum(at - 1, 0)], _NONE)
    behind = np.where(at < len(among), among[np.minimum(at, len(among) - 1)], _NONE)
    return before, behind


def _position(q: Bytes2D, rows: Integers, anchor: Integers) -> tuple[Bytes2D, Flags]:
    """The position of each row by that of `anchor`, counted on or back within track and index."""
    made = q[anchor]
    since = rows - anchor
    relative, absolute = _frames(made[:, 3:6]), _frames(made[:, 7:10])
    pause = (made[:, 2] == 0) & (made[:, 1] != LEAD_OUT)
    relative += np.where(pause, -since, since)
    absolute += since
    known: Flags = (anchor != _NONE) & (relative >= 0) & (absolute >= 0)
    known &= (relative < _FRAMES) & (absolute < _FRAMES)
    table = msf_table()
    made[:, 3:6] = table[np.where(known, relative, 0)]
    made[:, 7:10] = table[np.where(known, absolute, 0)]
    return made, known


def _track_near(q: Bytes2D, places: Integers, rows: Integers) -> npt.NDArray[np.uint8]:
    """The track of the position nearest to each row; 0 where the two around it differ."""
    before, behind = _around(places, rows)
    one = np.where(before == _NONE, q[behind, 1], q[before, 1])
    other = np.where(behind == _NONE, q[before, 1], q[behind, 1])
    return np.where(one == other, one, np.uint8(0))


def _frames(bcd: Bytes2D) -> Integers:
    values = (bcd >> 4).astype(np.int64) * 10 + (bcd & 15)
    frames: Integers = (values[:, 0] * 60 + values[:, 1]) * 75 + values[:, 2]
    return frames


def _is_bcd(q: Bytes2D) -> Flags:
    times = q[:, (3, 4, 5, 7, 8, 9)]
    right: Flags = np.all((times & 15 <= 9) & (times < _BELOW), axis=1)
    return right
