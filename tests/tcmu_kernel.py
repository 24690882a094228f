# SPDX-License-Identifier: Apache-2.0
"""The kernel's side of TCMU's ring, in memory: puts commands in and takes answers out.

Written after the kernel's tcmu-design.rst, not after our ring, so that one checks the other.
"""

from __future__ import annotations

import ctypes
import mmap
import socket
from dataclasses import dataclass, field

from imagerd.devices.virtual.kernel.ring import Ring

RING_AT = 128
PAGE = 4096


class Mailbox(ctypes.Structure):
    """struct tcmu_mailbox; the tail lies in a cache line of its own."""

    _fields_ = (
        ("version", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("cmdr_off", ctypes.c_uint32),
        ("cmdr_size", ctypes.c_uint32),
        ("cmd_head", ctypes.c_uint32),
        ("pad", ctypes.c_uint8 * 48),
        ("cmd_tail", ctypes.c_uint32),
    )


class Header(ctypes.LittleEndianStructure):
    """struct tcmu_cmd_entry_hdr."""

    _pack_ = 1
    _fields_ = (
        ("len_op", ctypes.c_uint32),
        ("cmd_id", ctypes.c_uint16),
        ("kflags", ctypes.c_uint8),
        ("uflags", ctypes.c_uint8),
    )


class Wanted(ctypes.LittleEndianStructure):
    """The request part of struct tcmu_cmd_entry, up to its iovecs."""

    _pack_ = 1
    _fields_ = (
        ("hdr", Header),
        ("iov_cnt", ctypes.c_uint32),
        ("iov_bidi_cnt", ctypes.c_uint32),
        ("iov_dif_cnt", ctypes.c_uint32),
        ("pad0", ctypes.c_uint32),
        ("cdb_off", ctypes.c_uint64),
        ("pad1", ctypes.c_uint64),
        ("pad2", ctypes.c_uint64),
    )


class Given(ctypes.LittleEndianStructure):
    """The response part of struct tcmu_cmd_entry."""

    _pack_ = 1
    _fields_ = (
        ("hdr", Header),
        ("scsi_status", ctypes.c_uint8),
        ("pad1", ctypes.c_uint8),
        ("pad2", ctypes.c_uint16),
        ("read_len", ctypes.c_uint32),
        ("sense", ctypes.c_uint8 * 96),
    )


class Tmr(ctypes.LittleEndianStructure):
    """struct tcmu_tmr_entry, up to its ids."""

    _pack_ = 1
    _fields_ = (
        ("hdr", Header),
        ("tmr_type", ctypes.c_uint8),
        ("pad1", ctypes.c_uint8),
        ("pad2", ctypes.c_uint16),
        ("cmd_cnt", ctypes.c_uint32),
        ("pad3", ctypes.c_uint64),
        ("pad4", ctypes.c_uint64),
    )


@dataclass(slots=True)
class Answer:
    """What came back for a command. `data` is all that its pieces hold now."""

    status: int
    sense: bytes
    data: bytes
    read_len: int | None


@dataclass
class Kernel:
    """`size` bytes of ring, `pages` pages of data area. `ring` is ours, on the same memory."""

    size: int = 2048
    pages: int = 64
    version: int = 2
    open: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data_at = RING_AT + self.size
        self.memory = mmap.mmap(-1, self.data_at + self.pages * PAGE)
        self.box = Mailbox.from_buffer(self.memory)
        self.box.version, self.box.flags = self.version, 0x0F
        self.box.cmdr_off, self.box.cmdr_size = RING_AT, self.size
        self.done = 0
        self.line, far = socket.socketpair()
        self.far = far.detach()

    def ring(self) -> Ring:
        """Our side."""
        return Ring(self.far, self.memory)

    def close(self) -> None:
        """Let go of the memory, after the ring has."""
        self.line.close()

    def _room(self) -> int:
        return (self.done - self.box.cmd_head - 1) % self.size

    def _reserve(self, length: int) -> int | None:
        """Where an entry of `length` bytes begins; a pad goes before it where it does not fit."""
        head = self.box.cmd_head
        to_end = self.size - head
        needed = length if to_end >= length else to_end + length
        if self._room() < needed:
            return None
        if to_end < length:
            pad = Header.from_buffer(self.memory, RING_AT + head)
            pad.len_op, pad.cmd_id, pad.kflags, pad.uflags = to_end, 0, 0, 0
            self.box.cmd_head = head = 0
        return head

    def put(self, number: int, cdb: bytes, sizes: tuple[int, ...] = (), data: bytes = b"") -> bool:
        """Put a command in, with pieces of these sizes. False if there is no room."""
        fixed = ctypes.sizeof(Wanted) + 16 * len(sizes)
        length = -(-max(fixed + len(cdb), ctypes.sizeof(Given)) // 8) * 8
        at = self._reserve(length)
        if at is None:
            return False
        place = RING_AT + at
        entry = Wanted.from_buffer(self.memory, place)
        ctypes.memset(ctypes.addressof(entry), 0, ctypes.sizeof(entry))
        entry.hdr.len_op, entry.hdr.cmd_id = length | 1, number
        entry.hdr.kflags = entry.hdr.uflags = 0
        entry.iov_cnt, entry.cdb_off = len(sizes), place + fixed
        pieces = []
        for index, size in enumerate(sizes):
            where = self.data_at + (number * 4 + index) % self.pages * PAGE
            pieces.append((where, size))
            ends = where.to_bytes(8, "little") + size.to_bytes(8, "little")
            iov = place + ctypes.sizeof(Wanted) + 16 * index
            self.memory[iov : iov + 16] = ends
            part = data[:size].ljust(size, b"\xaa")
            self.memory[where : where + size] = part
            data = data[size:]
        self.memory[place + fixed : place + fixed + len(cdb)] = cdb
        self.open[number] = tuple(pieces)
        self._advance(at, length)
        return True

    def abort(self, *numbers: int) -> bool:
        """Say that these commands are not waited for any more."""
        length = -(-(ctypes.sizeof(Tmr) + 2 * len(numbers)) // 8) * 8
        at = self._reserve(length)
        if at is None:
            return False
        place = RING_AT + at
        entry = Tmr.from_buffer(self.memory, place)
        entry.hdr.len_op, entry.tmr_type, entry.cmd_cnt = length | 2, 1, len(numbers)
        ids = b"".join(number.to_bytes(2, "little") for number in numbers)
        start = place + ctypes.sizeof(Tmr)
        self.memory[start : start + len(ids)] = ids
        self._advance(at, length)
        return True

    def _advance(self, at: int, length: int) -> None:
        self.box.cmd_head = (at + length) % self.size
        self.line.send((1).to_bytes(4, "little"))

    def collect(self) -> None:
        """Take out the answers up to the tail (tcmu_handle_completions)."""
        while self.done != self.box.cmd_tail:
            place = RING_AT + self.done
            header = Header.from_buffer(self.memory, place)
            if header.len_op & 7 == 1:
                given = Given.from_buffer(self.memory, place)
                pieces = self.open.pop(header.cmd_id)
                data = b"".join(self.memory[at : at + size] for at, size in pieces)
                length = given.read_len if header.uflags & 2 else None
                answer = Answer(given.scsi_status, bytes(given.sense), data, length)
                self.answers[header.cmd_id] = answer
            self.done = (self.done + (header.len_op & ~7)) % self.size
