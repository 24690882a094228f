# SPDX-License-Identifier: Apache-2.0
"""What recovery needs of a drive, and the words for what it asks and gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.source import Fault

Row: TypeAlias = npt.NDArray[np.uint8]


class Reader(Protocol):
    """What recovery needs of a drive; `OpticalDrive` is one.

    `attempt` sends one command and never repeats it. Raises `DriveLost`; all else is a value.
    """

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


@dataclass(frozen=True, slots=True)
class Approach:
    """A way of reading. `number` stands for it in the journal; `times` 0 is the fastest speed."""

    number: int
    name: str
    times: int = 0
    flush: bool = False
    as_audio: bool = False


PLAINLY = Approach(0, "plainly")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command brought: `got` sectors in front came (good or not), `gained` became good.

    `fault` is why the rest did not come.
    """

    got: int
    gained: int
    fault: Fault | None
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether the command failed."""
        return self.fault is not None


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one sector that is not right: (2352,) bytes and (294,) C2, if known."""

    data: Row
    c2: Row | None
