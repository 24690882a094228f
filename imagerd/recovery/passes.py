# SPDX-License-Identifier: Apache-2.0
"""The passes: where to read next. Area first, damage last.

A pass looks at the map, asks the `Effort` for one command after another and yields after each. It
keeps nothing of its own: a run that was cut short begins anew with the first pass, and each finds
only what is left for it to do. A list of passes is a schedule; another list is another strategy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar, Protocol

from imagerd.base.progress import Task
from imagerd.disc.source import SectorState
from imagerd.recovery.effort import Effort
from imagerd.recovery.reader import Approach, Outcome

_UNREAD = (SectorState.UNREAD,)
_FAILED = (SectorState.FAILED,)
_SLOW = 8.0  # times the usual time of a command: the drive is in trouble though it succeeds
_SLOW_AT_LEAST = 2.0  # seconds
_PATIENCE = 5.0  # seconds that may always be lost
_MOST_SKIPPED = 100  # at most a hundredth of the disc is skipped at once
_BRIEFLY = Approach(brief=True)  # the drive need not try hard where much else is still to read


class Pass(Protocol):
    """One way of going over the disc.

    `spares`: it leaves alone what is bad on purpose, so that must be known before it begins.
    """

    spares: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """For people and for the journal."""
        ...

    @property
    def on_damage(self) -> bool:
        """Whether all its time counts as spent on damage."""
        ...

    def needed(self, effort: Effort) -> bool:
        """Whether there is anything for it to do: mostly as long as a sector is not good."""
        return effort.unfinished

    def run(self, effort: Effort) -> Task[None]:
        """Read what this pass is for. Ends by itself, or by the exceptions of `Effort.read`."""
        ...


class FirstPass(Pass):
    """Forward at full speed in the largest commands; where it fails or crawls, skip ahead.

    The skip is one turn of the disc at first and doubles with each trouble in a row: a scratch
    across the turns is left soon, and a ruined zone costs a few commands. Many drives take a second
    and more to admit an error, or to get by one. Once that has cost as long as all that is left to
    read, data are read uncorrected from there on, if the drive can: nothing fails then, and parity
    is ours to use.
    """

    name = "reading"
    on_damage = False

    def run(self, effort: Effort) -> Task[None]:
        """Leaves skipped sectors UNREAD, and those of failed commands FAILED."""
        at, turns, usual, pace, asked = effort.map.start, 1, 0.0, _Pace(), False
        while (run := effort.map.find(_UNREAD, at, effort.map.end)) is not None:
            at = run.start
            while at < run.stop:
                raw = effort.drive.raw if effort.is_data(at) else None
                count = max(_command(effort, at, run.stop) - (raw is not None), 1)
                outcome = effort.read(at, count, raw or _BRIEFLY)
                yield effort.progress(self.name)
                at += count
                pace.add(outcome, count)
                if not asked and pace.lost > pace.of(effort.map.count(*_UNREAD)):
                    asked = True
                    effort.recognise()
                    if not effort.protected:  # else what is bad on purpose must show, plainly
                        effort.drive.ways_to_raw()
                if outcome.failed or _crawls(outcome, usual):
                    at += _skip(effort, at, turns)
                    turns *= 2
                else:
                    turns = 1
                    usual = usual * 0.95 + outcome.seconds * 0.05 if usual else outcome.seconds


class _Pace:
    """How fast the drive can be, and the seconds that it `lost` by being slower."""

    def __init__(self) -> None:
        self.lost = 0.0
        self._best = math.inf  # seconds a sector

    def add(self, outcome: Outcome, count: int) -> None:
        """Count one command for `count` sectors."""
        if not outcome.failed:
            self._best = min(self._best, outcome.seconds / count)
        if self._best < math.inf:
            self.lost += max(outcome.cost - self._best * count, 0.0)

    def of(self, count: int) -> float:
        """Seconds for `count` sectors at its best, with a little patience."""
        return self._best * count + _PATIENCE


class Delimit(Pass):
    """Backward into what was skipped, up to the first trouble: damage gets its far edge."""

    name = "delimiting"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Reads each UNREAD stretch from its end until a command fails."""
        for stretch in reversed(list(effort.map.ranges(_UNREAD))):
            if effort.drive.raw is not None and effort.is_data(stretch.start):
                continue  # errors are dear: it is read uncorrected
            end = stretch.stop
            while end > stretch.start:
                begin = max(end - effort.batch, effort.zone_begin(end - 1), stretch.start)
                outcome = effort.read(begin, end - begin, _BRIEFLY)
                yield effort.progress(self.name)
                end = begin
                if outcome.failed:
                    break


