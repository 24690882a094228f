# SPDX-License-Identifier: Apache-2.0
"""What the disc is: READ TOC, DISC and TRACK INFORMATION, CAPACITY, READ SUB-CHANNEL."""

from __future__ import annotations

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import BAD_FIELD, ILLEGAL_MODE, give, refuse, s32, u16
from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.state import DriveState, Loaded
from imagerd.devices.virtual.toc import LEAD_OUT, address_bytes
from imagerd.disc.layout import Layout, Track, TrackMode

_NO_AUDIO_STATUS = 0x15


def loaded_of(drive: DriveState) -> Loaded:
    """The medium; the drive has checked that there is one before a handler is called."""
    if drive.loaded is None:
        raise ValueError("a command that needs a medium was let through without one")
    return drive.loaded


def read_toc(drive: DriveState, command: Command) -> Reply:
    """READ TOC/PMA/ATIP (MMC-6, 6.25)."""
    cdb, toc = command.cdb, loaded_of(drive).toc
    msf, start = bool(cdb[1] & 2), cdb[6]
    # Old hosts put the format into the two top bits of the control byte.
    kind = cdb[2] & 0x0F or cdb[9] >> 6
    data: bytes | None = None
    if kind == 0:
        data = toc.tracks(start, msf)
    elif kind == 1:
        data = toc.sessions(msf)
    elif kind == 2:
        data = toc.full(start)
    elif kind == 5:
        data = toc.cd_text()
    if data is None:
        return refuse(BAD_FIELD)
    return give(command, data, u16(cdb, 7))


def read_capacity(drive: DriveState, command: Command) -> Reply:
    """READ CAPACITY (MMC-6, 6.18): the last address before the last lead-out, 2048 bytes."""
    last = loaded_of(drive).disc.layout.end - 1
    return give(command, last.to_bytes(4, "big") + (2048).to_bytes(4, "big"), 8)


def read_disc_information(drive: DriveState, command: Command) -> Reply:
    """READ DISC INFORMATION (MMC-6, 6.21), standard information of a complete disc."""
    if command.cdb[1] & 7:
        return refuse(BAD_FIELD)
    layout = loaded_of(drive).disc.layout
    first, last = layout.tracks[0].number, layout.tracks[-1].number
    opening = layout.sessions[-1].tracks[0].number
    data = bytearray(34)
    data[0:2] = (32).to_bytes(2, "big")
    data[2] = 0x0E  # last session complete, disc complete
    data[3:7] = bytes((first, len(layout.sessions) & 0xFF, opening, last))
    data[7] = 0x20  # for unrestricted use
    data[8] = layout.disc_type.value if layout.is_cd else 0
    data[9] = len(layout.sessions) >> 8
    data[16:24] = b"\xff" * 8  # nothing can be added: no lead-in, no lead-out to come
    return give(command, data, u16(command.cdb, 7))


def read_track_information(drive: DriveState, command: Command) -> Reply:
    """READ TRACK INFORMATION (MMC-6, 6.26) by LBA, track or session."""
    cdb, layout = command.cdb, loaded_of(drive).disc.layout
    track = _asked_track(layout, cdb[1] & 3, s32(cdb, 2))
    if track is None:
        return refuse(BAD_FIELD)
    data = bytearray(36)
    data[0:2] = (34).to_bytes(2, "big")
    data[2:4] = bytes((track.number & 0xFF, track.session & 0xFF))
    data[5] = track.control
    data[6] = {TrackMode.AUDIO: 0x0F, TrackMode.MODE2: 0x02}.get(track.mode, 0x01)
    data[7] = 0x02 if not layout.is_cd else 0x00  # last recorded address valid
    end = _toc_end(layout, track)
    data[8:12] = track.index1.to_bytes(4, "big")
    data[24:28] = (end - track.index1).to_bytes(4, "big")
    if not layout.is_cd:
        data[28:32] = (end - 1).to_bytes(4, "big")
    return give(command, data, u16(cdb, 7))


def _asked_track(layout: Layout, kind: int, number: int) -> Track | None:
    if kind == 0:
        return layout.track_at(number)
    if kind == 1:
        return next((track for track in layout.tracks if track.number == number), None)
    if kind == 2:
        return next((s.tracks[0] for s in layout.sessions if s.number == number), None)
    return None


def _toc_end(layout: Layout, track: Track) -> int:
    """Where a track ends by the TOC: at the next one's INDEX 01, pregap or not."""
    session = next(s for s in layout.sessions if s.number == track.session)
    later = [other.index1 for other in session.tracks if other.number > track.number]
    return later[0] if later else session.lead_out


def read_sub_channel(drive: DriveState, command: Command) -> Reply:
    """READ SUB-CHANNEL (MMC-6, 6.24): position, MCN, ISRC. Nothing is played."""
    cdb, disc = command.cdb, loaded_of(drive).disc
    msf, wanted, kind = bool(cdb[1] & 2), bool(cdb[2] & 0x40), cdb[3]
    body: bytes | None = b""
    if not disc.is_cd:
        return refuse(ILLEGAL_MODE)
    if wanted:
        if kind == 1:
            body = _position(disc, drive.head, msf)
        elif kind == 2:
            body = _mcn(disc.layout)
        elif kind == 3:
            body = _isrc(disc.layout, cdb[6])
        else:
            body = None
    if body is None:
        return refuse(BAD_FIELD)
    header = bytes((0, _NO_AUDIO_STATUS)) + len(body).to_bytes(2, "big")
    return give(command, header + body, u16(cdb, 7))


def _position(disc: Disc, head: int, msf: bool) -> bytes:
    track = disc.layout.track_at(head)
    if track is None:
        first, last = disc.layout.tracks[0], disc.layout.tracks[-1]
        if head < first.start:
            track, index, since = first, 0, first.index1 - head
        else:
            return bytes((1, 0x10 | last.control, LEAD_OUT, 1)) + (
                address_bytes(head, msf) + address_bytes(max(head - disc.layout.end, 0), False)
            )
    else:
        index, since = track.index_at(head), head - track.index1
    relative = _relative(abs(since)) if msf else (since & 0xFFFFFFFF).to_bytes(4, "big")
    return (
        bytes((1, 0x10 | track.control, track.number, index)) + address_bytes(head, msf) + relative
    )


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
