# SPDX-License-Identifier: Apache-2.0
"""The guest as a test sees it: drives attached, commands run, what udev and the kernel say."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from imagerd.base.errors import ImagerdError
from imagerd.base.progress import run
from imagerd.devices.virtual.kernel import attached
from imagerd.devices.virtual.kernel.attached import Attached
from imagerd.disc.source import SectorSource
from imagerd.formats.write import WriteOptions, write_image

T = TypeVar("T")
PATIENCE = 90.0
CDROM_LOCKDOOR = 0x5329
_PAUSE = 0.3  # each look costs the guest a good deal


def until(look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Wait for something to be true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}:\n{tail_of_dmesg()}")
        time.sleep(_PAUSE)
    return found


def tail_of_dmesg() -> str:
    """The last lines of the kernel's log."""
    return "\n".join(tell("dmesg").splitlines()[-15:])


def tell(*command: str | Path, ok: tuple[int, ...] = (0,), timeout: float = 240) -> str:
    """Run a program and return what it printed, both streams."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    output = done.stdout + done.stderr
    assert done.returncode in ok, f"{command} exited {done.returncode}:\n{output}"
    return output


def imagerctl(*arguments: str | Path, ok: tuple[int, ...] = (0,)) -> str:
    """`imagerctl`, as a user calls it."""
    return tell(Path(sys.executable).with_name("imagerctl"), *arguments, ok=ok)


def settle() -> None:
    """Wait until udev has nothing more to do."""
    tell("udevadm", "settle", "--timeout=60")


def properties(node: str) -> dict[str, str]:
    """What udev knows of a device."""
    lines = tell("udevadm", "info", "--query=property", node).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def in_sysfs(node: str) -> Path:
    """The device behind a node: the next drive may get the node's name, but not this."""
    return Path("/sys/class/block", Path(node).name).resolve()


def write(source: SectorSource, target: Path) -> Path:
    """An image file of a disc in memory."""
    target.parent.mkdir(parents=True, exist_ok=True)
    run(write_image(source, target, WriteOptions(hash=False)))
    return target


class Drive:
    """An attached drive of a test."""

    def __init__(self, one: Attached) -> None:
        self.one = one

    @property
    def node(self) -> str:
        """/dev/srN as it is called now."""
        return until(lambda: self.one.control.state().node, f"the node of {self.one.name}")

    @property
    def pid(self) -> int:
        """The process that serves it."""
        assert self.one.state is not None
        return self.one.state.pid

    def swap(self, image: Path | None, faults: Path | None = None, **how: Any) -> None:
        """Another disc."""
        attached.swap(self.one, image, faults, **how)

    def ready(self) -> Drive:
        """Wait until udev knows the medium."""
        node = self.node
        until(lambda: properties(node).get("ID_CDROM_MEDIA"), f"the medium in {node}")
        settle()
        return self


def insert(drive: Drive, image: Path, faults: Path | None = None) -> str:
    """The node, with that disc in a drive that several tests share, known to udev."""
    state = drive.one.control.state()
    if state.image != str(image) or state.tray_open or faults is not None:
        drive.swap(image, faults)
    # A change that the kernel has still to hear of would have udev look in the middle of a test.
    until(lambda: not drive.one.control.state().unreported, "the kernel to have heard of the disc")
    drive.ready()
    return drive.node


@contextmanager
def drive(image: Path, name: str = "client", **how: Any) -> Iterator[Drive]:
    """A drive with `image` in it, attached to the kernel, known to udev; gone at the end."""
    one = attached.attach(image, name=name, **how)
    made = Drive(one)
    try:
        yield made.ready()
    finally:
        with suppress(ImagerdError):
            attached.detach(attached.find(name))
        settle()


@contextmanager
def held(node: str) -> Iterator[None]:
    """A program has the drive for itself, and its tray locked."""
    fd = os.open(node, os.O_RDWR | os.O_EXCL | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, CDROM_LOCKDOOR, 1)  # udev's own lock goes when anybody closes the drive
        yield
    finally:
        os.close(fd)


def leftovers(name: str) -> list[str]:
    """Whatever is left of a drive in the kernel, in the file system, among the processes."""
    found = [str(path) for path in Path("/sys/kernel/config/target/core").glob(f"*/{name}")]
    found += [str(path) for path in attached.FOLDER.glob(f"{name}.sock")]
    found += [
        f"process {pid}: {words}"
        for pid, words in processes()
        if name in words and any("devices.virtual" in word for word in words)
    ]
    for entry in Path("/sys/class/uio").glob("uio*"):
        with suppress(OSError):
            if f"/{name}/" in (entry / "name").read_text():
                found.append(str(entry))
    return found


def processes() -> Iterator[tuple[int, list[str]]]:
    """All processes with their command lines."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                yield int(folder.name), words


def fds(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
