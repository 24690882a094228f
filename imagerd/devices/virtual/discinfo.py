# SPDX-License-Identifier: Apache-2.0
"""What the disc is: READ TOC, READ CAPACITY, READ DISC and TRACK INFORMATION."""

from __future__ import annotations

from typing import Final

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import BAD_FIELD, give, refuse, s32, u16
from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.recordable import LEAD_IN, disc_id
from imagerd.devices.virtual.state import DriveState, Loaded
from imagerd.disc.layout import Layout, Track, TrackMode

_BY_ADDRESS, _BY_TRACK, _BY_SESSION = range(3)
_OPEN: Final = 0x04  # READ TRACK INFORMATION: only a track that can still be written
_FORMATTED: Final = 3  # state of the background format of a DVD+RW: complete
_DVD_PLUS_RW: Final = 0x1A


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
    elif kind == 3:
        data = toc.pma()
    elif kind == 4:
        data = toc.atip()
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
    """READ DISC INFORMATION (MMC-6, 6.21), standard information of a complete disc.

    The track and POW resources (types 1 and 2) are those of drives that write: refused.
    """
    if command.cdb[1] & 7:
        return refuse(BAD_FIELD)
    disc = loaded_of(drive).disc
    layout, kind = disc.layout, disc.kind
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
    if kind is not None:
        data[2] |= 0x10 if kind.rewritable else 0
        data[7] |= _FORMATTED if kind.profile == _DVD_PLUS_RW else 0
    if kind is not None and layout.is_cd:
        data[7] |= 0x80
        data[12:16] = disc_id(layout).to_bytes(4, "big")
    return give(command, data, u16(command.cdb, 7))


def read_track_information(drive: DriveState, command: Command) -> Reply:
    """READ TRACK INFORMATION (MMC-6, 6.26) by LBA, track or session.

    Track 0 is the lead-in, of a recordable CD alone. Track FFh, the invisible one, and any that
    is open are there only as long as a disc is not complete.
    """
    cdb, disc = command.cdb, loaded_of(drive).disc
    way, number = cdb[1] & 3, s32(cdb, 2)
    if way == _BY_TRACK and number == 0 and disc.is_cd and disc.kind is not None:
        data = bytearray(36)
        data[8:12] = LEAD_IN.lba.to_bytes(4, "big", signed=True)
    elif cdb[1] & _OPEN or (track := _asked_track(disc.layout, way, number)) is None:
        return refuse(BAD_FIELD)
    else:
        data = _track_data(disc, track)
    data[0:2] = (34).to_bytes(2, "big")
    return give(command, data, u16(cdb, 7))


def _track_data(disc: Disc, track: Track) -> bytearray:
    data = bytearray(36)
    data[2:4] = bytes((track.number & 0xFF, track.session & 0xFF))
    data[5] = track.control
    data[6] = {TrackMode.AUDIO: 0x0F, TrackMode.MODE2: 0x02}.get(track.mode, 0x01)
    data[7] = 0x02 if not disc.is_cd else 0x00  # last recorded address valid
    end = toc_end(disc.layout, track)
    data[8:12] = track.index1.to_bytes(4, "big")
    data[24:28] = (end - track.index1).to_bytes(4, "big")
    if not disc.is_cd:
        data[28:32] = (end - 1).to_bytes(4, "big")
    return data


def _asked_track(layout: Layout, way: int, number: int) -> Track | None:
    if way == _BY_ADDRESS:
        return layout.track_at(number)
    if way == _BY_TRACK:
        return next((track for track in layout.tracks if track.number == number), None)
    if way == _BY_SESSION:
        return next((s.tracks[0] for s in layout.sessions if s.number == number), None)
    return None


def toc_end(layout: Layout, track: Track) -> int:
    """Where a track ends by the TOC: at the next one's INDEX 01, pregap or not."""
    session = next(s for s in layout.sessions if s.number == track.session)
    later = [other.index1 for other in session.tracks if other.number > track.number]
    return later[0] if later else session.lead_out
