# SPDX-License-Identifier: Apache-2.0
"""READ CD, READ CD MSF (MMC-6, 6.15, 6.16) and Plextor's READ CD-DA: raw sectors, C2, subchannel.

A record is the main channel, then C2 pointers, then subchannel; a profile can swap the last two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from imagerd.devices.scsi import Command, Reply, Sense
from imagerd.devices.virtual.answers import (
    BAD_FIELD,
    END_OF_USER_AREA,
    GOOD_REPLY,
    ILLEGAL_MODE,
    OUT_OF_RANGE,
    UNKNOWN_COMMAND,
    WRONG_FORMAT,
    blame,
    refuse,
    s32,
    u24,
    u32,
)
from imagerd.devices.virtual.disc import RAW, AreaType, Disc, Kind
from imagerd.devices.virtual.discinfo import loaded_of
from imagerd.devices.virtual.head import Fetched, Want, c2_pointers, damaged, fetch, main_channel
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.reading import finish, flat_view
from imagerd.devices.virtual.selection import MAIN, selected
from imagerd.devices.virtual.state import DriveState
from imagerd.devices.virtual.subforms import sub_field
from imagerd.disc.msf import Msf
from imagerd.disc.source import Bytes2D

_C2_SIZES = (0, 294, 296)
_LAST_TYPE = 5
# READ CD-DA, byte 10: main channel, C2 size, subchannel form
_D8_FORMS = {0: (True, 0, 0), 1: (True, 0, 2), 2: (True, 0, 1), 3: (False, 0, 1), 8: (True, 294, 1)}


class Shape(Enum):
    """How the main channel comes."""

    SELECTED = "selected"  # the parts asked for
    SCRAMBLED = "scrambled"  # as audio: data scrambled, all moved by the read offset
    PLAIN = "plain"  # data asked for as audio, by a drive that descrambles it all the same


@dataclass(frozen=True, slots=True)
class Request:
    """What a reading command asks for. `main`: the bits of byte 9 for the main channel."""

    lba: int
    count: int
    type: int
    main: int
    c2: int
    sub: int
    as_audio: bool = False


def read_cd(drive: DriveState, command: Command) -> Reply:
    """READ CD."""
    return _read(drive, command, s32(command.cdb, 2), u24(command.cdb, 6))


def read_cd_msf(drive: DriveState, command: Command) -> Reply:
    """READ CD MSF: from start to end, the end not included; binary minutes, seconds, frames."""
    cdb = command.cdb
    try:
        start, end = Msf(*cdb[3:6]), Msf(*cdb[6:9])
    except ValueError:
        return refuse(BAD_FIELD)
    if end.lba < start.lba:
        return refuse(BAD_FIELD)
    return _read(drive, command, start.lba, end.lba - start.lba)


def _read(drive: DriveState, command: Command, lba: int, count: int) -> Reply:
    cdb = command.cdb
    error = cdb[9] >> 1 & 3
    c2 = _C2_SIZES[error] if error < 3 else -1
    request = Request(lba, count, cdb[1] >> 2 & 7, cdb[9] & MAIN, c2, cdb[10] & 7)
    if not loaded_of(drive).disc.is_cd:
        return refuse(WRONG_FORMAT)
    if not _supported(drive.profile, request):
        return refuse(BAD_FIELD)
    return _transfer(drive, command, request)


def _supported(profile: DriveProfile, request: Request) -> bool:
    return (
        request.type <= _LAST_TYPE
        and (request.c2 == 0 or request.c2 in profile.c2_sizes)
        and (request.sub == 0 or request.sub in profile.sub_modes)
    )


def read_cdda(drive: DriveState, command: Command) -> Reply:
    """READ CD-DA (D8): whatever lies there, as audio; only drives of that family know it."""
    cdb = command.cdb
    if not drive.profile.d8:
        return refuse(UNKNOWN_COMMAND)
    if not loaded_of(drive).disc.is_cd:
        return refuse(WRONG_FORMAT)
    form = _D8_FORMS.get(cdb[10])
    if form is None:
        return refuse(BAD_FIELD)
    main, c2, sub = form
    request = Request(s32(cdb, 2), u32(cdb, 6), 0, MAIN if main else 0, c2, sub, as_audio=True)
    return _transfer(drive, command, request)


def _transfer(drive: DriveState, command: Command, request: Request) -> Reply:
    loaded = loaded_of(drive)
    disc = loaded.disc
    if request.count == 0:
        return GOOD_REPLY
    reach = disc.area_at(request.lba + request.count - 1)
    if disc.area_at(request.lba) is None or reach is None:
        return blame(OUT_OF_RANGE, request.lba)
    readable, ends_with, shape = _readable(drive, disc, request)
    if readable == 0:
        return blame(ends_with or ILLEGAL_MODE, request.lba)
    if shape is Shape.SELECTED and not _legal(disc, request, readable):
        return refuse(BAD_FIELD)
    want = _want(request, shape)
    fetched = fetch(drive, loaded, request.lba, readable, want=want, fua=False)
    data: bytes | memoryview = b""
    if fetched.count:
        data = _main_and_more(drive, disc, fetched, request, shape)
    return finish(drive, command, fetched, data, ends_with)


def _main_and_more(
    drive: DriveState, disc: Disc, fetched: Fetched, request: Request, shape: Shape
) -> bytes | memoryview:
    if shape is Shape.SELECTED:
        return _selected_records(drive, disc, fetched, request)
    if shape is Shape.SCRAMBLED:
        main = damaged(disc.stream(fetched.lba, fetched.count)[0], fetched)
    else:
        main = main_channel(disc, fetched)
    return _records(drive, disc, fetched, request, main[:, : RAW if request.main else 0])


def _legal(disc: Disc, request: Request, count: int) -> bool:
    """Whether the parts asked for make one piece in every sector there is."""
    if request.main in (0, 0x10, MAIN):
        return True
    kinds = np.unique(disc.kinds(request.lba, count)).tolist()
    return all(selected(kind, request.main) is not None for kind in kinds)


def _want(request: Request, shape: Shape) -> Want:
    """Where sync, header or parity are asked for, or audio, more than user data is wanted."""
    if shape is not Shape.SELECTED:
        return Want.STREAM
    return Want.RAW if request.main & ~0x10 & MAIN or request.main == 0 else Want.USER


def _readable(drive: DriveState, disc: Disc, request: Request) -> tuple[int, Sense | None, Shape]:
    """How many sectors are of the kind asked for, why the next is not, and how they come.

    Even where any type is welcome, a command ends where data meets audio (MMC-6, 6.15.2.1).
    """
    if request.as_audio:
        readable, sense = _without_gap(disc, request)
        return readable, sense, Shape.SCRAMBLED
    first = disc.area_at(request.lba)
    is_audio = first is not None and first.track.is_data is False
    if request.type == Kind.CDDA and not is_audio and drive.profile.audio_on_data != "refuse":
        readable, sense = _without_gap(disc, request)
        scrambled = drive.profile.audio_on_data == "scrambled"
        return readable, sense, Shape.SCRAMBLED if scrambled else Shape.PLAIN
    readable = 0
    while readable < request.count:
        lba = request.lba + readable
        area = disc.area_at(lba)
        if area is None or area.type is AreaType.GAP:
            return readable, END_OF_USER_AREA, Shape.SELECTED
        if area.track.is_data is is_audio:
            return readable, ILLEGAL_MODE, Shape.SELECTED
        here = min(request.count - readable, area.end - lba)
        if request.type > Kind.CDDA or (request.type == Kind.CDDA and not is_audio):
            wrong = np.flatnonzero(disc.kinds(lba, here) != request.type)
            if len(wrong):
                return readable + int(wrong[0]), ILLEGAL_MODE, Shape.SELECTED
        readable += here
    return readable, None, Shape.SELECTED


def _without_gap(disc: Disc, request: Request) -> tuple[int, Sense | None]:
    for number in range(request.count):
        area = disc.area_at(request.lba + number)
        if area is None or area.type is AreaType.GAP:
            return number, END_OF_USER_AREA
    return request.count, None


def _selected_records(
    drive: DriveState, disc: Disc, fetched: Fetched, request: Request
) -> bytes | memoryview:
    """Records of the selected parts; sectors of different kinds give records of other sizes."""
    rows = main_channel(disc, fetched)
    if request.main == MAIN:
        return _records(drive, disc, fetched, request, rows)
    kinds = disc.kinds(fetched.lba, fetched.count)
    if (kinds == kinds[0]).all():
        part = selected(int(kinds[0]), request.main)
        return _records(drive, disc, fetched, request, rows[:, part or slice(0, 0)])
    extra = _extra(drive, disc, fetched, request)
    pieces: list[bytes] = []
    for row in range(fetched.count):
        part = selected(int(kinds[row]), request.main) or slice(0, 0)
        pieces.append(rows[row, part].tobytes())
        pieces += [field[row].tobytes() for field in extra]
    return b"".join(pieces)


def _records(
    drive: DriveState, disc: Disc, fetched: Fetched, request: Request, main: Bytes2D
) -> memoryview:
    extra = _extra(drive, disc, fetched, request)
    if not extra:
        return flat_view(main)
    return flat_view(np.concatenate((main, *extra), axis=1))


def _extra(drive: DriveState, disc: Disc, fetched: Fetched, request: Request) -> list[Bytes2D]:
    """C2 and subchannel of each sector, in the order of this drive."""
    fields: list[Bytes2D] = []
    if request.c2:
        fields.append(_c2_field(drive.profile, fetched, request.c2))
    if request.sub:
        raw = disc.sub(fetched.lba, fetched.count)
        fields.append(sub_field(raw, request.sub, drive.profile))
    return fields[::-1] if drive.profile.sub_before_c2 else fields


def _c2_field(profile: DriveProfile, fetched: Fetched, size: int) -> Bytes2D:
    """C2 pointers; with 296 bytes also the block error byte, the OR of them, and a pad byte."""
    pointers = c2_pointers(fetched)
    if size == 294:
        return pointers
    block = np.zeros((fetched.count, 2), np.uint8)
    block[:, 0] = np.bitwise_or.reduce(pointers, axis=1)
    parts = (block, pointers) if profile.block_error_first else (pointers, block)
    return np.concatenate(parts, axis=1)
