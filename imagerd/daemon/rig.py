# SPDX-License-Identifier: Apache-2.0
"""The daemon's virtual drives: processes of their own, found again by their sockets.

They live in ``RUNTIME/virtual/NAME.sock``. One that this daemon started ends with it when it stops
cleanly; when it is killed they live on, as real drives do, and its successor finds them there.
Calls block: the API runs them in threads.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from imagerd.base.errors import AlreadyThere, BadInput, DriveLost, NotAvailable
from imagerd.daemon.protocol import VirtualAdd, VirtualInsert, VirtualView
from imagerd.devices.virtual.client import VirtualControl
from imagerd.devices.virtual.host import HostProcess, spawn_host
from imagerd.devices.virtual.protocol import HostState

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$")


class Rig:
    """All virtual drives in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ours: dict[str, HostProcess] = {}

    def views(self) -> list[VirtualView]:
        """Those that answer."""
        found = []
        for socket in sorted(self.folder.glob("*.sock")):
            with contextlib.suppress(DriveLost):
                found.append(_view(socket, VirtualControl(socket).state()))
        return found

    def add(self, wanted: VirtualAdd) -> VirtualView:
        """Start one."""
        if not _NAME.match(wanted.name):
            raise BadInput(
                f"{wanted.name!r} cannot name a virtual drive; use letters, digits, dots, dashes."
            )
        socket = self._socket(wanted.name)
        with contextlib.suppress(DriveLost):
            VirtualControl(socket).state()
            raise AlreadyThere(f"There is a virtual drive {wanted.name} already.")
        self._bury()
        self.folder.mkdir(parents=True, exist_ok=True)
        host = spawn_host(socket, wanted.name, profile=wanted.profile or "plain")
        self._ours[wanted.name] = host
        return _view(socket, host.control.state())

    def insert(self, name: str, wanted: VirtualInsert) -> VirtualView:
        """Put an image in and close the tray."""
        faults = None if wanted.faults is None else Path(wanted.faults)
        state = self._control(name).insert(Path(wanted.image), faults, medium=wanted.medium)
        return _view(self._socket(name), state)

    def press_eject(self, name: str) -> VirtualView:
        """Press its button."""
        return _view(self._socket(name), self._control(name).press_eject())

    def remove(self, name: str) -> None:
        """Pull it out and end its process."""
        self._control(name).quit()
        host = self._ours.pop(name, None)
        if host is not None:
            host.wait(5.0)

    def close(self) -> None:
        """End those that we started."""
        for host in self._ours.values():
            host.stop()
        self._ours.clear()

    def _bury(self) -> None:
        """Forget those that have ended by themselves; else they would stay zombies."""
        self._ours = {name: host for name, host in self._ours.items() if not host.wait(0.0)}

    def _socket(self, name: str) -> Path:
        return self.folder / f"{name}.sock"

    def _control(self, name: str) -> VirtualControl:
        control = VirtualControl(self._socket(name))
        try:
            control.state()
        except DriveLost:
            known = ", ".join(view.name for view in self.views()) or "none"
            raise NotAvailable(f"There is no virtual drive {name}; there are: {known}.") from None
        return control


def _view(socket: Path, state: HostState) -> VirtualView:
    return VirtualView(
        name=socket.stem,
        address=f"virtual:{socket}",
        tray_open=state.tray_open,
        image=state.image or None,
    )
