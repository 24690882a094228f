# SPDX-License-Identifier: Apache-2.0
"""Worker processes for work over one image: each opens the image itself and takes its share.

Threads would not help: the arithmetic holds the interpreter's lock. Workers are forked where the
process has a single thread, which costs milliseconds; else they are spawned afresh.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Generic, TypeVar

from imagerd.base.errors import InternalError
from imagerd.disc.source import SectorSource

Job = TypeVar("Job")
Result = TypeVar("Result")


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
            with _without_interrupts():
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


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back. Processes started here never see it: their parent does, and ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _context() -> ForkContext | SpawnContext:
    if _single_threaded():
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _single_threaded() -> bool:
    return threading.active_count() == 1 and len(list(Path("/proc/self/task").iterdir())) == 1
