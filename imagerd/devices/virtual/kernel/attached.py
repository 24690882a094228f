# SPDX-License-Identifier: Apache-2.0
"""Images attached as real drives: each is a host process, a socket, and the kernel's drive.

The kernel is the truth about which drives there are; the socket says whether one is served. A drive
whose process was killed is stale: `clear` takes it from the kernel.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagerd.base.errors import (
    AlreadyThere,
    BadInput,
    DriveLost,
    NotAvailable,
)
from imagerd.devices.holders import mounted_at
from imagerd.devices.virtual.client import VirtualControl
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.host import HostProcess, spawn_host
from imagerd.devices.virtual.kernel.configfs import KernelDrive, kernel_drives, prepare
from imagerd.devices.virtual.protocol import HostState
from imagerd.devices.virtual.recordable import recordable
from imagerd.formats import open_image

# Not in /run/imagerd, which goes when the service stops.
FOLDER: Final = Path("/run/imagerd-attached")
_LONGEST_NAME: Final = 32
_BUTTON: Final = 10.0  # seconds that the host has to open the tray when the button was pressed
_HAND: Final = 3.0  # seconds that a hand takes: a host that looks every two sees the tray open
_END: Final = 90.0


@dataclass(frozen=True, slots=True)
class Attached:
    """One attached drive. Without a state nobody serves it: it is stale."""

    name: str
    state: HostState | None

    @property
    def control(self) -> VirtualControl:
        """Its buttons."""
        return VirtualControl(_socket(self.name))


def _socket(name: str) -> Path:
    return FOLDER / f"{name}.sock"


def attach(
    image: Path,
    *,
    name: str = "",
    faults: Path | None = None,
    profile: str | Path = "plain",
    time_scale: float = 0.0,
    allow_outside: bool = False,
    medium: str = "",
    trace: Path | None = None,
) -> Attached:
    """A drive of its own process with `image` in it, for the kernel and so for all programs.

    Raises `NotAvailable` if something of the kernel is missing, `AlreadyThere` for a name in use,
    and what opening the image raises; then nothing is left behind.
    """
    prepare()
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    chosen = _free_name(name, image)
    host = spawn_host(
        _socket(chosen),
        chosen,
        profile=profile,
        time_scale=time_scale,
        trace=trace,
        in_kernel=True,
    )
    try:
        host.control.insert(image, faults, allow_outside=allow_outside, medium=medium)
        return Attached(chosen, host.control.replug())
    except BaseException:
        host.stop(_END)
        raise


def _free_name(name: str, image: Path) -> str:
    taken = set(kernel_drives())
    if name:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or len(name) > _LONGEST_NAME:
            raise BadInput(
                f"{name!r} is no name for a drive; use up to {_LONGEST_NAME} of a-z, 0-9, ., _, -."
            )
        if name in taken:
            raise AlreadyThere(f"A drive {name} is attached already; name another or detach it.")
        return name
    stem = re.sub(r"[^A-Za-z0-9]+", "-", image.stem).strip("-").lower()[: _LONGEST_NAME - 4]
    numbered = (f"{stem or 'disc'}{suffix}" for suffix in _suffixes())
    return next(each for each in numbered if each not in taken)


def _suffixes() -> Iterator[str]:
    yield ""
    number = 2
    while True:
        yield f"-{number}"
        number += 1


def attached() -> tuple[Attached, ...]:
    """All drives of ours that the kernel has, or that are pulled out but served."""
    sockets = {path.name.removesuffix(".sock") for path in FOLDER.glob("*.sock")}
    found = (Attached(name, _state(name)) for name in sorted(sockets | set(kernel_drives())))
    # A socket without anything behind it is a leftover, not a drive.
    return tuple(one for one in found if one.state is not None or KernelDrive(one.name).exists)


def _state(name: str) -> HostState | None:
    socket = _socket(name)
    if socket.exists() and not os.access(socket, os.W_OK):
        raise NotAvailable("Attached drives belong to root; run this with sudo.")
    try:
        return VirtualControl(socket).state()
    except (DriveLost, NotAvailable):
        return None


def find(what: str) -> Attached:
    """The drive of that name, device node or image. Raises `NotAvailable`."""
    drives = attached()
    for one in drives:
        nodes = {one.state.node, one.state.image} if one.state is not None else set()
        if what == one.name or (what and os.path.realpath(what) in nodes):
            return one
    known = ", ".join(one.name for one in drives) or "none"
    raise NotAvailable(f"No attached drive is {what}; attached are: {known}.")


def detach(one: Attached, *, force: bool = False) -> None:
    """Take the drive away, as if unplugged; with `force` also from those who read from it.

    Raises `NotAvailable` if the disc is in use, or if the process does not end.
    """
    if one.state is None:
        clear(one)
        return
    if not force:
        _refuse_if_mounted(one)
    with contextlib.suppress(DriveLost):
        one.control.quit()
    if not HostProcess(one.state.pid, one.control).wait(_END):
        raise NotAvailable(
            f"The drive {one.name} (process {one.state.pid}) has not ended in {_END:.0f} s; "
            "kill it and use `imagerctl detach --stale`."
        )


def clear(one: Attached) -> None:
    """Take a drive from the kernel whose process is dead. One that lives is left alone."""
    if _state(one.name) is None:
        KernelDrive(one.name).abandon()
        _socket(one.name).unlink(missing_ok=True)


def swap(
    one: Attached,
    image: Path | None,
    faults: Path | None = None,
    *,
    force: bool = False,
    allow_outside: bool = False,
    medium: str = "",
) -> Attached:
    """Change the disc as a person does: press the button, change what lies there, close the tray.

    While the host has locked the tray the button is an event, to which udev answers by opening it;
    if a program holds the drive it does not, and `NotAvailable` is raised, as for a mounted disc.
    `force` uses the paper clip. Without an image the drive is left closed and empty. An image or
    a plan that cannot be used is refused before anything is done.
    """
    control = one.control
    if image is not None:
        with closing(open_image(image, allow_outside=allow_outside)) as opened:
            recordable(medium, opened.layout)
    if faults is not None:
        FaultPlan.load(faults)
    if not force:
        _refuse_if_mounted(one)
    _open_tray(one, force=force)
    if control.state().image:
        control.take()
    if image is not None:
        control.place(image, faults, allow_outside=allow_outside, medium=medium)
    return Attached(one.name, control.close_tray())


def _refuse_if_mounted(one: Attached) -> None:
    # Else udev would open the tray all the same when the button is pressed.
    node = one.control.state().node
    if node and (places := mounted_at(Path(node))):
        raise NotAvailable(
            f"The disc in {node} is mounted at {places[0]}; unmount it first, or use --force."
        )


def _open_tray(one: Attached, *, force: bool) -> None:
    control = one.control
    state = control.state()
    if state.tray_open:
        return
    if force:
        control.remove()
    elif not control.press_eject().moved and not _until(lambda: control.state().tray_open, _BUTTON):
        raise NotAvailable(
            f"The tray of {state.node or one.name} stays locked: a program has the drive in use; "
            "end it first, or use --force."
        )
    time.sleep(_HAND)


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
