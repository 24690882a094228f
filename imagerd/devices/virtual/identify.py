# SPDX-License-Identifier: Apache-2.0
"""INQUIRY with its vital product data, TEST UNIT READY, REQUEST SENSE (SPC-4, 6)."""

from __future__ import annotations

from imagerd.devices.scsi import Command, Reply, Sense
from imagerd.devices.virtual.answers import BAD_FIELD, GOOD_REPLY, NO_SENSE, give, refuse, u16
from imagerd.devices.virtual.player import AudioStatus
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.state import DriveState

_CD_DVD = 0x05
_REMOVABLE = 0x80
_SPC3 = 0x05


def inquiry(drive: DriveState, command: Command) -> Reply:
    """INQUIRY: standard data of 96 bytes, or pages 00, 80 and 83 of the vital product data."""
    evpd, page = command.cdb[1] & 1, command.cdb[2]
    profile = drive.profile
    if evpd:
        body = _vital(profile, page)
        if body is None:
            return refuse(BAD_FIELD)
        data = bytes((_CD_DVD, page)) + len(body).to_bytes(2, "big") + body
    elif page:
        return refuse(BAD_FIELD)
    else:
        data = _standard(profile)
    return give(command, data, u16(command.cdb, 3))


def _standard(profile: DriveProfile) -> bytes:
    head = bytes((_CD_DVD, _REMOVABLE, _SPC3, 0x02, 96 - 5, 0, 0, 0))
    return (head + _names(profile)).ljust(96, b"\0")


def _names(profile: DriveProfile) -> bytes:
    fields = ((profile.vendor, 8), (profile.product, 16), (profile.revision, 4))
    return b"".join(text.encode("ascii").ljust(size) for text, size in fields)


def _vital(profile: DriveProfile, page: int) -> bytes | None:
    serial = profile.serial.encode("ascii", "replace")
    if page == 0x00:
        return bytes((0x00, 0x80, 0x83))
    if page == 0x80:
        return serial
    if page == 0x83:
        # One designator: T10 vendor identification, ASCII, of the logical unit.
        name = _names(profile)[:24] + serial
        return bytes((0x02, 0x01, 0, len(name))) + name
    return None


def test_unit_ready(drive: DriveState, command: Command) -> Reply:
    """TEST UNIT READY: the drive checks readiness before it comes here."""
    return GOOD_REPLY


def request_sense(drive: DriveState, command: Command) -> Reply:
    """REQUEST SENSE: a pending unit attention, which it clears; else no sense or not ready.

    The status of an audio play is told as a qualifier of no sense (MMC-3).
    """
    if command.cdb[1] & 1:  # descriptor format
        return refuse(BAD_FIELD)
    sense = drive.attentions.popleft() if drive.attentions else drive.not_ready() or NO_SENSE
    if sense is NO_SENSE and (status := drive.player.status) is not AudioStatus.NONE:
        sense = Sense(0x00, 0x00, status)
    return give(command, sense.pack(), command.cdb[4])
