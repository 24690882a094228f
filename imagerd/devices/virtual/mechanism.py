# SPDX-License-Identifier: Apache-2.0
"""Tray, lock, speeds and buffer: START STOP UNIT, PREVENT/ALLOW, SET CD SPEED and their kin."""

from __future__ import annotations

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import (
    BAD_FIELD,
    BAD_PARAMETER,
    GOOD_REPLY,
    PARAMETER_LIST_LENGTH,
    REMOVAL_PREVENTED,
    give,
    refuse,
    u16,
    u32,
)
from imagerd.devices.virtual.state import DriveState

_FASTEST = 0xFFFF
_DESCRIPTOR = 28  # bytes of a SET STREAMING performance descriptor


def start_stop(drive: DriveState, command: Command) -> Reply:
    """START STOP UNIT (MMC-6, 6.42): eject and load; spinning up and down changes nothing."""
    flags = command.cdb[4]
    if flags >> 4 or not flags & 0x02:
        return GOOD_REPLY  # a power condition, or start and stop
    if flags & 0x01:
        drive.close_tray()
        return GOOD_REPLY
    if drive.locked and not drive.tray_open:
        return refuse(REMOVAL_PREVENTED)
    drive.open_tray()
    return GOOD_REPLY


def prevent_allow(drive: DriveState, command: Command) -> Reply:
    """PREVENT ALLOW MEDIUM REMOVAL (MMC-6, 6.14)."""
    prevent, persistent = bool(command.cdb[4] & 1), bool(command.cdb[4] & 2)
    drive.locked = prevent
    drive.persistent = prevent and persistent
    return GOOD_REPLY


def mechanism_status(drive: DriveState, command: Command) -> Reply:
    """MECHANISM STATUS (MMC-6, 6.10): no changer; door and head position."""
    door = 0x10 if drive.tray_open else 0
    head = max(drive.head, 0)
    data = bytes((0, door)) + head.to_bytes(4, "big")[1:] + bytes(3)
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
    """SET STREAMING (MMC-6, 6.39), type 0: the read speed of the descriptor; RDD resets it."""
    if command.cdb[8]:
        return refuse(BAD_FIELD)
    length = u16(command.cdb, 9)
    if length == 0:
        return GOOD_REPLY
    if length != _DESCRIPTOR or len(command.data) < _DESCRIPTOR:
        return refuse(PARAMETER_LIST_LENGTH)
    if command.data[0] & 0x04:  # restore the defaults
        drive.asked_speed = _FASTEST
        return GOOD_REPLY
    size, milliseconds = u32(command.data, 12), u32(command.data, 16)
    if size == 0 or milliseconds == 0:
        return refuse(BAD_PARAMETER)
    drive.asked_speed = size * 1000 // milliseconds
    return GOOD_REPLY


def get_performance(drive: DriveState, command: Command) -> Reply:
    """GET PERFORMANCE (MMC-6, 6.8): type 0, one descriptor for the whole disc; no write speeds."""
    kind, flags, most = command.cdb[10], command.cdb[1], u16(command.cdb, 8)
    if kind not in (0x00, 0x03):
        return refuse(BAD_FIELD)
    loaded = drive.usable
    descriptors = b""
    if kind == 0x00 and not flags & 0x07 and loaded is not None and most:
        speed = drive.speed.to_bytes(4, "big")
        descriptors = bytes(4) + speed + (loaded.disc.layout.end - 1).to_bytes(4, "big") + speed
    header = (len(descriptors) + 4).to_bytes(4, "big") + bytes(4)
    return give(command, header + descriptors, 8 + 16 * most)
