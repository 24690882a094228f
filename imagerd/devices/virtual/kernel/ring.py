# SPDX-License-Identifier: Apache-2.0
"""The command ring of TCMU: commands of the kernel out of shared memory, and answers back.

Source: the kernel's Documentation/target/tcmu-design.rst and include/uapi/linux/target_core_user.h.
All numbers are in the machine's byte order; offsets are from the start of the mapping.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagerd.base.errors import NotAvailable
from imagerd.devices.scsi import Reply

_MAILBOX: Final = struct.Struct("=HHIII")  # version, flags, ring's offset, its size, head
_HEAD: Final = 12
_TAIL: Final = 64
_HEADER: Final = struct.Struct("=IHBB")  # length and operation, id, kernel's flags, our flags
_REQUEST: Final = struct.Struct("=8xIII4xQ")  # pieces (data, bidi, dif), offset of the CDB
_PIECES: Final = 48
_PIECE: Final = struct.Struct("=QQ")
_ANSWER: Final = struct.Struct("=BBHI96s")  # status, pads, bytes read, sense
_ABORT: Final = struct.Struct("=8xBBHI16x")  # what, pads, number of ids; the ids follow
_U32: Final = struct.Struct("=I")

_VERSION: Final = 2
_CAN_READ_LEN: Final = 0x02
_READ_LEN: Final = 0x02
_COMMAND, _TASK_MANAGEMENT = 1, 2
_CDB_SIZES: Final = (6, 10, 10, 16, 16, 12, 16, 16)  # by the group code; vendor groups: the most


@dataclass(frozen=True, slots=True)
class Request:
    """A command of the kernel. `pieces`: (offset, bytes) of its data in the mapping."""

    id: int
    cdb: bytes
    pieces: tuple[tuple[int, int], ...]

    @property
    def length(self) -> int:
        """Bytes of its transfer."""
        return sum(size for _, size in self.pieces)


@dataclass(frozen=True, slots=True)
class Aborted:
    """The kernel no longer waits for these commands, but for their answers all the same."""

    ids: frozenset[int]


class Ring:
    """Commands out of `memory`, which the kernel shares, and answers into it. One thread at a time.

    `fd` is readable when there is news, and written to when there is an answer. The ring owns both.
    Raises `NotAvailable` if the layout is not version 2.
    """

    def __init__(self, fd: int, memory: mmap.mmap) -> None:
        self._fd = fd
        self._map = memory
        self._view = memoryview(memory)
        version, flags, self._start, self._size, _ = _MAILBOX.unpack_from(self._view, 0)
        self._tells_length = bool(flags & _CAN_READ_LEN)
        self._next = self._u32(_TAIL)
        if version != _VERSION:
            self.close()
            raise NotAvailable(f"The kernel's ring is of version {version}, not {_VERSION}.")

    @classmethod
    def open(cls, device: Path) -> Ring:
        """The ring behind a /dev/uioN. Raises `NotAvailable` if it cannot be opened or mapped."""
        try:
            fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NotAvailable(f"Cannot open {device}: {error.strerror}.") from error
        try:
            size = Path(f"/sys/class/uio/{device.name}/maps/map0/size").read_text()
            memory = mmap.mmap(fd, int(size, base=0))
        except OSError as error:
            os.close(fd)
            raise NotAvailable(f"Cannot map {device}: {error.strerror}.") from error
        return cls(fd, memory)

    def fileno(self) -> int:
        """Readable when the kernel has put something into the ring."""
        return self._fd

    def wait(self) -> None:
        """Block until the kernel has news, and take note of them."""
        os.read(self._fd, 4)

    def requests(self) -> Iterator[Request | Aborted]:
        """What the kernel has put into the ring since the last time."""
        while self._next != self._u32(_HEAD):
            at = self._start + self._next
            word, number, _, _ = _HEADER.unpack_from(self._view, at)
            length, operation = word & ~7, word & 7
            self._next = (self._next + length) % self._size
            if operation == _COMMAND:
                yield self._request(at, number)
            elif operation == _TASK_MANAGEMENT:
                count = _ABORT.unpack_from(self._view, at)[3]
                ids = struct.unpack_from(f"={count}H", self._view, at + _ABORT.size)
                yield Aborted(frozenset(ids))

    def _request(self, at: int, number: int) -> Request:
        count, _, _, cdb_at = _REQUEST.unpack_from(self._view, at)
        pieces = tuple(
            _PIECE.unpack_from(self._view, at + _PIECES + i * _PIECE.size) for i in range(count)
        )
        size = _CDB_SIZES[self._view[cdb_at] >> 5]
        return Request(number, bytes(self._view[cdb_at : cdb_at + size]), pieces)

    def data_of(self, request: Request) -> bytes:
        """What the host sends along with a command."""
        return b"".join(bytes(self._view[at : at + size]) for at, size in request.pieces)

    def answer(self, request: Request, reply: Reply) -> None:
        """Answer a command, in whatever order, and wake the kernel.

        Bytes that the drive did not transfer are zeros where the kernel copies them all the same.
        """
        moved = self._put(request, memoryview(reply.data).cast("B")) if request.pieces else 0
        at = self._start + self._open_entry()
        word, _, kernel_flags, _ = _HEADER.unpack_from(self._view, at)
        ours = _READ_LEN if moved and self._tells_length else 0
        sense = reply.sense.pack() if reply.sense is not None else b""
        _HEADER.pack_into(self._view, at, word, request.id, kernel_flags, ours)
        _ANSWER.pack_into(self._view, at + _HEADER.size, reply.status, 0, 0, moved, sense)
        self._forward(word & ~7)
        os.write(self._fd, _U32.pack(1))

    def _put(self, request: Request, data: memoryview) -> int:
        done = 0
        for at, size in request.pieces:
            here = min(size, len(data) - done)
            if here > 0:
                self._view[at : at + here] = data[done : done + here]
                done += here
            if here < size:
                self._view[at + here : at + size] = bytes(size - here)
        return done

    def _open_entry(self) -> int:
        """The entry that the next answer goes into: the oldest that is a command."""
        while True:
            tail = self._u32(_TAIL)
            word = self._u32(self._start + tail)
            if word & 7 == _COMMAND:
                return tail
            self._forward(word & ~7)

    def _forward(self, length: int) -> None:
        _U32.pack_into(self._view, _TAIL, (self._u32(_TAIL) + length) % self._size)

    def skip_idle(self) -> None:
        """Give back entries at the tail that need no answer, so that the ring cannot fill up."""
        while self._u32(_TAIL) != self._next:
            word = self._u32(self._start + self._u32(_TAIL))
            if word & 7 == _COMMAND:
                return
            self._forward(word & ~7)

    def _u32(self, at: int) -> int:
        value: int = _U32.unpack_from(self._view, at)[0]
        return value

    def close(self) -> None:
        """Let go of the memory and the device; idempotent."""
        if self._fd >= 0:
            self._view.release()
            self._map.close()
            os.close(self._fd)
            self._fd = -1
