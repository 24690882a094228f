# SPDX-License-Identifier: Apache-2.0
"""SG_IO: SCSI commands through a Linux device node, in our own ctypes.

The structure is `struct sg_io_hdr` of <scsi/sg.h>. `fcntl.ioctl` releases the GIL while the drive
works. Commands through SG_IO on /dev/srN get no hidden retries from the kernel (drivers/scsi/sr.c),
unlike reads of the block device, and the time that a command took comes back.

/dev/srN passes only the opcodes that the kernel's filter allows (drivers/scsi/scsi_ioctl.c); a
/dev/sgN opened for writing has no filter. What the filter refuses is reported as the drive would:
invalid opcode (05/20/00).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import struct
import time
from functools import cache
from pathlib import Path

from imagerd.base.errors import DriveLost, InternalError, NotAvailable
from imagerd.devices.drives import Sysfs, limit_of
from imagerd.devices.holders import refusal
from imagerd.devices.scsi import (
    CHECK_CONDITION,
    DID_ERROR,
    DID_NO_CONNECT,
    Command,
    Direction,
    Reply,
    Sense,
)
from imagerd.devices.sense import INVALID_OPCODE

SG_IO = 0x2285
SG_GET_RESERVED_SIZE = 0x2272
_DIRECTIONS = {Direction.NONE: -1, Direction.OUT: -2, Direction.IN: -3}
# SG_DXFER_TO_FROM_DEV: /dev/sgN has a buffer of its own between, which is filled with ours first;
# else what an earlier command left there would come back as if the drive had sent it.
_TO_FROM = -4
_READS = frozenset({0x28, 0xA8, 0xBE, 0xB9, 0xD8})  # READ(10), (12), CD, CD MSF, CD-DA
_SENSE = 96
_PAGE = 4096
DEFAULT_TRANSFER = 64 * 1024  # what every host and USB bridge moves
MAX_TRANSFER = 512 * 1024  # enough for anything; the buffer is as large
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ESHUTDOWN})


class SgIoHeader(ctypes.Structure):
    """`struct sg_io_hdr`: 88 bytes on 64-bit machines."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


class _Memory:
    """A buffer at a page boundary, so that the kernel can map it instead of copying."""

    def __init__(self, size: int) -> None:
        self._raw = (ctypes.c_ubyte * (size + _PAGE))()
        start = ctypes.addressof(self._raw)
        shift = -start % _PAGE
        self.size = size
        self.address = start + shift
        self.view = memoryview(self._raw).cast("B")[shift : shift + size]


