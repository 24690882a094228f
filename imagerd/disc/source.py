# SPDX-License-Identifier: Apache-2.0
"""The one idea: a disc in a drive and an image in a file are the same thing, a sector source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Layout, SectorFormat

Bytes2D: TypeAlias = npt.NDArray[np.uint8]  # (n, size of the format)
States: TypeAlias = npt.NDArray[np.uint8]  # (n,) of SectorState


class SectorState(IntEnum):
    """What is known of a sector's bytes. Only ever rises, within one job."""

    UNREAD = 0
    FAILED = 1  # tried and not read: the bytes are filling
    SUSPECT = 2  # bytes came, but something says that they may be wrong (C2, EDC)
    READ = 3  # read without complaint, nothing more
    PROVEN = 4  # proves itself (EDC, then parity), or independent reads agree


class FaultKind(StrEnum):
    """Why a sector could not be read, in words that need no table."""

    MEDIUM = "medium"  # the disc: sense key 3, servo errors
    TIMEOUT = "timeout"  # the drive did not answer in time
    REFUSED = "refused"  # illegal request: not this kind of sector here, or past the end
    NOT_READY = "not-ready"
    TRANSPORT = "transport"  # bus, host adapter
    MISSING = "missing"  # an image file that is too short
    FILLING = "filling"  # of an image: not read when it was made, as its account says


@dataclass(frozen=True, slots=True)
class Fault:
    """`count` sectors from `lba` could not be read. `sense` is (key, ASC, ASCQ), if there was one.

    `seconds` is how long the drive took to say so.
    """

    lba: int
    count: int
    kind: FaultKind
    sense: tuple[int, int, int] | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        code = "" if self.sense is None else " {:02X}/{:02X}/{:02X}".format(*self.sense)
        return f"LBA {self.lba}+{self.count}: {self.kind}{code}"


@dataclass(frozen=True, slots=True)
class Sectors:
    """A block of consecutive sectors of one stored format.

    `data` is (n, format.size); `states` (n,) of `SectorState`: rows that are FAILED or UNREAD hold
    filling, never to be taken for data. `sub` is (n, 96) raw interleaved P–W, if known. `c2` is
    (n, 294): bit 7 of byte i stands for data byte 8i (MMC-6, READ CD). `faults` explain rows that
    are FAILED.
    """

    lba: int
    format: SectorFormat
    data: Bytes2D
    states: States
    sub: Bytes2D | None = None
    c2: Bytes2D | None = None
    faults: tuple[Fault, ...] = ()

    def __len__(self) -> int:
        return len(self.data)

    @property
    def end(self) -> int:
        """One past the last LBA."""
        return self.lba + len(self.data)

    @classmethod
    def good(cls, lba: int, data: Bytes2D, stored: SectorFormat) -> Sectors:
        """A block in which every sector was read."""
        return cls(lba, stored, data, np.full(len(data), SectorState.READ, np.uint8))


@runtime_checkable
class SectorSource(Protocol):
    """A layout, and sectors by LBA.

    `read` gives the sectors in the stored format of the track they lie in. It may return fewer
    than `count` (at least one): a block never crosses a change of stored format or the end of a
    session. Sectors that cannot be read are FAILED rows with a `Fault`, not an exception. LBAs
    outside every session raise `ValueError`: asking for them is a bug of the caller's.

    Buffers returned are the caller's: the source does not change them afterwards. Sources are not
    thread safe.
    """

    @property
    def layout(self) -> Layout:
        """The disc's layout."""
        ...

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`."""
        ...

    def close(self) -> None:
        """Release files or the drive; idempotent."""
        ...
