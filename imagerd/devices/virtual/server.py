# SPDX-License-Identifier: Apache-2.0
"""Serves one virtual drive on a Unix socket: a thread for each client, one command at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from imagerd.base.errors import AlreadyThere, DriveLost, ImagerdError, NotAvailable
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.faults import NO_FAULTS, FaultPlan
from imagerd.devices.virtual.kernel.plug import Plug
from imagerd.devices.virtual.protocol import (
    REQUEST,
    Closed,
    Control,
    HostState,
    Kind,
    pack_answer,
    pack_reply,
    read_exactly,
    send_parts,
    unpack_command,
)
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.devices.virtual.trace import Trace

_BUFFERS = 1 << 20
_BACKLOG = 64
_JOIN = 2.0


@contextlib.contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Two hosts that start at once look at the socket one after the other."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def bind(path: Path) -> socket.socket:
    """A listening socket at `path`, in the place of one that nobody serves any more.

    Raises `AlreadyThere` if a live host serves it or something else is there, `NotAvailable` if it
    cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _folder_lock(path.parent):
            if path.is_socket():
                if _alive(path):
                    raise AlreadyThere(
                        f"Another virtual drive is served at {path}; name another socket."
                    )
                path.unlink()
            elif path.exists() or path.is_symlink():
                raise AlreadyThere(f"{path} exists and is no socket; name another.")
            listener.bind(str(path))
            listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise NotAvailable(f"Cannot serve at {path}: {error.strerror or error}.") from error
    except AlreadyThere:
        listener.close()
        raise
    return listener


def _alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # busy, or not ours to judge
    return True


