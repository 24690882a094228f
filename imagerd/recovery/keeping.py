# SPDX-License-Identifier: Apache-2.0
"""What becomes of what a command brought: judged, kept, its doubtful rows added to the evidence.

Whenever the evidence of a sector grows, what it now says is looked at, and a sector that it is
enough for is good at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagerd.devices.reading import ReadResult
from imagerd.disc.layout import TrackMode
from imagerd.disc.ranges import from_mask
from imagerd.disc.source import FaultKind, Sectors, SectorState
from imagerd.recovery.budget import Clock
from imagerd.recovery.conclude import Kind, conclude
from imagerd.recovery.evidence import Why
from imagerd.recovery.geometry import Geometry
from imagerd.recovery.journal import Attempt, Doubt, Flags, Runs
from imagerd.recovery.judge import Judge, Verdict
from imagerd.recovery.reader import Approach, Reading, Row
from imagerd.recovery.readings import Observation, digest_of
from imagerd.recovery.sectormap import BAD
from imagerd.recovery.testimony import learned_trust, witnesses_of
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.verify import whole


@dataclass(frozen=True, slots=True)
class How:
    """How a command was carried out: the way, what was read before it (-1: not known), and whether
    the drive's cache cannot have answered it.
    """

    approach: Approach
    previous: int
    independent: bool


class Keeper:
    """Keeps what comes in a workspace."""

    def __init__(self, workspace: Workspace, clock: Clock) -> None:
        self.workspace, self._clock = workspace, clock
        self.judge = Judge(workspace.layout)
        self.geometry = Geometry(workspace.layout)
        self.trust = learned_trust(workspace, self.judge)

    def keep(self, result: ReadResult, asked: int, how: How) -> None:
        """The sectors that came, good or not."""
        block = result.sectors
        assert block is not None
        verdict = self.judge.judge(block, as_audio=how.approach.as_audio)
        if how.approach.raw:
            _require_all(verdict, block.lba)
        known = self._known(block)
        if known.any() and how.independent:
            self._compare(block, known & (verdict.why != Why.ADDRESS), result, how)
        self._hold_back(verdict, block)
        attempt = Attempt(
            block.lba,
            len(block),
            runs_of(verdict),
            self._clock.unix(),
            result.seconds,
            Why(int(verdict.why.max())),
            approach=how.approach.number,
            flags=self._alone(block.lba, asked),
        )
        doubtful = (
            [] if verdict.plain else np.flatnonzero(verdict.why.astype(bool) & ~known).tolist()
        )
        if not self.judge.zone_at(block.lba).data:  # sound bytes of another place prove nothing
            doubtful = [row for row in doubtful if verdict.why[row] != Why.ADDRESS]
        fresh = [row for row in doubtful if self._observe(block, verdict.data, row, result, how)]
        self.workspace.commit(attempt, verdict.data, block.sub)
        for row in fresh:
            self.reconsider(block.lba + row)

    def failure(self, result: ReadResult, lba: int, count: int, how: How) -> None:
        """The sectors that did not come."""
        fault = result.fault
        assert fault is not None
        if how.approach.as_audio and fault.kind is FaultKind.REFUSED:
            return  # that says something of the drive, nothing of the sector
        got = 0 if result.sectors is None else len(result.sectors)
        attempt = Attempt(
            lba + got,
            count - got,
            ((count - got, SectorState.FAILED),),
            self._clock.unix(),
            result.seconds,
            Why.of(fault.kind),
            fault.sense,
            how.approach.number,
            self._alone(lba, count),
        )
        self.workspace.commit(attempt, None)

    def confirm(self, result: ReadResult, how: How) -> None:
        """Audio that is READ was read once more: alike it is confirmed, else in doubt."""
        block = result.sectors
        assert block is not None
        here = self._known(block) & (self.judge.judge(block).why != Why.ADDRESS)
        self._compare(block, here, result, how)

    def _compare(
        self, block: Sectors, here: npt.NDArray[np.bool_], result: ReadResult, how: How
    ) -> None:
        kept = self.workspace.read_rows(block.lba, len(block))
        alike = (kept == block.data).all(axis=1) & here
        clean = np.ones(len(block), np.bool_) if block.c2 is None else ~block.c2.any(axis=1)
        for run in from_mask(block.lba, alike & clean):
            self._confirmed(run.start, len(run), result)
        other = ~(alike & clean) & here
        for row in np.flatnonzero(other).tolist():
            self._dispute(block, row, kept[row], result, how)

    def not_again(self, lba: int) -> None:
        """A sector that is READ did not come a second time: what came first is but a witness."""
        if self.workspace.map.state(lba) is SectorState.READ:
            self._demote(lba, self.workspace.read_rows(lba, 1)[0], Why.UNCONFIRMED)

    def reconsider(self, lba: int) -> bool:
        """Let the evidence of `lba` speak; whether the sector became better by it."""
        work = self.workspace
        state, kind = work.map.state(lba), self.kind_of(lba)
        if kind is None or state >= SectorState.READ:
            return False
        witnesses = witnesses_of(work.evidence, lba)
        found = conclude(witnesses, lba, kind, c2_trusted=self.trust.trusted)
        if found is None or found.state <= state:
            return False
        flags = Flags.ALONE | (Flags.REPAIRED if found.composed else Flags.NONE)
        flags |= Flags.CONFIRMED if kind is Kind.AUDIO else Flags.NONE
        attempt = Attempt(lba, 1, ((1, found.state),), self._clock.unix(), flags=flags)
        work.commit(attempt, found.data[np.newaxis])
        return True

    def kind_of(self, lba: int) -> Kind | None:
        """What can prove a sector; None where nothing of ours can: on DVD and BD."""
        layout = self.workspace.layout
        if not layout.is_cd:
            return None
        if not self.judge.zone_at(lba).data:
            return Kind.AUDIO
        track = layout.track_at(lba)
        return Kind.MODE2 if track is not None and track.mode is TrackMode.MODE2 else Kind.MODE1

    def _known(self, block: Sectors) -> npt.NDArray[np.bool_]:
        """(n,): which sectors are audio that was good before."""
        states = self.workspace.map.states(block.lba, len(block))
        audio = self.kind_of(block.lba) is Kind.AUDIO
        known: npt.NDArray[np.bool_] = (states == SectorState.READ) & audio
        return known

    def _hold_back(self, verdict: Verdict, block: Sectors) -> None:
        """Audio that was bad before is not good because it comes once: it takes two readings."""
        if self.kind_of(block.lba) is not Kind.AUDIO:
            return
        before = self.workspace.map.states(block.lba, len(block))
        held = np.isin(before, BAD) & (verdict.states == SectorState.READ)
        verdict.states[held] = SectorState.SUSPECT
        verdict.why[held] = Why.UNCONFIRMED

    def _alone(self, lba: int, asked: int) -> Flags:
        """Whether a command blames none but its sector, or its ECC block."""
        block = self.geometry.spiral.block
        a_block = block > 1 and lba % block == 0 and asked <= block
        return Flags.ALONE if asked == 1 or a_block else Flags.NONE

    # -- inside ----------------------------------------------------------------------------

    def _confirmed(self, lba: int, count: int, result: ReadResult) -> None:
        runs = ((count, SectorState.READ),)
        flags = Flags.CONFIRMED
        attempt = Attempt(lba, count, runs, self._clock.unix(), result.seconds, flags=flags)
        self.workspace.commit(attempt, None)

    def _dispute(self, block: Sectors, row: int, kept: Row, result: ReadResult, how: How) -> None:
        lba = block.lba + row
        self._demote(lba, kept, Why.DISPUTED)
        if self._observe(block, block.data, row, result, how):
            self.reconsider(lba)

    def _demote(self, lba: int, kept: Row, why: Why) -> None:
        if not self.workspace.evidence.observations(lba):
            known = self.workspace.job.features.c2
            first = Observation(lba, 0.0, 0.0, 0, -1, digest_of(kept), None, known, True)
            self._add(first, Reading(kept, np.zeros(294, np.uint8) if known else None))
        if self.workspace.map.state(lba) is SectorState.READ:
            self.workspace.doubt(Doubt(lba, 1, self._clock.unix(), why))

    def _observe(
        self,
        block: Sectors,
        data: npt.NDArray[np.uint8],
        row: int,
        result: ReadResult,
        how: How,
    ) -> bool:
        lba = block.lba + row
        if self.kind_of(lba) is None:
            return False
        c2 = None if block.c2 is None else block.c2[row].copy()
        seen = Observation(
            lba,
            self._clock.unix(),
            result.seconds,
            how.approach.number,
            how.previous,
            digest_of(data[row]),
            None,
            c2 is not None and not c2.any(),
            how.independent or not self.workspace.evidence.observations(lba),
        )
        return self._add(seen, Reading(data[row].copy(), c2))

    def _add(self, seen: Observation, reading: Reading) -> bool:
        audio = self.kind_of(seen.lba) is Kind.AUDIO
        if audio:
            self.trust.compare(reading, [r for _, r in self.workspace.evidence.readings(seen.lba)])
        new = self.workspace.observe(seen, reading)
        return new or (audio and seen.independent)


def _require_all(verdict: Verdict, lba: int) -> None:
    """What came uncorrected must be right as a whole: the EDC leaves out the parity itself."""
    wrong = (verdict.states == SectorState.PROVEN) & ~whole(verdict.data, lba)
    verdict.states[wrong] = SectorState.SUSPECT
    verdict.why[wrong] = Why.EDC


def runs_of(verdict: Verdict) -> Runs:
    """The states of a verdict as runs."""
    states = verdict.states
    edges = np.flatnonzero(np.diff(states, append=255)) + 1
    starts = np.concatenate(([0], edges[:-1]))
    return tuple(
        (int(end - start), SectorState(int(states[start])))
        for start, end in zip(starts, edges, strict=True)
    )
