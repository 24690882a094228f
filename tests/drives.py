# SPDX-License-Identifier: Apache-2.0
"""A virtual drive with something altered on the way: drives as strange as one needs them."""

from __future__ import annotations

from collections.abc import Callable

from imagerd.devices.drive import OpticalDrive
from imagerd.devices.scsi import CHECK_CONDITION, Command, Reply, Sense, Transport
from imagerd.devices.virtual.faults import NO_FAULTS, FaultPlan
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import SectorSource

Alter = Callable[[Command, Reply], Reply]


class Altered:
    """Passes commands on, and lets `alter` change the replies. Counts commands by opcode."""

    def __init__(self, inner: Transport, alter: Alter | None = None) -> None:
        self.inner = inner
        self.alter = alter
        self.sent: list[bytes] = []

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def max_transfer(self) -> int:
        return self.inner.max_transfer

    def execute(self, command: Command) -> Reply:
        self.sent.append(command.cdb)
        reply = self.inner.execute(command)
        return reply if self.alter is None else self.alter(command, reply)

    def close(self) -> None:
        self.inner.close()

    def count(self, opcode: int) -> int:
        return sum(cdb[0] == opcode for cdb in self.sent)


def refused(key: int, asc: int, ascq: int, data: bytes | memoryview = b"") -> Reply:
    """CHECK CONDITION."""
    return Reply(CHECK_CONDITION, data, Sense(key, asc, ascq))


def drive_with(
    source: SectorSource | None,
    faults: FaultPlan = NO_FAULTS,
    *,
    profile: DriveProfile | None = None,
    alter: Alter | None = None,
) -> tuple[OpticalDrive, VirtualDrive, Altered]:
    """An optical drive over a virtual one; its waiting passes the virtual drive's time."""
    virtual = VirtualDrive(profile)
    if source is not None:
        virtual.insert(source, faults)
    between = Altered(virtual, alter)
    drive = OpticalDrive(between, sleep=virtual.clock.spend, clock=lambda: virtual.clock.now)
    return drive, virtual, between