class Server:
    """Owns the drive. `serve` runs until `stop`, which any thread or signal handler may call."""

    def __init__(
        self,
        drive: VirtualDrive,
        name: str,
        listener: socket.socket,
        trace: Trace | None = None,
        *,
        in_kernel: bool = False,
    ) -> None:
        self._drive = drive
        self._name = name
        self._listener = listener
        self._trace = trace
        self._path = Path(listener.getsockname())
        self._inode = self._path.stat().st_ino
        self._plug = Plug(name, self.execute, self._path) if in_kernel else None
        self._lock = threading.Lock()  # the drive: held as long as a command takes
        self._registry = threading.Lock()  # the clients: held for an instant
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._generation = 0
        self._commands = 0
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._stop_writer.setblocking(False)

    def execute(self, command: Command, generation: int | None = None) -> Reply:
        """Carry out a command. Raises `DriveLost` while the drive is unplugged.

        A client that found the drive at an earlier `generation` has lost it for good.
        """
        with self._lock:
            self._commands += 1
            reply = None
            try:
                if generation not in (None, self._generation):
                    raise DriveLost(f"{self._drive.name} was unplugged; open it again.")
                reply = self._drive.execute(command)
            finally:
                if self._trace is not None:
                    self._trace.note(command, reply)
        return reply

    def stop(self) -> None:
        """End `serve`; async-signal-safe as far as Python goes."""
        self._drive.clock.wake()
        with contextlib.suppress(OSError):
            self._stop_writer.send(b"x")

    def serve(self) -> None:
        """Accept clients until stopped, then remove the socket and let go of the medium."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._stop_reader, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._stop_reader in ready:
                    break
                self._accept()
        self._shut_down()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it went away again, or we are out of descriptors: the next select tells
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFERS)
        thread = threading.Thread(target=self._client, args=(connection,), daemon=True)
        with self._registry:
            self._clients[connection] = thread
        thread.start()

    def _shut_down(self) -> None:
        if self._plug is not None:
            self._plug.detach()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        self._listener.close()
        with self._registry:
            clients = dict(self._clients)
        for connection in clients:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in clients.values():
            thread.join(_JOIN)
        with self._lock:
            self._drive.close()
        if self._trace is not None:
            self._trace.close()
        self._stop_reader.close()
        self._stop_writer.close()

    # -- one client -----------------------------------------------------------------------

    def _client(self, connection: socket.socket) -> None:
        generation = self._generation
        try:
            while True:
                self._one(connection, generation)
        except (Closed, OSError):
            pass  # gone, at whatever byte: nothing of the drive is left in between
        finally:
            with self._registry:
                self._clients.pop(connection, None)
            connection.close()

    def _one(self, connection: socket.socket, generation: int) -> None:
        header = REQUEST.unpack(read_exactly(connection, REQUEST.size))
        kind, cdb_size, direction, sequence, length, size, timeout, cdb = header
        data = bytes(read_exactly(connection, size)) if size else b""
        if kind == Kind.COMMAND:
            command = unpack_command(cdb[:cdb_size], direction, length, data, timeout)
            self._command(connection, command, sequence, generation)
        elif kind == Kind.CONTROL:
            send_parts(connection, self._answer(data, sequence))
        else:
            raise Closed

    def _command(
        self, connection: socket.socket, command: Command, sequence: int, generation: int
    ) -> None:
        reply = None
        with contextlib.suppress(DriveLost):
            reply = self.execute(command, generation)
        # Sent without the lock: a client that does not read keeps nobody waiting.
        if reply is None:
            send_parts(connection, pack_answer(Kind.LOST, sequence))
        else:
            send_parts(connection, pack_reply(reply, sequence), reply.data)

    # -- control --------------------------------------------------------------------------

    def _answer(self, body: bytes, sequence: int) -> bytes:
        try:
            control = msgspec.json.decode(body, type=Control)
            state = self._carry_out(control)
        except ImagerdError as error:
            return pack_answer(Kind.ERROR, sequence, msgspec.json.encode(str(error)))
        except msgspec.DecodeError as error:
            text = f"The virtual drive does not understand that: {error}."
            return pack_answer(Kind.ERROR, sequence, msgspec.json.encode(text))
        return pack_answer(Kind.CONTROL, sequence, msgspec.json.encode(state))

    def _carry_out(self, control: Control) -> HostState:
        drive, verb, moved = self._drive, control.verb, False
        if verb == "unplug":
            self._generation += 1
            drive.unplug()  # without the lock: it ends a command that hangs
            if self._plug is not None:
                self._plug.pull()
        elif verb == "replug":
            with self._lock:
                drive.replug()
            if self._plug is not None:
                self._plug.push()
        elif verb == "quit":
            self.stop()
        elif verb in ("insert", "place"):
            self._insert(control)
        elif verb != "state":
            with self._lock:
                moved = self._press(verb)
        return self._state(moved)

    def _press(self, verb: str) -> bool:
        if verb == "remove":
            self._drive.remove()
        elif verb == "take":
            self._drive.take()
        elif verb == "eject":
            return self._drive.press_eject()
        elif verb == "close-tray":
            self._drive.close_tray()
        else:
            raise NotAvailable(f"A virtual drive has no {verb!r}.")
        return False

    def _insert(self, control: Control) -> None:
        # Imported here: a drive that is only asked for its state needs no formats.
        from imagerd.formats import open_image

        plan = NO_FAULTS
        if control.faults:
            plan = FaultPlan.parse(control.faults, control.faults_from)
        image = open_image(Path(control.image), allow_outside=control.allow_outside)
        try:
            put = self._drive.insert if control.verb == "insert" else self._drive.place
            with self._lock:
                put(image, plan, control.image, medium=control.medium)
        except BaseException:
            image.close()
            raise

    def _state(self, moved: bool) -> HostState:
        state = self._drive.state
        loaded = state.loaded
        return HostState(
            name=self._name,
            pid=os.getpid(),
            plugged=self._drive.plugged,
            tray_open=state.tray_open,
            locked=state.locked,
            medium=loaded.disc.layout.medium.value if loaded is not None else "",
            image=loaded.what if loaded is not None else "",
            insertions=state.insertions,
            commands=self._commands,
            seconds=self._drive.clock.now,
            max_transfer=self._drive.max_transfer,
            moved=moved,
            node=self._plug.node if self._plug is not None else "",
            unreported=len(state.media_events) + len(state.attentions),
        )
