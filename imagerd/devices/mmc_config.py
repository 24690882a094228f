# SPDX-License-Identifier: Apache-2.0
"""GET CONFIGURATION, GET EVENT STATUS NOTIFICATION and MECHANISM STATUS (MMC-6, 6.6, 6.7, 6.11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from imagerd.devices.mmc import Data, need, text, u16, u24, u32
from imagerd.devices.scsi import Command, Direction
from imagerd.disc.layout import Medium


class Profile(IntEnum):
    """Current profiles (MMC-6, table 96), those that hold a disc we read."""

    NONE = 0x0000
    CD_ROM = 0x0008
    CD_R = 0x0009
    CD_RW = 0x000A
    DVD_ROM = 0x0010
    DVD_R = 0x0011
    DVD_RAM = 0x0012
    DVD_RW_RESTRICTED = 0x0013
    DVD_RW = 0x0014
    DVD_R_DL = 0x0015
    DVD_R_DL_JUMP = 0x0016
    DVD_PLUS_RW = 0x001A
    DVD_PLUS_R = 0x001B
    DVD_PLUS_RW_DL = 0x002A
    DVD_PLUS_R_DL = 0x002B
    BD_ROM = 0x0040
    BD_R = 0x0041
    BD_R_RANDOM = 0x0042
    BD_RE = 0x0043
    HD_DVD_ROM = 0x0050
    HD_DVD_R = 0x0051
    HD_DVD_RAM = 0x0052
    HD_DVD_RW = 0x0053
    HD_DVD_R_DL = 0x0058
    HD_DVD_RW_DL = 0x005A


PRESSED = frozenset({Profile.DVD_ROM, Profile.BD_ROM, Profile.HD_DVD_ROM})


def medium_of(profile: int) -> Medium | None:
    """The family of discs that a profile number belongs to; None for none and unknown ones."""
    if 0x08 <= profile <= 0x0A:
        return Medium.CD
    if 0x10 <= profile <= 0x1B or 0x2A <= profile <= 0x2B:
        return Medium.DVD
    if 0x40 <= profile <= 0x43:
        return Medium.BD
    if 0x50 <= profile <= 0x5A:
        return Medium.HDDVD
    return None


class FeatureCode(IntEnum):
    """Features that we ask about."""

    PROFILE_LIST = 0x0000
    CORE = 0x0001
    RANDOM_READABLE = 0x0010
    MULTI_READ = 0x001D
    CD_READ = 0x001E
    DVD_READ = 0x001F
    BD_READ = 0x0040
    DVD_CSS = 0x0106
    REAL_TIME_STREAMING = 0x0107
    SERIAL_NUMBER = 0x0108
    FIRMWARE_DATE = 0x010C


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature descriptor; `data` is what follows its four bytes of header."""

    code: int
    version: int
    persistent: bool
    current: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Configuration:
    """The current profile and the features that came with the reply."""

    profile: int
    features: Mapping[int, Feature] = field(default_factory=lambda: MappingProxyType({}))

    def _byte(self, code: int) -> int | None:
        feature = self.features.get(code)
        return feature.data[0] if feature is not None and feature.data else None

    @property
    def claims_c2(self) -> bool | None:
        """Whether CD Read says that READ CD can give C2 pointers; None if it is not told."""
        byte = self._byte(FeatureCode.CD_READ)
        return None if byte is None else bool(byte & 0x02)

    @property
    def claims_cd_text(self) -> bool | None:
        """Whether CD Read says that READ TOC can give CD-Text; None if it is not told."""
        byte = self._byte(FeatureCode.CD_READ)
        return None if byte is None else bool(byte & 0x01)

    @property
    def streams(self) -> bool:
        """Whether the drive has real-time streaming: SET STREAMING may be used."""
        return FeatureCode.REAL_TIME_STREAMING in self.features

    @property
    def serial(self) -> str:
        """The drive's serial number, "" if it tells none."""
        feature = self.features.get(FeatureCode.SERIAL_NUMBER)
        return "" if feature is None else text(feature.data)


@dataclass(frozen=True, slots=True)
class GetConfiguration:
    """GET CONFIGURATION (46h). `scope`: 0 all features, 1 current ones, 2 only `start`."""

    scope: int = 0
    start: int = 0
    length: int = 2048

    def command(self) -> Command:
        """Up to `length` bytes."""
        cdb = bytes((0x46, self.scope)) + self.start.to_bytes(2, "big") + bytes(3)
        return Command(cdb + self.length.to_bytes(2, "big") + b"\0", Direction.IN, self.length)

    def parse(self, data: Data) -> Configuration:
        """Profile and features; a descriptor that was cut off is left out."""
        raw = need(data, 8, "GET CONFIGURATION")
        end = min(len(raw), u32(raw, 0) + 4)
        features: dict[int, Feature] = {}
        at = 8
        while at + 4 <= end and at + 4 + raw[at + 3] <= end:
            code, flags, extra = u16(raw, at), raw[at + 2], raw[at + 3]
            features[code] = Feature(
                code,
                flags >> 2 & 15,
                bool(flags & 2),
                bool(flags & 1),
                raw[at + 4 : at + 4 + extra],
            )
            at += 4 + extra
        return Configuration(u16(raw, 6), MappingProxyType(features))


class MediaEventCode(IntEnum):
    """Media events (MMC-6, table 325)."""

    NONE = 0
    EJECT_REQUEST = 1
    NEW_MEDIA = 2
    REMOVAL = 3
    CHANGED = 4
    FORMAT_DONE = 5
    FORMAT_RESTARTED = 6


@dataclass(frozen=True, slots=True)
class MediaEvent:
    """One media event. Reading it consumes it: nobody else will be told."""

    code: int
    door_open: bool
    medium_present: bool


@dataclass(frozen=True, slots=True)
class GetMediaEvent:
    """GET EVENT STATUS NOTIFICATION (4Ah), polled, class 4 (media)."""

    def command(self) -> Command:
        """8 bytes."""
        return Command(bytes((0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8, 0)), Direction.IN, 8, timeout=20.0)

    def parse(self, data: Data) -> MediaEvent | None:
        """The event and the state, or None if the drive does not report media events."""
        raw = need(data, 4, "GET EVENT STATUS NOTIFICATION")
        if raw[2] & 0x80 or raw[2] & 7 != 4 or len(raw) < 6:
            return None
        return MediaEvent(raw[4] & 15, bool(raw[5] & 1), bool(raw[5] & 2))


@dataclass(frozen=True, slots=True)
class Mechanism:
    """MECHANISM STATUS: `lba` is where the head is, as far as drives tell the truth."""

    fault: bool
    door_open: bool
    state: int
    slot: int
    slots: int
    lba: int


@dataclass(frozen=True, slots=True)
class MechanismStatus:
    """MECHANISM STATUS (BDh). Linux lets it through only on /dev/sgN or with CAP_SYS_RAWIO."""

    def command(self) -> Command:
        """8 bytes: the header alone."""
        cdb = bytes((0xBD,)) + bytes(7) + bytes((0, 8, 0, 0))
        return Command(cdb, Direction.IN, 8, timeout=20.0)

    def parse(self, data: Data) -> Mechanism:
        """The header (MMC-6, table 373)."""
        raw = need(data, 8, "MECHANISM STATUS")
        return Mechanism(
            fault=bool(raw[0] & 0x80),
            door_open=bool(raw[1] & 0x10),
            state=raw[1] >> 5,
            slot=raw[0] & 0x1F,
            slots=raw[5] & 0x3F,
            lba=u24(raw, 2),
        )
