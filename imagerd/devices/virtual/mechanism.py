# SPDX-License-Identifier: Apache-2.0
"""Tray, lock, spindle, speeds, buffer: START STOP UNIT, PREVENT/ALLOW, SET CD SPEED and kin."""

from __future__ import annotations

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import (
    BAD_FIELD,
    BAD_PARAMETER,
    GOOD_REPLY,
    OUT_OF_RANGE,
    PARAMETER_LIST_LENGTH,
    REMOVAL_PREVENTED,
    give,
    refuse,
    u16,
    u32,
)
from imagerd.devices.virtual.player import AudioStatus
from imagerd.devices.virtual.state import DriveState

_FASTEST = 0xFFFF
_DESCRIPTOR = 28  # bytes of a SET STREAMING performance descriptor
_RESTORE, _EXACT = 0x04, 0x02  # its flags
_IDLE, _STANDBY, _SLEEP = 2, 3, 5
_FORMAT_LAYER = 0x04
_PLAYING, _SCANNING = 1, 2


def start_stop(drive: DriveState, command: Command) -> Reply:
    """START STOP UNIT (MMC-6, 6.42): eject and load, stop and start, power conditions.

    A disc that stands still does not make the drive NOT READY: the next reading spins it up. Only
    a start that need not be waited for (IMMED) leaves it becoming ready.
    """
    immediate, flags = command.cdb[1] & 1, command.cdb[4]
    condition, load_eject, start = flags >> 4, flags & 0x02, flags & 0x01
    if condition:
        if condition not in (_IDLE, _STANDBY, _SLEEP):
            return refuse(BAD_FIELD)
        if condition != _IDLE:
            drive.spin_down()
        return GOOD_REPLY
    if flags & _FORMAT_LAYER:  # of a hybrid disc
        return refuse(BAD_FIELD)
    if load_eject:
        return _load(drive) if start else _eject(drive)
    return _start(drive, bool(immediate)) if start else _stop(drive)


def _load(drive: DriveState) -> Reply:
    drive.close_tray()
    return GOOD_REPLY


def _eject(drive: DriveState) -> Reply:
    if drive.prevented and not drive.tray_open:
        return refuse(REMOVAL_PREVENTED)
    drive.open_tray()
    return GOOD_REPLY


def _start(drive: DriveState, immediate: bool) -> Reply:
    loaded, sense = drive.present, drive.not_ready()
    if loaded is None and sense is not None:
        return refuse(sense)
    seconds = drive.spin_up()
    if loaded is None or not immediate:
        return Reply(seconds=seconds)
    loaded.ready_at = max(loaded.ready_at, drive.clock.now + seconds)
    return GOOD_REPLY


def _stop(drive: DriveState) -> Reply:
    drive.spin_down()
    return GOOD_REPLY


def prevent_allow(drive: DriveState, command: Command) -> Reply:
    """PREVENT ALLOW MEDIUM REMOVAL (MMC-6, 6.14): two states, each set and ended for itself.

    The persistent one keeps the button from any disc put in later too, until it is ended, and lets
    the host eject; the other one ends with an eject by force.
    """
    prevent = bool(command.cdb[4] & 1)
    if command.cdb[4] & 2:
        drive.persistent = prevent
    else:
        drive.prevented = prevent
    return GOOD_REPLY


def mechanism_status(drive: DriveState, command: Command) -> Reply:
    """MECHANISM STATUS (MMC-6, 6.10): no changer; door, what plays, and head position."""
    state = 0x10 if drive.tray_open else 0
    if drive.player.status is AudioStatus.PLAYING:
        state |= (_SCANNING if drive.player.scanning else _PLAYING) << 5
    head = max(drive.place, 0)
    data = bytes((0, state)) + head.to_bytes(4, "big")[1:] + bytes(3)
    return give(command, data, u16(command.cdb, 8))


def read_buffer_capacity(drive: DriveState, command: Command) -> Reply:
    """READ BUFFER CAPACITY (MMC-6, 6.17), in bytes or (BLOCK) in blocks."""
    total = drive.profile.cache_kb * 1024
    loaded = drive.usable
    size = loaded.disc.size if loaded is not None else 2048
    used = (loaded.buffer.end - loaded.buffer.start) * size if loaded is not None else 0
    unit = 2048 if command.cdb[1] & 1 else 1
    body = bytes((0, command.cdb[1] & 1)) + (total // unit).to_bytes(4, "big")
    body += (max(total - used, 0) // unit).to_bytes(4, "big")
    return give(command, (len(body)).to_bytes(2, "big") + body, u16(command.cdb, 7))


def set_cd_speed(drive: DriveState, command: Command) -> Reply:
    """SET CD SPEED (MMC-6, 6.37): the drive takes the nearest speed that is not faster."""
    drive.asked_speed = u16(command.cdb, 2)
    return GOOD_REPLY


def set_streaming(drive: DriveState, command: Command) -> Reply:
    """SET STREAMING (MMC-6, 6.39), type 0: the read speed of the descriptor; RDD resets it.

    What the drive cannot do exactly it does as near as it can, unless EXACT asks to be refused.
    """
    if command.cdb[8]:
        return refuse(BAD_FIELD)
    length = u16(command.cdb, 9)
    if length == 0:
        return GOOD_REPLY
    if length != _DESCRIPTOR or len(command.data) < _DESCRIPTOR:
        return refuse(PARAMETER_LIST_LENGTH)
    if command.data[0] & _RESTORE:
        drive.asked_speed = _FASTEST
        return GOOD_REPLY
    size, milliseconds = u32(command.data, 12), u32(command.data, 16)
    if size == 0 or milliseconds == 0:
        return refuse(BAD_PARAMETER)
    speed = size * 1000 // milliseconds
    if command.data[0] & _EXACT and speed > drive.top_speed:
        return refuse(BAD_PARAMETER)
    drive.asked_speed = speed
    return GOOD_REPLY


def get_performance(drive: DriveState, command: Command) -> Reply:
    """GET PERFORMANCE (MMC-6, 6.8): type 0, performance, and type 3, write speeds: there are none.

    The drive is as fast everywhere: one descriptor for the whole disc, and no exceptions from it.
    The tolerance that is asked for is not looked at: only one is defined.
    """
    kind, flags, most = command.cdb[10], command.cdb[1], u16(command.cdb, 8)
    if kind not in (0x00, 0x03):
        return refuse(BAD_FIELD)
    writing, exceptions = flags & 0x04, (flags & 0x03) == 0x02
    loaded = drive.usable
    descriptors = b""
    if kind == 0x00 and not writing and not exceptions and loaded is not None:
        last = loaded.disc.layout.end - 1
        if u32(command.cdb, 2) > last:
            return refuse(OUT_OF_RANGE)
        speed = drive.speed.to_bytes(4, "big")
        descriptors = bytes(4) + speed + last.to_bytes(4, "big") + speed
    told = (0x02 if writing else 0) | (0x01 if exceptions else 0) if kind == 0x00 else 0
    header = (len(descriptors) + 4).to_bytes(4, "big") + bytes((told, 0, 0, 0))
    return give(command, header + descriptors, 8 + 16 * most)
