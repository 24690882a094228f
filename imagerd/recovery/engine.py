# SPDX-License-Identifier: Apache-2.0
"""From a drive to an image as complete as the budget allows.

>>> with Workspace.create(folder, job) as work:            # doctest: +SKIP
...     result = run(recover(drive, work, Budget()))
...     source = WorkSource(work)                          # whatever happened, this can be written
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from imagerd import __version__
from imagerd.base.errors import ImagerdError
from imagerd.base.progress import Progress, Task
from imagerd.devices.knowledge.c2 import C2Counts
from imagerd.disc.source import SectorState
from imagerd.recovery.budget import Budget, Clock, End, Halt
from imagerd.recovery.confirming import Confirm, doubt_unconfirmed
from imagerd.recovery.effort import Effort
from imagerd.recovery.job import DriveRecord
from imagerd.recovery.journal import Note
from imagerd.recovery.passes import Delimit, FirstPass, Pass, Scrape, Sweep, Trim
from imagerd.recovery.reader import Reader, drive_record
from imagerd.recovery.repair import Repair
from imagerd.recovery.rounds import Retry
from imagerd.recovery.sectormap import NOT_GOOD
from imagerd.recovery.streaming import Stream
from imagerd.recovery.workspace import Workspace

SCHEDULE: tuple[Pass, ...] = (
    FirstPass(),
    Delimit(),
    Stream(),
    Sweep(),
    Trim(),
    Scrape(),
    Confirm(),
    Retry(),
    Confirm(),  # what the rounds showed to be damaged has neighbours, too
    Repair(),
)
SYSTEM_CLOCK = Clock()


class RunNote(msgspec.Struct, frozen=True):
    """Journal note "run": a process began to work on the job, in `drive`."""

    time: float
    software: str
    drive: DriveRecord


class PassNote(msgspec.Struct, frozen=True):
    """Journal notes "pass" (begun) and "end" (left, finished or not), with sectors by state."""

    name: str
    time: float
    counts: dict[str, int]
    end: str = ""


@dataclass(frozen=True, slots=True)
class RecoveryStatus:
    """How a run stands. Sectors by state; `rate` in sectors a second; `bad` FAILED and SUSPECT."""

    what: str
    counts: dict[SectorState, int]
    current: int
    rate: float
    commands: int
    bad: int
    damage_seconds: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """What a run came to. `end` says why it ended; `repaired` counts sectors corrected by us."""

    end: End
    counts: dict[SectorState, int]
    repaired: int
    commands: int
    damage_seconds: float

    @property
    def complete(self) -> bool:
        """Whether every sector is read or proven."""
        return not any(self.counts[state] for state in NOT_GOOD)

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop; it can be resumed."""
        return self.end is End.STOPPED


class Recovery:
    """One run over a job. `run` once; `status` at any time."""

    def __init__(
        self,
        drive: Reader,
        workspace: Workspace,
        budget: Budget,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        schedule: Sequence[Pass] = SCHEDULE,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._workspace, self._budget, self._schedule, self._clock = (
            workspace,
            budget,
            tuple(schedule),
            clock,
        )
        self._effort = Effort(drive, workspace, budget, should_stop, clock)
        self._what = ""

    def status(self) -> RecoveryStatus:
        """How it stands just now."""
        effort = self._effort
        return RecoveryStatus(
            self._what,
            effort.map.counts(),
            effort.current,
            effort.rate(),
            effort.commands,
            effort.bad(),
            effort.damage_seconds,
            effort.seconds_left(),
        )

    def c2_counts(self) -> C2Counts:
        """What the drive's C2 pointers said of data sectors of which it is known by now."""
        return self._effort.judge.c2.counts(self._effort.map)

    def run(self) -> Task[RecoveryResult]:
        """Work through the schedule. Ends with a checkpoint, whatever happens.

        Raises `WrongDisc`, `NoMedium`, `DriveLost`, or `NotAvailable` when the workspace cannot be
        written; the job can be resumed after each.
        """
        drive = drive_record(self._effort.reader)
        self._note("run", RunNote(self._clock.unix(), __version__, drive))
        try:
            end = yield from self._passes()
        except (ImagerdError, GeneratorExit):
            with suppress(ImagerdError):  # a full disk, a drive that is gone: the first error tells
                self._effort.checkpoint()
                self._effort.drive.restore()
            raise
        if end is not End.STOPPED:
            self.settle()
        self._effort.drive.restore()
        self._effort.checkpoint()
        return RecoveryResult(
            end,
            self._effort.map.counts(),
            len(self._effort.map.repaired),
            self._effort.commands,
            self._effort.damage_seconds,
        )

    def settle(self) -> None:
        """Doubt audio that was read once where that is not enough: before an image is made."""
        doubt_unconfirmed(self._effort)

    def _passes(self) -> Generator[Progress, None, End]:
        effort, over = self._effort, None
        for number, step in enumerate(self._schedule, 1):
            if over is not None and step.on_damage:
                continue
            if step.spares and effort.unfinished:
                effort.recognise()
            if not step.needed(effort):
                continue
            effort.on_damage = step.on_damage
            self._begin_pass(number, step)
            try:
                for progress in step.run(effort):
                    self._what = f"pass {number}: {progress.what}"
                    yield Progress(progress.done, progress.total, progress.unit, self._what)
            except Halt as halt:
                self._end_pass(step, halt.end.value)
                if halt.end is not End.TIME:
                    return halt.end
                over = halt.end  # for damage; what was read is confirmed all the same
                continue
            self._end_pass(step, "")
            effort.checkpoint()
        if not effort.unfinished:
            return End.COMPLETE
        return over or effort.gave_up

    def _begin_pass(self, number: int, step: Pass) -> None:
        self._what = f"pass {number}: {step.name}"
        self._note("pass", PassNote(step.name, self._clock.unix(), self._counts()))

    def _end_pass(self, step: Pass, end: str) -> None:
        self._note("end", PassNote(step.name, self._clock.unix(), self._counts(), end))

    def _counts(self) -> dict[str, int]:
        return {state.name.lower(): n for state, n in self._effort.map.counts().items()}

    def _note(self, kind: str, body: msgspec.Struct) -> None:
        self._workspace.note(Note(kind, msgspec.json.encode(body)))


def recover(
    drive: Reader,
    workspace: Workspace,
    budget: Budget,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    schedule: Sequence[Pass] = SCHEDULE,
    clock: Clock = SYSTEM_CLOCK,
) -> Task[RecoveryResult]:
    """One run over a job, as a task; `Recovery` tells more on the way."""
    return Recovery(
        drive, workspace, budget, should_stop=should_stop, schedule=schedule, clock=clock
    ).run()
