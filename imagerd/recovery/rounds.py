# SPDX-License-Identifier: Apache-2.0
"""Rounds over what is bad: each sector once a round, in the way that has paid best so far.

Every way of reading is tried on a few sectors first. From then on each portion of the list gets the
way with the best yield, sectors a second of the drive, on this disc and drive; what worked once and
no longer does falls back by itself. Neighbours in time are far apart on the disc, so each read
comes after a move: many drives give the same answer for ever to one who hammers at an address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from imagerd.base.progress import Task
from imagerd.disc.source import FaultKind
from imagerd.recovery.budget import End
from imagerd.recovery.effort import Effort
from imagerd.recovery.evidence import Why
from imagerd.recovery.passes import Pass
from imagerd.recovery.reader import Approach
from imagerd.recovery.sectormap import BAD, GOOD
from imagerd.recovery.stuck import is_stuck

_SAMPLE = 12  # sectors on which a way is tried first
_PORTION = 64  # sectors before the choice is made anew
_STRIDE = 8
_FADES = 0.7  # what an earlier portion counts for, compared with the last
_FEW_VISITS = 2  # of a sector that hangs the drive or that it refuses
_SELDOM = 4  # rounds, between visits of a sector that is stuck


class Yield:
    """What a way of reading has brought: sectors gained, in seconds of the drive."""

    def __init__(self, approach: Approach) -> None:
        self.approach = approach
        self.gained = self.seconds = 0.0
        self.refused = False

    def add(self, gained: int, seconds: float) -> None:
        """Count one visit."""
        self.gained += gained
        self.seconds += seconds

    def fade(self) -> None:
        """What is long past counts less."""
        self.gained *= _FADES
        self.seconds *= _FADES

    @property
    def rate(self) -> float:
        """Sectors a second; a little better than nothing for one that has had none yet."""
        return (self.gained + 0.2) / (self.seconds + 0.5)


class Retry(Pass):
    """Works on the bad list until nothing is bad, or the budget's attempts or barren rounds end."""

    name = "retrying"
    on_damage = True
    spares = True

    def run(self, effort: Effort) -> Task[None]:
        """Sectors that are bad on purpose are left alone."""
        ways = {data: [Yield(way) for way in ways_of(effort, data=data)] for data in (True, False)}
        most = max(map(len, ways.values()))
        barren, number = 0, 0
        tried: Counter[int] = Counter()  # in this run: a new one has a budget of its own
        while effort.bad():
            visits = list(_visits(effort, number, tried))
            tried.update(visits)
            if not visits and number % _SELDOM == 0:
                return  # each has had all its attempts
            before = effort.bad()
            for data in (True, False):
                part = [lba for lba in visits if effort.is_data(lba) is data]
                yield from self._round(effort, ways[data], part, number)
            number += 1
            barren = barren + 1 if effort.bad() == before else 0
            if barren >= effort.budget.rounds_without_gain and number >= most:
                effort.gave_up = End.NO_GAIN
                return

    def _round(
        self, effort: Effort, ways: list[Yield], visits: list[int], number: int
    ) -> Task[None]:
        untried = [way for way in ways if not way.seconds]
        at = 0
        while at < len(visits):
            # While nothing pays, the ways take turns.
            way = untried.pop(0) if untried else _best(ways, number)
            size = _SAMPLE if not way.seconds else _PORTION
            way.fade()
            for lba in visits[at : at + size]:
                if effort.map.state(lba) in GOOD:
                    continue  # read along with another
                outcome = effort.visit(lba, way.approach)
                way.add(outcome.gained, outcome.cost)
                if outcome.fault is not None and outcome.fault.kind is FaultKind.REFUSED:
                    way.refused = way.approach.raw
                yield effort.progress(f"{self.name}, round {number + 1}, {way.approach.name}")
            at += size


def _best(ways: list[Yield], number: int) -> Yield:
    usable = [way for way in ways if not way.refused]
    paying = [way for way in usable if way.gained >= 0.05]
    return max(paying, key=lambda way: way.rate) if paying else usable[number % len(usable)]


def ways_of(effort: Effort, *, data: bool) -> tuple[Approach, ...]:
    """The ways of reading that this drive has for what is bad: data of a CD, or anything else."""
    speeds = tuple(dict.fromkeys((0, *effort.budget.retry_speeds)))
    plain = [Approach(times, flush=True) for times in speeds]
    raw = effort.drive.ways_to_raw() if data and _data_is_bad(effort) else None
    if raw is None:
        return tuple(plain)
    return tuple(way for one in plain for way in (one, replace(raw, times=one.times, flush=True)))


def _data_is_bad(effort: Effort) -> bool:
    return any(effort.is_data(run.start) for run in effort.map.ranges(BAD))


def _visits(effort: Effort, number: int, tried: Counter[int]) -> Iterator[int]:
    """One LBA of each unit that is bad, every eighth first, then the next to these, and so on."""
    units = dict.fromkeys(
        effort.unit(lba)[0]
        for run in effort.map.ranges(BAD)
        for lba in run
        if lba not in effort.in_vain and _worth_a_visit(effort, lba, number, tried)
    )
    lbas = list(units)
    if number % 2:
        lbas.reverse()
    for first in range(_STRIDE):
        yield from lbas[first::_STRIDE]


def _worth_a_visit(effort: Effort, lba: int, number: int, tried: Counter[int]) -> bool:
    story = effort.map.errors.at(lba)
    if story is not None and story.why in (Why.TIMEOUT, Why.REFUSED):
        return tried[lba] < _FEW_VISITS
    if tried[lba] >= effort.budget.attempts - 1:  # the first was before these rounds
        return False
    return number % _SELDOM == 0 or not is_stuck(effort.keeper, lba)
