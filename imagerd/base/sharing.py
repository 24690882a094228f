# SPDX-License-Identifier: Apache-2.0
"""Helpers that work on memory which they share with us: forked processes, or threads.

What packs and unpacks blocks by many short calls holds the interpreter's lock too often for threads
to use a second processor. Forked processes do use it, and cost milliseconds; but only a process
that has a single thread and no parent of its own may be forked so. In any other, threads do it.
"""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Generic, TypeVar

from imagerd.base.errors import InternalError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[memoryview, Job], Result]
"""What a helper does: it finds, or leaves, bytes in the memory of a slot."""


class Helpers(ABC, Generic[Job, Result]):
    """Some slots of shared memory, and who works on them.

    `take` a slot, fill its `memory`, `start` a job on it, ask for the `result`, `give` it back.
    """

    def __init__(self, slots: int, size: int) -> None:
        self._size = size
        self._memory = memoryview(mmap.mmap(-1, slots * size))
        self._free = deque(range(slots))

    def take(self) -> int | None:
        """A slot that is free; None where all are in use."""
        return self._free.popleft() if self._free else None

    def give(self, slot: int) -> None:
        """Make a slot free again; a job that still goes on there ends before the next begins."""
        self._free.append(slot)

    def memory(self, slot: int) -> memoryview:
        """The bytes of a slot."""
        return self._memory[slot * self._size : (slot + 1) * self._size]

    @abstractmethod
    def start(self, slot: int, job: Job) -> None:
        """Have `job` worked on, together with the memory of `slot`."""

    @abstractmethod
    def result(self, slot: int) -> Result:
        """Wait for what came of the job of `slot`. Raises what the work raised."""

    @abstractmethod
    def close(self) -> None:
        """End the helpers; idempotent."""


def helpers(work: Work[Job, Result], slots: int, size: int, count: int = 0) -> Helpers[Job, Result]:
    """`count` helpers, by default as many as there are processors, and `slots` of `size` bytes.

    For processes a job and its result must be picklable; `work` need not be.
    """
    count = count or len(os.sched_getaffinity(0))
    if count > 1 and may_fork():
        return _Forked(work, slots, size, count)
    return _Threads(work, slots, size, count)


def may_fork() -> bool:
    """Whether this process may be forked: it has one thread, and is nobody's helper itself."""
    return multiprocessing.parent_process() is None and has_one_thread()


def has_one_thread() -> bool:
    """Whether this process has no other thread than this one, of Python's or of a library's."""
    return threading.active_count() == 1 and len(list(Path("/proc/self/task").iterdir())) == 1


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back. Processes started here never see it: their parent does, and ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Threads(Helpers[Job, Result]):
    def __init__(self, work: Work[Job, Result], slots: int, size: int, count: int) -> None:
        super().__init__(slots, size)
        self._work = work
        self._pool = ThreadPoolExecutor(count, "helper")
        self._running: dict[int, Future[Result]] = {}

    def start(self, slot: int, job: Job) -> None:
        before = self._running.pop(slot, None)
        if before is not None and not before.cancel():
            before.exception()
        self._running[slot] = self._pool.submit(self._work, self.memory(slot), job)

    def result(self, slot: int) -> Result:
        return self._running.pop(slot).result()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class _Process(Generic[Result]):
    """One helper; it answers in the order in which it is asked."""

    process: BaseProcess
    line: Connection
    asked: deque[int] = field(default_factory=deque)  # slots


class _Forked(Helpers[Job, Result]):
    def __init__(self, work: Work[Job, Result], slots: int, size: int, count: int) -> None:
        super().__init__(slots, size)
        self._done: dict[int, Result | Exception] = {}
        self._busy: set[int] = set()
        self._crew: list[_Process[Result]] = []
        with without_interrupts():
            for _ in range(count):
                self._crew.append(self._fork(work))

    def _fork(self, work: Work[Job, Result]) -> _Process[Result]:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        others = [ours, *(other.line for other in self._crew)]
        process = context.Process(
            target=_serve, args=(work, self.memory, theirs, others), daemon=True
        )
        process.start()
        theirs.close()
        return _Process(process, ours)

    def start(self, slot: int, job: Job) -> None:
        if slot in self._busy:
            self._wait_for(slot)
        self._done.pop(slot, None)
        self._busy.add(slot)
        helper = min(self._crew, key=lambda one: len(one.asked))
        helper.asked.append(slot)
        try:
            helper.line.send((slot, job))
        except OSError:
            raise _gone() from None

    def result(self, slot: int) -> Result:
        self._wait_for(slot)
        found = self._done.pop(slot)
        if isinstance(found, Exception):
            raise found
        return found

    def _wait_for(self, slot: int) -> None:
        lines = {helper.line: helper for helper in self._crew}
        while slot in self._busy:
            for line in wait(list(lines)):
                assert isinstance(line, Connection)
                try:
                    found = line.recv()
                except (EOFError, OSError):
                    raise _gone() from None
                done = lines[line].asked.popleft()
                self._busy.discard(done)
                self._done[done] = found

    def close(self) -> None:
        for helper in self._crew:
            helper.line.close()  # which ends it
        for helper in self._crew:
            helper.process.kill()  # it holds nothing that could be spoilt
            helper.process.join()
            helper.process.close()
        self._crew.clear()


def _gone() -> InternalError:
    return InternalError("A helper process ended before its work was done.")


def _serve(
    work: Work[Job, Result],
    memory: Callable[[int], memoryview],
    line: Connection,
    others: list[Connection],
) -> None:
    """The life of a helper: until the line is closed, or whoever holds its other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    keep_freed_memory()
    for other in others:  # else they would not end with their owner
        other.close()
    with suppress(EOFError, OSError):
        while True:
            slot, job = line.recv()
            try:
                found: Result | Exception = work(memory(slot), job)
            except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told
                found = error
            line.send(found)


def keep_freed_memory() -> None:
    """Have malloc keep what was freed: given back and fetched anew, every page is cleared again."""
    with suppress(OSError, AttributeError):  # a C library without it
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)
