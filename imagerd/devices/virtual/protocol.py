# SPDX-License-Identifier: Apache-2.0
"""The wire between a virtual drive's host and its clients: frames on a Unix stream socket.

A frame is a header of fixed size, then its parts. All numbers are big-endian.

request:  kind, CDB length, direction, pad | sequence | bytes expected | bytes sent | timeout |
          16 bytes of CDB; then the bytes sent (or JSON, for a control message)
reply:    kind, status, host status, driver status | sequence | bytes | seconds |
          18 bytes of sense, zeros for none; then the bytes (or JSON)
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum
from typing import Final

import msgspec

from imagerd.devices.scsi import Command, Direction, Reply, Sense

REQUEST: Final = struct.Struct("!BBBxIIId16s")
REPLY: Final = struct.Struct("!BBBBIId18s")
MAX_BYTES: Final = 64 << 20  # more than any frame holds; a larger one is not of ours
_DIRECTIONS: Final = tuple(Direction)


class Kind(IntEnum):
    """What a frame is."""

    COMMAND = 1
    CONTROL = 2
    LOST = 3  # reply: the drive is unplugged
    ERROR = 4  # reply: a control message was refused; the sentence as JSON


class Control(msgspec.Struct, forbid_unknown_fields=True):
    """A control message. `verb`: insert, remove, place, take, eject, close-tray, unplug, replug,
    state, quit.

    For insert and place: `image` is an absolute path; `faults` the text of a fault plan,
    `faults_from` its name in errors; `medium` the recordable disc that it is, or empty.
    """

    verb: str
    image: str = ""
    faults: str = ""
    faults_from: str = "fault plan"
    allow_outside: bool = False
    medium: str = ""


class HostState(msgspec.Struct, frozen=True):
    """What the host says of its drive. `image` is the path of the medium, or empty.

    `insertions` counts how often the tray closed over a medium: a change means another disc, or
    the same one anew. `unreported` counts events and unit attentions that nobody has fetched yet.
    `seconds` is what the drive has spent so far, by its own clock.
    """

    name: str
    pid: int
    plugged: bool
    tray_open: bool
    locked: bool
    medium: str  # cd, dvd, bd, hddvd, or empty
    image: str
    insertions: int
    commands: int
    max_transfer: int
    moved: bool = False  # whether the button just pressed has moved the tray
    node: str = ""  # /dev/srN, if the drive is attached to the kernel
    unreported: int = 0
    seconds: float = 0.0


class Closed(Exception):
    """The other side has closed the socket, maybe in the middle of a frame."""


def read_into(connection: socket.socket, view: memoryview) -> None:
    """Fill `view`; raises `Closed` at the end of the stream, and what the socket raises."""
    while view:
        got = connection.recv_into(view, 0, socket.MSG_WAITALL)
        if not got:
            raise Closed
        view = view[got:]


def read_exactly(connection: socket.socket, size: int) -> bytearray:
    """`size` bytes in a buffer of their own."""
    if size > MAX_BYTES:
        raise Closed
    data = bytearray(size)
    read_into(connection, memoryview(data))
    return data


def send_parts(connection: socket.socket, *parts: bytes | bytearray | memoryview) -> None:
    """Send all parts, not copied together."""
    views = [memoryview(part).cast("B") for part in parts if len(part)]
    while views:
        sent = connection.sendmsg(views)
        while views and sent >= len(views[0]):
            sent -= len(views.pop(0))
        if views and sent:
            views[0] = views[0][sent:]


def pack_command(command: Command, sequence: int) -> bytes:
    """The header of a command; its data follow."""
    return REQUEST.pack(
        Kind.COMMAND,
        len(command.cdb),
        _DIRECTIONS.index(command.direction),
        sequence,
        command.length,
        len(command.data),
        command.timeout,
        command.cdb,
    )


def pack_control(control: Control, sequence: int) -> bytes:
    """A whole control message."""
    body = msgspec.json.encode(control)
    return REQUEST.pack(Kind.CONTROL, 0, 0, sequence, 0, len(body), 0.0, b"") + body


def unpack_command(cdb: bytes, direction: int, length: int, data: bytes, timeout: float) -> Command:
    """The command of a request; raises `Closed` for what no client of ours sends."""
    if direction >= len(_DIRECTIONS) or not cdb:
        raise Closed
    return Command(cdb, _DIRECTIONS[direction], length, data, timeout)


def pack_reply(reply: Reply, sequence: int) -> bytes:
    """The header of a reply; its data follow."""
    return REPLY.pack(
        Kind.COMMAND,
        reply.status,
        reply.host_status,
        reply.driver_status,
        sequence,
        len(reply.data),
        reply.seconds,
        reply.sense.pack() if reply.sense is not None else b"",
    )


def pack_answer(kind: Kind, sequence: int, body: bytes = b"") -> bytes:
    """A reply that is not a SCSI one."""
    return REPLY.pack(kind, 0, 0, 0, sequence, len(body), 0.0, b"") + body


def unpack_sense(raw: bytes) -> Sense | None:
    """Sense of a reply, if it has any."""
    return Sense.parse(raw) if raw[0] else None
