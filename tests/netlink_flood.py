# SPDX-License-Identifier: Apache-2.0
"""A real udev monitor whose socket overflows: run in a network namespace of its own.

Prints what the watcher heard, and how many monitors it made, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket

from imagerd.devices.presence import Presence, Seen, Timing
from imagerd.devices.sources import Source
from imagerd.devices.udev_adapter import UdevMonitor
from imagerd.devices.watch import DriveWatcher, Udev

_KOBJECT_UEVENT = 15
_UDEV_GROUP = 2
DRIVE = "/dev/sr0"


def overflow(monitor: UdevMonitor) -> None:
    """More messages than its buffer holds: the next read is ENOBUFS."""
    with socket.socket(fileno=os.dup(monitor.fileno())) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _KOBJECT_UEVENT) as sender:
        for _ in range(200):
            sender.sendto(b"libudev\0" + bytes(500), (0, _UDEV_GROUP))


async def main() -> dict[str, object]:
    monitors: list[UdevMonitor] = []
    found = [Presence(Seen.NONE)]

    def monitor() -> UdevMonitor:
        monitors.append(UdevMonitor())
        return monitors[-1]

    watcher = DriveWatcher(
        sources=[Source("fake", lambda: [DRIVE], every=3600.0, poll=3600.0)],
        udev=Udev.ALWAYS,
        probe=lambda address: found[0],
        monitor=monitor,
        timing=Timing(poll=3600.0),
    )
    async with watcher, asyncio.timeout(20):
        events = watcher.events()
        heard = [str((await anext(events)).kind)]
        found[0] = Presence(Seen.MEDIUM)
        overflow(monitors[0])
        heard.append(str((await anext(events)).kind))
        return {"heard": heard, "monitors": len(monitors), "how": watcher.how}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
