# SPDX-License-Identifier: Apache-2.0
"""What recovery needs of a drive, and the words for what it asks and gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from imagerd.devices.drive import DriveIdentity
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.source import Fault
from imagerd.recovery.job import DriveRecord

Row: TypeAlias = npt.NDArray[np.uint8]


class Reader(Protocol):
    """What recovery needs of a drive; `OpticalDrive` is one.

    `attempt` sends one command and never repeats it. Raises `DriveLost`; all else is a value.
    """

    @property
    def identity(self) -> DriveIdentity:
        """Which drive it is."""
        ...

    @property
    def layout(self) -> Layout:
        """Of the disc that is in."""
        ...

    @property
    def media_generation(self) -> int:
        """Counts up whenever the disc was or may have been changed."""
        ...

    def attempt(self, request: ReadRequest) -> ReadResult:
        """One command."""
        ...

    def max_sectors(self, stored: SectorFormat) -> int:
        """Sectors that one command may ask for."""
        ...

    def set_speed(self, kb_s: int | None) -> object:
        """None: the fastest."""
        ...

    def flush_cache(self, lba: int) -> object:
        """Make the drive forget what it has cached, near `lba`."""
        ...

    def set_recovery(self, *, uncorrected: bool = False, retries: int | None = None) -> bool:
        """Have sectors uncorrected (DCR), try less; without arguments as after power on."""
        ...


def drive_record(reader: Reader) -> DriveRecord:
    """The drive at work, as job, journal and report name it."""
    who = reader.identity
    return DriveRecord(who.vendor, who.product, who.revision, who.serial, who.address)


_SPEEDS = (0, 1, 2, 4, 8, 16, 24, 32)  # what the low bits of an approach's number stand for
_AS_AUDIO, _UNCORRECTED, _BRIEF = 8, 16, 32


@dataclass(frozen=True, slots=True)
class Approach:
    """A way of reading: at `times` 1x (0: as fast as can be), after the cache was dropped or not.

    `as_audio`: data as the scrambled stream; `uncorrected`: with the drive's correction disabled;
    `brief`: the drive gives up early.
    """

    times: int = 0
    flush: bool = False
    as_audio: bool = False
    uncorrected: bool = False
    brief: bool = False

    @property
    def number(self) -> int:
        """What stands for it in journal and evidence; 0 is the plain way at full speed."""
        speed = max(n for n, times in enumerate(_SPEEDS) if times <= self.times)
        number = speed | _AS_AUDIO * self.as_audio | _UNCORRECTED * self.uncorrected
        return number | _BRIEF * self.brief

    @classmethod
    def of(cls, number: int) -> Approach:
        """The way that a journal's number stands for, as far as that tells."""
        return cls(
            _SPEEDS[number % len(_SPEEDS)],
            as_audio=bool(number & _AS_AUDIO),
            uncorrected=bool(number & _UNCORRECTED),
            brief=bool(number & _BRIEF),
        )

    @property
    def name(self) -> str:
        """For people."""
        words = [f"at {self.times}x" if self.times else "at full speed"]
        words += ["as audio"] if self.as_audio else []
        words += ["uncorrected"] if self.uncorrected else []
        return " ".join(words)

    @property
    def raw(self) -> bool:
        """Whether the bytes come without the drive's correction: they must prove themselves."""
        return self.as_audio or self.uncorrected


PLAINLY = Approach()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command brought: `got` sectors in front came (good or not), `gained` became good.

    `fault` is why the rest did not come. `seconds` the command took, `cost` all that belonged to
    it; `cached`: so few that the drive's cache must have answered.
    """

    got: int
    gained: int
    fault: Fault | None
    seconds: float
    cost: float = 0.0
    cached: bool = False

    @property
    def failed(self) -> bool:
        """Whether the command failed."""
        return self.fault is not None


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one sector that is not right: (2352,) bytes and (294,) C2, if known."""

    data: Row
    c2: Row | None
