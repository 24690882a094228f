# SPDX-License-Identifier: Apache-2.0
"""The plug between a virtual drive in this process and the kernel: serves the ring in a thread."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from imagerd.base.errors import DriveLost, ExitCode, NotAvailable
from imagerd.devices.scsi import CHECK_CONDITION, Command, Direction, Reply, Sense
from imagerd.devices.virtual.kernel import watchdog
from imagerd.devices.virtual.kernel.configfs import KernelDrive, prepare
from imagerd.devices.virtual.kernel.ring import Aborted, Request, Ring

Execute = Callable[[Command], Reply]

# What TCMU does not tell: which commands bring data with them. All others of ours fetch some.
_SENDS: Final = frozenset({0x04, 0x15, 0x2A, 0x3B, 0x4C, 0x55, 0xA3, 0xAA, 0xB6, 0xBF})
_GONE: Final = Reply(CHECK_CONDITION, sense=Sense(0x0B, 0x08, 0x00))  # communication failure
_STOP, _LET_GO = b"x", b"h"
_ABORTED: Final = Reply(CHECK_CONDITION, sense=Sense(0x0B, 0x00, 0x00))


class Plug:
    """Plugs a virtual drive into the kernel (`push`), pulls it out, and takes all away at the end.

    `execute` carries out one command and raises `DriveLost` when the drive is not plugged in.
    `socket` is where it is served as well, and what a killed process leaves behind. A command that
    the drive lets time out is answered when the kernel has given up on it.
    """

    def __init__(self, name: str, execute: Execute, socket: Path) -> None:
        self._kernel = KernelDrive(name)
        self._execute = execute
        self._socket = socket
        self._ring: Ring | None = None
        self._thread: threading.Thread | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._held: dict[int, Request] = {}
        self._holding = True
        self._told, self._tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._moving = threading.Lock()

    @property
    def node(self) -> str:
        """/dev/srN, or empty while it is not plugged in."""
        return self._kernel.node() or ""

    def push(self) -> None:
        """The kernel gets the drive, maybe under another name than before.

        Raises `AlreadyThere`, `NotAvailable`; then the kernel has nothing of it.
        """
        with self._moving:
            if self._ring is None:
                self._begin()
            self._holding = True
            try:
                self._kernel.export()
            except BaseException:
                self._kernel.unexport()
                raise

    def pull(self) -> None:
        """The drive is gone for the kernel; it goes on in this process."""
        with self._moving:
            self._unexport()

    def detach(self) -> None:
        """Take the drive away, answering to the last. Idempotent."""
        with self._moving:
            if self._ring is None or self._thread is None:
                return
            self._unexport()
            os.write(self._tell, _STOP)
            self._thread.join()
            self._ring.close()
            self._kernel.remove()
            self._ring = self._thread = None
            if self._watchdog is not None:
                self._watchdog.communicate()

    def _unexport(self) -> None:
        """Answer what was held back, or the kernel would wait for it, and pull the plug."""
        self._holding = False
        os.write(self._tell, _LET_GO)
        self._kernel.unexport()

    def _begin(self) -> None:
        prepare()
        self._watchdog = watchdog.start(self._kernel.name, self._socket)
        self._ring = Ring.open(self._kernel.create())
        self._thread = threading.Thread(target=self._serve_or_end, args=(self._ring,), daemon=True)
        self._thread.start()

    # -- the thread -----------------------------------------------------------------------

    def _serve_or_end(self, ring: Ring) -> None:
        """A drive that nobody serves must not stay: if this fails, the watchdog takes it away."""
        served = False
        try:
            self._serve(ring)
            served = True
        finally:
            if not served:
                os._exit(ExitCode.INTERNAL)

    def _serve(self, ring: Ring) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(ring, selectors.EVENT_READ)
            selector.register(self._told, selectors.EVENT_READ)
            while True:
                self._work(ring)
                ready = {key.fd for key, _ in selector.select()}
                if ring.fileno() in ready:
                    ring.wait()
                if self._told in ready:
                    if _STOP in os.read(self._told, 64):
                        return
                    self._answer_held(ring, set(self._held))

    def _work(self, ring: Ring) -> None:
        for news in ring.requests():
            if isinstance(news, Aborted):
                self._answer_held(ring, news.ids & self._held.keys())
                continue
            reply = self._reply(ring, news)
            if reply is None and self._holding:
                self._held[news.id] = news
            else:
                ring.answer(news, reply or _ABORTED)
        ring.skip_idle()

    def _answer_held(self, ring: Ring, numbers: AbstractSet[int]) -> None:
        for number in numbers:
            ring.answer(self._held.pop(number), _ABORTED)

    def _reply(self, ring: Ring, request: Request) -> Reply | None:
        """The drive's reply; None if it does not answer this one."""
        if request.cdb[0] in _SENDS:
            command = Command(request.cdb, Direction.OUT, data=ring.data_of(request))
        else:
            direction = Direction.IN if request.pieces else Direction.NONE
            command = Command(request.cdb, direction, request.length)
        try:
            reply = self._execute(command)
        except DriveLost:
            threading.Thread(target=self._pulled, daemon=True).start()
            return _GONE
        return None if reply.timed_out else reply

    def _pulled(self) -> None:
        """A fault plan has pulled the plug. Not in the ring's thread: somebody must answer."""
        if self._moving.acquire(blocking=False):
            try:
                with contextlib.suppress(NotAvailable):
                    self._unexport()
            finally:
                self._moving.release()
