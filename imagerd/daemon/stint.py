# SPDX-License-Identifier: Apache-2.0
"""The work on one disc: worker after worker, until one says how it ended.

A worker that dies is followed by another, which goes on where it was. One that dies again and again
without getting any further is given up: its job is left paused, with a sentence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from imagerd.base.errors import ImagerdError
from imagerd.catalog.records import JobState
from imagerd.daemon.handover import WorkerOrder
from imagerd.daemon.nursery import Nursery
from imagerd.daemon.protocol import WorkerReport
from imagerd.daemon.slots import Slot
from imagerd.daemon.workers import Worker, WorkerEnd

_log = logging.getLogger(__name__)
_DEATHS_IN_A_ROW = 5  # without progress between them
_BACKOFF_SECONDS = 0.2

_DIED = "The worker died several times in a row; see imagerd's journal."
_STOPPED = "Stopped before it had begun; it goes on when its disc is in a drive."
_CANCELLED = "Cancelled; what was read is kept for a retry."


@dataclass(frozen=True, slots=True)
class Survivors:
    """What those do who outlive a worker. Each may raise `ImagerdError`.

    `after_death` (address, id of the job if it is known): clear up; how the job had ended already,
    None if it has not. `give_up` (job, state, sentence): leave it so.
    """

    after_death: Callable[[str, str | None], Awaitable[WorkerReport | None]]
    give_up: Callable[[str | None, JobState, str], Awaitable[WorkerReport]]


class Stint:
    """Call `run` once; `cancel` and `stop` at any time."""

    def __init__(
        self,
        slot: Slot,
        order: WorkerOrder,
        nursery: Nursery,
        watchdog: float,
        survivors: Survivors,
        reported: Callable[[WorkerReport], None],
    ) -> None:
        self._slot = slot
        self._order = order
        self._nursery = nursery
        self._watchdog = watchdog
        self._survivors = survivors
        self._reported = reported
        self._worker: Worker | None = None
        self._ends = asyncio.Event()  # no more workers
        self._cancelled = False
        self._deaths = 0
        self._reached = ("", -1)

    def cancel(self) -> None:
        """End the job."""
        self._cancelled = True
        self._ends.set()
        if self._worker is not None:
            self._worker.cancel()

    async def stop(self) -> None:
        """Have the worker stop after a checkpoint."""
        self._ends.set()
        if self._worker is not None:
            await self._worker.stop()

    async def run(self) -> WorkerReport | None:
        """Work until it has ended; the last report, None if no worker lived to give one."""
        while True:
            end = await self._one_worker()
            if end.report is not None:
                return end.report
            report = await self._after_death(end)
            if report is None and (self._ends.is_set() or self._gives_up()):
                report = await self._left()
            elif report is None:
                await self._pause()
                continue
            if report is not None:
                self._reported(report)
            return report

    @property
    def _job(self) -> str | None:
        return self._slot.job.id if self._slot.job is not None else None

    async def _one_worker(self) -> WorkerEnd:
        try:
            self._worker = await Worker.start(self._order, self._nursery, self._watchdog)
        except OSError as error:  # no memory, no processes left
            _log.error("cannot start a worker for %s: %s", self._slot.address, error)
            return WorkerEnd(-1, None)
        if self._cancelled:
            self._worker.cancel()
        elif self._ends.is_set():
            self._worker.checkpoint()
        end = await self._worker.follow(self._reported)
        self._worker = None
        return end

    async def _after_death(self, end: WorkerEnd) -> WorkerReport | None:
        """How the job had ended, if the worker died only after that."""
        why = "was silent for too long" if end.silent else f"died ({end.returncode})"
        _log.warning("the worker for %s %s", self._slot.address, why)
        try:
            return await self._survivors.after_death(self._slot.address, self._job)
        except ImagerdError as error:
            _log.error("job %s: %s", self._job, error)
            return None

    def _gives_up(self) -> bool:
        job = self._slot.job
        progress = job.progress if job is not None else None
        reached = (progress.stage, progress.done) if progress is not None else ("", -1)
        self._deaths = 1 if _further(reached, self._reached) else self._deaths + 1
        self._reached = max(self._reached, reached, key=_rank)
        return self._deaths >= _DEATHS_IN_A_ROW

    async def _pause(self) -> None:
        """Before the next worker; ended early by `stop` and `cancel`."""
        try:
            async with asyncio.timeout(_BACKOFF_SECONDS * 2**self._deaths):
                await self._ends.wait()
        except TimeoutError:
            return

    async def _left(self) -> WorkerReport | None:
        """Leave the job as it is to be left when no worker could."""
        state, sentence = JobState.PAUSED, _STOPPED if self._ends.is_set() else _DIED
        if self._cancelled:
            state, sentence = JobState.CANCELLED, _CANCELLED
        self._slot.sentence = sentence
        try:
            return await self._survivors.give_up(self._job, state, sentence)
        except ImagerdError as error:
            _log.error("job %s: %s", self._job, error)
            return None


_STAGES = ("", "identifying", "reading", "writing", "verifying")


def _rank(reached: tuple[str, int]) -> tuple[int, int]:
    stage, done = reached
    return (_STAGES.index(stage) if stage in _STAGES else 0, done)


def _further(reached: tuple[str, int], before: tuple[str, int]) -> bool:
    return _rank(reached) > _rank(before)
