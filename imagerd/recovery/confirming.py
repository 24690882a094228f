# SPDX-License-Identifier: Apache-2.0
"""Audio that came without complaint, read once more where that does not suffice.

Nothing in an audio sector proves it. A drive's silence about C2 counts as long as all is well; near
damage it does not, and nowhere from a drive that was seen to miss errors, or that tells none. There
a sector is good only when two readings that the cache cannot have answered agree.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.base.progress import Task
from imagerd.disc.source import SectorState
from imagerd.recovery.effort import Effort
from imagerd.recovery.evidence import Why
from imagerd.recovery.journal import Doubt
from imagerd.recovery.passes import Pass
from imagerd.recovery.sectormap import NOT_GOOD, RangeSet

_NEAR = 300  # sectors around damage: some thirty turns at the inner edge
_READ = (SectorState.READ,)


class Confirm(Pass):
    """Reads audio near damage again; all of it, if the drive turns out to be blind."""

    name = "confirming"
    on_damage = False

    def needed(self, effort: Effort) -> bool:
        """Also where nothing is bad: of a blind drive all audio is read twice."""
        return effort.unfinished or unconfirmed(effort)

    def run(self, effort: Effort) -> Task[None]:
        """What is alike is confirmed; what differs becomes SUSPECT, with evidence of both.

        That is new damage, with neighbours of its own; and it may show that the drive is blind.
        """
        while rest := _untried(effort):
            for part in rest:
                for run in list(effort.map.ranges(_READ, part.start, part.stop)):
                    yield from self._read_again(effort, run)
                effort.read_again.add(part)

    def _read_again(self, effort: Effort, run: range) -> Task[None]:
        at = run.start
        while at < run.stop:
            count = min(effort.batch, run.stop - at, effort.zone_end(at) - at)
            outcome = effort.confirm(at, count)
            yield effort.progress(self.name)
            # A sector that no longer reads was not confirmed.
            at += outcome.got + 1 if outcome.failed else count


def _untried(effort: Effort) -> RangeSet:
    """What is unsure and was not yet read again in this run."""
    return _unsure(effort).without(effort.read_again)


def _unsure(effort: Effort) -> RangeSet:
    """Where one reading of audio is not enough: near damage; of a blind drive everywhere."""
    near = RangeSet()
    if not effort.workspace.layout.is_cd:
        return near
    start, end = effort.map.start, effort.map.end
    damage: Iterator[range] = iter([range(start, end)])
    if not effort.keeper.trust.blind:
        damage = effort.map.ranges(NOT_GOOD)
    for run in damage:
        near.add(range(max(run.start - _NEAR, start), min(run.stop + _NEAR, end)))
    audio = RangeSet()
    for track in effort.workspace.layout.tracks:
        if not track.is_data:
            for part in near:
                audio.add(range(max(part.start, track.start), min(part.stop, track.end)))
    return audio.without(effort.map.confirmed)


def unconfirmed(effort: Effort) -> bool:
    """Whether anything was read once that must be read twice, and can be tried."""
    return any(effort.map.find(_READ, part.start, part.stop) for part in _untried(effort))


def doubt_unconfirmed(effort: Effort) -> None:
    """At the end of a run: what one reading is not enough for, and has no more, is SUSPECT."""
    for part in _unsure(effort):
        for run in list(effort.map.ranges(_READ, part.start, part.stop)):
            effort.workspace.doubt(Doubt(run.start, len(run), effort.clock.unix(), Why.UNCONFIRMED))
