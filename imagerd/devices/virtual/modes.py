# SPDX-License-Identifier: Apache-2.0
"""MODE SENSE and MODE SELECT, 6 and 10 bytes (SPC-4, 6.9–6.12; MMC-6, 7)."""

from __future__ import annotations

from typing import Final

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import (
    BAD_FIELD,
    BAD_PARAMETER,
    GOOD_REPLY,
    NO_SAVING,
    PARAMETER_LIST_LENGTH,
    give,
    refuse,
    u16,
)
from imagerd.devices.virtual.modepages import ALL_PAGES, CAPABILITIES
from imagerd.devices.virtual.state import DriveState

LOADING: Final = {"caddy": 0, "tray": 1, "popup": 2, "slot": 1}
VOLUMES: Final = 256  # steps of the volume in the audio page
_SAVED = 3
_NO_DISC, _TRAY_OPEN = 0x70, 0x71


def mode_sense_6(drive: DriveState, command: Command) -> Reply:
    """MODE SENSE(6)."""
    pages = _pages(drive, command.cdb)
    if isinstance(pages, Reply):
        return pages
    data = bytes((len(pages) + 3, medium_type(drive), 0, 0)) + pages
    return give(command, data, command.cdb[4])


def mode_sense_10(drive: DriveState, command: Command) -> Reply:
    """MODE SENSE(10)."""
    pages = _pages(drive, command.cdb)
    if isinstance(pages, Reply):
        return pages
    data = (len(pages) + 6).to_bytes(2, "big") + bytes((medium_type(drive), 0, 0, 0, 0, 0)) + pages
    return give(command, data, u16(command.cdb, 7))


def _pages(drive: DriveState, cdb: bytes) -> bytes | Reply:
    control, code, subpage = cdb[2] >> 6, cdb[2] & 0x3F, cdb[3]
    if subpage not in (0x00, 0xFF):
        return refuse(BAD_FIELD)
    if control == _SAVED:
        return refuse(NO_SAVING)
    known = (*drive.modes.codes(), CAPABILITIES)
    if code == ALL_PAGES:
        return b"".join(_page(drive, each, control) for each in known)
    if code not in known:
        return refuse(BAD_FIELD)
    return _page(drive, code, control)


def _page(drive: DriveState, code: int, control: int) -> bytes:
    if code != CAPABILITIES:
        return drive.modes.page(code, control)
    page = capabilities(drive)
    return page if control != 1 else page[:2] + bytes(len(page) - 2)


def medium_type(drive: DriveState) -> int:
    """The header's word for the medium, as drives of all ages say it (SFF-8020i, table 65)."""
    loaded = drive.usable
    if loaded is None:
        return _TRAY_OPEN if drive.tray_open else _NO_DISC if drive.loaded is None else 0
    disc = loaded.disc
    if not disc.is_cd:
        return 0
    data = {track.is_data for track in disc.layout.tracks}
    content = 3 if len(data) == 2 else 1 if True in data else 2  # mixed, data, audio
    written = 0 if disc.kind is None else 0x20 if disc.kind.rewritable else 0x10
    return written | content


def capabilities(drive: DriveState) -> bytes:
    """Page 2A, 32 bytes: what the drive reads and does, its speeds and its buffer."""
    profile = drive.profile
    page = bytearray(32)
    page[0:2] = bytes((CAPABILITIES, 30))
    # CD-R, CD-RW and packets on them; DVD-ROM, DVD-R. Nothing is written.
    page[2] = (0x07 if "cd" in profile.media else 0) | (0x18 if "dvd" in profile.media else 0)
    page[4] = 0x71  # audio play, mode 2 form 1 and 2, several sessions
    # CD-DA commands, accurate stream, R-W, C2, ISRC, MCN
    page[5] = 0x01 | 0x02 | 0x04 | (0x10 if profile.c2_sizes else 0) | 0x20 | 0x40
    page[6] = LOADING[profile.loading] << 5 | 0x08 | 0x01 | (0x02 if drive.locked else 0)
    page[7] = 0x03  # each channel has its volume and can be muted
    page[8:10] = min(drive.top_speed, 0xFFFF).to_bytes(2, "big")
    page[10:12] = VOLUMES.to_bytes(2, "big")
    page[12:14] = min(profile.cache_kb, 0xFFFF).to_bytes(2, "big")
    page[14:16] = min(drive.speed, 0xFFFF).to_bytes(2, "big")
    return bytes(page)


def mode_select_6(drive: DriveState, command: Command) -> Reply:
    """MODE SELECT(6)."""
    return _select(drive, command, command.cdb[4], 4)


def mode_select_10(drive: DriveState, command: Command) -> Reply:
    """MODE SELECT(10)."""
    return _select(drive, command, u16(command.cdb, 7), 8)


def _select(drive: DriveState, command: Command, length: int, header: int) -> Reply:
    if command.cdb[1] & 0x01 or not command.cdb[1] & 0x10:  # saving; not in page format
        return refuse(BAD_FIELD)
    data = command.data[:length]
    if length == 0:
        return GOOD_REPLY
    if len(data) < header or len(data) < length:
        return refuse(PARAMETER_LIST_LENGTH)
    blocks = data[3] if header == 4 else u16(data, 6)
    at = header + blocks
    while at < len(data):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return refuse(PARAMETER_LIST_LENGTH)
        page = data[at : at + 2 + data[at + 1]]
        if page[0] & 0x3F not in drive.modes.codes() or not drive.modes.change(page):
            return refuse(BAD_PARAMETER)
        at += len(page)
    return GOOD_REPLY
