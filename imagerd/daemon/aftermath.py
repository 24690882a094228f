# SPDX-License-Identifier: Apache-2.0
"""What the daemon does in place of a worker that died: ask the catalog, clear up, open the tray."""

from __future__ import annotations

import asyncio
from contextlib import closing

from imagerd.archive.eject import at_the_end
from imagerd.archive.stages import Outcome
from imagerd.archive.sweep import after_death, give_up
from imagerd.archive.world import World
from imagerd.base.errors import ImagerdError
from imagerd.catalog.records import JobState
from imagerd.daemon.protocol import WorkerReport
from imagerd.daemon.reports import ended_report
from imagerd.daemon.stint import Survivors
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.transport import open_transport


def survivors(world: World) -> Survivors:
    """The daemon's part, by this configuration and catalog; it works in threads."""

    def ended(address: str, job: str | None) -> WorkerReport | None:
        outcome = after_death(world, job)
        if outcome is None:
            return None
        outcome, ejected = _at_the_end(world, address, outcome)
        return ended_report(outcome, ejected=ejected)

    def left(job: str | None, state: JobState, sentence: str) -> WorkerReport:
        return ended_report(give_up(world, job, state, sentence), ejected=False)

    async def ended_later(address: str, job: str | None) -> WorkerReport | None:
        return await asyncio.to_thread(ended, address, job)

    async def left_later(job: str | None, state: JobState, sentence: str) -> WorkerReport:
        return await asyncio.to_thread(left, job, state, sentence)

    return Survivors(ended_later, left_later)


def _at_the_end(world: World, address: str, outcome: Outcome) -> tuple[Outcome, bool]:
    try:
        with closing(OpticalDrive(open_transport(address))) as drive:
            return at_the_end(drive, world.config.policy.eject, outcome)
    except ImagerdError:
        return outcome, False
