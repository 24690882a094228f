# SPDX-License-Identifier: Apache-2.0
"""One short look at a drive: is there a medium? For the watcher; never for a drive at work."""

from __future__ import annotations

from imagerd.base.errors import DriveLost, MediumError, OperatorError
from imagerd.devices.mmc import ShortReply, StartStop, TestUnitReady
from imagerd.devices.mmc_config import GetMediaEvent, MediaEvent, MediaEventCode
from imagerd.devices.presence import Presence, Seen
from imagerd.devices.scsi import DID_NO_CONNECT, Command, Reply, Transport
from imagerd.devices.sense import UNIT_ATTENTION, DriveStatus, explain, needs_start, status_of
from imagerd.devices.transport import VIRTUAL, open_transport

_ROUNDS = 4
_EVENTS = 8
_TIMEOUT = 10.0
_MEDIUM_CHANGED = 0x28
_NEW = frozenset({MediaEventCode.NEW_MEDIA, MediaEventCode.CHANGED})
_MOVED = _NEW | {MediaEventCode.REMOVAL}


def probe_drive(address: str) -> Presence:
    """Open the drive at `address` for a moment, not exclusively, and ask. Raises nothing.

    A kernel drive is asked by TEST UNIT READY alone: its media events belong to the kernel's own
    polling, and reading one would take it away from there. A virtual drive has no kernel behind
    it, so its events are ours.
    """
    try:
        transport = open_transport(address, exclusive=False)
    except DriveLost:
        return Presence(Seen.GONE)
    except (MediumError, OperatorError) as error:
        return Presence(Seen.UNSURE, note=str(error))
    try:
        return look(transport, events=address.startswith(VIRTUAL))
    except DriveLost:
        return Presence(Seen.GONE)
    except MediumError as error:
        return Presence(Seen.UNSURE, note=str(error))
    finally:
        transport.close()


def look(transport: Transport, *, events: bool) -> Presence:
    """What the drive behind `transport` says, until it has nothing new to say.

    Unit attentions and, with `events`, media events are read until there are none, so that the
    news of one insertion is never told twice. Raises `DriveLost`.
    """
    new = False
    told: list[int] = []
    reply = Reply()
    for _ in range(_ROUNDS):
        reply, changed = _unit_ready(transport)
        codes = _media_events(transport) if events else []
        new = new or changed or any(code in _NEW for code in codes)
        told += codes
        if not codes:
            break
    if needs_start(reply):
        _execute(transport, StartStop(start=True, immediate=True).command())
    return _presence(reply, new=new, button=_is_pressed(told))


def _is_pressed(told: list[int]) -> bool:
    """Whether the button was pressed since the medium last moved: an earlier press has its due."""
    button = False
    for code in told:
        button = code == MediaEventCode.EJECT_REQUEST or (button and code not in _MOVED)
    return button


def _unit_ready(transport: Transport) -> tuple[Reply, bool]:
    """The reply after all unit attentions, and whether one told of a change of the medium."""
    changed = False
    reply = _execute(transport, TestUnitReady(_TIMEOUT).command())
    for _ in range(_ROUNDS):
        if reply.ok or reply.sense is None or reply.sense.key != UNIT_ATTENTION:
            break
        changed = changed or reply.sense.asc == _MEDIUM_CHANGED
        reply = _execute(transport, TestUnitReady(_TIMEOUT).command())
    return reply, changed


def _media_events(transport: Transport) -> list[int]:
    """The codes of all media events that wait; reading consumes them."""
    codes: list[int] = []
    for _ in range(_EVENTS):
        event = _media_event(transport)
        if event is None or event.code == MediaEventCode.NONE:
            break
        codes.append(event.code)
    return codes


def _media_event(transport: Transport) -> MediaEvent | None:
    request = GetMediaEvent()
    reply = _execute(transport, request.command())
    if not reply.ok:
        return None
    try:
        return request.parse(reply.data)
    except ShortReply:
        return None


def _execute(transport: Transport, command: Command) -> Reply:
    reply = transport.execute(command)
    if reply.host_status == DID_NO_CONNECT:
        raise DriveLost(f"{transport.name} no longer answers: it was unplugged.")
    return reply


def _presence(reply: Reply, *, new: bool, button: bool) -> Presence:
    match status_of(reply):
        case DriveStatus.READY | DriveStatus.UNREADABLE:
            return Presence(Seen.MEDIUM, new, button)
        case DriveStatus.EMPTY | DriveStatus.TRAY_OPEN:
            return Presence(Seen.NONE, new, button)
        case DriveStatus.BECOMING_READY:
            return Presence(Seen.UNSURE, new, button, explain(reply))
