# SPDX-License-Identifier: Apache-2.0
"""The commands that read sectors: READ CD, READ CD MSF, READ CD-DA, READ(10), READ(12).

MMC-6, 6.15, 6.16, 6.19, 6.20; READ CD-DA (D8h) is Plextor's and its followers'.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from imagerd.devices.mmc import Data, lba32
from imagerd.devices.scsi import Command, Direction
from imagerd.disc.msf import Msf

RAW = 2352
SUB_RAW = 96
SUB_Q = 16
READ_TIMEOUT = 30.0


class SectorType(IntEnum):
    """Expected sector type of READ CD: anything else is refused with 05/64/00."""

    ANY = 0
    CDDA = 1
    MODE1 = 2
    MODE2 = 3  # formless
    MODE2_FORM1 = 4
    MODE2_FORM2 = 5


class Part(IntEnum):
    """Main channel selection of READ CD: which parts of a sector come."""

    USER = 0x10
    ALL = 0xF8  # sync, headers, user data, EDC and parity: the raw 2352 bytes


class ErrorField(IntEnum):
    """C2 selection of READ CD."""

    NONE = 0x00
    C2 = 0x02  # 294 bytes
    C2_BLOCK = 0x04  # block error byte, pad byte, 294 bytes

    @property
    def size(self) -> int:
        """Bytes a sector."""
        return (0, 294, 296)[self >> 1]


class SubSelect(IntEnum):
    """Subchannel selection of READ CD."""

    NONE = 0
    RAW = 1  # P–W, 96 bytes, interleaved
    Q = 2  # 16 bytes, formatted

    @property
    def size(self) -> int:
        """Bytes a sector."""
        return (0, SUB_RAW, SUB_Q)[self]


def _main_size(part: Part) -> int:
    return RAW if part is Part.ALL else 2048


@dataclass(frozen=True, slots=True)
class ReadCd:
    """READ CD (BEh): `count` sectors from `lba` (which may be negative).

    The reply's record of a sector is the main channel, then C2, then subchannel in the standard;
    some drives change the last two. `USER` gives 2048 bytes only in mode 1 and form 1 sectors.
    """

    lba: int
    count: int
    part: Part = Part.ALL
    error: ErrorField = ErrorField.NONE
    sub: SubSelect = SubSelect.NONE
    type: SectorType = SectorType.ANY
    timeout: float = READ_TIMEOUT

    @property
    def record(self) -> int:
        """Bytes a sector in the reply."""
        return _main_size(self.part) + self.error.size + self.sub.size

    def command(self) -> Command:
        """`count` records."""
        cdb = bytes((0xBE, self.type << 2)) + lba32(self.lba) + self.count.to_bytes(3, "big")
        cdb += bytes((self.part | self.error, self.sub, 0))
        return Command(cdb, Direction.IN, self.count * self.record, timeout=self.timeout)

    def parse(self, data: Data) -> Data:
        """The records as they came; the reader cuts them up."""
        return data


@dataclass(frozen=True, slots=True)
class ReadCdMsf:
    """READ CD MSF (B9h): from `start` up to, not including, `end`. Minutes ≥ 90 are the lead-in."""

    start: Msf
    end: Msf
    part: Part = Part.ALL
    error: ErrorField = ErrorField.NONE
    sub: SubSelect = SubSelect.NONE
    type: SectorType = SectorType.ANY
    timeout: float = READ_TIMEOUT

    @property
    def record(self) -> int:
        """Bytes a sector in the reply."""
        return _main_size(self.part) + self.error.size + self.sub.size

    def command(self) -> Command:
        """As many records as there are frames between the two."""
        count = self.end.frames - self.start.frames
        if count < 0:
            raise ValueError(f"READ CD MSF from {self.start} to {self.end} runs backward")
        ends = (m for msf in (self.start, self.end) for m in (msf.minute, msf.second, msf.frame))
        cdb = bytes((0xB9, self.type << 2, 0, *ends, self.part | self.error, self.sub, 0))
        return Command(cdb, Direction.IN, count * self.record, timeout=self.timeout)

    def parse(self, data: Data) -> Data:
        """The records as they came."""
        return data


class CddaSub(IntEnum):
    """What READ CD-DA returns."""

    AUDIO = 0
    AUDIO_Q = 1
    AUDIO_RAW_SUB = 2
    SUB_ONLY = 3
    AUDIO_C2_SUB = 8

    @property
    def record(self) -> int:
        """Bytes a sector."""
        return {0: RAW, 1: RAW + SUB_Q, 2: RAW + SUB_RAW, 3: SUB_RAW, 8: RAW + 294 + SUB_RAW}[self]


@dataclass(frozen=True, slots=True)
class ReadCdda:
    """READ CD-DA (D8h): any sector as audio, so data comes scrambled. Not on /dev/srN on Linux."""

    lba: int
    count: int
    sub: CddaSub = CddaSub.AUDIO
    timeout: float = READ_TIMEOUT

    def command(self) -> Command:
        """`count` records."""
        cdb = bytes((0xD8, 0)) + lba32(self.lba) + self.count.to_bytes(4, "big")
        cdb += bytes((self.sub, 0))
        return Command(cdb, Direction.IN, self.count * self.sub.record, timeout=self.timeout)

    def parse(self, data: Data) -> Data:
        """The records as they came."""
        return data


@dataclass(frozen=True, slots=True)
class Read10:
    """READ(10) (28h): 2048-byte blocks."""

    lba: int
    count: int
    fua: bool = False
    timeout: float = READ_TIMEOUT

    def command(self) -> Command:
        """`count` blocks."""
        cdb = bytes((0x28, 0x08 if self.fua else 0)) + lba32(self.lba) + b"\0"
        cdb += self.count.to_bytes(2, "big") + b"\0"
        return Command(cdb, Direction.IN, self.count * 2048, timeout=self.timeout)

    def parse(self, data: Data) -> Data:
        """The blocks as they came."""
        return data


@dataclass(frozen=True, slots=True)
class Read12:
    """READ(12) (A8h): 2048-byte blocks. With `count` 0 and `fua` many drives drop their cache."""

    lba: int
    count: int
    fua: bool = False
    timeout: float = READ_TIMEOUT

    def command(self) -> Command:
        """`count` blocks."""
        cdb = bytes((0xA8, 0x08 if self.fua else 0)) + lba32(self.lba)
        cdb += self.count.to_bytes(4, "big") + bytes(2)
        direction = Direction.IN if self.count else Direction.NONE
        return Command(cdb, direction, self.count * 2048, timeout=self.timeout)

    def parse(self, data: Data) -> Data:
        """The blocks as they came."""
        return data
