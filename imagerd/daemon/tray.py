# SPDX-License-Identifier: Apache-2.0
"""The drive as a loader's line sees it: a tray, opened for each motion and let go of after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from imagerd.archive.world import drive_name
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.sense import DriveStatus
from imagerd.devices.transport import open_transport

_LOOK_SECONDS = 0.2
_CERTAIN = 5  # looks in a row that found the drive empty


class DriveTray:
    """A `Tray` over a drive's address. Nothing is held between calls, so a worker can have it."""

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def name(self) -> str:
        """The drive's short name."""
        return drive_name(self._address)

    def unlock(self) -> None:
        """Allow the removal of the medium."""
        with self._drive() as drive:
            drive.lock(False)

    def open_tray(self) -> None:
        """Open the tray."""
        with self._drive() as drive:
            drive.eject()

    def close_tray(self) -> None:
        """Close the tray."""
        with self._drive() as drive:
            drive.close_tray()

    def is_open(self) -> bool:
        """Whether it is open."""
        with self._drive() as drive:
            return drive.status() is DriveStatus.TRAY_OPEN

    def medium_present(self, timeout: float) -> bool:
        """Whether there is a disc, readable or not."""
        end = time.monotonic() + timeout
        empty = 0
        with self._drive() as drive:
            while True:
                status = drive.wait_ready(max(end - time.monotonic(), 0.0))
                if status in (DriveStatus.READY, DriveStatus.UNREADABLE):
                    return True
                # just after closing, some drives say that they are empty before they have looked
                empty = empty + 1 if status is DriveStatus.EMPTY else 0
                if empty >= _CERTAIN or time.monotonic() >= end:
                    return False
                time.sleep(_LOOK_SECONDS)

    @contextmanager
    def _drive(self) -> Iterator[OpticalDrive]:
        with closing(OpticalDrive(open_transport(self._address, exclusive=False))) as drive:
            yield drive
