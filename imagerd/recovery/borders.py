# SPDX-License-Identifier: Apache-2.0
"""Where a CD-R was written in more than one piece: run-out, link and run-in blocks.

A recorder that stops and goes on leaves seven blocks: two of run-out, one link, four of run-in
(MMC-6, 4.2.3.8; Orange Book, part II). None holds content, and few drives read them. They lie
behind every track written at once, the run-out before its end, the rest in the pause of the next
track; and behind every packet. Where they are unreadable that is no damage: they are named for
what they are. Their sectors stay as bad as they are.

That it is such a place is told by the drive, which knows the disc for a recordable one, or by the
blocks themselves: bits 7–5 of the mode byte say which of the seven a block is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from imagerd.devices.mmc_config import Profile
from imagerd.disc.layout import Track
from imagerd.disc.msf import PREGAP
from imagerd.disc.source import SectorState
from imagerd.recovery.sectormap import BAD
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.geometry import MODE
from imagerd.sectors.verify import header_ok, sync_ok

PROFILE_LABEL: Final = "profile"  # a job's label: the current profile when it was begun
_RECORDABLE = (Profile.CD_R, Profile.CD_RW)
_RUN_OUT, _LINK = 2, 7  # blocks: of run-out, and of all that a link takes
_PACKETS = (16, 32, 64)  # blocks of fixed packets
_LINKS = 4  # in a row that make a pattern
_INDICATOR = 5  # the shift of the block indicator in a mode byte
_FIRST_RUN_OUT = 7  # 6 is the second; 5 the link, 4 to 1 are the run-in


class Border(StrEnum):
    """What blocks between two pieces of writing are."""

    RUN_OUT = "run-out"
    LINK = "link"  # with its run-in


@dataclass(frozen=True, slots=True)
class BorderRange:
    """`count` bad sectors from `lba` that hold no content, and how that is known."""

    lba: int
    count: int
    kind: Border
    track: int
    how: str


def borders(work: Workspace) -> tuple[BorderRange, ...]:
    """The bad sectors of a job that are run-out, link or run-in; reads nothing from the drive."""
    if not work.layout.is_cd:
        return ()
    found: list[BorderRange] = []
    recordable = _is_recordable(work)
    for session in work.layout.sessions:
        for number, track in enumerate(session.tracks):
            runs = tuple(work.map.ranges(BAD, track.start, track.end))
            following = session.tracks[number + 1 : number + 2]
            end = following[0].index1 if following else session.lead_out
            told = _told_by_blocks(work, runs, track)
            if recordable:
                told += _at_end(runs, track, end, last=not following)
                told += _between_packets(runs, track)
            found += _once(told)
    return tuple(sorted(found, key=lambda part: part.lba))


def expected(work: Workspace) -> tuple[range, ...]:
    """The LBAs of `borders`, for whoever decides what to read again."""
    return tuple(range(part.lba, part.lba + part.count) for part in borders(work))


def _is_recordable(work: Workspace) -> bool:
    label = work.job.labels.get(PROFILE_LABEL, "")
    try:
        return int(label, 16) in _RECORDABLE
    except ValueError:
        return False


def _told_by_blocks(work: Workspace, runs: Iterable[range], track: Track) -> list[BorderRange]:
    """Short runs right beside which a good block names itself."""
    found = []
    for run in runs:
        if len(run) > _LINK or not track.is_data:
            continue
        first = max(run.start - _LINK, track.start)
        named = _indicators(work, first, min(run.stop + _LINK, track.end))
        parts = [_part_of(lba, named) for lba in run]
        if all(part is not None for part in parts):
            for lba, part in zip(run, parts, strict=True):
                assert part is not None
                kind = Border.RUN_OUT if part < _RUN_OUT else Border.LINK
                how = "A block beside it says so."
                found.append(BorderRange(lba, 1, kind, track.number, how))
    return found


def _part_of(lba: int, named: dict[int, int]) -> int | None:
    """Which of the seven blocks `lba` is, from 0, as the nearest block that names itself says."""
    for other in sorted(named, key=lambda at: abs(at - lba)):
        part = named[other] + lba - other
        return part if 0 <= part < _LINK else None
    return None


def _indicators(work: Workspace, begin: int, end: int) -> dict[int, int]:
    """Blocks that name themselves, by LBA: 0 the first run-out … 2 the link … 6 the last run-in."""
    rows = work.read_rows(begin, end - begin)
    there = sync_ok(rows) & header_ok(rows, begin)
    there &= work.map.states(begin, end - begin) >= SectorState.READ
    marks = rows[:, MODE] >> _INDICATOR
    return {
        begin + row: _FIRST_RUN_OUT - int(marks[row])
        for row in np.flatnonzero(there & (marks > 0)).tolist()
    }


def _at_end(runs: Sequence[range], track: Track, end: int, *, last: bool) -> list[BorderRange]:
    """The last two blocks of a session; between tracks written at once all seven."""
    first = end - _RUN_OUT if last else end - PREGAP - _RUN_OUT
    run_out = range(first, first + _RUN_OUT)
    link = range(run_out.stop, end if last else run_out.start + _LINK)
    found = []
    for run in runs:
        if run.start >= run_out.start and run.stop <= link.stop and run_out.start > track.index1:
            how = "It lies where a track that was written at once ends."
            for kind, zone in ((Border.RUN_OUT, run_out), (Border.LINK, link)):
                found += _inside(run, zone, kind, track, how)
    return found


def _between_packets(runs: Sequence[range], track: Track) -> list[BorderRange]:
    """Short runs at the distance of fixed packets, as good as all of the track's."""
    short = [run for run in runs if len(run) <= _LINK]
    for packet in _PACKETS:
        period = packet + _LINK
        places = Counter(run.start % period for run in short)
        if not places:
            return []
        place, votes = places.most_common(1)[0]
        links = [run for run in short if run.start % period == place]
        due = (links[-1].start - links[0].start) // period + 1
        if votes >= _LINKS and votes * 10 >= len(short) * 9 and votes * 2 >= due:
            how = f"Such blocks recur every {period} sectors, behind packets of {packet}."
            return [
                BorderRange(run.start, len(run), Border.LINK, track.number, how) for run in links
            ]
    return []


def _inside(run: range, zone: range, kind: Border, track: Track, how: str) -> list[BorderRange]:
    begin, end = max(run.start, zone.start), min(run.stop, zone.stop)
    return [BorderRange(begin, end - begin, kind, track.number, how)] if begin < end else []


def _once(told: Iterable[BorderRange]) -> Iterator[BorderRange]:
    """Each sector under the first rule that names it, neighbours of one kind joined."""
    joined: list[BorderRange] = []
    seen: set[int] = set()
    for part in told:
        lbas = range(part.lba, part.lba + part.count)
        if seen.intersection(lbas):
            continue
        seen.update(lbas)
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.lba + before.count == part.lba
            and (before.kind, before.how) == (part.kind, part.how)
        ):
            joined[-1] = BorderRange(
                before.lba, before.count + part.count, part.kind, part.track, part.how
            )
        else:
            joined.append(part)
    return iter(joined)
