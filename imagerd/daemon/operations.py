# SPDX-License-Identifier: Apache-2.0
"""What callers may ask of the daemon: the API's `Operations` over scheduler, catalog and rig."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import msgspec

from imagerd import __version__
from imagerd.archive.sweep import is_at_work
from imagerd.archive.world import drive_name
from imagerd.base.errors import BadInput
from imagerd.base.space import free_bytes
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import Job, JobState
from imagerd.catalog.states import OPEN, RETRYABLE
from imagerd.daemon.hub import Hub, notice
from imagerd.daemon.loading import Loaders
from imagerd.daemon.protocol import (
    DriveView,
    JobView,
    LoaderView,
    Notice,
    Status,
    VirtualAdd,
    VirtualInsert,
    VirtualView,
)
from imagerd.daemon.rig import Rig
from imagerd.daemon.scheduler import Scheduler

_MOST_JOBS = 500


class Desk:
    """Answers the calls. Blocking work is done in threads, so the loop stays free."""

    def __init__(
        self,
        scheduler: Scheduler,
        catalog: Catalog,
        rig: Rig,
        loaders: Loaders,
        hub: Hub,
        watching: Callable[[], str],
    ) -> None:
        self._scheduler = scheduler
        self._catalog = catalog
        self._rig = rig
        self._loaders = loaders
        self._hub = hub
        self._started = datetime.now(UTC)
        self._watching = watching

    def status(self) -> Status:
        """The daemon as a whole."""
        folder = self._scheduler.config.archive.folder
        return Status(
            version=__version__,
            pid=os.getpid(),
            started=self._started,
            archive=str(folder),
            free=free_bytes(folder),
            watching=self._watching(),
            drives=tuple(self.drives()),
            loaders=tuple(self.loaders()),
        )

    def drives(self) -> list[DriveView]:
        """The drives that are watched."""
        return [slot.view() for slot in self._scheduler.slots]

    async def eject(self, drive: str) -> DriveView:
        """Open a tray."""
        slot = await self._scheduler.eject(drive)
        return slot.view()

    async def jobs(self, *, everything: bool) -> list[JobView]:
        """Jobs, newest first, with the live progress of those that run."""
        wanted = JobState if everything else OPEN
        found = await asyncio.to_thread(self._catalog.jobs.list, wanted, limit=_MOST_JOBS)
        return [self._view(job) for job in found]

    async def job(self, job: str) -> JobView:
        """One job, by the beginning of its id."""
        return self._view(await asyncio.to_thread(self._catalog.jobs.find, job))

    async def cancel(self, job: str) -> JobView:
        """End a job; the worker writes the state if one works on it."""
        found = await asyncio.to_thread(self._catalog.jobs.find, job)
        if found.state not in OPEN:
            raise BadInput(f"Job {found.id[:8]} has ended already: it is {found.state}.")
        if not self._scheduler.cancel(found.id):
            if is_at_work(found, self._scheduler.config):
                raise BadInput(f"Another process works on job {found.id[:8]}; stop that one.")
            found = await asyncio.to_thread(self._catalog.jobs.cancel, found.id)
        return self._view(found)

    async def retry(self, job: str) -> JobView:
        """Take a job up again, in the drive that holds its disc."""
        found = await asyncio.to_thread(self._catalog.jobs.find, job)
        if self._scheduler.slot_of_job(found.id) is not None:
            raise BadInput(f"Job {found.id[:8]} is at work.")
        if found.state not in OPEN | RETRYABLE:
            raise BadInput(f"Job {found.id[:8]} is {found.state}: there is nothing to try again.")
        if self._scheduler.retry(found.id, found.drive.address if found.drive else ""):
            return self._view(found)
        if found.state in RETRYABLE:
            found = await asyncio.to_thread(self._catalog.jobs.retry, found.id)
        return msgspec.structs.replace(
            self._view(found), sentence="It is taken up as soon as its disc is in a drive."
        )

    async def events(self) -> AsyncIterator[Notice]:
        """The status now, then what happens."""
        yield notice("status", status=self.status())
        async for item in self._hub.listen():
            yield item

    async def virtual(self) -> list[VirtualView]:
        """The virtual drives."""
        return await asyncio.to_thread(self._rig.views)

    async def virtual_add(self, wanted: VirtualAdd) -> VirtualView:
        """Make one."""
        return await asyncio.to_thread(self._rig.add, wanted)

    async def virtual_insert(self, name: str, wanted: VirtualInsert) -> VirtualView:
        """Put a disc in."""
        return await asyncio.to_thread(self._rig.insert, name, wanted)

    async def virtual_eject(self, name: str) -> VirtualView:
        """Press the button."""
        return await asyncio.to_thread(self._rig.press_eject, name)

    async def virtual_remove(self, name: str) -> None:
        """Take one away."""
        await asyncio.to_thread(self._rig.remove, name)

    def loaders(self) -> list[LoaderView]:
        """The loaders."""
        return self._loaders.views()

    async def loader(self, name: str, verb: str) -> LoaderView:
        """Run or stop a stack."""
        return await self._loaders.command(name, verb)

    def _view(self, job: Job) -> JobView:
        slot = self._scheduler.slot_of_job(job.id)
        live = slot.job if slot is not None else None
        return JobView(
            id=job.id,
            state=job.state.value,
            drive=drive_name(job.drive.address) if job.drive is not None else "",
            name=job.disc.name if job.disc is not None else "",
            medium=job.disc.medium if job.disc is not None else "",
            created=job.created,
            ended=job.ended,
            sentence=job.error or "",
            progress=live.progress if live is not None else None,
        )
