# SPDX-License-Identifier: Apache-2.0
"""The drive watcher: udev's hints, slow polls and short looks, turned into a stream of events.

Runs in an asyncio loop; looks at drives run in threads, as a drive may take its time. Whatever is
lost on the way (an event, the monitor, udev itself) costs time, never a disc: every drive is looked
at now and then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self

from imagerd.devices.presence import (
    DriveEvent,
    EventKind,
    Look,
    Presence,
    Presences,
    Seen,
    Timing,
)
from imagerd.devices.probing import probe_drive
from imagerd.devices.sources import Source, sysfs_source, udev_source, virtual_source
from imagerd.devices.udev_adapter import UdevMonitor, Uevent, udev_is_running

_log = logging.getLogger(__name__)

Probe = Callable[[str], Presence]
"""Looks at the drive of an address; runs in a thread, may block, raises nothing."""

_LOOKS_AT_ONCE = 16
_LONGEST_SLEEP = 60.0
_NEVER = float("inf")
_LISTEN_PAUSE = 1.0  # between attempts to hear udev again


class Monitor(Protocol):
    """A source of uevents with a descriptor to wait on."""

    def fileno(self) -> int:
        """The descriptor."""
        ...

    def drain(self) -> list[Uevent]:
        """The events that wait. Raises `OSError`."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Udev(StrEnum):
    """Whether to use udev."""

    AUTO = "auto"  # if it runs where we can hear it
    ALWAYS = "always"
    NEVER = "never"


class _Stream:
    """An iterator that, unlike a generator, survives a reader who stops waiting."""

    def __init__(self, take: Callable[[], Awaitable[DriveEvent]]) -> None:
        self._take = take

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DriveEvent:
        return await self._take()


