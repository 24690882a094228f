# SPDX-License-Identifier: Apache-2.0
"""One command at a time: read, judge, keep, account. Passes decide where; this decides nothing.

The one place that talks to the drive, so that what holds for every read is said once: the disc is
still the same, the budget is not spent, bytes are kept before the map knows of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imagerd.base.errors import DriveLost, NoMedium, WrongDisc
from imagerd.base.progress import Progress
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import Fault, FaultKind, Sectors, SectorState
from imagerd.recovery.budget import Budget, Clock, End, Halt
from imagerd.recovery.evidence import Why
from imagerd.recovery.geometry import Geometry
from imagerd.recovery.journal import Attempt, Flags, Runs
from imagerd.recovery.judge import Judge, Verdict
from imagerd.recovery.reader import PLAINLY, Approach, Outcome, Reader, Reading, Row
from imagerd.recovery.sectormap import GOOD
from imagerd.recovery.workspace import Workspace

_CHECKPOINT = 30.0  # seconds between barriers
_RETRIES = 4  # of a command that a unit attention or a bus error kept from being carried out
_PATIENCE = 90.0  # seconds for a drive that is becoming ready (bad discs spin up long)
_LONGEST_PAUSE = 30.0
_DEAF = 12  # bus errors in a row after which the drive counts as lost
_READINGS = 2048  # suspect data sectors whose latest reading is remembered for the repair


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask for beside the bytes."""

    c2: bool = False
    sub: bool = False


