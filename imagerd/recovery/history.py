# SPDX-License-Identifier: Apache-2.0
"""What a journal tells beside the sector map: how fast it went when, and what helped.

Time is time at work: pauses between runs are left out.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import Why
from imagerd.recovery.journal import Attempt, Flags, Note, Record
from imagerd.recovery.reader import Approach

_MOST = 240  # steps: then two become one


class Timeline(msgspec.Struct, frozen=True):
    """The commands of a job in steps of `step` seconds.

    `good`: sectors that came without complaint in each; `failed`: commands that failed or brought
    doubtful sectors; `runs`: the steps in which the runs began.
    """

    step: float
    good: list[int]
    failed: list[int]
    runs: list[int]

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.step * len(self.good)


class Gain(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sectors that came good in a special way of reading: at `times` 1x (0: full speed)."""

    sectors: int
    times: int = 0
    as_audio: bool = False
    uncorrected: bool = False

    @property
    def how(self) -> str:
        """In words."""
        way = Approach(self.times, as_audio=self.as_audio, uncorrected=self.uncorrected)
        return way.name


class History:
    """Gathers the story from records, given one after another."""

    def __init__(self) -> None:
        self._step = 1.0
        self._good, self._failed, self._runs = [0], [0], list[int]()
        self._now = 0.0  # seconds at work
        self._last: float | None = None  # Unix time of the last record of this run
        self._gains: Counter[int] = Counter()

    def add(self, record: Record) -> None:
        """Take one record into account."""
        if isinstance(record, Attempt):
            self._add(record)
        elif isinstance(record, Note) and record.kind == "run":
            self._last = None
            self._runs.append(self._index())

    def timeline(self) -> Timeline:
        """By time."""
        runs = sorted({run for run in self._runs if run < len(self._good)})
        return Timeline(self._step, list(self._good), list(self._failed), runs)

    def gains(self) -> list[Gain]:
        """By the way of reading, the most helpful first."""
        ways: Counter[tuple[int, bool, bool]] = Counter()
        for number, count in self._gains.items():
            way = Approach.of(number)
            if way.times or way.raw:  # else it was the plain way, only briefer
                ways[way.times, way.as_audio, way.uncorrected] += count
        return [Gain(count, *way) for way, count in ways.most_common()]

    def _add(self, attempt: Attempt) -> None:
        passed = attempt.seconds
        if self._last is not None:  # a simulated drive tells more time than passes
            passed = max(passed, attempt.time - self._last)
        self._last = attempt.time
        self._now += passed
        index = self._index()
        while len(self._good) <= index:
            self._good.append(0)
            self._failed.append(0)
        good = sum(count for count, state in attempt.runs if state >= SectorState.READ)
        self._good[index] += good
        self._failed[index] += attempt.why is not Why.NONE
        if attempt.approach and good and not attempt.flags & Flags.REPAIRED:
            self._gains[attempt.approach] += good

    def _index(self) -> int:
        while (index := int(self._now / self._step)) >= _MOST:
            self._step *= 2
            self._good, self._failed = _paired(self._good), _paired(self._failed)
            self._runs = [run // 2 for run in self._runs]
        return index


def _paired(numbers: list[int]) -> list[int]:
    return [sum(numbers[at : at + 2]) for at in range(0, len(numbers), 2)]
