# SPDX-License-Identifier: Apache-2.0
"""From drive events to worker processes: one worker for each drive that holds a disc.

Everything here runs in the event loop; what blocks (a drive, a database) is done in workers or in
threads. The truth about jobs is the catalog's, written by the workers; the slots here only mirror
what they report.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imagerd.archive.watchful import has_space
from imagerd.archive.world import drive_settings
from imagerd.base.config import Config
from imagerd.base.errors import MediumError, NotAvailable, OperatorError
from imagerd.daemon.handover import WorkerOrder
from imagerd.daemon.hub import Hub, notice
from imagerd.daemon.nursery import Nursery
from imagerd.daemon.protocol import JobView, WorkerReport
from imagerd.daemon.slots import Slot
from imagerd.daemon.stint import Stint, Survivors
from imagerd.devices.watch import DriveEvent, EventKind

_log = logging.getLogger(__name__)


class Holder(Protocol):
    """The part of the watcher that keeps it away from a drive at work."""

    def hold(self, address: str) -> None:
        """Do not touch this drive."""
        ...

    def release(self, address: str, *, medium_out: bool = False) -> None:
        """Look after it again; `medium_out`: the worker has opened the tray."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the scheduler needs of the world."""

    config: Config
    hub: Hub
    holder: Holder
    eject: Callable[[str], Awaitable[None]]  # by address; raises ImagerdError
    survivors: Survivors
    nursery: Nursery


