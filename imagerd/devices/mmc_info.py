# SPDX-License-Identifier: Apache-2.0
"""READ DISC INFORMATION, READ TRACK INFORMATION, READ SUB-CHANNEL (MMC-6, 6.21, 6.26; MMC-5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from imagerd.devices.mmc import Data, need, u32
from imagerd.devices.scsi import Command, Direction

_ISRC = re.compile(r"[A-Z0-9]{5}[0-9]{7}")
_MCN = re.compile(r"[0-9]{13}")


class DiscState(IntEnum):
    """How far a recordable disc is written."""

    EMPTY = 0
    APPENDABLE = 1
    COMPLETE = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class DiscInformation:
    """Standard disc information. `disc_id` is None where the drive does not vouch for it."""

    state: DiscState
    last_session_state: int
    erasable: bool
    first_track: int
    sessions: int
    first_track_last_session: int
    last_track: int
    disc_type: int
    disc_id: int | None


@dataclass(frozen=True, slots=True)
class ReadDiscInformation:
    """READ DISC INFORMATION (51h)."""

    def command(self) -> Command:
        """34 bytes."""
        cdb = bytes((0x51,)) + bytes(6) + bytes((0, 34, 0))
        return Command(cdb, Direction.IN, 34, timeout=60.0)

    def parse(self, data: Data) -> DiscInformation:
        """Some drives send only the first part: the high bytes then count as zero."""
        raw = need(data, 9, "READ DISC INFORMATION").ljust(34, b"\0")
        return DiscInformation(
            state=DiscState(raw[2] & 3),
            last_session_state=raw[2] >> 2 & 3,
            erasable=bool(raw[2] & 0x10),
            first_track=raw[3],
            sessions=raw[4] | raw[9] << 8,
            first_track_last_session=raw[5] | raw[10] << 8,
            last_track=raw[6] | raw[11] << 8,
            disc_type=raw[8],
            disc_id=u32(raw, 12) if raw[7] & 0x80 else None,
        )


@dataclass(frozen=True, slots=True)
class TrackInformation:
    """Track information. `data_mode` 1 or 2; 15 where the drive does not know (or audio)."""

    number: int
    session: int
    control: int
    damage: bool
    data_mode: int
    blank: bool
    packet: bool
    start: int
    size: int
    last_recorded: int | None


@dataclass(frozen=True, slots=True)
class ReadTrackInformation:
    """READ TRACK INFORMATION (52h). `by`: 0 an LBA, 1 a track's number, 2 a session's."""

    number: int
    by: int = 1

    def command(self) -> Command:
        """Up to 48 bytes."""
        cdb = bytes((0x52, self.by)) + (self.number & 0xFFFFFFFF).to_bytes(4, "big")
        return Command(cdb + bytes((0, 0, 48, 0)), Direction.IN, 48, timeout=60.0)

    def parse(self, data: Data) -> TrackInformation:
        """High bytes of track and session count as zero in the short form."""
        raw = need(data, 28, "READ TRACK INFORMATION").ljust(48, b"\0")
        return TrackInformation(
            number=raw[2] | raw[32] << 8,
            session=raw[3] | raw[33] << 8,
            control=raw[5] & 15,
            damage=bool(raw[5] & 0x20),
            data_mode=raw[6] & 15,
            blank=bool(raw[6] & 0x40),
            packet=bool(raw[6] & 0x20),
            start=u32(raw, 8),
            size=u32(raw, 24),
            last_recorded=u32(raw, 28) if raw[7] & 2 else None,
        )


@dataclass(frozen=True, slots=True)
class Position:
    """Where the head is by Q: `absolute` as LBA, `relative` sectors from INDEX 01."""

    adr: int
    control: int
    track: int
    index: int
    absolute: int
    relative: int


def _sub_channel(form: int, track: int = 0) -> Command:
    cdb = bytes((0x42, 0, 0x40, form, 0, 0, track, 0, 24, 0))
    return Command(cdb, Direction.IN, 24, timeout=60.0)


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """READ SUB-CHANNEL (42h), format 1."""

    def command(self) -> Command:
        """24 bytes asked, 16 come."""
        return _sub_channel(1)

    def parse(self, data: Data) -> Position:
        """Addresses as LBA."""
        raw = need(data, 16, "READ SUB-CHANNEL (position)")
        absolute, relative = (
            int.from_bytes(raw[at : at + 4], "big", signed=True) for at in (8, 12)
        )
        return Position(raw[5] >> 4, raw[5] & 15, raw[6], raw[7], absolute, relative)


@dataclass(frozen=True, slots=True)
class ReadMcn:
    """READ SUB-CHANNEL (42h), format 2: the media catalogue number."""

    def command(self) -> Command:
        """24 bytes."""
        return _sub_channel(2)

    def parse(self, data: Data) -> str | None:
        """Thirteen digits; None if there is none, or if it is all zeros or no number."""
        raw = need(data, 9, "READ SUB-CHANNEL (MCN)")
        found = raw[9:22].decode("ascii", "replace")
        valid = raw[8] & 0x80 and _MCN.fullmatch(found) and found.strip("0")
        return found if valid else None


@dataclass(frozen=True, slots=True)
class ReadIsrc:
    """READ SUB-CHANNEL (42h), format 3: the ISRC of `track`."""

    track: int

    def command(self) -> Command:
        """24 bytes."""
        return _sub_channel(3, self.track)

    def parse(self, data: Data) -> str | None:
        """Twelve characters; None if there is none, or if it has not the shape of one."""
        raw = need(data, 9, "READ SUB-CHANNEL (ISRC)")
        found = raw[9:21].decode("ascii", "replace").upper()
        return found if raw[8] & 0x80 and _ISRC.fullmatch(found) and found.strip("0") else None


__all__ = [
    "DiscInformation",
    "DiscState",
    "Position",
    "ReadDiscInformation",
    "ReadIsrc",
    "ReadMcn",
    "ReadPosition",
    "ReadTrackInformation",
    "TrackInformation",
]
