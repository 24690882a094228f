# SPDX-License-Identifier: Apache-2.0
"""What a real `DriveWatcher` hears of the fake drives: run by `serve.py`, judged by the tests."""

from __future__ import annotations

import asyncio
import json
import sys

from imagerd.devices.presence import DriveEvent, Timing
from imagerd.devices.udev_adapter import list_optical
from imagerd.devices.watch import DriveWatcher, Udev

SLOW = Timing(poll=3600.0)
QUICK = Timing(poll=0.3)


def tell(line: str) -> None:
    """Make something happen to the drives."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Ears:
    """The events of one watcher, as short texts."""

    def __init__(self, watcher: DriveWatcher) -> None:
        self._events = watcher.events()
        self.heard: list[str] = []

    async def hear(self, count: int) -> None:
        for _ in range(count):
            event = await self._next()
            self.heard.append(f"{event.kind} {event.address} {event.generation}")

    async def nothing(self, seconds: float) -> None:
        """Whatever comes within that time is on record, and will be found wrong."""
        try:
            async with asyncio.timeout(seconds):
                await self.hear(1)
        except TimeoutError:
            return

    async def _next(self) -> DriveEvent:
        async with asyncio.timeout(20):
            return await anext(self._events)


async def listing() -> dict[str, object]:
    """What pyudev finds."""
    found = list_optical()
    return {"drives": [[d.node, d.model, d.serial, d.path] for d in found]}


async def uevents() -> dict[str, object]:
    """One drive's life through uevents alone: no poll comes in time."""
    async with DriveWatcher(udev=Udev.ALWAYS, timing=SLOW) as watcher:
        ears = Ears(watcher)
        await ears.hear(1)
        tell("hint sr0")  # as on attach: a media change of an empty drive
        await ears.nothing(0.6)
        tell("insert sr0")
        await ears.hear(1)
        tell("burst sr0")
        await ears.nothing(1.0)
        tell("button sr0")
        await ears.hear(1)
        tell("remove sr0")
        await ears.hear(1)
        tell("insert sr0")
        await ears.hear(1)
        return {"heard": ears.heard, "how": watcher.how}


async def hotplug() -> dict[str, object]:
    """A drive that comes and goes with its disc."""
    async with DriveWatcher(udev=Udev.ALWAYS, timing=SLOW) as watcher:
        ears = Ears(watcher)
        await ears.hear(1)
        tell("plug sr1")
        await ears.hear(1)
        tell("insert sr1")
        await ears.hear(1)
        tell("unplug sr1")
        await ears.hear(2)
        return {"heard": ears.heard}


async def lost() -> dict[str, object]:
    """A change that no event tells of is found by the slow poll."""
    async with DriveWatcher(udev=Udev.ALWAYS, timing=QUICK) as watcher:
        ears = Ears(watcher)
        await ears.hear(1)
        tell("quiet sr0")
        await ears.hear(1)
        tell("quiet sr0")
        await ears.hear(1)
        return {"heard": ears.heard}


STORIES = {"listing": listing, "uevents": uevents, "hotplug": hotplug, "lost": lost}

if __name__ == "__main__":
    tell(f"result {json.dumps(asyncio.run(STORIES[sys.argv[1]]()))}")