class SgTransport:
    """A `Transport` over one device node: /dev/srN, /dev/sgN or a link to one.

    With `exclusive` it is opened O_RDWR|O_EXCL|O_NONBLOCK: then the kernel does not poll the drive
    and udev cannot eject the disc while it is read. For a /dev/sgN the /dev/srN of the same drive
    is held open in that way too. Otherwise O_RDONLY|O_NONBLOCK: enough to look, not to set speeds.

    Raises `NotAvailable` (who holds it, which group, what is missing) or `DriveLost`.
    """

    def __init__(self, path: str | Path, *, exclusive: bool = True) -> None:
        self._name = str(path)
        node = Path(path)
        self._guard = -1
        self._sense = _Memory(_SENSE)
        self._fd = _open(node, exclusive=exclusive)
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            sysfs = Sysfs.of_node(node)
            if exclusive and sysfs.is_generic and sysfs.block is not None:
                self._guard = _open(sysfs.block, exclusive=True)
            limit = limit_of(sysfs) or _reserved_size(self._fd) or DEFAULT_TRANSFER
            self._memory = _Memory(max(_PAGE, min(limit, MAX_TRANSFER)))
            self._is_generic = sysfs.is_generic
            # A residue that lies must not pass off as sectors what the drive never sent, be it an
            # earlier command's or zeros: the buffer holds a pattern before each read.
            pattern = _pattern()
            self._untouched = pattern * -(-self._memory.size // len(pattern))
            undo.pop_all()

    @property
    def name(self) -> str:
        """The path as it was given."""
        return self._name

    @property
    def max_transfer(self) -> int:
        """What the host moves in one command, at most `MAX_TRANSFER`."""
        return self._memory.size

    def execute(self, command: Command) -> Reply:
        """Send one command. `Reply.data` is a view that the next command overwrites.

        Raises `DriveLost` if the node's device is gone, `ValueError` for a transfer that is too
        large.
        """
        header = self._header(command)
        begun = time.perf_counter()
        code = self._ioctl(header)
        seconds = time.perf_counter() - begun
        if code in (errno.EPERM, errno.EACCES):
            return Reply(CHECK_CONDITION, b"", INVALID_OPCODE, seconds=seconds)
        if code:
            return Reply(host_status=DID_ERROR, seconds=seconds)
        return self._reply(header, command, seconds)

    def close(self) -> None:
        """Let go of the node; idempotent."""
        for fd in (self._fd, self._guard):
            if fd >= 0:
                os.close(fd)
        self._fd = self._guard = -1

    def _header(self, command: Command) -> SgIoHeader:
        length = len(command.data) if command.direction is Direction.OUT else command.length
        if length > self._memory.size:
            raise ValueError(f"a transfer of {length} bytes exceeds {self._memory.size}")
        if command.direction is Direction.OUT:
            self._memory.view[:length] = command.data
        elif length and command.cdb[0] in _READS:
            ctypes.memmove(self._memory.address, self._untouched, length)
        elif length:
            ctypes.memset(self._memory.address, 0, length)
        self._sense.view[:2] = b"\0\0"
        cdb = ctypes.create_string_buffer(command.cdb, len(command.cdb))
        header = SgIoHeader(
            interface_id=ord("S"),
            dxfer_direction=self._direction(command, length),
            cmd_len=len(command.cdb),
            mx_sb_len=_SENSE,
            dxfer_len=length,
            dxferp=self._memory.address,
            cmdp=ctypes.addressof(cdb),
            sbp=self._sense.address,
            timeout=max(1, int(command.timeout * 1000)),
        )
        header.cdb = cdb  # keeps the bytes alive as long as the pointer to them
        return header

    def _direction(self, command: Command, length: int) -> int:
        if command.direction is Direction.IN and length and self._is_generic:
            return _TO_FROM
        return _DIRECTIONS[command.direction if length else Direction.NONE]

    def _ioctl(self, header: SgIoHeader) -> int:
        """0, or an errno that is an answer; raises for the others."""
        if self._fd < 0:
            raise ValueError(f"{self._name} is closed")
        while True:
            try:
                fcntl.ioctl(self._fd, SG_IO, header, True)
            except InterruptedError:
                continue  # a signal came; its handler has run, and reads may be sent again
            except OSError as error:
                return self._judge(error)
            return 0

    def _judge(self, error: OSError) -> int:
        code = error.errno or 0
        if code in _GONE:
            raise DriveLost(f"{self._name} is gone: the drive was unplugged or reset.") from error
        if code == errno.ENOTTY:
            raise NotAvailable(f"{self._name} does not take SCSI commands.") from error
        if code in (errno.EINVAL, errno.EFAULT, errno.EBADF):
            raise InternalError(f"SG_IO on {self._name} failed: {error.strerror}.") from error
        return code

    def _reply(self, header: SgIoHeader, command: Command, seconds: float) -> Reply:
        if header.host_status == DID_NO_CONNECT:
            raise DriveLost(f"{self._name} no longer answers: the drive was unplugged.")
        moved = 0
        if command.direction is Direction.IN:
            moved = min(max(header.dxfer_len - header.resid, 0), header.dxfer_len)
            if command.cdb[0] in _READS:
                moved = self._written(moved)
        sense = None
        if header.sb_len_wr:
            sense = Sense.parse(bytes(self._sense.view[: header.sb_len_wr]))
        return Reply(
            status=header.status,
            data=self._memory.view[:moved],
            sense=sense,
            host_status=header.host_status,
            driver_status=header.driver_status,
            # The kernel's own figure has steps of up to 10 ms, but our waiting for a CPU is not
            # in it; for what is quick the finer clock is the better one.
            seconds=header.duration / 1000 if header.duration >= 100 else seconds,
        )

    def _written(self, moved: int) -> int:
        """How much of `moved` bytes really came: without the end that still holds the pattern."""
        view, untouched = self._memory.view, self._untouched
        for step in (_PAGE, len(_pattern())):
            while moved >= step and view[moved - step : moved] == untouched[moved - step : moved]:
                moved -= step
        return moved


@cache
def _pattern() -> bytes:
    """What no disc holds, as it is another in every process."""
    return os.urandom(64)


def _open(node: Path, *, exclusive: bool) -> int:
    flags = os.O_RDWR | os.O_EXCL if exclusive else os.O_RDONLY
    try:
        mode = node.stat().st_mode
        if not (stat.S_ISBLK(mode) or stat.S_ISCHR(mode)):
            raise NotAvailable(f"{node} is not a device; name a drive such as /dev/sr0.")
        return os.open(node, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _GONE:
            raise DriveLost(f"{node} has no drive behind it: it was unplugged.") from error
        raise NotAvailable(refusal(node, error)) from error


def _reserved_size(fd: int) -> int | None:
    """The SCSI generic driver's reserved buffer, or None where there is none."""
    size = bytearray(4)
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, SG_GET_RESERVED_SIZE, size, True)
        value: int = struct.unpack("i", size)[0]
        return value if value >= _PAGE else None
    return None