class Sweep(Pass):
    """All that is still UNREAD, in large commands, skipping nothing."""

    name = "sweeping"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Afterwards no sector is UNREAD."""
        at = effort.map.start
        while (run := effort.map.find(_UNREAD, at, effort.map.end)) is not None:
            at = run.start
            while at < run.stop:
                count = _command(effort, at, run.stop)
                effort.read(at, count, _BRIEFLY)
                yield effort.progress(self.name)
                at += count


class Trim(Pass):
    """From both edges of each failed stretch, up to a bad one: sector by sector, of DVD and BD by
    what is corrected together, as none of that can be read if one cannot.
    """

    name = "trimming"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Only sectors that no command has yet tried alone."""
        for stretch in list(_not_tried_alone(effort)):
            # An edge that touches a sector known to be bad is known already.
            last = stretch.start
            if not _known_bad(effort, stretch.start - 1):
                for begin, count in _units(effort, stretch):
                    outcome = effort.read(begin, count)
                    last = begin + count
                    yield effort.progress(self.name)
                    if outcome.failed:
                        break
            if _known_bad(effort, stretch.stop):
                continue
            for begin, count in reversed(list(_units(effort, range(last, stretch.stop)))):
                outcome = effort.read(begin, count)
                yield effort.progress(self.name)
                if outcome.failed:
                    break


class Scrape(Pass):
    """Every sector of failed commands, one by one; of DVD and BD every ECC block."""

    name = "scraping"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Afterwards every FAILED sector has failed alone."""
        for stretch in list(_not_tried_alone(effort)):
            for begin, count in _units(effort, stretch):
                effort.read_unit(begin, begin + count)
                yield effort.progress(self.name)


def _units(effort: Effort, stretch: range) -> Iterator[tuple[int, int]]:
    """LBA and length of what is read together in a stretch."""
    at = stretch.start
    while at < stretch.stop:
        begin, count = effort.unit(at)
        end = min(begin + count, stretch.stop)
        yield at, end - at
        at = end


def _not_tried_alone(effort: Effort) -> Iterator[range]:
    for stretch in effort.map.ranges(_FAILED):
        begin = end = stretch.start
        for story in effort.map.errors.within(stretch.start, stretch.stop):
            if story.alone == 0 and story.lba == end:
                end = story.end
                continue
            if begin < end:
                yield range(begin, end)
            begin, end = (story.end, story.end) if story.alone else (story.lba, story.end)
        if begin < end:
            yield range(begin, end)


def _known_bad(effort: Effort, lba: int) -> bool:
    if not effort.map.start <= lba < effort.map.end:
        return False
    story = effort.map.errors.at(lba)
    return story is not None and story.alone > 0 and effort.map.state(lba) is SectorState.FAILED


def _command(effort: Effort, lba: int, end: int) -> int:
    """Sectors of the next command: the most that a transfer allows, ending on a block's edge."""
    block = effort.geometry.spiral.block
    stop = min(lba + effort.batch, end, effort.zone_end(lba))
    aligned = stop - stop % block
    return (aligned if aligned > lba and stop < end else stop) - lba


def _crawls(outcome: Outcome, usual: float) -> bool:
    return bool(usual) and outcome.seconds > max(_SLOW * usual, _SLOW_AT_LEAST)


def _skip(effort: Effort, lba: int, turns: int) -> int:
    at = min(lba, effort.map.end - 1)
    most = max(len(effort.map) // _MOST_SKIPPED, 1)
    return min(turns * effort.geometry.sectors_per_turn(at), most)
