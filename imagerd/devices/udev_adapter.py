# SPDX-License-Identifier: Apache-2.0
"""The one place that knows pyudev, which has no types: its devices and events as plain values.

All failures of the monitor are `OSError`: ENOBUFS after a burst of events, POLLERR, a socket that
udev has closed. The answer to any of them is a new monitor and a new listing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import pyudev

_CONTROL = Path("/run/udev/control")
_MOST = 256  # events read in one go, so that a flood leaves the loop some air


class _Device(Protocol):
    action: str | None
    device_node: str | None
    sys_name: str
    properties: Mapping[str, str]


class _Monitor(Protocol):
    def filter_by(self, subsystem: str, device_type: str | None = None) -> None: ...
    def start(self) -> None: ...
    def fileno(self) -> int: ...
    def poll(self, timeout: float | None = None) -> _Device | None: ...


@dataclass(frozen=True, slots=True)
class OpticalDevice:
    """An optical drive as udev knows it. `serial` and `path` stay the same when N of srN changes.

    Empty where udev does not say.
    """

    node: str
    model: str = ""
    serial: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Uevent:
    """An event of an optical drive. Only a hint: DISK_MEDIA_CHANGE comes from empty drives too."""

    action: str
    node: str
    media_change: bool = False
    eject_request: bool = False

    @property
    def of_the_list(self) -> bool:
        """Whether drives came or went."""
        return self.action != "change"


def udev_is_running(control: Path = _CONTROL) -> bool:
    """Whether udev runs where we can hear it: not in most containers."""
    return control.exists()


def list_optical() -> tuple[OpticalDevice, ...]:
    """All optical drives in udev's database and sysfs, by node. Raises `OSError`."""
    found = pyudev.Context().list_devices(subsystem="block", DEVTYPE="disk")
    devices = [_described(device) for device in cast(Iterable[_Device], found)]
    return tuple(sorted((d for d in devices if d is not None), key=lambda device: device.node))


def serials_of(node: str) -> tuple[str, ...]:
    """The serial numbers of a drive that udev knows; () if none, or if udev does not run."""
    try:
        device = pyudev.Devices.from_device_file(pyudev.Context(), node)
    except (pyudev.DeviceNotFoundError, OSError):
        return ()
    known = cast(_Device, device).properties
    names = ("ID_SERIAL_SHORT", "ID_SCSI_SERIAL")
    return tuple(known[name] for name in names if known.get(name))


class UdevMonitor:
    """Events of optical drives, after udev's rules have run. Watch `fileno`, then `drain`."""

    def __init__(self) -> None:
        """Begin to listen. Raises `OSError`."""
        monitor = cast(_Monitor, pyudev.Monitor.from_netlink(pyudev.Context()))
        monitor.filter_by("block", "disk")
        monitor.start()
        self._monitor: _Monitor | None = monitor

    def fileno(self) -> int:
        """The descriptor to wait on. Raises `OSError` once closed."""
        return self._open().fileno()

    def drain(self) -> list[Uevent]:
        """The events that wait, oldest first; never blocks. Raises `OSError`."""
        monitor = self._open()
        events = []
        for _ in range(_MOST):
            device = monitor.poll(0)
            if device is None:
                break
            event = _event(device)
            if event is not None:
                events.append(event)
        return events

    def close(self) -> None:
        """Stop listening; idempotent. pyudev closes the socket with its last reference."""
        self._monitor = None

    def _open(self) -> _Monitor:
        if self._monitor is None:
            raise OSError("the udev monitor is closed")
        return self._monitor


def _optical(device: _Device) -> bool:
    return device.sys_name.startswith("sr") or device.properties.get("ID_CDROM") == "1"


def _described(device: _Device) -> OpticalDevice | None:
    if device.device_node is None or not _optical(device):
        return None
    known = device.properties
    return OpticalDevice(
        device.device_node,
        known.get("ID_MODEL", ""),
        known.get("ID_SERIAL", ""),
        known.get("ID_PATH", ""),
    )


def _event(device: _Device) -> Uevent | None:
    if device.device_node is None or not _optical(device):
        return None
    return Uevent(
        device.action or "",
        device.device_node,
        device.properties.get("DISK_MEDIA_CHANGE") == "1",
        device.properties.get("DISK_EJECT_REQUEST") == "1",
    )
