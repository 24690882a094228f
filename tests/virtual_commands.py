# SPDX-License-Identifier: Apache-2.0
"""CDBs written out by hand, for tests of the virtual drive: none of imagerd's own commands."""

from __future__ import annotations

from imagerd.devices.scsi import Command, Direction, Reply, Transport
from imagerd.devices.virtual.faults import NO_FAULTS, FaultPlan
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import SectorSource

RAW = 0xF8
USER = 0x10
MUCH = 1 << 20


def send(drive: Transport, cdb: list[int], length: int = 65535, *, timeout: float = 30.0) -> Reply:
    """A command that reads."""
    return drive.execute(Command(bytes(cdb), Direction.IN, length, timeout=timeout))


def tell(drive: Transport, cdb: list[int], data: bytes = b"") -> Reply:
    """A command that reads nothing, and may write."""
    direction = Direction.OUT if data else Direction.NONE
    return drive.execute(Command(bytes(cdb), direction, 0, data))


def data_of(drive: Transport, cdb: list[int], length: int = 65535) -> bytes:
    """The bytes of a command that must succeed."""
    reply = send(drive, cdb, length)
    assert reply.ok, reply
    return bytes(reply.data)


def sense_of(reply: Reply) -> str:
    """Its sense as text, or "ok"."""
    return "ok" if reply.sense is None else str(reply.sense)


def poll(drive: Transport) -> str:
    """TEST UNIT READY, and its sense."""
    return sense_of(tell(drive, [0] * 6))


def read_cd(lba: int, count: int, parts: int = RAW, sub: int = 0, kind: int = 0) -> list[int]:
    place = list(lba.to_bytes(4, "big", signed=True))
    return [0xBE, kind << 2, *place, *count.to_bytes(3, "big"), parts, sub, 0]


def read_10(lba: int, count: int, fua: bool = False) -> list[int]:
    size = list(count.to_bytes(2, "big"))
    return [0x28, 0x08 if fua else 0, *lba.to_bytes(4, "big"), 0, *size, 0]


def read_12(lba: int, count: int, fua: bool = False) -> list[int]:
    size = list(count.to_bytes(4, "big"))
    return [0xA8, 0x08 if fua else 0, *lba.to_bytes(4, "big"), *size, 0, 0]


def drive_with(
    source: SectorSource, plan: FaultPlan | str = NO_FAULTS, **profile: object
) -> VirtualDrive:
    """A drive with this disc in it, its unit attention already fetched."""
    drive = VirtualDrive(DriveProfile(**profile))  # type: ignore[arg-type]
    drive.insert(source, FaultPlan.parse(plan) if isinstance(plan, str) else plan)
    while poll(drive) != "ok":
        pass
    return drive