class Scheduler:
    """Starts, follows and ends the workers."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self._slots: dict[str, Slot] = {}
        self._stints: dict[str, Stint] = {}  # by address
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._reserved: dict[str, str] = {}  # by the drive as the loader's table has it

    @property
    def stopping(self) -> bool:
        """Whether nothing new is begun, as the daemon ends."""
        return self._stopping

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._world.config

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All drives, by name."""
        return tuple(sorted(self._slots.values(), key=lambda slot: slot.name))

    def hear(self, event: DriveEvent) -> None:
        """Act on a change that the watcher found."""
        slot = self._slots.get(event.address)
        if slot is None:
            if event.kind is EventKind.REMOVED:
                return
            slot = self._slots[event.address] = self._new_slot(event.address)
        match event.kind:
            case EventKind.ADDED:
                slot.lost = False
            case EventKind.REMOVED:
                self._removed(slot)
            case EventKind.MEDIUM_IN:
                slot.loaded, slot.lost, slot.sentence = True, False, ""
                self._medium_in(slot)
            case EventKind.MEDIUM_OUT:
                slot.loaded = slot.needs_space = False
                slot.space, slot.order = 0, None
            case EventKind.EJECT_REQUEST:
                self._eject_requested(slot)
        self._tell(slot)

    def find(self, name: str) -> Slot:
        """The drive that a caller means, by name or address; `NotAvailable` if there is none."""
        for slot in self._slots.values():
            if _means(name, slot):
                return slot
        known = ", ".join(slot.name for slot in self.slots) or "none"
        raise NotAvailable(f"imagerd knows no drive {name}; it watches: {known}.")

    def slot_of_job(self, job: str) -> Slot | None:
        """The drive that works on `job`, if one does."""
        for slot in self._slots.values():
            if slot.working and slot.job is not None and slot.job.id == job:
                return slot
        return None

    def reserve(self, drive: str, loader: str) -> None:
        """Leave discs in `drive` alone until `loader` begins their work; it need not be there."""
        self._reserved[drive] = loader

    def set_free(self, drive: str) -> None:
        """Begin work by insertions again."""
        self._reserved.pop(drive, None)

    def begin(self, slot: Slot, job: str | None = None, *, again: bool = False) -> None:
        """Start a worker for the disc in `slot`, unless it has one or the disk is full."""
        if slot.working or self._stopping or not slot.enabled:
            return
        config = self._world.config
        if not has_space(config, slot.space):
            slot.needs_space = True
            slot.order = slot.order if job is None else (job, again)
            slot.sentence = f"Waiting for free space in {config.archive.folder}."
            return
        slot.working, slot.needs_space, slot.space, slot.sentence = True, False, 0, ""
        slot.order = None
        slot.job = None if job is None else JobView(id=job, state="queued", drive=slot.name)
        stint = Stint(
            slot,
            WorkerOrder(slot.address, config, job, again),
            self._world.nursery,
            config.daemon.watchdog_seconds,
            self._world.survivors,
            lambda report: self._reported(slot, report),
        )
        self._spawn(self._work(slot, stint))

    async def eject(self, name: str) -> Slot:
        """Open the tray of a drive that is not at work."""
        slot = self.find(name)
        if slot.working:
            raise MediumError(f"{slot.name} is at work; cancel its job first.")
        await self._world.eject(slot.address)
        return slot

    def cancel(self, job: str) -> bool:
        """Ask the worker of `job` to end it; False if none works on it."""
        slot = self.slot_of_job(job)
        stint = self._stints.get(slot.address) if slot is not None else None
        if stint is None:
            return False
        stint.cancel()
        return True

    def retry(self, job: str, drive: str) -> bool:
        """Take `job` up again in the drive that it was in, or in the only one with a disc.

        False if there is none: then it must wait for its disc.
        """
        loaded = [s for s in self.slots if s.loaded and s.enabled and not s.working]
        slot = next((s for s in loaded if drive in (s.name, s.address)), None)
        if slot is None and len(loaded) == 1:
            slot = loaded[0]
        if slot is None or self._stopping:
            return False
        self.begin(slot, job, again=True)
        return True

    def space_may_be_back(self) -> None:
        """Begin what waited for space; called now and then."""
        for slot in self.slots:
            if slot.needs_space and slot.loaded:
                job, again = slot.order or (None, False)
                self.begin(slot, job, again=again)

    def reconfigure(self, world: Surroundings) -> None:
        """Use another configuration from the next job on."""
        self._world = world
        for slot in self._slots.values():
            slot.space = 0
            slot.enabled = self._enabled(slot)
            idle = slot.enabled and slot.loaded and not slot.working and slot.job is None
            if idle and self._reserved_for(slot) is None:
                self.begin(slot)
            self._tell(slot)

    async def stop(self) -> None:
        """Let every worker checkpoint, and wait for them."""
        self._stopping = True
        await asyncio.gather(*(stint.stop() for stint in self._stints.values()))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, slot: Slot, stint: Stint) -> None:
        """Work on one disc until its job ends, and see to what is left of it."""
        self._world.holder.hold(slot.address)
        self._stints[slot.address] = stint
        anew = False
        try:
            report = slot.last = await stint.run()
            if report is not None:
                slot.needs_space, slot.space = report.needs_space, report.space
                lost = slot.has_lost(report)
                anew = report.ejected or lost
        finally:
            del self._stints[slot.address]
            slot.working = False
            slot.cycles += 1
            self._world.holder.release(slot.address, medium_out=anew)
        await self._afterwards(slot)

    async def _afterwards(self, slot: Slot) -> None:
        """Open the tray if the button was pressed meanwhile; forget a drive that is gone."""
        gone = slot.last is not None and (slot.last.ejected or slot.last.lost)
        if slot.eject_wanted and not slot.lost and not gone:
            await self._eject_quietly(slot)
        slot.eject_wanted = False
        if slot.lost:
            self._slots.pop(slot.address, None)
        self._tell(slot)

    def _reported(self, slot: Slot, report: WorkerReport) -> None:
        slot.hear(report)
        if report.kind == "drive":
            slot.enabled = self._enabled(slot)  # by its serial number, too, that is known now
        if report.kind == "progress":
            self._world.hub.publish(notice("progress", job=slot.job))
        else:
            self._world.hub.publish(notice("job", job=slot.job, drive=slot.view()))

    def _medium_in(self, slot: Slot) -> None:
        loader = self._reserved_for(slot)
        if loader is None:
            self.begin(slot)
        elif not slot.working:
            slot.sentence = f"Left to the loader {loader}."

    def _reserved_for(self, slot: Slot) -> str | None:
        """The loader that has the drive for its stack."""
        wanted = (loader for drive, loader in self._reserved.items() if _means(drive, slot))
        return next(wanted, None)

    def _removed(self, slot: Slot) -> None:
        slot.loaded, slot.lost = False, True
        if not slot.working:
            del self._slots[slot.address]

    def _eject_requested(self, slot: Slot) -> None:
        if slot.working:
            slot.eject_wanted = True
            slot.sentence = "The tray opens when the job is done."
        elif slot.enabled:
            self._spawn(self._eject_quietly(slot))

    async def _eject_quietly(self, slot: Slot) -> None:
        try:
            await self._world.eject(slot.address)
        except (MediumError, OperatorError) as error:
            slot.sentence = str(error)
            self._tell(slot)

    def _new_slot(self, address: str) -> Slot:
        slot = Slot(address)
        slot.enabled = self._enabled(slot)
        return slot

    def _enabled(self, slot: Slot) -> bool:
        return drive_settings(self._world.config, slot.address, slot.serial).enabled

    def _tell(self, slot: Slot) -> None:
        self._world.hub.publish(notice("drive", drive=slot.view()))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("a bug ended the work on a disc", exc_info=error)


def _means(name: str, slot: Slot) -> bool:
    """Whether a caller who says `name` means the drive of `slot`."""
    return name in (slot.name, slot.address) or str(Path(name).resolve()) == slot.address
