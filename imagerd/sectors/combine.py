# SPDX-License-Identifier: Apache-2.0
"""Several readings of one sector become one: what proves itself, else a vote, else parity.

A vote by bytes can put a sector together that nobody has read whole. Bytes that no majority stands
behind are doubtful, and known to be so: to the parity of the sector they are erasures, of which it
corrects twice as many as of errors. Whatever comes out counts only if the EDC matches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.correct import Sector, correct
from imagerd.sectors.decoder import Mask, erasable
from imagerd.sectors.geometry import HEADER, INTERMEDIATE, MODE, P_PARITY, lba_msf
from imagerd.sectors.parity import generate
from imagerd.sectors.verify import check_data

_MODE_BITS: Final = 0x1F
_PROVEN: Final = 1
_WHOLE: Final = 2
_BACKED: Final = 4  # of so many bytes of parity one may be wrong
COMPUTED: Final = -1  # the origin of a byte that no reading had

Origins = npt.NDArray[np.int16]


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
    readings: Bytes2D,
    *,
    lba: int,
    mode2: bool,
    c2: Mask | None = None,
    sources: Sequence[int] | None = None,
) -> Combined | None:
    """The data sector of which `readings`, (n, 2352), are; None if it cannot be proven.

    `c2` (n, 2352): bytes that the drive flagged; they count half, and parity takes them for lost.
    `sources` (n): which of them are one source's, whose errors may be the same each time: where a
    vote of all readings leads nowhere, each source has one voice. The order of the readings does
    not matter. `lba` and `mode2` as for `correct`: a sector of another place is never taken.
    """
    order = _ordered(readings, c2)
    rows, flags = readings[order], None if c2 is None else c2[order]
    ranks = _ranks(rows, lba, mode2)
    best, rank = int(ranks.argmax()), int(ranks.max())
    if rank == _WHOLE and rows[best, MODE] <= _MODE_BITS:
        return Combined(rows[best].copy(), origins_of(rows[best], readings), How.READ)
    voices = _voices(rows, flags, None if sources is None else [sources[at] for at in order])
    votes = [_Voted.of(rows, flags)]
    if len(voices) < len(rows):
        doubtful = np.stack([voice.doubtful for voice in voices])
        votes.append(_Voted.of(np.stack([voice.row for voice in voices]), doubtful))
    for voted in votes:
        if _ranks(voted.row[np.newaxis], lba, mode2)[0] >= max(rank, _PROVEN):
            return _settled(voted.row, readings, How.VOTED, mode2)
    if rank:
        return _settled(rows[best], readings, How.READ, mode2)
    for voted in (*votes, *(replace(voice, c2=None) for voice in voices)):
        for hint in erasures(votes[0].doubtful if voted.c2 is None else voted.doubtful, voted.c2):
            mended = correct(voted.row, lba=lba, mode2=mode2, erasures=hint)
            data = None if mended is None else np.frombuffer(mended.data, np.uint8)
            if data is not None and _backed_by_parity(data, mode2):
                return _settled(data, readings, How.MENDED, mode2)
    return None


@dataclass(frozen=True, slots=True)
class _Voted:
    """What a vote says, which bytes of it are doubtful, and the flags of those who voted."""

    row: Sector
    doubtful: Mask
    c2: Mask | None

    @classmethod
    def of(cls, rows: Bytes2D, c2: Mask | None) -> _Voted:
        return cls(*vote(rows, c2), c2)


def _ordered(rows: Bytes2D, c2: Mask | None) -> list[int]:
    """The numbers of the readings, sorted by what they are."""

    def what(number: int) -> tuple[bytes, bytes]:
        return rows[number].tobytes(), b"" if c2 is None else c2[number].tobytes()

    return sorted(range(len(rows)), key=what)


def _voices(rows: Bytes2D, c2: Mask | None, sources: Sequence[int] | None) -> list[_Voted]:
    """What each source says by itself: each reading, where it is not told of which they are."""
    of: dict[int, list[int]] = {}
    for at in range(len(rows)):
        of.setdefault(at if sources is None else sources[at], []).append(at)
    voices = [_Voted.of(rows[group], None if c2 is None else c2[group]) for group in of.values()]
    return sorted(voices, key=lambda voice: (voice.row.tobytes(), voice.doubtful.tobytes()))


def vote(readings: Bytes2D, c2: Mask | None = None) -> tuple[Sector, Mask]:
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


def erasures(doubtful: Mask, c2: Mask | None) -> Iterator[Mask]:
    """Which bytes to take for lost, the likeliest first; only what parity could mend at all.

    `doubtful` is that of `vote`. C2 misses a byte now and then: what most readings flag is
    doubtful, though one does not.
    """
    if c2 is None:
        yield doubtful
        return
    mostly = doubtful | (2 * c2.sum(axis=0) > len(c2))
    if erasable(mostly):
        yield mostly
    elif erasable(doubtful):
        yield doubtful


def majority(readings: Bytes2D) -> int | None:
    """The reading with which more than half of `readings`, (n, size), agree, two at least."""
    for number, row in enumerate(readings):
        same = int((readings == row).all(axis=1).sum())
        if same > 1 and 2 * same > len(readings):
            return number
    return None


def origins_of(data: Sector, readings: Bytes2D) -> Origins:
    """The reading that each byte of `data` is from, all from one if one has them all."""
    same = readings == data
    whole = np.flatnonzero(same.all(axis=1))
    if len(whole):
        return np.full(len(data), whole[0], np.int16)
    return np.where(same.any(axis=0), same.argmax(axis=0), COMPUTED).astype(np.int16)


def _ranks(rows: Bytes2D, lba: int, mode2: bool) -> npt.NDArray[np.uint8]:
    """(n,): _WHOLE: proven, and its parity is right too; _PROVEN; 0: not, or of another place or
    mode.
    """
    found = check_data(rows)
    here = (rows[:, HEADER:MODE] == lba_msf(lba, 1)).all(axis=1)
    right = found.proven & here & ((rows[:, MODE] & _MODE_BITS == 2) == mode2)
    return np.where(right, np.where(found.parity_wrong, _PROVEN, _WHOLE), 0).astype(np.uint8)


def _settled(sector: Sector, readings: Bytes2D, how: How, mode2: bool) -> Combined:
    """A proven sector, with what the EDC does not cover as it belongs where readings disagree.

    That is the parity, and of mode 2 the upper bits of the mode byte. Where all agree it stays as
    it is: there are discs that were made with another.
    """
    data = sector.copy()
    disputed = (readings != readings[0]).any(axis=0)
    if disputed[MODE]:
        data[MODE] &= _MODE_BITS
    if check_data(data[np.newaxis]).parity_wrong[0]:
        regular = _regular(data, mode2)
        if not ((regular != data) & ~disputed).any():
            data = regular
    return Combined(data, origins_of(data, readings), how)


def _backed_by_parity(sector: Sector, mode2: bool) -> bool:
    """Whether a sector that parity mended has most of the parity that belongs to it.

    So much is tried that some EDC may match by chance; then hardly a byte of the parity does.
    """
    if not check_data(sector[np.newaxis]).parity_wrong[0]:
        return True
    same = (_regular(sector, mode2) == sector)[P_PARITY:]
    return bool(_BACKED * same.sum() >= (_BACKED - 1) * len(same))


def _regular(sector: Sector, mode2: bool) -> Sector:
    """The sector with its parity, and the zeros before it, made anew."""
    regular: Bytes2D = sector[np.newaxis].copy()
    if not mode2:
        regular[:, INTERMEDIATE:P_PARITY] = 0  # the EDC does not cover these
    generate(regular, mode2=mode2)
    row: Sector = regular[0]
    return row
