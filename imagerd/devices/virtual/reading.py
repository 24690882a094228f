# SPDX-License-Identifier: Apache-2.0
"""READ(6), READ(10), READ(12): blocks of 2048 bytes of user data (MMC-6, 6.16; SBC-3).

And what is akin to them: VERIFY, SEEK, READ HEADER.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imagerd.devices.scsi import Command, Reply, Sense
from imagerd.devices.virtual.answers import (
    BAD_FIELD,
    END_OF_USER_AREA,
    GOOD_REPLY,
    ILLEGAL_MODE,
    OUT_OF_RANGE,
    WRONG_FORMAT,
    blame,
    give,
    refuse,
    s32,
    u16,
    u32,
)
from imagerd.devices.virtual.disc import BLOCK, AreaType, Disc, Kind
from imagerd.devices.virtual.discinfo import loaded_of
from imagerd.devices.virtual.head import Fetched, Want, fetch, main_channel
from imagerd.devices.virtual.state import DriveState
from imagerd.devices.virtual.timing import travel
from imagerd.devices.virtual.toc import address_bytes

_FUA = 0x08
_BYTCHK = 0x02


def read_6(drive: DriveState, command: Command) -> Reply:
    """READ(6): 21 bits of address; a length of 0 is 256 blocks."""
    cdb = command.cdb
    lba = (cdb[1] & 0x1F) << 16 | u16(cdb, 2)
    return _read(drive, command, lba, cdb[4] or 256, fua=False)


def read_10(drive: DriveState, command: Command) -> Reply:
    """READ(10)."""
    cdb = command.cdb
    return _read(drive, command, u32(cdb, 2), u16(cdb, 7), fua=bool(cdb[1] & _FUA))


def read_12(drive: DriveState, command: Command) -> Reply:
    """READ(12). No blocks with FUA: many drives empty their buffer then."""
    cdb = command.cdb
    count, fua = u32(cdb, 6), bool(cdb[1] & _FUA)
    if count == 0 and fua and drive.profile.fua_drops_cache:
        loaded_of(drive).buffer.drop()
    return _read(drive, command, u32(cdb, 2), count, fua=fua)


def seek_10(drive: DriveState, command: Command) -> Reply:
    """SEEK(10): where the head comes from next."""
    return _seek(drive, u32(command.cdb, 2))


def seek_6(drive: DriveState, command: Command) -> Reply:
    """SEEK(6): 21 bits of address."""
    return _seek(drive, (command.cdb[1] & 0x1F) << 16 | u16(command.cdb, 2))


def rezero_unit(drive: DriveState, command: Command) -> Reply:
    """REZERO UNIT: a seek to the first sector."""
    return _seek(drive, 0)


def _seek(drive: DriveState, lba: int) -> Reply:
    disc = loaded_of(drive).disc
    if lba >= disc.layout.end:
        return blame(OUT_OF_RANGE, lba)
    drive.halt()
    seconds = drive.spin_up() + travel(drive, disc, lba)
    drive.head = lba
    return Reply(seconds=seconds)


def verify_10(drive: DriveState, command: Command) -> Reply:
    """VERIFY(10): a read from the medium, past the buffer, that transfers nothing.

    There is nothing to compare with (BYTCHK): a reader has no such buffer.
    """
    cdb = command.cdb
    if cdb[1] & _BYTCHK:
        return refuse(BAD_FIELD)
    reply = _read(drive, command, u32(cdb, 2), u16(cdb, 7), fua=True)
    return replace(reply, data=b"")


def read_header(drive: DriveState, command: Command) -> Reply:
    """READ HEADER (MMC-3, 6): the mode and the address of a data sector, as it says them itself."""
    cdb, loaded = command.cdb, loaded_of(drive)
    disc, lba = loaded.disc, s32(cdb, 2)
    area = disc.area_at(lba)
    if not disc.is_cd:
        return refuse(WRONG_FORMAT)
    if area is None:
        return blame(OUT_OF_RANGE, lba)
    if area.type is AreaType.GAP or not area.track.is_data:
        return blame(ILLEGAL_MODE, lba)
    fetched = fetch(drive, loaded, lba, 1, want=Want.STREAM, fua=False)
    if fetched.sense is not None:
        return finish(drive, command, fetched, b"")
    mode = int(main_channel(disc, fetched)[0, 15]) & 3
    data = bytes((mode, 0, 0, 0)) + address_bytes(lba, bool(cdb[1] & 2))
    return replace(give(command, data, u16(cdb, 7)), seconds=fetched.seconds)


def _read(drive: DriveState, command: Command, lba: int, count: int, *, fua: bool) -> Reply:
    loaded = loaded_of(drive)
    disc = loaded.disc
    if lba + count > disc.layout.end:
        return blame(OUT_OF_RANGE, max(lba, disc.layout.end))
    if count == 0:
        return GOOD_REPLY
    readable, ends_with = count, None
    if disc.is_cd:
        readable, ends_with = _user_sectors(disc, lba, count)
        if readable == 0:
            return blame(ends_with or ILLEGAL_MODE, lba)
    fetched = fetch(drive, loaded, lba, readable, want=Want.USER, fua=fua)
    data = _user_data(disc, fetched) if fetched.count else b""
    return finish(drive, command, fetched, data, ends_with)


def _user_sectors(disc: Disc, lba: int, count: int) -> tuple[int, Sense | None]:
    """How many sectors from `lba` on have 2048 bytes of user data, and why the next has none."""
    readable = 0
    while readable < count:
        area = disc.area_at(lba + readable)
        if area is None or area.type is AreaType.GAP:
            return readable, END_OF_USER_AREA if area is not None else OUT_OF_RANGE
        here = min(count - readable, area.end - lba - readable)
        kinds = disc.kinds(lba + readable, here)
        wrong = np.flatnonzero((kinds != Kind.MODE1) & (kinds != Kind.FORM1))
        if len(wrong):
            return readable + int(wrong[0]), ILLEGAL_MODE
        readable += here
    return readable, None


def _user_data(disc: Disc, fetched: Fetched) -> memoryview:
    rows = main_channel(disc, fetched)
    if disc.is_cd:
        kinds = disc.kinds(fetched.lba, fetched.count)
        start = 16 if kinds[0] == Kind.MODE1 else 24
        if (kinds == kinds[0]).all():
            rows = np.ascontiguousarray(rows[:, start : start + BLOCK])
        else:
            starts = np.where(kinds == Kind.MODE1, 16, 24)[:, None] + np.arange(BLOCK)
            rows = np.take_along_axis(rows, starts, axis=1)
    return flat_view(rows)


def flat_view(rows: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> memoryview:
    """The bytes of an array, read-only, not copied if they lie together."""
    return np.ascontiguousarray(rows).reshape(-1).data.toreadonly()


def finish(
    drive: DriveState,
    command: Command,
    fetched: Fetched,
    data: bytes | memoryview,
    ends_with: Sense | None = None,
) -> Reply:
    """The reply to a reading command: data, or data and an error.

    `ends_with` is the sense for the sector after those fetched, if that one cannot be read as
    asked. A transfer that is cut by the host's length is no error (SPC: residual underrun).
    """
    if len(data) > command.length:
        data = memoryview(data)[: command.length]
    sense, bad = fetched.sense, fetched.bad
    if sense is None:
        if ends_with is None:
            return Reply(data=data, seconds=fetched.seconds)
        sense, bad = ends_with, fetched.lba + fetched.count
    if not drive.profile.transfers_before_error:
        data = b""
    return replace(blame(sense, bad, data), seconds=fetched.seconds)
