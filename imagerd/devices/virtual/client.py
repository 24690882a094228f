# SPDX-License-Identifier: Apache-2.0
"""The client's side of a virtual drive behind a socket: its transport and its buttons."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path

import msgspec

from imagerd.base.errors import BadInput, DriveLost, NotAvailable
from imagerd.devices.scsi import DID_TIME_OUT, Command, Reply
from imagerd.devices.virtual.protocol import (
    MAX_BYTES,
    REPLY,
    Closed,
    Control,
    HostState,
    Kind,
    pack_command,
    pack_control,
    read_exactly,
    read_into,
    send_parts,
    unpack_sense,
)

_PATIENCE = 5.0  # seconds beyond a command's own timeout that the host has to say so
_CONTROL_TIMEOUT = 60.0  # opening an image may take long
_CONNECT_TIMEOUT = 5.0
_BUFFERS = 1 << 20


def _patience(connection: socket.socket, seconds: float) -> None:
    """Let every call on a blocking socket fail with EAGAIN after so long.

    Unlike `settimeout`, whose sockets do not block, this needs no poll before each receive.
    """
    whole = min(seconds, 86400.0)
    time = struct.pack("ll", int(whole), int(whole % 1 * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, time)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, time)


def _connect(path: str) -> socket.socket:
    """A connection to a host. Raises `DriveLost` if none serves that path."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _patience(connection, _CONNECT_TIMEOUT)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFERS)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        reason = error.strerror or "no answer"
        raise DriveLost(f"No virtual drive answers at {path} ({reason}); is it there?") from error
    return connection


class SocketTransport:
    """A `Transport` to the drive of a host process.

    Once the drive is lost (host gone, or unplugged) it stays lost for this transport, as an open
    device node does; a drive that is back is opened anew.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._connection: socket.socket | None = _connect(self._path)
        self._sequence = 0
        self._closed = False
        self._patience = -1.0  # the timeout set on the connection
        self._buffer = bytearray()
        try:
            state = _ask(self._connection, Control("state"), self._path)
        except BaseException:
            self._drop()
            raise
        if not state.plugged:
            self._drop()
            raise DriveLost(f"{self.name} is not plugged in; plug it in again.")
        self._max_transfer = state.max_transfer

    @property
    def name(self) -> str:
        """``virtual:`` and the path of the socket, as `open_transport` takes it."""
        return f"virtual:{self._path}"

    @property
    def max_transfer(self) -> int:
        """The most bytes that one command can move."""
        return self._max_transfer

    def execute(self, command: Command) -> Reply:
        """Send one command and wait for its reply.

        A host that does not answer in time gives a reply with `DID_TIME_OUT`. Raises `DriveLost`.
        The reply's data are valid until the next command.
        """
        connection = self._connected()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        try:
            if command.timeout != self._patience:
                _patience(connection, command.timeout + _PATIENCE)
                self._patience = command.timeout
            send_parts(connection, pack_command(command, self._sequence), command.data)
            return self._receive(connection)
        except BlockingIOError:
            # The frame may be half read: only a new connection is in step again.
            self._drop()
            return Reply(host_status=DID_TIME_OUT, seconds=command.timeout)
        except (OSError, Closed) as error:
            self.close()
            raise DriveLost(f"{self.name} is gone; plug it in again and resume.") from error

    def _receive(self, connection: socket.socket) -> Reply:
        header = REPLY.unpack(read_exactly(connection, REPLY.size))
        kind, status, host, driver, sequence, size, seconds, sense = header
        if kind != Kind.COMMAND or sequence != self._sequence or size > MAX_BYTES:
            raise Closed
        if size > len(self._buffer):
            self._buffer = bytearray(size)
        data = memoryview(self._buffer)[:size]
        read_into(connection, data)
        return Reply(status, data.toreadonly(), unpack_sense(sense), host, driver, seconds)

    def _connected(self) -> socket.socket:
        if self._closed:
            raise DriveLost(f"{self.name} is gone; open it again.")
        if self._connection is None:
            try:
                self._connection = _connect(self._path)
            except DriveLost:
                self._closed = True
                raise
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._patience = -1.0

    def close(self) -> None:
        """Close the connection; idempotent. The drive lives on."""
        self._closed = True
        self._drop()

    def __enter__(self) -> SocketTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ask(connection: socket.socket, control: Control, path: str) -> HostState:
    """Send a control message; raises `NotAvailable` with the host's sentence if it refuses."""
    try:
        _patience(connection, _CONTROL_TIMEOUT)
        send_parts(connection, pack_control(control, 0))
        kind, *_, size, _seconds, _sense = REPLY.unpack(read_exactly(connection, REPLY.size))
        body = bytes(read_exactly(connection, size))
    except BlockingIOError as error:
        raise NotAvailable(f"The virtual drive at {path} does not answer.") from error
    except (OSError, Closed) as error:
        raise DriveLost(f"The virtual drive at {path} is gone.") from error
    if kind == Kind.ERROR:
        raise BadInput(msgspec.json.decode(body, type=str))
    return msgspec.json.decode(body, type=HostState)


