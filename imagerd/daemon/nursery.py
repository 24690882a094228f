# SPDX-License-Identifier: Apache-2.0
"""Where workers come from: a process that has everything loaded and forks one for each disc.

imagerd forks it from itself before anything else: before threads, sockets and the catalog. So a
worker begins at once, shares the memory of all that is loaded, and is of the very program that the
daemon is, also while an upgrade replaces the files under it.

The two talk over a socket of whole messages: down go orders, each with the standard output of its
worker; up come `Born` (with a pidfd), `Refused` and `Ended`. When the daemon ends, however it does,
so does the nursery, and each worker then gets SIGTERM. When the nursery ends, the daemon must too.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from imagerd.base.errors import ExitCode, InternalError

_PR_SET_PDEATHSIG = 1
_LONGEST = 1 << 20  # an order carries a configuration
_UNKNOWN = -1  # the exit code of a worker that nobody could ask
_FOR_WORKERS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP}

Work = Callable[[bytes], int]


class Born(msgspec.Struct, frozen=True, tag=True):
    """The order is being worked on by this process."""

    pid: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """No process could be made: errno."""

    errno: int


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A worker's exit code, or minus the signal that killed it."""

    pid: int
    code: int


_Said = Born | Refused | Ended


class Child:
    """A worker, for the daemon."""

    def __init__(self, pid: int, pidfd: int, code: asyncio.Future[int]) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._code = code
        code.add_done_callback(lambda _: os.close(pidfd))

    async def wait(self) -> int:
        """Its exit code, when it has ended; minus the signal that killed it."""
        return await asyncio.shield(self._code)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        if not self._code.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)


class Nursery:
    """The daemon's end of it. Its methods belong to one event loop."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self._sock = sock
        self._pid = pid
        self._turn = asyncio.Lock()
        self._answer: asyncio.Future[Child] | None = None
        self._codes: dict[int, asyncio.Future[int]] = {}

    async def watch(self) -> None:
        """Hear what it says. Raises `InternalError` when it is gone, before it was closed."""
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(self._sock, self._hear, gone)
        try:
            await gone.wait()
            raise InternalError("The process that workers come from is gone.")
        finally:
            loop.remove_reader(self._sock)
            self._mourn()

    async def bear(self, order: bytes, output: int) -> Child:
        """A worker for that order, whose standard output is `output`. Raises `OSError`.

        `watch` must be running.
        """
        async with self._turn:  # the answer does not say whose it is
            self._answer = asyncio.get_running_loop().create_future()
            socket.send_fds(self._sock, [order], [output])
            return await self._answer

    def close(self) -> None:
        """End the nursery; workers that are still there get SIGTERM."""
        self._sock.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _hear(self, gone: asyncio.Event) -> None:
        try:
            raw, fds, _, _ = socket.recv_fds(self._sock, _LONGEST, 1)
        except ConnectionError:
            raw, fds = b"", []
        if not raw:
            gone.set()
            return
        said = msgspec.json.decode(raw, type=_Said)
        if isinstance(said, Ended):
            self._codes.pop(said.pid).set_result(said.code)
        elif isinstance(said, Refused):
            self._reply().set_exception(OSError(said.errno, os.strerror(said.errno)))
        else:
            code = self._codes[said.pid] = asyncio.get_running_loop().create_future()
            self._reply().set_result(Child(said.pid, fds[0], code))

    def _reply(self) -> asyncio.Future[Child]:
        assert self._answer is not None
        return self._answer

    def _mourn(self) -> None:
        """Nobody will tell any more how a worker ended."""
        for code in self._codes.values():
            code.set_result(_UNKNOWN)
        self._codes.clear()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(OSError("the nursery is gone"))


def open_nursery(work: Work) -> Nursery:
    """Fork it. Each order is handed to `work` in a process of its own, whose exit code it returns.

    `work` is called with SIGTERM, SIGINT and SIGUSR1 blocked, so that none is lost before it has a
    handler for them. Call this while the process has one thread and has opened nothing.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gc.freeze()  # what is loaded stays to the end; a collector that goes through it would copy it
    pid = os.fork()
    if not pid:
        ours.close()
        _end_with(lambda: _Nurse(theirs, work).serve())
    theirs.close()
    return Nursery(ours, pid)


class _Nurse:
    """The nursery's own end: forks, and says what became of whom."""

    def __init__(self, sock: socket.socket, work: Work) -> None:
        self._sock = sock
        self._work = work
        self._selector = selectors.DefaultSelector()
        self._selector.register(sock, selectors.EVENT_READ)

    def serve(self) -> int:
        """Until the daemon is gone."""
        be_called("imagerd-nursery")
        signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_WORKERS)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._sock:
                    self._bury(key.fd, key.data)
                elif not self._take():
                    return int(ExitCode.OK)

    def _take(self) -> bool:
        """An order; whether there was one."""
        try:
            order, fds, _, _ = socket.recv_fds(self._sock, _LONGEST, 1)
        except ConnectionError:
            return False
        if not order:
            return False
        try:
            self._fork(order, fds[0])
        except OSError as error:
            self._say(Refused(error.errno or 0))
        finally:
            os.close(fds[0])
        return True

    def _fork(self, order: bytes, output: int) -> None:
        nursery = os.getpid()
        pid = os.fork()
        if not pid:
            _end_with(lambda: self._begin(nursery, order, output))
        pidfd = os.pidfd_open(pid)
        self._selector.register(pidfd, selectors.EVENT_READ, pid)
        self._say(Born(pid), pidfd)

    def _begin(self, nursery: int, order: bytes, output: int) -> int:
        """In the new process: be a worker."""
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != nursery:  # it died before we asked to be told
            signal.raise_signal(signal.SIGTERM)
        os.dup2(output, sys.stdout.fileno())
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        os.close(output)
        self._selector.close()
        return self._work(order)

    def _bury(self, pidfd: int, pid: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._say(Ended(pid, os.waitstatus_to_exitcode(status)))

    def _say(self, message: _Said, *fds: int) -> None:
        with contextlib.suppress(OSError):  # a daemon that is gone is noticed when we listen
            socket.send_fds(self._sock, [msgspec.json.encode(message)], fds)


def be_called(name: str) -> None:
    """What `ps`, `top` and the kernel's log call this process, 15 characters of it."""
    Path("/proc/self/comm").write_text(name[:15])


def _end_with(work: Callable[[], int]) -> NoReturn:
    """Do it and end this process: it never returns into what it was forked from."""
    code = None
    try:
        code = work()
        sys.stdout.flush()
    finally:
        if code is None:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(ExitCode.INTERNAL if code is None else code)
