# SPDX-License-Identifier: Apache-2.0
"""Trying commands on a drive, within bounds: so much time, and no more once something is amiss."""

from __future__ import annotations

import time

import numpy as np

from imagerd.devices.drive import OpticalDrive
from imagerd.devices.mmc_read import ReadCd
from imagerd.devices.scsi import DID_OK, Command, Reply
from imagerd.devices.sense import HARDWARE_ERROR, ILLEGAL_REQUEST, NOT_READY, explain
from imagerd.disc.source import Bytes2D

_HANGS = 4.0  # seconds that no command takes on a good place of a disc that turns
_TIMEOUT = 10.0


class Halted(Exception):  # not an error: control flow within this room
    """No more is to be tried. `hung`: the drive did not get over the last command well."""

    def __init__(self, why: str, *, hung: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.hung = hung


class Bench:
    """Sends commands that are to find something out, and keeps account of them.

    Raises `Halted` before a command once `limit` seconds were spent, and after one that the drive
    did not take well (no answer in time, a broken bus, a reset, a hardware error); but before
    `settled` is set, while a good place is looked for, a failure is only a failure. Raises
    `WrongDisc` if the medium was changed, and `DriveLost`.
    """

    def __init__(self, drive: OpticalDrive, limit: float) -> None:
        self.drive = drive
        self.link = drive.link
        self.limit = limit
        self.settled = False
        self.commands = 0
        self.seconds = 0.0
        self._generation = drive.disc.generation

    def execute(self, command: Command) -> Reply:
        """One command; its `Reply.seconds` are the time that the drive took."""
        if self.seconds >= self.limit:
            raise Halted(f"The {self.limit:.0f} seconds that it may take were over.")
        began = time.perf_counter()
        reply = self.link.execute(command, self._generation)
        took = time.perf_counter() - began
        # A simulated drive tells the time that it would have taken: the longer one counts.
        self.seconds += max(took, reply.seconds)
        self.commands += 1
        if self.settled:
            self._require_health(reply, reply.seconds or took)
        return reply

    def read(self, request: ReadCd) -> Bytes2D | None:
        """The records, copied, if all came."""
        return records_of(self.execute(request.command()), request)

    def seconds_of(self, command: Command) -> float | None:
        """How long a command took that was carried out, None if it was not.

        What the transport says, not our own clock: that also measures a computer that is busy.
        """
        began = time.perf_counter()
        reply = self.execute(command)
        took = time.perf_counter() - began
        if not reply.ok or len(reply.data) != command.length:
            return None
        return reply.seconds or took

    def _require_health(self, reply: Reply, took: float) -> None:
        why = ""
        if reply.host_status != DID_OK or (not reply.ok and _is_serious(reply)):
            why = explain(reply)
        elif took > _HANGS:
            why = f"it took {took:.0f} seconds"
        elif self.link.doubtful:
            why = "it was reset"
        if why:
            self.link.doubtful = True  # it is waited for, and the disc compared, before a read
            raise Halted(f"The drive did not take a command well: {why}.", hung=True)


def records_of(reply: Reply, request: ReadCd) -> Bytes2D | None:
    """The records of a reply, copied, if all came."""
    if not reply.ok or len(reply.data) != request.count * request.record:
        return None
    return np.frombuffer(reply.data, np.uint8).reshape(request.count, request.record).copy()


def is_refused(reply: Reply) -> bool:
    """Whether the drive does not do such a thing, rather than fail at these sectors."""
    return not reply.ok and reply.sense is not None and reply.sense.key == ILLEGAL_REQUEST


def patient(lba: int, count: int) -> ReadCd:
    """A plain raw read with a timeout that a probing can afford."""
    return ReadCd(lba, count, timeout=_TIMEOUT)


def _is_serious(reply: Reply) -> bool:
    sense = reply.sense
    return sense is None or sense.key in (HARDWARE_ERROR, NOT_READY)
