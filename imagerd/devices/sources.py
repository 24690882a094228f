# SPDX-License-Identifier: Apache-2.0
"""Where drives are found: udev's database, sysfs without udev, a folder of virtual drives."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from imagerd.devices.drives import list_drives
from imagerd.devices.transport import VIRTUAL
from imagerd.devices.udev_adapter import list_optical

_VIRTUAL = 0.5  # seconds between looks: they cost little


@dataclass(frozen=True, slots=True)
class Source:
    """A place where drives are found.

    It is listed every `every` seconds, and each of its drives is looked at every `poll` seconds.
    `list` may raise `OSError`: then the drives known from it stay.
    """

    name: str
    list: Callable[[], Iterable[str]]
    every: float
    poll: float


def virtual_source(folder: Path, poll: float = _VIRTUAL) -> Source:
    """The virtual drives whose sockets are in `folder`; it need not exist.

    Nobody tells of them, so `poll` only makes the looks more frequent.
    """
    poll = min(poll, _VIRTUAL)
    return Source("virtual", lambda: _sockets(folder), every=poll, poll=poll)


def _sockets(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    paths = sorted(path for path in folder.glob("*.sock") if _is_socket(path))
    return [f"{VIRTUAL}{path}" for path in paths]


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:  # gone since it was listed
        return False


def udev_source(poll: float) -> Source:
    """The drives that udev knows. It tells of changes, so slow looks will do."""
    nodes = lambda: [device.node for device in list_optical()]  # noqa: E731
    return Source("udev", nodes, every=poll, poll=poll)


def sysfs_source() -> Source:
    """Without udev nobody tells us anything: look every two seconds, as the kernel would."""
    nodes = lambda: [drive.address for drive in list_drives()]  # noqa: E731
    return Source("sysfs", nodes, every=2.0, poll=2.0)
