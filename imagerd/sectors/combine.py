# SPDX-License-Identifier: Apache-2.0
"""Several readings of one sector become one: what proves itself, else a vote, else parity.

A vote by bytes can put a sector together that nobody has read whole. Bytes that no majority stands
behind are doubtful, and known to be so: to the parity of the sector they are erasures, of which it
corrects twice as many as of errors. Whatever comes out counts only if the EDC matches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.correct import Sector, correct
from imagerd.sectors.decoder import Mask
from imagerd.sectors.geometry import INTERMEDIATE, MODE, P_PARITY
from imagerd.sectors.parity import generate
from imagerd.sectors.verify import check_data

_MODE_BITS: Final = 0x1F
_PROVEN: Final = 1
_WHOLE: Final = 2
COMPUTED: Final = -1  # the origin of a byte that no reading had

Origins = npt.NDArray[np.int8]


class How(StrEnum):
    """How a sector came about."""

    READ = "read"  # one reading proves itself as it is
    VOTED = "voted"  # of bytes of several readings; the EDC proves it
    MENDED = "mended"  # by parity as well; the EDC proves it


@dataclass(frozen=True, slots=True)
class Combined:
    """A proven sector: `data` (2352,), and the reading each byte is from, (2352,), or COMPUTED."""

    data: Sector
    origins: Origins
    how: How


def combine(
    readings: Bytes2D, *, lba: int, mode2: bool, c2: npt.NDArray[np.bool_] | None = None
) -> Combined | None:
    """The data sector of which `readings`, (n, 2352), are; None if it cannot be proven.

    `c2` (n, 2352): bytes that the drive flagged; they count half. `lba` and `mode2` as for
    `correct`: a sector of another place is never taken.
    """
    best = max(range(len(readings)), key=lambda n: _rank(readings[n], lba, mode2))
    rank = _rank(readings[best], lba, mode2)
    if rank == _WHOLE:
        origins = np.full(readings.shape[1], best, np.int8)
        return Combined(readings[best].copy(), origins, How.READ)
    voted, doubtful = vote(readings, c2)
    if _rank(voted, lba, mode2) >= max(rank, _PROVEN):
        return _settled(voted, readings, How.VOTED, mode2)
    if rank == _PROVEN:
        return _settled(readings[best], readings, How.READ, mode2)
    for sector in (voted, *readings):
        mended = correct(sector, lba=lba, mode2=mode2, erasures=doubtful)
        if mended is not None:
            return _settled(np.frombuffer(mended.data, np.uint8), readings, How.MENDED, mode2)
    return None


def vote(readings: Bytes2D, c2: npt.NDArray[np.bool_] | None = None) -> tuple[Sector, Mask]:
    """What most of `readings`, (n, size), say of each byte, and which bytes are doubtful.

    Doubtful is a byte for which no more than half of the weight is, or which all have flagged. The
    first reading wins a tie.
    """
    weights = np.full(readings.shape, 2, np.int16)
    if c2 is not None:
        weights -= c2
    # (n, size): how much weight is behind the value of each reading.
    behind = np.stack([((readings == row) * weights).sum(axis=0) for row in readings])
    winner = behind.argmax(axis=0)[np.newaxis]
    voted = np.take_along_axis(readings, winner, axis=0)[0]
    doubtful = 2 * behind.max(axis=0) <= weights.sum(axis=0)
    if c2 is not None:
        doubtful |= c2.all(axis=0)
    return voted, doubtful


def majority(readings: Bytes2D) -> int | None:
    """The reading with which more than half of `readings`, (n, size), agree, two at least."""
    for number, row in enumerate(readings):
        same = int((readings == row).all(axis=1).sum())
        if same > 1 and 2 * same > len(readings):
            return number
    return None


def _rank(sector: Sector, lba: int, mode2: bool) -> int:
    """_WHOLE: proven, and its parity is right too; _PROVEN; 0: not, or of another place or mode."""
    found = check_data(sector[np.newaxis], lba)
    if not found.proven[0] or (sector[MODE] & _MODE_BITS == 2) != mode2:
        return 0
    return _PROVEN if found.parity_wrong[0] else _WHOLE


def _settled(sector: Sector, readings: Bytes2D, how: How, mode2: bool) -> Combined:
    """A proven sector, with the parity that belongs to it where the readings disagree about that.

    Where they agree it stays as it is: there are discs that were made with another.
    """
    data = sector.copy()
    if check_data(data[np.newaxis]).parity_wrong[0]:
        regular = data[np.newaxis].copy()
        if not mode2:
            regular[:, INTERMEDIATE:P_PARITY] = 0  # the EDC does not cover these
        generate(regular, mode2=mode2)
        changed = regular[0] != data
        if not (changed & (readings == readings[0]).all(axis=0)).any():
            data = regular[0]
    return Combined(data, _origins(data, readings), how)


def _origins(data: Sector, readings: Bytes2D) -> Origins:
    same = readings == data
    return np.where(same.any(axis=0), same.argmax(axis=0), COMPUTED).astype(np.int8)
