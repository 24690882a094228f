# SPDX-License-Identifier: Apache-2.0
"""From drive events to worker processes: one worker for each drive that holds a disc.

Everything here runs in the event loop; what blocks (a drive, a database) is done in workers or in
threads. The truth about jobs is the catalog's, written by the workers; the slots here only mirror
what they report.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imagerd.base.config import Config
from imagerd.base.errors import MediumError, NotAvailable, OperatorError
from imagerd.base.space import free_bytes
from imagerd.daemon.hub import Hub, notice
from imagerd.daemon.protocol import WorkerReport
from imagerd.daemon.slots import Slot
from imagerd.daemon.workers import Worker, WorkerEnd, WorkerOrder
from imagerd.devices.watch import DriveEvent, EventKind

_CRASHES_IN_A_ROW = 5  # without progress between them
_BACKOFF_SECONDS = 0.2


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
    pause_job: Callable[[str, str], Awaitable[None]]  # job id, sentence: after crashes


class Scheduler:
    """Starts, follows and ends the workers."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        self._slots: dict[str, Slot] = {}
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
        if free_bytes(config.archive.folder) < config.archive.minimum_free:
            slot.needs_space = True
            slot.sentence = f"Waiting for free space in {config.archive.folder}."
            return
        slot.working, slot.needs_space, slot.sentence = True, False, ""
        if job is None:
            slot.job = None
        order = WorkerOrder(slot.address, config.file, job, again)
        self._spawn(self._work(slot, order))

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
        if slot is None or slot.worker is None:
            return False
        slot.worker.cancel()
        return True

    def retry(self, job: str, drive: str) -> None:
        """Take `job` up again in the drive that it was in, or in the only one with a disc."""
        loaded = [s for s in self.slots if s.loaded and not s.working]
        slot = next((s for s in loaded if drive in (s.name, s.address)), None)
        if slot is None:
            if len(loaded) != 1:
                raise OperatorError(f"Put the disc of job {job[:8]} into a drive, then retry.")
            slot = loaded[0]
        self.begin(slot, job, again=True)

    def space_may_be_back(self) -> None:
        """Begin what waited for space; called now and then."""
        for slot in self.slots:
            if slot.needs_space and slot.loaded:
                self.begin(slot)

    def reconfigure(self, world: Surroundings) -> None:
        """Use another configuration from the next job on."""
        self._world = world
        for slot in self._slots.values():
            slot.enabled = self._enabled(slot.address)
            idle = slot.enabled and slot.loaded and not slot.working and slot.job is None
            if idle and self._reserved_for(slot) is None:
                self.begin(slot)
            self._tell(slot)

    async def stop(self) -> None:
        """Let every worker checkpoint, and wait for them."""
        self._stopping = True
        workers = [slot.worker for slot in self._slots.values() if slot.worker is not None]
        await asyncio.gather(*(worker.stop() for worker in workers))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, slot: Slot, order: WorkerOrder) -> None:
        """Run workers for one disc until one of them ends its job."""
        self._world.holder.hold(slot.address)
        out = False
        try:
            end = await self._until_it_ends(slot, order)
            out = end.report is not None and end.report.ejected
            if end.crashed and slot.job is not None and not self._stopping:
                sentence = "The worker died several times in a row; see the journal."
                await self._world.pause_job(slot.job.id, sentence)
                slot.sentence = sentence
            slot.last = end.report
            slot.needs_space = end.report is not None and end.report.needs_space
        finally:
            slot.working, slot.worker = False, None
            slot.cycles += 1
            self._world.holder.release(slot.address, medium_out=out)
        await self._afterwards(slot)

    async def _until_it_ends(self, slot: Slot, order: WorkerOrder) -> WorkerEnd:
        crashes, reached = 0, -1
        while True:
            slot.worker = await Worker.start(order, self._world.config.daemon.watchdog_seconds)
            if self._stopping:
                slot.worker.checkpoint()
            end = await slot.worker.follow(lambda report: self._reported(slot, report))
            slot.worker = None
            done = slot.job.progress.done if slot.job and slot.job.progress else -1
            crashes = 0 if done > reached else crashes + 1
            reached = max(reached, done)
            if not end.crashed or self._stopping or crashes >= _CRASHES_IN_A_ROW:
                return end
            await asyncio.sleep(_BACKOFF_SECONDS * 2**crashes)

    async def _afterwards(self, slot: Slot) -> None:
        """Open the tray if the button was pressed meanwhile; forget a drive that is gone."""
        if slot.eject_wanted and not slot.lost:
            await self._eject_quietly(slot)
        slot.eject_wanted = False
        if slot.lost:
            self._slots.pop(slot.address, None)
        self._tell(slot)

    def _reported(self, slot: Slot, report: WorkerReport) -> None:
        slot.hear(report)
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
        else:
            self._spawn(self._eject_quietly(slot))

    async def _eject_quietly(self, slot: Slot) -> None:
        try:
            await self._world.eject(slot.address)
        except (MediumError, OperatorError) as error:
            slot.sentence = str(error)
            self._tell(slot)

    def _new_slot(self, address: str) -> Slot:
        return Slot(address, enabled=self._enabled(address))

    def _enabled(self, address: str) -> bool:
        return self._world.config.drive(address, Path(address).name).enabled

    def _tell(self, slot: Slot) -> None:
        self._world.hub.publish(notice("drive", drive=slot.view()))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _means(name: str, slot: Slot) -> bool:
    """Whether a caller who says `name` means the drive of `slot`."""
    return name in (slot.name, slot.address) or str(Path(name).resolve()) == slot.address
