# SPDX-License-Identifier: Apache-2.0
"""The damage of a CD in bulk, past the drive's own correction.

A drive that corrects gives a sector or, after a dozen tries, nothing; half a second for each. Read
uncorrected, the same stretch passes by as fast as the disc turns, every sector comes with its
errors and their C2 pointers, and what one reading lacks the next one may have. So the damage of a
whole zone is worked on with the tools of `conclude`, for the price of reading it a few times. Audio
comes like that anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from imagerd.base.progress import Task
from imagerd.disc.ranges import from_mask
from imagerd.recovery.confirming import Confirm
from imagerd.recovery.effort import Effort
from imagerd.recovery.evidence import Why
from imagerd.recovery.passes import Pass
from imagerd.recovery.reader import Approach
from imagerd.recovery.sectormap import NOT_GOOD
from imagerd.recovery.stuck import is_stuck

_SPEEDS = (0, 16, 8, 4)
_MOST_READINGS = 3  # at one speed
_WORTH_IT = 0.02  # of what is bad, to be gained by a reading
_FEW = 8  # bad sectors are few: they can be visited one by one


class Stream(Pass):
    """Reads what is bad on a CD as it is on the disc, at one speed after another."""

    name = "streaming"
    on_damage = True
    spares = True

    def needed(self, effort: Effort) -> bool:
        """Not where a protection shows: what is meant is clear when all was tried plainly."""
        return effort.unfinished and not effort.protected

    def run(self, effort: Effort) -> Task[None]:
        """Leaves what no combination of readings proves SUSPECT, what cannot be read FAILED."""
        for data in (True, False):
            if _bad(effort, data) > _FEW:
                raw = effort.drive.ways_to_raw() if data else Approach()
                if raw is not None:
                    yield from self._speeds(effort, raw, data)

    def _speeds(self, effort: Effort, raw: Approach, data: bool) -> Task[None]:
        for times in _SPEEDS:
            for number in range(_MOST_READINGS):
                before = _bad(effort, data)
                yield from self._reading(effort, replace(raw, times=times), data)
                # What one reading of audio brings the next one must confirm.
                more = number == 0 and not data
                if before - _bad(effort, data) < max(before * _WORTH_IT, 1) and not more:
                    break
            if not data:
                yield from Confirm().run(effort)

    def _reading(self, effort: Effort, approach: Approach, data: bool) -> Task[None]:
        for stretch in _joined(effort, data):
            at = stretch.start
            while at < stretch.stop:
                count = min(effort.batch - 1, stretch.stop - at, effort.zone_end(at) - at)
                first = at == stretch.start
                outcome = effort.read(at, max(count, 1), replace(approach, flush=first))
                effort.drive.cache_is_stubborn |= outcome.cached
                yield effort.progress(f"{self.name} {approach.name}")
                # What stopped the command is left for a visit of its own.
                at += outcome.got + 1 if outcome.failed else max(count, 1)


def _stretches(effort: Effort, data: bool) -> Iterator[range]:
    """What is not good in zones of data, or of audio, is not bad on purpose, and hangs no drive."""
    if not effort.workspace.layout.is_cd:
        return
    for run in effort.map.ranges(NOT_GOOD):
        at = run.start
        while at < run.stop:
            end = min(effort.zone_end(at), run.stop)
            if effort.is_data(at) is data and not _left_alone(effort, at):
                yield range(at, end)
            at = end


def _left_alone(effort: Effort, lba: int) -> bool:
    """Whether a sector is bad on purpose, or hangs the drive."""
    story = effort.map.errors.at(lba)
    hangs = story is not None and story.why in (Why.TIMEOUT, Why.REFUSED)
    return hangs or lba in effort.in_vain


def _joined(effort: Effort, data: bool) -> list[range]:
    """What is worth another reading; as one where less than a turn lies between.

    To skip that takes a turn, too, and audio that is passed by is confirmed on the way.
    """
    joined: list[range] = []
    for stretch in _stretches(effort, data):
        worth_it = [not is_stuck(effort.keeper, lba) for lba in stretch]
        for part in from_mask(stretch.start, np.array(worth_it)):
            last = joined[-1] if joined else None
            if last is not None and _passed_by(effort, range(last.stop, part.start)):
                joined[-1] = range(last.start, part.stop)
            else:
                joined.append(part)
    return joined


def _passed_by(effort: Effort, gap: range) -> bool:
    """Whether a gap is short, of one zone with its ends, and holds nothing better left alone."""
    return (
        len(gap) <= effort.geometry.spiral.sectors_per_turn(gap.start)
        and gap.stop < effort.zone_end(gap.start - 1)
        and not any(
            _left_alone(effort, lba)
            for run in effort.map.ranges(NOT_GOOD, gap.start, gap.stop)
            for lba in run
        )
    )


def _bad(effort: Effort, data: bool) -> int:
    return sum(len(stretch) for stretch in _stretches(effort, data))