class DriveWatcher:
    """Watches all drives, those of the kernel and the virtual ones.

    ``async with DriveWatcher(virtual=folder) as watcher:`` then ``async for event in
    watcher.events()``. The first listing is done when the block is entered. `hold` keeps the
    watcher away from a drive that a worker has.
    """

    def __init__(
        self,
        *,
        virtual: Path | None = None,
        udev: Udev = Udev.AUTO,
        sources: Sequence[Source] | None = None,
        probe: Probe = probe_drive,
        monitor: Callable[[], Monitor] = UdevMonitor,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sources` replaces the kernel's drives and the folder `virtual`, for tests."""
        self._presences = Presences(timing)
        self._uses_udev = udev is Udev.ALWAYS or (udev is Udev.AUTO and udev_is_running())
        self._virtual = virtual
        self._given = sources
        self._sources = self._all_sources()
        self._listings: dict[str, list[str]] = {}
        self._list_due = dict.fromkeys((source.name for source in self._sources), 0.0)
        self._probe = probe
        self._new_monitor = monitor
        self._monitor: Monitor | None = None
        self._listen_due = 0.0
        self._clock = clock
        self._queue: asyncio.Queue[DriveEvent | None] = asyncio.Queue()
        self._wake = asyncio.Event()
        self._threads = ThreadPoolExecutor(_LOOKS_AT_ONCE, "look")
        self._task: asyncio.Task[None] | None = None
        self._notes: dict[str, str] = {}

    @property
    def how(self) -> str:
        """How it watches, for a person."""
        if not self._uses_udev:
            return "polling only: udev does not run where imagerd can hear it"
        return "udev and polling" if self._monitor is not None else "polling, udev is lost"

    @property
    def media(self) -> dict[str, bool]:
        """The drives by address, and whether each holds a medium."""
        return self._presences.media

    @property
    def notes(self) -> dict[str, str]:
        """Why drives could not be looked at, by address."""
        return dict(self._notes)

    async def start(self) -> None:
        """Begin to watch: listen first, list after, so that nothing falls between."""
        if self._uses_udev:
            self._listen()
        self._list(self._clock())
        self._task = asyncio.create_task(self._run(), name="drive watcher")
        self._task.add_done_callback(lambda _: self._queue.put_nowait(None))

    async def close(self) -> None:
        """Stop watching; ends `events`. A look that is under way is not waited for."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._deafen()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def events(self) -> AsyncIterator[DriveEvent]:
        """What happens, in order, until `close`. For one reader, who may give up waiting.

        Should the watcher itself fail, its error comes out here rather than silence.
        """
        return _Stream(self._take)

    async def _take(self) -> DriveEvent:
        event = await self._queue.get()
        if event is not None:
            return event
        self._queue.put_nowait(None)  # it stays ended
        if self._task is not None and not self._task.cancelled():
            await self._task
        raise StopAsyncIteration

    def hold(self, address: str) -> None:
        """Leave a drive alone, as a worker has it. Holds nest."""
        self._presences.hold(address)

    def release(self, address: str, *, medium_out: bool = False) -> None:
        """Look after it again. `medium_out`: whoever held it has taken the medium out."""
        self._tell(self._presences.release(address, self._clock(), medium_out=medium_out))
        self._wake.set()

    def look_soon(self, address: str) -> None:
        """A hint from elsewhere: something was done to that drive."""
        self._presences.hint(address, self._clock())
        self._wake.set()

    def poll_every(self, seconds: float) -> None:
        """From now on take the slow looks, which catch lost events, at this interval."""
        self._presences.timing = replace(self._presences.timing, poll=seconds)
        self._sources = self._all_sources()
        self._presences.hint_all(self._clock())
        self._list_now()

    # -- listing --------------------------------------------------------------------------

    def _all_sources(self) -> Sequence[Source]:
        if self._given is not None:
            return self._given
        slow = self._presences.timing.poll
        kernel = udev_source(slow) if self._uses_udev else sysfs_source()
        return [kernel, *([] if self._virtual is None else [virtual_source(self._virtual, slow)])]

    def _list(self, now: float) -> None:
        """List the sources that are due."""
        for source in self._sources:
            if self._list_due[source.name] > now:
                continue
            self._list_due[source.name] = now + source.every
            try:
                self._listings[source.name] = list(source.list())
            except OSError as error:
                _log.warning("Cannot list the drives of %s: %s", source.name, error)
        polls = {
            address: source.poll
            for source in self._sources
            for address in self._listings.get(source.name, ())
        }
        self._tell(self._presences.listed(polls, now))

    def _list_now(self) -> None:
        self._list_due = dict.fromkeys(self._list_due, 0.0)
        self._wake.set()

    # -- udev -----------------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            monitor = self._new_monitor()
            asyncio.get_running_loop().add_reader(monitor.fileno(), self._heard)
        except OSError as error:
            _log.warning("Cannot listen to udev (%s); polling until it is back", error)
            return
        self._monitor = monitor

    def _listen_again(self, now: float) -> None:
        """A new monitor, not too often; then look at everything, as events were missed."""
        if not self._uses_udev or self._monitor is not None or self._listen_due > now:
            return
        self._listen_due = now + _LISTEN_PAUSE
        self._listen()
        self._presences.hint_all(now)
        self._list_due = dict.fromkeys(self._list_due, 0.0)

    def _deafen(self) -> None:
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            asyncio.get_running_loop().remove_reader(monitor.fileno())
            monitor.close()

    def _heard(self) -> None:
        """Only take the events from the socket, so that it never overflows because of us."""
        if self._monitor is None:
            return
        now = self._clock()
        try:
            events = self._monitor.drain()
        except OSError as error:
            _log.warning("Events of udev were lost (%s); listing all drives again", error)
            self._deafen()
            self._wake.set()  # and listen again
            return
        for event in events:
            if event.of_the_list:
                self._list_now()
            if event.eject_request:
                self._tell(self._presences.button(event.node, now))
            self._presences.hint(event.node, now)
        self._wake.set()

    # -- looks ----------------------------------------------------------------------------

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as looks:
            while True:
                self._wake.clear()
                now = self._clock()
                self._listen_again(now)
                if min(self._list_due.values(), default=_NEVER) <= now:
                    self._list(now)
                for look in self._presences.due(now):
                    looks.create_task(self._look(look))
                await self._sleep()

    async def _sleep(self) -> None:
        """Until something is due, or happens."""
        due = self._presences.next_due()
        times = [*self._list_due.values(), *([] if due is None else [due])]
        if self._uses_udev and self._monitor is None:
            times.append(self._listen_due)
        pause = min(times, default=_NEVER) - self._clock()
        try:
            async with asyncio.timeout(max(0.0, min(pause, _LONGEST_SLEEP))):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _look(self, look: Look) -> None:
        loop = asyncio.get_running_loop()
        presence = await loop.run_in_executor(self._threads, self._probe, look.address)
        self._note(look.address, presence)
        self._tell(self._presences.looked(look, presence, self._clock()))
        self._wake.set()

    def _note(self, address: str, presence: Presence) -> None:
        """Say once why a drive cannot be looked at."""
        if presence.seen is not Seen.UNSURE or not presence.note:
            self._notes.pop(address, None)
        elif self._notes.get(address) != presence.note:
            self._notes[address] = presence.note
            _log.info("%s: %s", address, presence.note)

    def _tell(self, events: Iterable[DriveEvent]) -> None:
        for event in events:
            _log.debug("%s %s, generation %d", event.address, event.kind, event.generation)
            self._queue.put_nowait(event)


__all__ = [
    "DriveEvent",
    "DriveWatcher",
    "EventKind",
    "Monitor",
    "Presence",
    "Probe",
    "Seen",
    "Source",
    "Timing",
    "Udev",
    "virtual_source",
]
