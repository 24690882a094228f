# SPDX-License-Identifier: Apache-2.0
"""READ SUB-CHANNEL (MMC-6, 6.24): audio status, position, MCN and ISRC."""

from __future__ import annotations

from typing import Final

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import BAD_FIELD, ILLEGAL_MODE, give, refuse, u16
from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.discinfo import loaded_of
from imagerd.devices.virtual.player import AudioStatus
from imagerd.devices.virtual.state import POLL, DriveState
from imagerd.devices.virtual.toc import LEAD_OUT, address_bytes
from imagerd.disc.layout import Layout

_POSITION, _MCN, _ISRC = 1, 2, 3
_WITH_Q: Final = 0x40


def read_sub_channel(drive: DriveState, command: Command) -> Reply:
    """READ SUB-CHANNEL: the header with the audio status and, if asked for, one format of Q."""
    cdb, disc = command.cdb, loaded_of(drive).disc
    if not disc.is_cd:
        return refuse(ILLEGAL_MODE)
    body = _body(drive, disc, cdb) if cdb[2] & _WITH_Q else b""
    if body is None:
        return refuse(BAD_FIELD)
    allocation = u16(cdb, 7)
    # With no room for the status, that a play has ended is still to be told.
    told = min(allocation, command.length) > 1
    status = drive.player.report() if told else drive.player.status
    if status is AudioStatus.PLAYING:
        drive.clock.idle(POLL)  # whoever waits for the end only looks how far it is
    return give(command, bytes((0, status)) + len(body).to_bytes(2, "big") + body, allocation)


def _body(drive: DriveState, disc: Disc, cdb: bytes) -> bytes | None:
    kind = cdb[3]
    if kind == _POSITION:
        return _position(disc, drive.place, bool(cdb[1] & 2))
    if kind == _MCN:
        return _mcn(disc.layout)
    return _isrc(disc.layout, cdb[6]) if kind == _ISRC else None


def _position(disc: Disc, lba: int, msf: bool) -> bytes:
    """Track, index and both times; before INDEX 01 the one in the track is negative."""
    layout = disc.layout
    track = layout.track_at(lba)
    if track is not None:
        number, index, origin = track.number, track.index_at(lba), track.index1
    elif lba < layout.start:
        track = layout.tracks[0]
        number, index, origin = track.number, 0, track.index1
    else:
        track = layout.tracks[-1]
        number, index, origin = LEAD_OUT, 1, layout.end
    since = lba - origin
    relative = _relative(abs(since)) if msf else address_bytes(since, msf=False)
    head = bytes((_POSITION, 0x10 | track.control, number, index))
    return head + address_bytes(lba, msf) + relative


def _relative(frames: int) -> bytes:
    """A duration as zero, minute, second, frame."""
    return bytes((0, frames // 4500 % 100, frames // 75 % 60, frames % 75))


def _mcn(layout: Layout) -> bytes:
    code = layout.mcn
    text = code.encode("ascii") if code is not None else b"0" * 13
    return bytes((2, 0, 0, 0, 0x80 if code is not None else 0)) + text + bytes(2)


def _isrc(layout: Layout, number: int) -> bytes | None:
    track = next((track for track in layout.tracks if track.number == number), None)
    if track is None:
        return None
    code = track.isrc
    text = code.encode("ascii") if code is not None else b"0" * 12
    head = bytes((3, 0x10 | track.control, number, 0, 0x80 if code is not None else 0))
    return head + text + bytes(3)
