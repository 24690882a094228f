# SPDX-License-Identifier: Apache-2.0
"""The passes: where to read next. Area first, damage last.

A pass looks at the map, asks the `Effort` for one command after another and yields after each. It
keeps nothing of its own: a run that was cut short begins anew with the first pass, and each finds
only what is left for it to do. A list of passes is a schedule; another list is another strategy.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Protocol

import numpy as np
import numpy.typing as npt

from imagerd.base.progress import Task
from imagerd.disc.source import FaultKind, SectorState
from imagerd.recovery.budget import End
from imagerd.recovery.effort import Approach, Effort, Outcome
from imagerd.recovery.evidence import Why
from imagerd.recovery.sectormap import BAD

_UNREAD = (SectorState.UNREAD,)
_FAILED = (SectorState.FAILED,)
_SLOW = 8.0  # times the usual time of a command: the drive is in trouble though it succeeds
_SLOW_AT_LEAST = 2.0  # seconds
_MOST_SKIPPED = 100  # at most a hundredth of the disc is skipped at once
_FEW_VISITS = 2  # rounds that visit a sector which hangs the drive or which it refuses


class Pass(Protocol):
    """One way of going over the disc."""

    @property
    def name(self) -> str:
        """For people and for the journal."""
        ...

    @property
    def on_damage(self) -> bool:
        """Whether all its time counts as spent on damage."""
        ...

    def run(self, effort: Effort) -> Task[None]:
        """Read what this pass is for. Ends by itself, or by the exceptions of `Effort.read`."""
        ...


class FirstPass:
    """Forward at full speed in the largest commands; where it fails or crawls, skip ahead.

    The skip is one turn of the disc at first and doubles with each trouble in a row: a scratch
    across the turns is left soon, and a ruined zone costs a few commands.
    """

    name = "reading"
    on_damage = False

    def run(self, effort: Effort) -> Task[None]:
        """Leaves skipped sectors UNREAD, and those of failed commands FAILED."""
        at, turns, usual = effort.map.start, 1, 0.0
        while (run := effort.map.find(_UNREAD, at, effort.map.end)) is not None:
            at = run.start
            while at < run.stop:
                count = _command(effort, at, run.stop)
                outcome = effort.read(at, count)
                yield effort.progress(self.name)
                at += count
                if outcome.failed or _crawls(outcome, usual):
                    at += _skip(effort, at, turns)
                    turns *= 2
                else:
                    turns = 1
                    usual = usual * 0.95 + outcome.seconds * 0.05 if usual else outcome.seconds


class Delimit:
    """Backward into what was skipped, up to the first trouble: damage gets its far edge."""

    name = "delimiting"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Reads each UNREAD stretch from its end until a command fails."""
        for stretch in reversed(list(effort.map.ranges(_UNREAD))):
            end = stretch.stop
            while end > stretch.start:
                begin = max(end - effort.batch, effort.zone_begin(end - 1), stretch.start)
                outcome = effort.read(begin, end - begin)
                yield effort.progress(self.name)
                end = begin
                if outcome.failed:
                    break


class Sweep:
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
                effort.read(at, count)
                yield effort.progress(self.name)
                at += count


class Trim:
    """Sector by sector from both edges of each failed stretch, up to a bad one."""

    name = "trimming"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Only sectors that no command has yet tried alone."""
        for stretch in list(_not_tried_alone(effort)):
            # An edge that touches a sector known to be bad is known already.
            last = stretch.start - 1
            if not _known_bad(effort, stretch.start - 1):
                for last in stretch:
                    outcome = effort.read(last, 1)
                    yield effort.progress(self.name)
                    if outcome.failed:
                        break
            if _known_bad(effort, stretch.stop):
                continue
            for lba in range(stretch.stop - 1, last, -1):
                outcome = effort.read(lba, 1)
                yield effort.progress(self.name)
                if outcome.failed:
                    break


class Scrape:
    """Every sector of failed commands, one by one."""

    name = "scraping"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Afterwards every FAILED sector has failed alone."""
        for stretch in list(_not_tried_alone(effort)):
            for lba in stretch:
                effort.read(lba, 1)
                yield effort.progress(self.name)


class Retry:
    """Rounds over the bad list, each sector once a round, every round with another approach.

    Neighbours in time are far apart on the disc, so each read comes after a seek: many drives give
    the same answer for ever to one who hammers at an address.
    """

    name = "retrying"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Ends when nothing is bad, or by the budget's attempts or rounds without gain."""
        ladder = approaches(effort)
        barren = 0
        for number in range(effort.budget.attempts - 1):
            approach = ladder[number % len(ladder)]
            if not effort.map.count(*BAD):
                return
            before = effort.map.count(*BAD)
            # Turned with each time through the ladder, or one of even length would repeat itself.
            backward = (number + number // len(ladder)) % 2 == 0
            for lba in _visits(effort, approach, number, backward=backward):
                outcome = effort.read(lba, 1, approach)
                yield effort.progress(f"{self.name}, round {number + 1}, {approach.name}")
                if _refused(outcome) and approach.as_audio:
                    break  # this drive does not read data as audio
            barren = barren + 1 if effort.map.count(*BAD) == before else 0
            if number + 1 >= len(ladder) and barren >= effort.budget.rounds_without_gain:
                effort.gave_up = End.NO_GAIN
                return


def approaches(effort: Effort) -> tuple[Approach, ...]:
    """The ladder of the rounds: each speed of the budget, back and forth, and data as audio."""
    speeds = effort.budget.retry_speeds or (0,)
    ladder = [
        Approach(
            number + 1,
            f"at {times}x" if times else "at full speed",
            times,
            flush=True,
        )
        for number, times in enumerate(speeds)
    ]
    if any(track.is_data for track in effort.workspace.layout.tracks) and (
        effort.workspace.layout.is_cd
    ):
        ladder.append(Approach(len(ladder) + 1, "as audio", speeds[-1], flush=True, as_audio=True))
    return tuple(ladder)


def _visits(effort: Effort, approach: Approach, number: int, *, backward: bool) -> Iterator[int]:
    """The bad sectors in an order with seeks between: the two halves of the list in turn."""
    parts = [np.arange(r.start, r.stop, dtype=np.int32) for r in effort.map.ranges(BAD)]
    bad: npt.NDArray[np.int32] = np.concatenate(parts)
    if backward:
        bad = bad[::-1]
    half = (len(bad) + 1) // 2
    for pair in zip_longest(bad[:half], bad[half:]):
        for lba in pair:
            if lba is not None and _worth_a_visit(effort, int(lba), approach, number):
                yield int(lba)


def _worth_a_visit(effort: Effort, lba: int, approach: Approach, number: int) -> bool:
    if approach.as_audio and not effort.is_data(lba):
        return False
    story = effort.map.errors.at(lba)
    if story is None or approach.as_audio:
        return True
    return number < _FEW_VISITS or story.why not in (Why.TIMEOUT, Why.REFUSED)


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


def _refused(outcome: Outcome) -> bool:
    return outcome.fault is not None and outcome.fault.kind is FaultKind.REFUSED
