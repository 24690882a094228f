# SPDX-License-Identifier: Apache-2.0
"""GET CONFIGURATION (MMC-6, 6.5 and 5.3): the features that this drive really has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import BAD_FIELD, give, refuse, u16
from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.modes import LOADING, VOLUMES
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.recordable import profiles_of
from imagerd.devices.virtual.state import DriveState, Loaded
from imagerd.disc.layout import Layout, Medium

_PERSISTENT, _CURRENT = 2, 1
_PROFILES: Final = {"cd": 0x0008, "dvd": 0x0010, "bd": 0x0040, "hddvd": 0x0050}
# Sectors that are read at once at least: of the error correction of each medium.
_BLOCKING: Final = {Medium.CD: 1, Medium.DVD: 16, Medium.HDDVD: 32, Medium.BD: 32}


def get_configuration(drive: DriveState, command: Command) -> Reply:
    """GET CONFIGURATION: all features, the current ones, or one."""
    kind, start = command.cdb[1] & 3, u16(command.cdb, 2)
    if kind == 3:
        return refuse(BAD_FIELD)
    loaded = drive.usable
    current = loaded.disc.profile_number if loaded is not None else 0
    wanted = []
    for code, flags, data in _features(drive, loaded):
        if kind == 2:
            chosen = code == start
        else:
            chosen = code >= start and (kind == 0 or bool(flags & _CURRENT))
        if chosen:
            wanted.append(code.to_bytes(2, "big") + bytes((flags, len(data))) + data)
    body = b"".join(wanted)
    header = (len(body) + 4).to_bytes(4, "big") + bytes(2) + current.to_bytes(2, "big")
    return give(command, header + body, u16(command.cdb, 7))


def _features(drive: DriveState, loaded: Loaded | None) -> Iterator[tuple[int, int, bytes]]:
    """Code, flags (version, persistent, current) and additional data, ascending."""
    profile = drive.profile
    disc = loaded.disc if loaded is not None else None
    current = disc.profile_number if disc is not None else 0
    always = _PERSISTENT | _CURRENT
    yield 0x0000, always, _profile_list(profile, current)
    yield 0x0001, 2 << 2 | always, bytes((0, 0, 0, 1, 1, 0, 0, 0))  # core: SCSI, event classes
    yield 0x0002, 1 << 2 | always, bytes((2, 0, 0, 0))  # morphing: operational change events
    yield 0x0003, 2 << 2 | always, bytes((LOADING[profile.loading] << 5 | 0x19, 0, 0, 0))
    blocking = _BLOCKING[disc.layout.medium] if disc is not None else 1
    readable = _CURRENT if disc is not None else 0
    yield 0x0010, readable, bytes((0, 0, 8, 0, 0, blocking, 1, 0))  # random readable, 2048
    yield from _reading(profile, disc)
    yield 0x0100, always, b""  # power management
    # external play: scan; mute and volume for each channel
    plays = _CURRENT if disc is not None and _has_audio(disc.layout) else 0
    yield 0x0103, plays, bytes((0x07, 0)) + VOLUMES.to_bytes(2, "big")
    yield 0x0107, 4 << 2 | always, bytes((0x1C, 0, 0, 0))  # buffer capacity, speeds, page 2A
    yield 0x0108, always, _padded(profile.serial)
    yield 0x010C, always, profile.firmware_date.encode("ascii", "replace")[:14].ljust(16, b"\0")


def _reading(profile: DriveProfile, disc: Disc | None) -> Iterator[tuple[int, int, bytes]]:
    """What is read; the writing bits of these features are zero."""
    medium = disc.layout.medium if disc is not None else None
    current = disc.profile_number if disc is not None else 0
    cd = _CURRENT if medium is Medium.CD else 0
    if "cd" in profile.media:
        yield 0x001D, cd, b""  # multi-read: all CDs, the recordable ones too
        yield 0x001E, 2 << 2 | cd, bytes((_cd_read(profile), 0, 0, 0))
    if "dvd" in profile.media:
        yield 0x001F, 1 << 2 | (_CURRENT if medium is Medium.DVD else 0), bytes(4)
        if profile.tells_recordable:
            for feature, number in ((0x002A, 0x1A), (0x002B, 0x1B), (0x003B, 0x2B)):
                yield feature, _CURRENT if current == number else 0, bytes(4)  # DVD+RW, +R, +R DL
    if "bd" in profile.media:
        yield 0x0040, 1 << 2 | (_CURRENT if medium is Medium.BD else 0), _bd_read(profile)
    if "hddvd" in profile.media:
        yield 0x0050, _CURRENT if medium is Medium.HDDVD else 0, bytes(4)


def _profile_list(profile: DriveProfile, current: int) -> bytes:
    """The kinds of disc that it tells apart; that of a recordable one does not mean writing."""
    numbers = [_PROFILES[media] for media in profile.media]
    if profile.tells_recordable:
        numbers += [n for media in profile.media for n in profiles_of(Medium(media))]
    numbers.sort(reverse=True)
    return b"".join(n.to_bytes(2, "big") + bytes((n == current, 0)) for n in numbers)


def _has_audio(layout: Layout) -> bool:
    return layout.is_cd and not all(track.is_data for track in layout.tracks)


def _cd_read(profile: DriveProfile) -> int:
    """DAP is not offered; C2 pointers and CD-Text are."""
    return (0x02 if profile.c2_sizes else 0) | 0x01


def _bd_read(profile: DriveProfile) -> bytes:
    """Versions of BD-RE, BD-R and BD-ROM in class 0, each followed by three other classes."""
    written = profile.tells_recordable
    versions = (0x04 if written else 0, 0x02 if written else 0, 0x02)
    return bytes(4) + b"".join(bytes((0, version)) + bytes(6) for version in versions)


def _padded(text: str) -> bytes:
    data = text.encode("ascii", "replace")
    return data + b" " * (-len(data) % 4)
