# SPDX-License-Identifier: Apache-2.0
"""One worker process for each drive at work: started, listened to, ended.

A hung ioctl or a crash there stalls nothing else. A worker comes from the nursery and prints one
`WorkerReport` a line; one that says nothing for too long is killed, which loses no more than the
read in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from imagerd.daemon.handover import WorkerOrder, pack_order
from imagerd.daemon.nursery import Child, Nursery
from imagerd.daemon.protocol import WorkerReport

_LINE_LIMIT = 1 << 20
_GRACE_SECONDS = 60.0  # for a checkpoint: fsync of much dirty data may take long
_LAST_SECONDS = 5.0  # a process within an ioctl of a dead drive cannot even be killed


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ended. `report` is its last word, None if it died without one."""

    returncode: int
    report: WorkerReport | None
    silent: bool = False


class Worker:
    """A running worker process."""

    def __init__(self, child: Child, lines: asyncio.StreamReader, watchdog: float) -> None:
        self._child = child
        self._lines = lines
        self._watchdog = watchdog
        self._silent = False

    @classmethod
    async def start(cls, order: WorkerOrder, nursery: Nursery, watchdog: float) -> Worker:
        """Start the process; its own errors go to our standard error, the journal.

        Raises `OSError`.
        """
        hear, say = os.pipe()
        try:
            child = await nursery.bear(pack_order(order), say)
        except OSError:
            os.close(hear)
            raise
        finally:
            os.close(say)
        lines = asyncio.StreamReader(limit=_LINE_LIMIT)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(hear, "rb", buffering=0)
        )
        return cls(child, lines, watchdog)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    async def follow(self, hear: Callable[[WorkerReport], None]) -> WorkerEnd:
        """Hand each report to `hear` until the process ends."""
        last: WorkerReport | None = None
        decoder = msgspec.json.Decoder(WorkerReport)
        while line := await self._line():
            with contextlib.suppress(msgspec.MsgspecError):  # a torn last line of a killed worker
                report = decoder.decode(line)
                if report.kind == "ended":
                    last = report
                hear(report)
        returncode = await self._child.wait()
        return WorkerEnd(returncode, last, self._silent)

    async def _line(self) -> bytes:
        """The next line, or nothing at the end; kills a worker that is silent for too long."""
        try:
            return await asyncio.wait_for(self._lines.readline(), self._watchdog)
        except TimeoutError:
            self._silent = True
            self.kill()
            return await self._lines.readline()

    def checkpoint(self) -> None:
        """Ask it to stop after a checkpoint; the job stays open."""
        self._child.send(signal.SIGTERM)

    def cancel(self) -> None:
        """Ask it to stop and to end the job."""
        self._child.send(signal.SIGUSR1)

    def kill(self) -> None:
        """End it at once."""
        self._child.send(signal.SIGKILL)

    async def stop(self) -> None:
        """Checkpoint, and kill it if that takes too long."""
        self.checkpoint()
        for grace in (_GRACE_SECONDS, _LAST_SECONDS):
            try:
                await asyncio.wait_for(self._child.wait(), grace)
            except TimeoutError:
                self.kill()
            else:
                return
