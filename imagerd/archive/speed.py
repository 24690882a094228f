# SPDX-License-Identifier: Apache-2.0
"""A drive that is never asked to go faster than the operator allows."""

from __future__ import annotations

from imagerd.devices.drive import DriveIdentity
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.recovery.geometry import Geometry
from imagerd.recovery.reader import Reader


class SpeedLimit:
    """A `Reader` in front of another; `times` is a multiple of the medium's 1x."""

    def __init__(self, drive: Reader, times: int) -> None:
        self._drive = drive
        self._most = Geometry(drive.layout).kb_s(times)
        self.set_speed(None)

    @property
    def identity(self) -> DriveIdentity:
        """The drive's."""
        return self._drive.identity

    @property
    def layout(self) -> Layout:
        """The disc's."""
        return self._drive.layout

    @property
    def media_generation(self) -> int:
        """The drive's."""
        return self._drive.media_generation

    def attempt(self, request: ReadRequest) -> ReadResult:
        """One command."""
        return self._drive.attempt(request)

    def max_sectors(self, stored: SectorFormat) -> int:
        """Sectors that one command may ask for."""
        return self._drive.max_sectors(stored)

    def set_speed(self, kb_s: int | None) -> object:
        """At most the limit; None, the fastest, is the limit."""
        return self._drive.set_speed(self._most if kb_s is None else min(kb_s, self._most))

    def flush_cache(self, lba: int) -> object:
        """Make the drive forget."""
        return self._drive.flush_cache(lba)

    def set_recovery(self, *, uncorrected: bool = False, retries: int | None = None) -> bool:
        """The drive's error recovery."""
        return self._drive.set_recovery(uncorrected=uncorrected, retries=retries)
