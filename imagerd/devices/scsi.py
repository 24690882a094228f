# SPDX-License-Identifier: Apache-2.0
"""SCSI commands and their replies, and the one-method port that carries them.

A `Transport` is SG_IO on a device node, a virtual drive in this process, or one behind a socket.
A CHECK CONDITION is a value in the `Reply`; only a drive that is gone is an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from imagerd.base.errors import DriveLost

GOOD = 0x00
CHECK_CONDITION = 0x02
BUSY = 0x08

# host_status of the Linux SCSI layer (include/scsi/scsi_status.h)
DID_OK = 0x00
DID_NO_CONNECT = 0x01
DID_TIME_OUT = 0x03
DID_ERROR = 0x07
DID_RESET = 0x08


class Direction(Enum):
    """Which way the data goes."""

    NONE = "none"
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Command:
    """A CDB with what its transfer needs. `length` is the bytes expected (IN); `timeout` seconds.

    For OUT the bytes to send are `data`.
    """

    cdb: bytes
    direction: Direction = Direction.NONE
    length: int = 0
    data: bytes = b""
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Sense:
    """Sense data, fixed or descriptor format (SPC-4, 4.5).

    `information` is the LBA that the drive blames, if it says one. `deferred` means that it
    belongs to an earlier command.
    """

    key: int
    asc: int
    ascq: int
    information: int | None = None
    deferred: bool = False

    @property
    def code(self) -> tuple[int, int, int]:
        """(sense key, ASC, ASCQ)."""
        return self.key, self.asc, self.ascq

    def __str__(self) -> str:
        return f"{self.key:02X}/{self.asc:02X}/{self.ascq:02X}"

    @classmethod
    def parse(cls, raw: bytes) -> Sense | None:
        """Sense of a raw buffer, or None if it holds none. Short buffers are padded with zeros."""
        if not raw or raw[0] & 0x7F not in (0x70, 0x71, 0x72, 0x73):
            return None
        code = raw[0] & 0x7F
        deferred = bool(code & 1)
        if code in (0x72, 0x73):
            head = raw.ljust(8, b"\0")
            return cls(head[1] & 15, head[2], head[3], _information(raw), deferred)
        head = raw.ljust(18, b"\0")
        information = int.from_bytes(head[3:7], "big") if raw[0] & 0x80 else None
        return cls(head[2] & 15, head[12], head[13], information, deferred)

    def pack(self) -> bytes:
        """Eighteen bytes in the fixed format."""
        valid = self.information is not None
        body = bytearray(18)
        body[0] = (0x80 if valid else 0) | (0x71 if self.deferred else 0x70)
        body[2], body[7], body[12], body[13] = self.key, 10, self.asc, self.ascq
        if self.information is not None:
            body[3:7] = (self.information & 0xFFFFFFFF).to_bytes(4, "big")
        return bytes(body)


def _information(raw: bytes) -> int | None:
    """The information descriptor (type 0) among the descriptors after byte 8."""
    at = 8
    while at + 12 <= len(raw):
        if raw[at] == 0x00 and raw[at + 2] & 0x80:
            return int.from_bytes(raw[at + 4 : at + 12], "big")
        at += 2 + raw[at + 1]
    return None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `data` holds only the bytes really transferred (length less residue).

    `data` may be a view of a buffer that the transport uses again for its next command: copy what
    is to be kept. `seconds` is the time that the drive took.
    """

    status: int = GOOD
    data: bytes | memoryview = b""
    sense: Sense | None = None
    host_status: int = DID_OK
    driver_status: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the command was carried out (a recovered error counts as carried out).

        A deferred error does not: it tells of an earlier command, and this one was not begun
        (SPC-4, 4.5.7), whatever the residue says came.
        """
        if self.host_status != DID_OK:
            return False
        if self.status == GOOD:
            return True
        if self.status != CHECK_CONDITION or self.sense is None:
            return False
        return self.sense.key == 1 and not self.sense.deferred

    @property
    def timed_out(self) -> bool:
        """Whether the host gave up waiting."""
        return self.host_status == DID_TIME_OUT


class Transport(Protocol):
    """Carries commands to one logical unit, one at a time.

    `execute` raises `DriveLost` when the device is gone, and nothing else for what a drive says.
    """

    @property
    def name(self) -> str:
        """What a person calls it: /dev/sr0, virtual:demo."""
        ...

    @property
    def max_transfer(self) -> int:
        """The most bytes that one command can move."""
        ...

    def execute(self, command: Command) -> Reply:
        """Send one command and wait for its reply."""
        ...

    def close(self) -> None:
        """Let go of the device; idempotent."""
        ...


__all__ = [
    "BUSY",
    "CHECK_CONDITION",
    "DID_ERROR",
    "DID_NO_CONNECT",
    "DID_OK",
    "DID_RESET",
    "DID_TIME_OUT",
    "GOOD",
    "Command",
    "Direction",
    "DriveLost",
    "Reply",
    "Sense",
    "Transport",
]
