# SPDX-License-Identifier: Apache-2.0
"""GET EVENT STATUS NOTIFICATION, polled (MMC-6, 6.7): classes 1, 2, 4 and 6."""

from __future__ import annotations

from typing import Final

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import BAD_FIELD, give, refuse, u16
from imagerd.devices.virtual.state import POLL, DriveState, MediaEvent

_OPERATIONAL: Final = 1
_POWER: Final = 2
_MEDIA: Final = 4
_BUSY: Final = 6
_CLASSES: Final = (_OPERATIONAL, _POWER, _MEDIA, _BUSY)
_SUPPORTED: Final = sum(1 << each for each in _CLASSES)
_ACTIVE, _STANDBY = 1, 3
_NO_EVENT: Final = 0x80


def get_event_status(drive: DriveState, command: Command) -> Reply:
    """The next event of the classes asked for; the lowest class that has one comes first.

    Without an event, the state of the lowest class asked for. Reading an event consumes it.
    """
    if not command.cdb[1] & 1:
        return refuse(BAD_FIELD)  # asynchronous notification is not supported
    asked = [c for c in _CLASSES if command.cdb[4] & 1 << c]
    allocation = u16(command.cdb, 7)
    if not asked:
        return give(command, bytes((0, 2, _NO_EVENT, _SUPPORTED)), allocation)
    pending = [c for c in asked if _pending(drive, c)]
    chosen = (pending or asked)[0]
    # With no room for the event it is not consumed.
    room = min(allocation, command.length) > 4
    data = bytes((0, 6, chosen, _SUPPORTED)) + _event(drive, chosen, consume=room)
    return give(command, data, allocation)


def _pending(drive: DriveState, event_class: int) -> bool:
    if event_class == _OPERATIONAL:
        return drive.operational_changes > 0
    return event_class == _MEDIA and _media_event(drive) is not MediaEvent.NONE


def _media_event(drive: DriveState) -> MediaEvent:
    """The oldest. That of a new medium waits until it has spun up: a kernel asks for the size once,
    on hearing of it, and would not ask again.
    """
    event = drive.media_events[0] if drive.media_events else MediaEvent.NONE
    if event is MediaEvent.NEW_MEDIA and drive.becoming_ready:
        drive.clock.idle(POLL)
        return MediaEvent.NONE
    return event


def _event(drive: DriveState, event_class: int, *, consume: bool) -> bytes:
    if event_class == _MEDIA:
        event = _media_event(drive)
        if consume and event is not MediaEvent.NONE:
            drive.media_events.popleft()
        status = (0x01 if drive.tray_open else 0) | (0x02 if drive.present is not None else 0)
        return bytes((event, status, 0, 0))
    if event_class == _OPERATIONAL:
        changed = drive.operational_changes > 0
        if consume and changed:
            drive.operational_changes = 0
        # Event 2: the drive has changed its operational state; change 1: its features.
        return bytes((2 if changed else 0, 0x80 if drive.persistent else 0, 0, int(changed)))
    if event_class == _POWER:  # no event: the state changes only when a host says so
        return bytes((0, _ACTIVE if drive.spinning else _STANDBY, 0, 0))
    return bytes(4)  # never busy: commands are carried out one after another
