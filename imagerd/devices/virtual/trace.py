# SPDX-License-Identifier: Apache-2.0
"""A log of the reading commands of a drive: one line each, for tests and the curious."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TextIO

from imagerd.base.errors import NotAvailable
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.commands import read_range


class Trace:
    """Lines of time, opcode, LBA, count and outcome, appended to a file.

    The time is seconds since the epoch; the outcome is ``ok`` or the sense, with the number of
    bytes delivered, or ``timeout`` or ``lost``.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: TextIO = path.open("a", encoding="ascii", buffering=1)
        except OSError as error:
            raise NotAvailable(f"Cannot write the trace {path}: {error.strerror}.") from error

    def note(self, command: Command, reply: Reply | None) -> None:
        """Write a line if `command` reads sectors; None is a drive that went away."""
        area = read_range(command.cdb) if command.cdb else None
        if area is None:
            return
        if reply is None:
            outcome = "lost"
        elif reply.timed_out:
            outcome = "timeout"
        else:
            outcome = f"{reply.sense if reply.sense is not None else 'ok'} {len(reply.data)}"
        lba, count = area
        self._file.write(f"{time.time():.6f} {command.cdb[0]:02x} {lba} {count} {outcome}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
