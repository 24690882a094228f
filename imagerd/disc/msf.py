# SPDX-License-Identifier: Apache-2.0
"""Addresses on a CD: LBA and MSF (minute, second, frame; 75 frames a second).

LBA = (M*60 + S)*75 + F - 150 for MSF up to 89:59:74; 90:00:00 to 99:59:74 name the lead-in, whose
LBAs are negative: 99:59:74 is LBA -151 and 90:00:00 is LBA -45150 (MMC-6, table 691). So the two
hundred and fifty sectors before LBA 0 are: lead-in up to -151, then the first pregap -150 … -1,
whose MSF is 00:00:00 … 00:01:74.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FRAMES_PER_SECOND = 75
FRAMES_PER_MINUTE = 60 * FRAMES_PER_SECOND
PREGAP = 150  # sectors between MSF 00:00:00 and LBA 0
_WRAP = 100 * FRAMES_PER_MINUTE  # MSF is two decimal digits of minutes
_LEAD_IN_FROM = 90 * FRAMES_PER_MINUTE
LBA_MIN = _LEAD_IN_FROM - _WRAP - PREGAP  # -45150
LBA_MAX = _WRAP - PREGAP - 1  # 449849: 99:59:74 on an overlong disc

_TEXT = re.compile(r"^(\d{1,4}):(\d{1,2}):(\d{1,2})$")


@dataclass(frozen=True, slots=True, order=True)
class Msf:
    """Minute, second, frame. Ordered as written, not by LBA: the lead-in sorts last."""

    minute: int
    second: int
    frame: int

    def __post_init__(self) -> None:
        if not (0 <= self.minute <= 99 and 0 <= self.second < 60 and 0 <= self.frame < 75):
            raise ValueError(f"no such MSF: {self.minute}:{self.second}:{self.frame}")

    @classmethod
    def from_lba(cls, lba: int) -> Msf:
        """The MSF of `lba`, `LBA_MIN` to `LBA_MAX`; below -150 it is a lead-in address.

        From LBA 404850 on (discs of over 90 minutes) the same MSF also names a lead-in sector.
        """
        if not LBA_MIN <= lba <= LBA_MAX:
            raise ValueError(f"LBA {lba} has no MSF")
        frames = lba + PREGAP
        return cls.from_frames(frames + _WRAP if frames < 0 else frames)

    @classmethod
    def from_frames(cls, frames: int) -> Msf:
        """A plain duration of `frames` sectors (no 150 added), below 100 minutes."""
        seconds, frame = divmod(frames, FRAMES_PER_SECOND)
        minute, second = divmod(seconds, 60)
        return cls(minute, second, frame)

    @classmethod
    def from_bcd(cls, data: bytes) -> Msf:
        """Three BCD bytes, as in a sector header or in Q. Raises `ValueError` if they are not."""
        return cls(*(from_bcd(value) for value in data[:3]))

    @property
    def lba(self) -> int:
        """The LBA as MMC reads it: 90:00:00 and above are in the lead-in."""
        frames = self.frames
        return (frames - _WRAP if frames >= _LEAD_IN_FROM else frames) - PREGAP

    @property
    def program_lba(self) -> int:
        """The LBA read as one of the program area: 90:00:00 and above on an overlong disc."""
        return self.frames - PREGAP

    @property
    def frames(self) -> int:
        """The plain number of sectors, no 150 subtracted."""
        return self.minute * FRAMES_PER_MINUTE + self.second * FRAMES_PER_SECOND + self.frame

    def to_bcd(self) -> bytes:
        """Three BCD bytes."""
        return bytes((to_bcd(self.minute), to_bcd(self.second), to_bcd(self.frame)))

    def __str__(self) -> str:
        return f"{self.minute:02}:{self.second:02}:{self.frame:02}"


def parse_duration(text: str) -> int:
    """Sectors in `mm:ss:ff`, forgivingly: minutes above 99, seconds and frames too large.

    Raises `ValueError` if the text has another shape.
    """
    match = _TEXT.match(text.strip())
    if match is None:
        raise ValueError(f"not a time in mm:ss:ff: {text!r}")
    minute, second, frame = (int(part) for part in match.groups())
    return minute * FRAMES_PER_MINUTE + second * FRAMES_PER_SECOND + frame


def format_duration(frames: int) -> str:
    """`mm:ss:ff` of a number of sectors; minutes may exceed 99, as in a cue sheet."""
    seconds, frame = divmod(frames, FRAMES_PER_SECOND)
    minute, second = divmod(seconds, 60)
    return f"{minute:02}:{second:02}:{frame:02}"


def to_bcd(value: int) -> int:
    """0–99 as one BCD byte."""
    if not 0 <= value <= 99:
        raise ValueError(f"no BCD byte for {value}")
    return value // 10 << 4 | value % 10


def from_bcd(value: int) -> int:
    """One BCD byte as a number; raises `ValueError` for a nibble above 9."""
    high, low = value >> 4, value & 15
    if high > 9 or low > 9:
        raise ValueError(f"not BCD: {value:#04x}")
    return high * 10 + low
