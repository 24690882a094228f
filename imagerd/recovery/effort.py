# SPDX-License-Identifier: Apache-2.0
"""One command at a time: read, judge, keep, account. Passes decide where; this decides nothing.

The one place that talks to the drive, so that what holds for every read is said once: the disc is
still the same, the budget is not spent, bytes are kept before the map knows of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from imagerd.base.errors import DriveLost, NoMedium, WrongDisc
from imagerd.base.progress import Progress
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import Fault, FaultKind
from imagerd.recovery.budget import Budget, Clock, End, Halt
from imagerd.recovery.keeping import How, Keeper
from imagerd.recovery.protection.facts import Channel
from imagerd.recovery.protection.recognise import recognise_in
from imagerd.recovery.purpose import bad_on_purpose
from imagerd.recovery.reader import PLAINLY, Approach, Outcome, Reader
from imagerd.recovery.scrambled import attempt_scrambled
from imagerd.recovery.sectormap import BAD, GOOD, NOT_GOOD, RangeSet
from imagerd.recovery.settings import Settings
from imagerd.recovery.workspace import Workspace

_CHECKPOINT = 30.0  # seconds between barriers
_RETRIES = 4  # of a command that a unit attention or a bus error kept from being carried out
_PATIENCE = 90.0  # seconds for a drive that is becoming ready (bad discs spin up long)
_LONGEST_PAUSE = 30.0
_DEAF = 12  # bus errors in a row after which the drive counts as lost
_CACHED = 0.0015  # seconds: no disc turns so fast that a sector comes by in less, after a move
_CACHED_SECTOR = 1 / (72 * 75)  # seconds: nor is any CD read so fast


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
        self.keeper = Keeper(workspace, clock)
        self.judge = self.keeper.judge
        self.geometry = self.keeper.geometry
        self.drive = Settings(reader, workspace, self.geometry, self.judge)
        self.batch = max(reader.max_sectors(workspace.stored), 1)
        self.should_stop = should_stop
        self.on_damage = False  # set by passes that only work on damage
        self.damage_seconds = 0.0
        self.commands = 0
        self.current = workspace.map.start
        self.in_vain = RangeSet()  # sectors that are bad on purpose
        self.protected = False  # a protection shows that has made some so
        self.read_again = RangeSet()  # audio of which a second reading was tried
        self.gave_up = End.ATTEMPTS  # why the passes left what is bad
        self._wanted = Wanted(workspace.job.features.c2, workspace.job.features.sub)
        self._generation = reader.media_generation
        self._previous = -1
        self._sectorwise = False  # this drive reads part of an ECC block
        self._timeouts = self._bus_errors = 0
        self._checkpointed = clock.monotonic()
        self._recent: deque[tuple[float, int]] = deque(maxlen=64)

    # -- for passes ------------------------------------------------------------------------

    def read(self, lba: int, count: int, approach: Approach = PLAINLY) -> Outcome:
        """Send one command for sectors of one zone, and keep what it brings.

        Raises `Halt` when the run must end before it, `WrongDisc`, `NoMedium`, `DriveLost`, and
        `NotAvailable` if the workspace cannot be written.
        """
        return self._one(lba, count, approach, self.keeper.keep)

    def confirm(self, lba: int, count: int) -> Outcome:
        """Read sectors that are READ once more, to compare. Raises as `read` does."""

        def compare(result: ReadResult, asked: int, how: How) -> None:
            if how.independent:
                self.keeper.confirm(result, how)

        outcome = self._one(lba, count, PLAINLY, compare)
        if outcome.cached:
            outcome = self._one(lba, count, Approach(flush=True), compare)
        if outcome.cached and not self.drive.cache_is_stubborn:
            self.drive.cache_is_stubborn = True
            outcome = self._one(lba, count, Approach(flush=True), compare)
        if outcome.fault is not None and outcome.fault.kind is FaultKind.MEDIUM:
            self.keeper.not_again(lba + outcome.got)
        return outcome

    def visit(self, lba: int, approach: Approach) -> Outcome:
        """Read one sector (of DVD and BD one ECC block) past the drive's cache."""
        begin, count = self.unit(lba)
        run = self.map.find(NOT_GOOD, max(begin, lba), begin + count)
        if run is None:
            return Outcome(0, 0, None, 0.0)
        outcome = self.read_unit(run.start, run.stop, approach)
        if outcome.cached and outcome.fault is None:
            self.drive.cache_is_stubborn = True
            outcome = self.read_unit(run.start, run.stop, approach)
        return outcome

    def unit(self, lba: int) -> tuple[int, int]:
        """LBA and length of what can only be read together: of DVD and BD an ECC block."""
        block = 1 if self._sectorwise else self.geometry.spiral.block
        begin = max(lba - lba % block, self.zone_begin(lba))
        return begin, min(begin + block, self.zone_end(lba)) - begin

    def read_unit(self, begin: int, end: int, approach: Approach = PLAINLY) -> Outcome:
        """Read the sectors of one unit.

        An ECC block fails as a whole. Should some of it read all the same, this drive's blocks are
        taken apart from then on.
        """
        outcome = self.read(begin, end - begin, approach)
        if not outcome.failed or end - begin == 1:
            return outcome
        parts = [outcome]
        for lba in (end - 1, (begin + end) // 2, begin):
            if not self._sectorwise and self.map.state(lba) not in GOOD:
                parts.append(self.read(lba, 1, approach))
                self._sectorwise = not parts[-1].failed
        if self._sectorwise:
            parts += [
                self.read(lba, 1, approach)
                for lba in range(begin, end)
                if self.map.state(lba) not in GOOD
            ]
        return Outcome(
            outcome.got,
            sum(part.gained for part in parts),
            outcome.fault,
            outcome.seconds,
            sum(part.cost for part in parts),
            outcome.cached,
        )

    def recognise(self) -> None:
        """Find out what is bad on purpose, by all that is known of the disc by now."""
        findings = recognise_in(self.workspace)
        self.in_vain = bad_on_purpose(self.workspace, findings)
        self.protected = any(found.channel is Channel.SECTORS for found in findings)

    @property
    def unfinished(self) -> bool:
        """Whether any sector is not good."""
        return self.map.count(*NOT_GOOD) > 0

    def bad(self) -> int:
        """Sectors that are bad, and not on purpose."""
        return self.map.count(*BAD) - sum(
            len(run) for part in self.in_vain for run in self.map.ranges(BAD, part.start, part.stop)
        )

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

    def check(self) -> None:
        """Raise `Halt` if the run must end; make a checkpoint if it is time for one."""
        if self.should_stop():
            raise Halt(End.STOPPED)
        if self.on_damage and self.seconds_left() == 0.0:
            raise Halt(End.TIME)
        if self.clock.monotonic() - self._checkpointed >= _CHECKPOINT:
            self.checkpoint()

    # -- the command -----------------------------------------------------------------------

    def _one(
        self,
        lba: int,
        count: int,
        approach: Approach,
        keep: Callable[[ReadResult, int, How], None],
    ) -> Outcome:
        self.check()
        began = self.clock.monotonic()
        self.drive.prepare(lba, approach)
        good_before = self.map.count(*GOOD)
        result = self._carried_out(self._request(lba, count, approach), approach)
        cached = self._came_from_cache(lba, result)
        how = How(approach, self._previous, independent=not cached)
        got = 0 if result.sectors is None else len(result.sectors)
        if got:
            keep(result, count, how)
        if result.fault is not None:
            self._sectorwise |= got > 0 and (lba + got) % self.geometry.spiral.block != 0
            self.keeper.failure(result, lba, count, how)
        self._previous = lba + count - 1
        took = self.clock.monotonic() - began
        gained = self.map.count(*GOOD) - good_before
        # A simulated drive tells the time that it would have taken: the longer one counts.
        cost = max(took, result.seconds)
        self._account(lba + count, gained, took, cost, failed=result.fault is not None)
        return Outcome(got, gained, result.fault, max(result.seconds, 0.0), cost, cached)

    def _came_from_cache(self, lba: int, result: ReadResult) -> bool:
        """Whether it came too soon to have been read from the disc."""
        least = 0.0 if lba - self._previous == 1 else _CACHED
        if self.workspace.layout.is_cd and result.sectors is not None:
            least = max(least, len(result.sectors) * _CACHED_SECTOR)
        return 0 < result.seconds < least

    def _request(self, lba: int, count: int, approach: Approach) -> ReadRequest:
        raw = self.workspace.layout.is_cd
        # Where EDC speaks C2 tells less, so there it is only asked for where damage is known.
        c2 = raw and self._wanted.c2 and (self.on_damage or not self._has_edc(lba))
        return ReadRequest(
            lba,
            count,
            raw=raw,
            c2=c2,
            sub=raw and self._wanted.sub and not approach.as_audio,
            as_audio=approach.as_audio,
        )

    def _has_edc(self, lba: int) -> bool:
        """Whether the sectors around `lba` are sure to: not audio, nor what may be, nor mode 2,
        whose form 2 need not have one.
        """
        zone, track = self.judge.zone_at(lba), self.workspace.layout.track_at(lba)
        return zone.data and not zone.loose and (track is None or track.mode is not TrackMode.MODE2)

    def _sent(self, request: ReadRequest, approach: Approach) -> ReadResult:
        if approach.as_audio and self.drive.shift is not None:
            return attempt_scrambled(self.reader, request, self.drive.shift)
        return self.reader.attempt(request)

    def _carried_out(self, request: ReadRequest, approach: Approach) -> ReadResult:
        """The result of `request`, sent again while a drive's state keeps it from being tried.

        What came before a failure is kept before that: the drive may not give it again.
        """
        waited, pause, retries = 0.0, 0.25, 0
        while True:
            self.commands += 1
            result = self._sent(request, approach)
            self._same_disc(result.fault)
            fault = result.fault
            if fault is None or fault.kind not in (FaultKind.NOT_READY, FaultKind.TRANSPORT):
                break
            if fault.sense is not None and fault.sense[0] == 6 and retries < _RETRIES:
                retries += 1
                self._keep_before(result, request, approach)
                self.drive.repeat()  # a reset forgets it
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

    def _keep_before(self, result: ReadResult, request: ReadRequest, approach: Approach) -> None:
        """Keep what came of a command that is sent again, or not at all."""
        if result.sectors is not None and len(result.sectors):
            self.keeper.keep(result, request.count, How(approach, self._previous, False))

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

    def _account(self, end: int, gained: int, took: float, cost: float, *, failed: bool) -> None:
        self.current = end
        self._recent.append((took, gained))
        if self.on_damage or failed:
            self.damage_seconds += cost
