# SPDX-License-Identifier: Apache-2.0
"""GET CONFIGURATION (MMC-6, 6.5 and 5.3): the features that this drive really has."""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import BAD_FIELD, give, refuse, u16
from imagerd.devices.virtual.modes import LOADING
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.state import DriveState

_PERSISTENT, _CURRENT = 2, 1
_PROFILES = {"cd": 0x0008, "dvd": 0x0010, "bd": 0x0040, "hddvd": 0x0050}


def get_configuration(drive: DriveState, command: Command) -> Reply:
    """GET CONFIGURATION: all features, the current ones, or one."""
    kind, start = command.cdb[1] & 3, u16(command.cdb, 2)
    if kind == 3:
        return refuse(BAD_FIELD)
    loaded = drive.usable
    current = loaded.disc.profile_number if loaded is not None else 0
    wanted = []
    for code, flags, data in _features(drive, current):
        if kind == 2:
            chosen = code == start
        else:
            chosen = code >= start and (kind == 0 or bool(flags & _CURRENT))
        if chosen:
            wanted.append(code.to_bytes(2, "big") + bytes((flags, len(data))) + data)
    body = b"".join(wanted)
    header = (len(body) + 4).to_bytes(4, "big") + bytes(2) + current.to_bytes(2, "big")
    return give(command, header + body, u16(command.cdb, 7))


def _features(drive: DriveState, current: int) -> Iterator[tuple[int, int, bytes]]:
    """Code, flags (version, persistent, current) and additional data, ascending."""
    profile = drive.profile
    always = _PERSISTENT | _CURRENT
    yield 0x0000, always, _profile_list(profile, current)
    yield 0x0001, 2 << 2 | always, bytes((0, 0, 0, 1, 1, 0, 0, 0))  # core: SCSI, event classes
    yield 0x0002, 1 << 2 | always, bytes((2, 0, 0, 0))  # morphing: operational change events
    yield 0x0003, 2 << 2 | always, bytes((LOADING[profile.loading] << 5 | 0x19, 0, 0, 0))
    readable = _CURRENT if current else 0
    blocking = 1 if current == _PROFILES["cd"] else 16
    yield 0x0010, readable, bytes((0, 0, 8, 0, 0, blocking, 1, 0))  # random readable, 2048
    if "dvd" in profile.media:
        yield 0x001D, _flag(current, "cd"), b""
    if "cd" in profile.media:
        yield 0x001E, 2 << 2 | _flag(current, "cd"), bytes((_cd_read(profile), 0, 0, 0))
    if "dvd" in profile.media:
        yield 0x001F, 1 << 2 | _flag(current, "dvd"), bytes((0, 0, 0, 0))
    if "bd" in profile.media:
        yield 0x0040, 1 << 2 | _flag(current, "bd"), bytes(20) + b"\x00\x02" + bytes(6)
    if "hddvd" in profile.media:
        yield 0x0050, _flag(current, "hddvd"), bytes(4)
    yield 0x0100, always, b""  # power management
    yield 0x0107, 4 << 2 | always, bytes((0x1C, 0, 0, 0))  # buffer capacity, speeds, page 2A
    yield 0x0108, always, _padded(profile.serial)
    yield 0x010C, always, _padded(profile.firmware_date)


def _profile_list(profile: DriveProfile, current: int) -> bytes:
    numbers = sorted((_PROFILES[media] for media in profile.media), reverse=True)
    return b"".join(n.to_bytes(2, "big") + bytes((n == current, 0)) for n in numbers)


def _flag(current: int, media: str) -> int:
    return _CURRENT if current == _PROFILES[media] else 0


def _cd_read(profile: DriveProfile) -> int:
    """DAP is not offered; C2 pointers and CD-Text are."""
    return (0x02 if profile.c2_sizes else 0) | 0x01


def _padded(text: str) -> bytes:
    data = text.encode("ascii", "replace")
    return data + b" " * (-len(data) % 4)
