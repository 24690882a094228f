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

from imagerd.base.progress import Task
from imagerd.recovery.effort import Effort
from imagerd.recovery.evidence import Why
from imagerd.recovery.passes import Pass
from imagerd.recovery.reader import Approach
from imagerd.recovery.sectormap import NOT_GOOD

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

    def _reading(self, effort: Effort, approach: Approach, data: bool) -> Task[None]:
        for stretch in list(_stretches(effort, data)):
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
            story = effort.map.errors.at(at)
            hangs = story is not None and story.why in (Why.TIMEOUT, Why.REFUSED)
            if effort.is_data(at) is data and at not in effort.in_vain and not hangs:
                yield range(at, end)
            at = end


def _bad(effort: Effort, data: bool) -> int:
    return sum(len(stretch) for stretch in _stretches(effort, data))