class VirtualControl:
    """A person at a virtual drive: puts discs in, presses the button, pulls the plug.

    Every call connects, says one thing and leaves; each returns the state after it. All raise
    `DriveLost` if no host serves the path, and `BadInput` for what the host refuses.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)

    def insert(
        self,
        image: Path,
        faults: Path | str | None = None,
        *,
        allow_outside: bool = False,
        medium: str = "",
    ) -> HostState:
        """Put an image in and close the tray. `faults`: the path of a plan, or its TOML text.

        `medium`: the recordable disc that it is, ``cd-r`` and so on; else it is a pressed one.
        """
        return self._put("insert", image, faults, allow_outside, medium)

    def place(
        self,
        image: Path,
        faults: Path | str | None = None,
        *,
        allow_outside: bool = False,
        medium: str = "",
    ) -> HostState:
        """Lay an image on the open, empty tray, as a robot does; closing the tray loads it."""
        return self._put("place", image, faults, allow_outside, medium)

    def take(self) -> HostState:
        """Take what lies on the open tray."""
        return self._say(Control("take"))

    def remove(self) -> HostState:
        """Take the medium out, locked or not; the tray is open then."""
        return self._say(Control("remove"))

    def press_eject(self) -> HostState:
        """Press the button; `moved` says whether the tray did."""
        return self._say(Control("eject"))

    def close_tray(self) -> HostState:
        """Close the tray over what lies on it."""
        return self._say(Control("close-tray"))

    def unplug(self) -> HostState:
        """Pull the plug: all transports lose the drive, for good."""
        return self._say(Control("unplug"))

    def replug(self) -> HostState:
        """Plug the drive in again; it is opened anew then."""
        return self._say(Control("replug"))

    def state(self) -> HostState:
        """Tray, medium, and whether it is plugged in."""
        return self._say(Control("state"))

    def quit(self) -> None:
        """End the host; the drive is gone."""
        with contextlib.suppress(DriveLost):
            self._say(Control("quit"))

    def _put(
        self,
        verb: str,
        image: Path,
        faults: Path | str | None,
        allow_outside: bool,
        medium: str,
    ) -> HostState:
        text, where = "", "fault plan"
        if isinstance(faults, Path):
            where = str(faults)
            try:
                text = faults.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise NotAvailable(f"Cannot read the fault plan {faults}: {error}.") from error
        elif faults is not None:
            text = faults
        return self._say(Control(verb, str(image.absolute()), text, where, allow_outside, medium))

    def _say(self, control: Control) -> HostState:
        connection = _connect(self.path)
        try:
            return _ask(connection, control, self.path)
        finally:
            connection.close()