class Effort:
    """The state of a run; handed to each pass."""

    def __init__(
        self,
        reader: Reader,
        workspace: Workspace,
        budget: Budget,
        should_stop: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self.reader, self.workspace, self.budget, self.clock = reader, workspace, budget, clock
        self.map = workspace.map
        self.judge = Judge(workspace.layout)
        self.geometry = Geometry(workspace.layout)
        self.batch = max(reader.max_sectors(workspace.stored), 1)
        self.should_stop = should_stop
        self.on_damage = False  # set by passes that only work on damage
        self.damage_seconds = 0.0
        self.commands = 0
        self.current = workspace.map.start
        self.readings: dict[int, Reading] = {}  # the latest of suspect data sectors
        self._wanted = Wanted(workspace.job.features.c2, workspace.job.features.sub)
        self._generation = reader.media_generation
        self.gave_up = End.ATTEMPTS  # why the passes left what is bad
        self._speed = 0
        self._timeouts = self._bus_errors = 0
        self._checkpointed = clock.monotonic()
        self._recent: deque[tuple[float, int]] = deque(maxlen=64)

    # -- for passes ------------------------------------------------------------------------

    def read(self, lba: int, count: int, approach: Approach = PLAINLY) -> Outcome:
        """Send one command for sectors of one zone, and keep what it brings.

        Raises `Halt` when the run must end before it, `WrongDisc`, `NoMedium`, `DriveLost`, and
        `NotAvailable` if the workspace cannot be written.
        """
        self.check()
        self._prepare(lba, approach)
        began = self.clock.monotonic()
        good_before = self.map.count(*GOOD)
        result = self._carried_out(self._request(lba, count, approach), approach)
        if result.sectors is not None and len(result.sectors):
            self._keep(result, count, approach)
        if result.fault is not None:
            self._keep_failure(result, lba, count, approach)
        took = self.clock.monotonic() - began
        gained = self.map.count(*GOOD) - good_before
        self._account(lba + count, gained, took, result)
        got = 0 if result.sectors is None else len(result.sectors)
        return Outcome(got, gained, result.fault, max(result.seconds, 0.0))

    def zone_end(self, lba: int) -> int:
        """Where the zone of `lba` ends: a command must not cross it."""
        return self.judge.zone_at(lba).end

    def zone_begin(self, lba: int) -> int:
        """Where the zone of `lba` begins."""
        return self.judge.zone_at(lba).begin

    def is_data(self, lba: int) -> bool:
        """Whether `lba` lies in a data track of a CD."""
        return self.workspace.layout.is_cd and self.judge.zone_at(lba).data

    def progress(self, what: str) -> Progress:
        """Good sectors of all."""
        return Progress(self.map.count(*GOOD), len(self.map), "sectors", what)

    def rate(self) -> float:
        """Sectors a second gained by the last commands."""
        seconds = sum(took for took, _ in self._recent)
        return sum(count for _, count in self._recent) / seconds if seconds else 0.0

    def seconds_left(self) -> float | None:
        """Of the budget for damage; None: no limit."""
        if self.budget.seconds is None:
            return None
        return max(self.budget.seconds - self.damage_seconds, 0.0)

    def checkpoint(self) -> None:
        """Make all that was kept survive a power failure."""
        self.workspace.checkpoint()
        self._checkpointed = self.clock.monotonic()

    def full_speed(self) -> None:
        """Take back what an approach asked of the drive."""
        if self._speed:
            self._speed = 0
            self._apply_speed()

    # -- before the command ----------------------------------------------------------------

    def check(self) -> None:
        """Raise `Halt` if the run must end; make a checkpoint if it is time for one."""
        if self.should_stop():
            raise Halt(End.STOPPED)
        if self.on_damage and self.seconds_left() == 0.0:
            raise Halt(End.TIME)
        if self.clock.monotonic() - self._checkpointed >= _CHECKPOINT:
            self.checkpoint()

    def _prepare(self, lba: int, approach: Approach) -> None:
        if approach.times != self._speed:
            self._speed = approach.times
            self._apply_speed()
        if approach.flush:
            # Away from where we read: a seek, and nothing is read that was read before.
            span = self.map.end - self.map.start
            far = lba + span // 2 if lba - self.map.start < span // 2 else lba - span // 2
            self.reader.flush_cache(far)

    def _apply_speed(self) -> None:
        self.reader.set_speed(self.geometry.kb_s(self._speed) if self._speed else None)

    def _request(self, lba: int, count: int, approach: Approach) -> ReadRequest:
        raw = self.workspace.layout.is_cd
        # Where EDC speaks C2 tells less, so there it is only asked for where damage is known.
        c2 = raw and self._wanted.c2 and (self.on_damage or not self._has_edc(lba))
        return ReadRequest(
            lba,
            count,
            raw=raw,
            c2=c2 and not approach.as_audio,
            sub=raw and self._wanted.sub and not approach.as_audio,
            as_audio=approach.as_audio,
        )

    def _has_edc(self, lba: int) -> bool:
        """Whether the sectors around `lba` are sure to: not audio, nor what may be, nor mode 2,
        whose form 2 need not have one.
        """
        zone, track = self.judge.zone_at(lba), self.workspace.layout.track_at(lba)
        return zone.data and not zone.loose and (track is None or track.mode is not TrackMode.MODE2)

    # -- the command -----------------------------------------------------------------------

    def _carried_out(self, request: ReadRequest, approach: Approach) -> ReadResult:
        """The result of `request`, sent again while a drive's state keeps it from being tried.

        What came before a failure is kept before that: the drive may not give it again.
        """
        waited, pause, retries = 0.0, 0.25, 0
        while True:
            self.commands += 1
            result = self.reader.attempt(request)
            self._same_disc(result.fault)
            fault = result.fault
            if fault is None or fault.kind not in (FaultKind.NOT_READY, FaultKind.TRANSPORT):
                break
            if fault.sense is not None and fault.sense[0] == 6 and retries < _RETRIES:
                retries += 1
                self._keep_before(result, request, approach)
                self._apply_speed()  # a reset forgets it
                continue
            if fault.kind is FaultKind.TRANSPORT and retries >= _RETRIES:
                break
            if self.should_stop():
                self._keep_before(result, request, approach)
                raise Halt(End.STOPPED)
            if waited >= _PATIENCE:
                break
            retries += fault.kind is FaultKind.TRANSPORT
            self._keep_before(result, request, approach)
            self.clock.sleep(pause)
            waited, pause = waited + pause, min(pause * 2, 5.0)
        self._back_off(result.fault)
        return result

    def _same_disc(self, fault: Fault | None) -> None:
        if fault is not None and fault.sense is not None and fault.sense[:2] == (2, 0x3A):
            raise NoMedium("The disc is gone from the drive; put it back to go on with the job.")
        changed = fault is not None and fault.sense is not None and fault.sense[:2] == (6, 0x28)
        if changed or self.reader.media_generation != self._generation:
            raise WrongDisc(
                "The disc was changed while it was read; put the first one back to go on."
            )

    def _back_off(self, fault: Fault | None) -> None:
        """Give a drive that hangs a rest that grows; give up one that the bus cannot reach."""
        hung = fault is not None and fault.kind is FaultKind.TIMEOUT
        self._timeouts = self._timeouts + 1 if hung else 0
        if hung:
            self.clock.sleep(min(0.5 * 2**self._timeouts, _LONGEST_PAUSE))
        broken = fault is not None and fault.kind is FaultKind.TRANSPORT
        self._bus_errors = self._bus_errors + 1 if broken else 0
        if self._bus_errors >= _DEAF:
            raise DriveLost("The bus to the drive fails again and again; check cable and power.")

    # -- after the command -----------------------------------------------------------------

    def _keep(self, result: ReadResult, asked: int, approach: Approach) -> None:
        block = result.sectors
        assert block is not None
        verdict = self.judge.judge(block, as_audio=approach.as_audio)
        self._remember(block, verdict)
        worst = Why(int(verdict.why.max()))
        flags = Flags.ALONE if asked == 1 else Flags.NONE
        attempt = Attempt(
            block.lba,
            len(block),
            runs_of(verdict),
            self.clock.unix(),
            result.seconds,
            worst,
            approach=approach.number,
            flags=flags,
        )
        self.workspace.commit(attempt, verdict.data, block.sub)

    def _keep_before(self, result: ReadResult, request: ReadRequest, approach: Approach) -> None:
        """Keep what came of a command that is sent again, or not at all."""
        if result.sectors is not None and len(result.sectors):
            self._keep(result, request.count, approach)

    def _keep_failure(self, result: ReadResult, lba: int, count: int, approach: Approach) -> None:
        fault = result.fault
        assert fault is not None
        if approach.as_audio and fault.kind is FaultKind.REFUSED:
            return  # that says something of the drive, nothing of the sector
        got = 0 if result.sectors is None else len(result.sectors)
        attempt = Attempt(
            lba + got,
            count - got,
            ((count - got, SectorState.FAILED),),
            self.clock.unix(),
            result.seconds,
            Why.of(fault.kind),
            fault.sense,
            approach.number,
            Flags.ALONE if count == 1 else Flags.NONE,
        )
        self.workspace.commit(attempt, None)

    def _remember(self, block: Sectors, verdict: Verdict) -> None:
        if verdict.plain or not self.is_data(block.lba):
            return
        for row in np.flatnonzero(verdict.why).tolist():
            if len(self.readings) < _READINGS or block.lba + row in self.readings:
                c2 = None if block.c2 is None else block.c2[row].copy()
                self.readings[block.lba + row] = Reading(verdict.data[row].copy(), c2)

    def _account(self, end: int, gained: int, took: float, result: ReadResult) -> None:
        self.current = end
        self._recent.append((took, gained))
        if self.on_damage or result.fault is not None:
            # A simulated drive tells the time that it would have taken: the longer one counts.
            self.damage_seconds += max(took, result.seconds)


def runs_of(verdict: Verdict) -> Runs:
    """The states of a verdict as runs."""
    states = verdict.states
    edges = np.flatnonzero(np.diff(states, append=255)) + 1
    result: list[tuple[int, SectorState]] = []
    begin = 0
    for end in edges.tolist():
        result.append((end - begin, SectorState(int(states[begin]))))
        begin = end
    return tuple(result)


__all__ = [
    "PLAINLY",
    "Approach",
    "Effort",
    "Outcome",
    "Reader",
    "Reading",
    "Row",
    "Wanted",
    "runs_of",
]
