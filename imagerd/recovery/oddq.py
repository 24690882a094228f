# SPDX-License-Identifier: Apache-2.0
"""Frames of Q that are not what they should be, and which of them were made so on purpose.

A frame that was made wrong (LibCrypt, SecuROM) has a CRC that is wrong in one of two ways: the
right CRC of the bytes there, with bit 7 turned (0x0080); or the CRC that the frame would have had,
with two bits turned (0x8001), under bytes that were changed. Its neighbours are right. Early
SecuROM has rows of eight right frames from elsewhere besides, each row ended by such a frame.

One bit turns by itself in every ninety-sixth frame of single errors, the two in one of hundreds or
thousands. So a mark counts only where several stand together as made ones do, more of them the
more frames read badly. What stays doubtful is damage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from imagerd.disc.layout import Layout
from imagerd.disc.msf import PREGAP, Msf
from imagerd.disc.source import Bytes2D, SectorState, States
from imagerd.recovery.judge import q_addresses
from imagerd.sectors.geometry import Flags
from imagerd.sectors.subchannel import Q, q_crc, q_crc_ok, q_of

_CHUNK = 8192  # sectors of subchannel at a time
_MOST_ODD = 100_000  # frames; with more, the subchannel is noise and tells nothing
_SAMPLES, _SAMPLE = 16, 128  # places, and frames of each, that tell how Q lags
_TURNED, _KEPT = 0x0080, 0x8001
_ECHO = 5  # sectors from a frame of LibCrypt to its copy
_PAIRS, _PAIRS_SHARE = 3, 900
_ROW = 8  # frames from elsewhere in a row
_ROWS = 3
_SINGLES, _SINGLES_SHARE = 8, 130
# So many frames that are wrong and stand alone ask for one marked one more. By chance one in 9000
# of them has a marked one five sectors on, at worst; and one in 370 has the two bits turned.


class Made(StrEnum):
    """How a frame was made wrong."""

    TURNED = "crc-0080"  # the CRC of the bytes there, bit 7 turned
    KEPT = "crc-8001"  # the CRC that was right, two bits turned
    ELSEWHERE = "elsewhere"  # a right frame of another place
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class OddQ:
    """The 12 bytes of Q of a sector whose CRC is wrong, or that name another place (`crc_ok`).

    `alone`: the frames before and behind it are what they should be.
    """

    lba: int
    q: bytes
    crc_ok: bool = False
    alone: bool = True


@dataclass(frozen=True, slots=True)
class BadQ:
    """A frame of Q that was made wrong: the ten bytes that .sbi files hold, and its CRC.

    `rereads`: how often it was read again, and came out just the same.
    """

    lba: int
    q: bytes
    crc: bytes
    made: Made
    rereads: int = 0


def odd_frames(
    layout: Layout,
    read_sub: Callable[[int, int], Bytes2D],
    read_states: Callable[[int, int], States],
) -> tuple[OddQ, ...]:
    """Frames with a wrong CRC or of another place, by the LBA that they belong to.

    `read_sub(lba, count)` gives (count, 96) raw P–W, `read_states` (count,) of `SectorState`:
    sectors that did not come count as not there. () if the subchannel is noise.
    """
    found: list[OddQ] = []
    for area in layout.ranges():
        found += _odd_in(area, read_sub, read_states)
        if len(found) > _MOST_ODD:
            return ()
    return tuple(found)


def q_lag(area: range, read_sub: Callable[[int, int], Bytes2D]) -> int:
    """By how many sectors Q is ahead of the sectors it comes with, as most frames say."""
    votes: Counter[int] = Counter()
    for lba in range(area.start, area.stop, max(len(area) // _SAMPLES, 1)):
        count = min(_SAMPLE, area.stop - lba)
        known, address = q_addresses(q_of(read_sub(lba, count)))
        votes.update((address - np.arange(lba, lba + count))[known].tolist())
    return votes.most_common(1)[0][0] if votes else 0


def _odd_in(
    area: range,
    read_sub: Callable[[int, int], Bytes2D],
    read_states: Callable[[int, int], States],
) -> Iterator[OddQ]:
    lag = q_lag(area, read_sub)
    for lba in range(area.start, area.stop, _CHUNK):
        first, end = max(lba - 1, area.start), min(lba + _CHUNK + 1, area.stop)
        q = q_of(read_sub(first, end - first))
        there = q.any(axis=1) & (read_states(first, end - first) >= SectorState.SUSPECT)
        right = q_crc_ok(q)
        known, address = q_addresses(q)
        own = np.arange(first, end) + lag
        sound = there & right & ~(known & (address != own))
        odd = there & ~sound
        odd[: lba - first] = False
        odd[lba - first + _CHUNK :] = False
        for row in np.flatnonzero(odd).tolist():
            yield OddQ(int(own[row]), q[row].tobytes(), bool(right[row]), _alone(sound, row))


def _alone(sound: Flags, row: int) -> bool:
    return 0 < row < len(sound) - 1 and bool(sound[row - 1] and sound[row + 1])


def made_wrong(odd: OddQ, layout: Layout) -> Made:
    """How the CRC of a frame was made wrong, by its mark alone; OTHER if it just is."""
    if odd.crc_ok or len(odd.q) != Q:
        return Made.OTHER
    stored = int.from_bytes(odd.q[10:], "big")
    if stored ^ _TURNED == int.from_bytes(q_crc(odd.q[:10]), "big"):
        return Made.TURNED
    right = _right_crc(odd, layout)
    return Made.KEPT if right is not None and stored ^ _KEPT == right else Made.OTHER


def _right_crc(odd: OddQ, layout: Layout) -> int | None:
    """The CRC that a frame would have if it named its own place; None in later pauses and gaps."""
    first, track = layout.tracks[0], layout.track_at(odd.lba)
    if odd.q[0] & 15 != 1:
        return None
    if -PREGAP <= odd.lba < first.index1:
        since = first.index1 - 1 - odd.lba  # it counts down there
    elif track is not None and odd.lba >= track.index1:
        since = odd.lba - track.index1
    else:
        return None
    relative, absolute = Msf.from_frames(since), Msf.from_frames(odd.lba + PREGAP)
    right = odd.q[:3] + relative.to_bcd() + b"\0" + absolute.to_bcd()
    return int.from_bytes(q_crc(right), "big")


def intentional(
    odd: Sequence[OddQ], layout: Layout, named: Collection[int] = frozenset()
) -> tuple[BadQ, ...]:
    """The frames of `odd` (ascending) that were made wrong on purpose.

    Those at the LBAs `named` by a recogniser of protections count in any case; the others by the
    company that they keep: pairs five sectors apart (LibCrypt), rows from elsewhere with their
    ends and single frames with two bits turned (SecuROM). Random damage gives none.
    """
    marks = {frame.lba: made_wrong(frame, layout) for frame in odd if not frame.crc_ok}
    alone = {frame.lba for frame in odd if frame.alone and not frame.crc_ok}
    marked = {lba for lba in alone if marks[lba] is not Made.OTHER}
    found = _by_pairs(marked, marks, len(alone)) | _by_rows(odd, marks)
    found |= _by_number(marked - found, marks, len(alone))
    return tuple(
        BadQ(
            frame.lba,
            frame.q[:10],
            frame.q[10:],
            Made.ELSEWHERE if frame.crc_ok else marks[frame.lba],
        )
        for frame in odd
        if frame.lba in found or frame.lba in named
    )


def _by_pairs(marked: set[int], marks: dict[int, Made], alone: int) -> set[int]:
    first = {lba for lba in marked if lba + _ECHO in marked and marks[lba] is marks[lba + _ECHO]}
    if len(first) < _PAIRS + alone // _PAIRS_SHARE:
        return set()
    return first | {lba + _ECHO for lba in first}


def _by_number(marked: set[int], marks: dict[int, Made], alone: int) -> set[int]:
    found = {lba for lba in marked if marks[lba] is Made.KEPT}
    return found if len(found) >= _SINGLES + alone // _SINGLES_SHARE else set()


def _by_rows(odd: Sequence[OddQ], marks: dict[int, Made]) -> set[int]:
    """Rows of eight frames from elsewhere and the marked frame that ends each."""
    found: set[int] = set()
    row: list[int] = []
    rows = 0
    for frame in odd:
        if frame.crc_ok:
            row = [*row, frame.lba] if row and row[-1] + 1 == frame.lba else [frame.lba]
            continue
        if len(row) == _ROW and row[-1] + 1 == frame.lba and marks[frame.lba] is not Made.OTHER:
            found |= {*row, frame.lba}
            rows += 1
        row = []
    return found if rows >= _ROWS else set()
