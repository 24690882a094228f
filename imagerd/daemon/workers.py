# SPDX-License-Identifier: Apache-2.0
"""One worker process for each drive at work: started, listened to, ended.

A hung ioctl or a crash there stalls nothing else. A worker prints one `WorkerReport` a line; one
that says nothing for too long is killed, which loses no more than the read in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from imagerd.base.config import Config
from imagerd.daemon.handover import pack_config
from imagerd.daemon.protocol import WorkerReport

_LINE_LIMIT = 1 << 20
_GRACE_SECONDS = 60.0  # for a checkpoint: fsync of much dirty data may take long
_LAST_SECONDS = 5.0  # a process within an ioctl of a dead drive cannot even be killed


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What a worker is to do: the disc in `address`, or, if `job` is given, only that job."""

    address: str
    config: Config
    job: str | None = None
    again: bool = False

    def arguments(self) -> list[str]:
        """The command line."""
        words = [sys.executable, "-m", "imagerd.daemon.worker", "--drive", self.address]
        words += ["--config", "-"]
        if self.job is not None:
            words += ["--job", self.job]
        if self.again:
            words.append("--again")
        return words


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ended. `report` is its last word, None if it died without one."""

    returncode: int
    report: WorkerReport | None
    silent: bool = False


class Worker:
    """A running worker process."""

    def __init__(self, process: asyncio.subprocess.Process, watchdog: float) -> None:
        self._process = process
        self._watchdog = watchdog
        self._silent = False

    @classmethod
    async def start(cls, order: WorkerOrder, watchdog: float) -> Worker:
        """Start the process; its own errors go to our standard error, the journal."""
        process = await asyncio.create_subprocess_exec(
            *order.arguments(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        assert process.stdin is not None
        process.stdin.write(pack_config(order.config))
        process.stdin.close()
        return cls(process, watchdog)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

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
        returncode = await self._process.wait()
        return WorkerEnd(returncode, last, self._silent)

    async def _line(self) -> bytes:
        """The next line, or nothing at the end; kills a worker that is silent for too long."""
        assert self._process.stdout is not None
        try:
            return await asyncio.wait_for(self._process.stdout.readline(), self._watchdog)
        except TimeoutError:
            self._silent = True
            self.kill()
            return await self._process.stdout.readline()

    def checkpoint(self) -> None:
        """Ask it to stop after a checkpoint; the job stays open."""
        self._signal(signal.SIGTERM)

    def cancel(self) -> None:
        """Ask it to stop and to end the job."""
        self._signal(signal.SIGUSR1)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Checkpoint, and kill it if that takes too long."""
        self.checkpoint()
        for grace in (_GRACE_SECONDS, _LAST_SECONDS):
            try:
                await asyncio.wait_for(self._process.wait(), grace)
            except TimeoutError:
                self.kill()
            else:
                return

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
