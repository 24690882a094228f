# SPDX-License-Identifier: Apache-2.0
"""PLAY AUDIO, PAUSE/RESUME, STOP PLAY/SCAN and SCAN (MMC-3, 6; a legacy feature in MMC-6).

What is played goes nowhere; READ SUB-CHANNEL tells how far it has come.
"""

from __future__ import annotations

from typing import Final

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import (
    BAD_FIELD,
    END_OF_USER_AREA,
    GOOD_REPLY,
    ILLEGAL_MODE,
    OUT_OF_RANGE,
    OUT_OF_SEQUENCE,
    blame,
    refuse,
    s32,
    u16,
    u32,
)
from imagerd.devices.virtual.disc import Area, AreaType, Disc
from imagerd.devices.virtual.discinfo import loaded_of, toc_end
from imagerd.devices.virtual.player import PACE, SCAN_PACE
from imagerd.devices.virtual.state import DriveState
from imagerd.devices.virtual.timing import travel
from imagerd.disc.msf import Msf

_CURRENT: Final = b"\xff\xff\xff\xff"  # as an address: where the head is
_REVERSE: Final = 0x10


def play_audio_10(drive: DriveState, command: Command) -> Reply:
    """PLAY AUDIO(10)."""
    return _play(drive, _lba(drive, command.cdb), u16(command.cdb, 7))


def play_audio_12(drive: DriveState, command: Command) -> Reply:
    """PLAY AUDIO(12)."""
    return _play(drive, _lba(drive, command.cdb), u32(command.cdb, 6))


def play_audio_msf(drive: DriveState, command: Command) -> Reply:
    """PLAY AUDIO MSF: the end is not played; FF:FF:FF is where the head is."""
    start, end = (_msf(drive, command.cdb[at : at + 3]) for at in (3, 6))
    if start is None or end is None or end < start:
        return refuse(BAD_FIELD)
    return _play(drive, start, end - start)


def pause_resume(drive: DriveState, command: Command) -> Reply:
    """PAUSE/RESUME: what already pauses or plays may be told so again."""
    player = drive.player
    done = player.resume() if command.cdb[8] & 1 else player.pause()
    return GOOD_REPLY if done else refuse(OUT_OF_SEQUENCE)


def stop_play_scan(drive: DriveState, command: Command) -> Reply:
    """STOP PLAY/SCAN; no error if nothing plays."""
    drive.halt()
    return GOOD_REPLY


def scan(drive: DriveState, command: Command) -> Reply:
    """SCAN: fast, forward or backward, from an LBA, an MSF or a track, to the end of the audio."""
    cdb, disc = command.cdb, loaded_of(drive).disc
    start = _scan_from(drive, disc, cdb)
    if start is None:
        return refuse(BAD_FIELD)
    if (refusal := _no_audio(disc, start)) is not None:
        return refusal
    area = _audio_around(disc, start)
    reverse = bool(cdb[1] & _REVERSE)
    meets_data = area.start > disc.layout.start if reverse else area.stop < disc.layout.end
    return _begin(drive, start, area, -SCAN_PACE if reverse else SCAN_PACE, fails=meets_data)


def _play(drive: DriveState, start: int, count: int) -> Reply:
    if count == 0:
        return GOOD_REPLY
    disc = loaded_of(drive).disc
    if (refusal := _no_audio(disc, start)) is not None:
        return refusal
    end = min(start + count, disc.layout.end)
    track = disc.layout.track_at(start)
    if drive.modes.stops_on_track_crossing and track is not None:
        end = min(end, toc_end(disc.layout, track))
    audio = _audio_around(disc, start)
    area = range(start, min(end, audio.stop))
    return _begin(drive, start, area, PACE, fails=audio.stop < end)


def _begin(drive: DriveState, start: int, area: range, pace: int, *, fails: bool) -> Reply:
    drive.halt()
    seconds = drive.spin_up() + travel(drive, loaded_of(drive).disc, start)
    drive.head = start
    drive.player.play(start, area, after=seconds, pace=pace, fails=fails)
    return Reply(seconds=seconds)


def _no_audio(disc: Disc, lba: int) -> Reply | None:
    """Why a play cannot begin there, or None."""
    if not disc.is_cd:
        return refuse(ILLEGAL_MODE)
    area = disc.area_at(lba)
    if area is None or lba >= disc.layout.end:
        return blame(OUT_OF_RANGE, lba)
    if area.type is AreaType.GAP:
        return blame(END_OF_USER_AREA, lba)
    return blame(ILLEGAL_MODE, lba) if area.track.is_data else None


def _audio_around(disc: Disc, lba: int) -> range:
    """The LBAs around `lba` that are all audio, up to the lead-out."""
    start, end = lba + 1, lba
    while (area := _audio_at(disc, start - 1)) is not None:
        start = area.start
    while (area := _audio_at(disc, end)) is not None:
        end = area.end
    return range(start, min(end, disc.layout.end))


def _audio_at(disc: Disc, lba: int) -> Area | None:
    area = disc.area_at(lba)
    return None if area is None or area.type is AreaType.GAP or area.track.is_data else area


def _scan_from(drive: DriveState, disc: Disc, cdb: bytes) -> int | None:
    """Where a SCAN begins, or None for an address of no known form."""
    form = cdb[9] >> 6
    if form == 0:
        return _lba(drive, cdb)
    if form == 1:
        return _msf(drive, cdb[3:6])
    tracks = {track.number: track.index1 for track in disc.layout.tracks}
    return tracks.get(cdb[5]) if form == 2 else None


def _lba(drive: DriveState, cdb: bytes) -> int:
    """The address in bytes 2 to 5."""
    return drive.place if cdb[2:6] == _CURRENT else s32(cdb, 2)


def _msf(drive: DriveState, field: bytes) -> int | None:
    """The LBA of minute, second and frame in binary; None if that is no address."""
    if field == _CURRENT[:3]:
        return drive.place
    try:
        return Msf(*field).lba
    except ValueError:
        return None
