# SPDX-License-Identifier: Apache-2.0
"""Worker processes: over one image, of which each takes its share, or one for each of many images.

Threads would not help: the arithmetic holds the interpreter's lock. Workers are forked where the
process has a single thread, which costs milliseconds; else they are spawned afresh.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from imagerd.base.errors import InternalError
from imagerd.base.progress import Progress
from imagerd.base.sharing import has_one_thread, keep_freed_memory, without_interrupts
from imagerd.disc.source import SectorSource

Job = TypeVar("Job")
Result = TypeVar("Result")

_PATIENCE = 30.0  # seconds for a process that was asked to leave


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Crew(Generic[Job, Result]):
    """`work(source, job)` for many jobs over the source that `reopen()` opens.

    `work` and `reopen` must be picklable: module functions, or partials of them.
    """

    reopen: Callable[[], SectorSource]
    work: Callable[[SectorSource, Job], Result]

    def run(self, jobs: Sequence[Job], workers: int) -> Generator[tuple[int, Result]]:
        """Yield (number of the job, its result) as they come, in no order.

        Errors of a worker are raised here; workers never outlive the generator.
        """
        crew: dict[Connection, BaseProcess] = {}
        unfinished: dict[Connection, BaseProcess] = {}
        try:
            with without_interrupts():
                for number in range(workers):
                    mine = [(at, jobs[at]) for at in range(number, len(jobs), workers)]
                    receiver, process = self._start(mine)
                    crew[receiver] = unfinished[receiver] = process
            yield from _collect(unfinished)
        finally:
            for receiver, worker in crew.items():
                receiver.close()
                if receiver in unfinished:
                    worker.kill()  # it holds nothing that could be spoilt
                worker.join()
                worker.close()

    def _start(self, jobs: list[tuple[int, Job]]) -> tuple[Connection, BaseProcess]:
        context = _context()
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=_serve, args=(self.reopen, self.work, jobs, sender), daemon=True
        )
        process.start()
        sender.close()
        return receiver, process


class Pulse:
    """What a job calls at each step, where it may be ended: `run(task, pulse)` does."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, progress: Progress) -> None:
        """Leave, if that was asked."""
        if self._asked:
            raise SystemExit(128 + signal.SIGTERM)

    def ask(self, number: int, frame: object) -> None:
        """A signal handler: ask to leave at the next step."""
        self._asked = True


Work = Callable[[Job, Pulse], Result]


def each(
    work: Work[Job, Result], jobs: Sequence[Job], workers: int
) -> Generator[tuple[int, Result | Exception]]:
    """A process for each job, at most `workers` at once: yield (number of the job, its result).

    They come as they end, in no order; the error of one is given in its place, and harms no other.
    `work` must be picklable, and so must jobs and results. When the generator is closed early, the
    processes are asked to leave, which they do at their next step, in good order.
    """
    waiting = iter(range(len(jobs)))
    running: dict[Connection, tuple[int, BaseProcess]] = {}
    try:
        while True:
            while len(running) < workers and (number := next(waiting, None)) is not None:
                with without_interrupts():
                    receiver, process = _start_one(work, jobs[number])
                    running[receiver] = (number, process)
            if not running:
                return
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                number, process = running.pop(ready)
                outcome: Result | Exception
                try:
                    outcome = ready.recv()
                except EOFError:
                    outcome = InternalError("The process ended before its work was done.")
                ready.close()
                process.join()
                process.close()
                yield number, outcome
    finally:
        for _, process in running.values():
            process.terminate()
        for receiver, (_, process) in running.items():
            process.join(_PATIENCE)
            process.kill()  # a step that long hangs in a drive
            process.join()
            process.close()
            receiver.close()


def _start_one(work: Work[Job, Result], job: Job) -> tuple[Connection, BaseProcess]:
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_do_one, args=(work, job, sender))
    process.start()
    sender.close()
    return receiver, process


def _do_one(work: Work[Job, Result], job: Job, sender: Connection) -> None:
    pulse = Pulse()
    signal.signal(signal.SIGTERM, pulse.ask)
    try:
        sender.send(work(job, pulse))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent is told
        with suppress(OSError):  # it may have been killed
            sender.send(error)
    finally:
        sender.close()


def _collect(crew: dict[Connection, BaseProcess]) -> Generator[tuple[int, Result]]:
    """Take what comes; a worker that says None has finished and leaves `crew`."""
    while crew:
        for ready in wait(list(crew)):
            if not isinstance(ready, Connection):
                continue
            try:
                message = ready.recv()
            except EOFError:
                raise InternalError("A worker process ended before its work was done.") from None
            if message is None:
                del crew[ready]
            elif isinstance(message, Exception):
                raise message
            else:
                yield message


def _serve(
    reopen: Callable[[], SectorSource],
    work: Callable[[SectorSource, Job], Result],
    jobs: list[tuple[int, Job]],
    sender: Connection,
) -> None:
    """The life of a worker."""
    keep_freed_memory()
    try:
        source = reopen()
        try:
            for number, job in jobs:
                sender.send((number, work(source, job)))
        finally:
            source.close()
        sender.send(None)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
        sender.send(error)
    finally:
        sender.close()


def _context() -> ForkContext | SpawnContext:
    if has_one_thread():
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")
