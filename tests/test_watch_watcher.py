# SPDX-License-Identifier: Apache-2.0
"""The watcher in its loop: monitors that fail, looks that hang, virtual drives that come and go."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from imagerd.base.progress import run as finish
from imagerd.devices.presence import DriveEvent, EventKind, Presence, Seen, Timing
from imagerd.devices.sources import Source, virtual_source
from imagerd.devices.udev_adapter import Uevent
from imagerd.devices.virtual.host import spawn_host
from imagerd.devices.watch import DriveWatcher, Udev
from imagerd.formats import write_image
from tests.sources import data, memory_disc

A, B = "/dev/sr0", "/dev/sr1"
ADDED, REMOVED = EventKind.ADDED, EventKind.REMOVED
IN, OUT, EJECT = EventKind.MEDIUM_IN, EventKind.MEDIUM_OUT, EventKind.EJECT_REQUEST
QUICK = Timing(debounce=0.01, debounce_most=0.05, unsure=0.02, unsure_most=0.1, poll=3600.0)
PATIENCE = 20.0


class FakeMonitor:
    """A monitor on a pipe: what is put in comes out, or an error does."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.events: list[Uevent] = []
        self.error: OSError | None = None
        self.closed = False

    def put(self, *events: Uevent) -> None:
        self.events += events
        os.write(self.writer, b".")

    def fail(self, number: int) -> None:
        self.error = OSError(number, os.strerror(number))
        os.write(self.writer, b".")

    def fileno(self) -> int:
        return self.reader

    def drain(self) -> list[Uevent]:
        if self.error is not None:
            raise self.error
        os.read(self.reader, 100)
        events, self.events = self.events, []
        return events

    def close(self) -> None:
        self.closed = True
        os.close(self.reader)
        os.close(self.writer)


class World:
    """Drives that tests fill and empty, and the monitors that were made."""

    def __init__(self, *addresses: str) -> None:
        self.drives = {address: Presence(Seen.NONE) for address in addresses}
        self.monitors: list[FakeMonitor] = []
        self.looks: list[str] = []
        self.refuse_monitors = 0

    def probe(self, address: str) -> Presence:
        self.looks.append(address)
        return self.drives.get(address, Presence(Seen.GONE))

    def monitor(self) -> FakeMonitor:
        if self.refuse_monitors:
            self.refuse_monitors -= 1
            raise OSError(errno.EPERM, "no netlink here")
        self.monitors.append(FakeMonitor())
        return self.monitors[-1]

    def watcher(self, timing: Timing = QUICK, poll: float = 3600.0) -> DriveWatcher:
        source = Source("fake", lambda: list(self.drives), every=3600.0, poll=poll)
        return DriveWatcher(
            sources=[source],
            udev=Udev.ALWAYS,
            probe=self.probe,
            monitor=self.monitor,
            timing=timing,
        )


class Listener:
    """Reads the events of a watcher, one at a time."""

    def __init__(self, watcher: DriveWatcher) -> None:
        self._events = watcher.events()

    async def next(self) -> DriveEvent:
        async with asyncio.timeout(PATIENCE):
            return await anext(self._events)

    async def expect(self, *kinds: EventKind) -> list[DriveEvent]:
        events = [await self.next() for _ in kinds]
        assert [event.kind for event in events] == list(kinds)
        return events


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE * 2):
            await test()

    asyncio.run(bounded())


def change(address: str = A, *, eject: bool = False) -> Uevent:
    return Uevent("change", address, media_change=not eject, eject_request=eject)


def test_an_event_is_only_a_hint_and_the_drive_has_the_last_word() -> None:
    async def story() -> None:
        world = World(A)
        async with world.watcher() as watcher:
            heard = Listener(watcher)
            await heard.expect(ADDED)
            world.monitors[0].put(change())  # from an empty drive, as udev sends on attach
            world.drives[A] = Presence(Seen.MEDIUM)
            world.monitors[0].put(change(), change())
            await heard.expect(IN)
            world.monitors[0].put(change())
            world.monitors[0].put(change(eject=True))
            await heard.expect(EJECT)
            world.drives[A] = Presence(Seen.NONE)
            world.monitors[0].put(change())
            await heard.expect(OUT)
            assert watcher.how == "udev and polling"

    run(story)


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EIO, errno.EBADF])
def test_a_monitor_that_fails_is_made_anew_and_what_it_lost_is_found(number: int) -> None:
    async def story() -> None:
        world = World(A)
        async with world.watcher() as watcher:
            heard = Listener(watcher)
            await heard.expect(ADDED)
            world.drives = {A: Presence(Seen.MEDIUM), B: Presence(Seen.NONE)}
            world.monitors[0].fail(number)
            events = {(await heard.next()).kind, (await heard.next()).kind}
            assert events == {IN, ADDED}
            assert world.monitors[0].closed
            world.drives[B] = Presence(Seen.MEDIUM)
            world.monitors[1].put(change(B))
            assert await heard.expect(IN) == [DriveEvent(IN, B, 1)]

    run(story)


def test_without_a_monitor_it_polls_and_says_so_until_it_is_back() -> None:
    async def story() -> None:
        world = World(A)
        world.refuse_monitors = 2
        async with world.watcher(poll=0.02) as watcher:
            heard = Listener(watcher)
            await heard.expect(ADDED)
            assert watcher.how == "polling, udev is lost"
            world.drives[A] = Presence(Seen.MEDIUM)
            await heard.expect(IN)
            while watcher.how != "udev and polling":
                await asyncio.sleep(0.01)

    run(story)


def test_drives_that_come_and_go_are_listed_again_at_once() -> None:
    async def story() -> None:
        world = World()
        async with world.watcher() as watcher:
            heard = Listener(watcher)
            world.drives[A] = Presence(Seen.MEDIUM)
            world.monitors[0].put(Uevent("add", A))
            await heard.expect(ADDED, IN)
            del world.drives[A]
            world.monitors[0].put(Uevent("remove", A))
            await heard.expect(OUT, REMOVED)

    run(story)


def test_a_drive_that_hangs_keeps_no_other_waiting() -> None:
    gate = threading.Event()

    async def story() -> None:
        world = World(A, B)
        probe = world.probe

        def hanging(address: str) -> Presence:
            if address == A:
                gate.wait(PATIENCE)
            return probe(address)

        world.probe = hanging  # type: ignore[method-assign]
        async with world.watcher() as watcher:
            heard = Listener(watcher)
            assert await heard.expect(ADDED) == [DriveEvent(ADDED, B, 0)]
            gate.set()
            assert await heard.expect(ADDED) == [DriveEvent(ADDED, A, 0)]

    run(story)


def test_a_drive_at_work_is_not_touched() -> None:
    async def story() -> None:
        world = World(A)
        world.drives[A] = Presence(Seen.MEDIUM)
        async with world.watcher(poll=0.01) as watcher:
            heard = Listener(watcher)
            await heard.expect(ADDED, IN)
            watcher.hold(A)
            await asyncio.sleep(0.1)  # a look may have been under way
            looks = len(world.looks)
            world.monitors[0].put(change())
            world.drives[A] = Presence(Seen.NONE)
            await asyncio.sleep(0.2)
            assert len(world.looks) == looks
            watcher.release(A)
            await heard.expect(OUT)

    run(story)


def test_a_disc_put_in_right_after_the_last_was_ejected_is_another() -> None:
    async def story() -> None:
        world = World(A)
        world.drives[A] = Presence(Seen.MEDIUM)
        async with world.watcher() as watcher:
            heard = Listener(watcher)
            await heard.expect(ADDED, IN)
            watcher.hold(A)
            watcher.release(A, medium_out=True)
            events = await heard.expect(OUT, IN)
            assert [event.generation for event in events] == [1, 2]

    run(story)


def test_a_reason_that_a_drive_cannot_be_looked_at_is_kept_for_people() -> None:
    async def story() -> None:
        world = World(A)
        world.drives[A] = Presence(Seen.UNSURE, note="No permission to open /dev/sr0.")
        async with world.watcher() as watcher:
            heard = Listener(watcher)
            await heard.expect(ADDED)
            assert watcher.notes == {A: "No permission to open /dev/sr0."}
            world.drives[A] = Presence(Seen.NONE)
            while watcher.notes:
                await asyncio.sleep(0.01)

    run(story)


def test_a_watcher_that_fails_says_so_instead_of_falling_silent() -> None:
    async def story() -> None:
        world = World(A)

        def broken(address: str) -> Presence:
            raise ZeroDivisionError

        world.probe = broken  # type: ignore[method-assign]
        async with world.watcher() as watcher:
            with pytest.raises(ExceptionGroup):
                await Listener(watcher).next()

    run(story)


def test_closing_ends_the_events() -> None:
    async def story() -> None:
        watcher = World().watcher()
        await watcher.start()
        await watcher.close()
        assert [event async for event in watcher.events()] == []
        assert [event async for event in watcher.events()] == [], "and it stays ended"

    run(story)


def test_a_listing_that_fails_forgets_no_drive() -> None:
    async def story() -> None:
        listings: list[list[str] | None] = [[A], None, [A, B]]

        def listed() -> list[str]:
            found = listings.pop(0) if len(listings) > 1 else listings[0]
            if found is None:
                raise OSError("sysfs is away")
            return found

        source = Source("fake", listed, every=0.02, poll=3600.0)
        watcher = DriveWatcher(
            sources=[source], udev=Udev.NEVER, probe=lambda a: Presence(Seen.NONE), timing=QUICK
        )
        async with watcher:
            events = await Listener(watcher).expect(ADDED, ADDED)
            assert [event.address for event in events] == [A, B]
            assert watcher.how.startswith("polling only")

    run(story)


def test_a_virtual_drive_is_found_by_its_socket_and_watched(tmp_path: Path) -> None:
    folder = tmp_path / "virtual"
    folder.mkdir()
    image = tmp_path / "disc.iso"
    finish(write_image(memory_disc([data(40)]), image))
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(folder / "stale.sock"))
    stale.close()  # a host that was killed leaves its socket
    (folder / "notes.sock").write_text("no socket at all")

    async def story() -> None:
        path = folder / "demo.sock"
        address = f"virtual:{path}"
        async with DriveWatcher(virtual=folder, udev=Udev.NEVER, timing=QUICK) as watcher:
            heard = Listener(watcher)
            host = await asyncio.to_thread(spawn_host, path, "demo")
            try:
                assert await heard.expect(ADDED) == [DriveEvent(ADDED, address, 0)]
                await asyncio.to_thread(host.control.insert, image)
                await heard.expect(IN)
                await asyncio.to_thread(host.control.remove)
                await heard.expect(OUT)
                await asyncio.to_thread(host.control.insert, image)
                await heard.expect(IN)
                await asyncio.to_thread(host.control.remove)
                await asyncio.to_thread(host.control.insert, image)  # quicker than any poll
                await heard.expect(OUT, IN)
            finally:
                await asyncio.to_thread(host.stop)
            await heard.expect(OUT, REMOVED)

    run(story)


@pytest.mark.parametrize(("wanted", "seconds"), [(0.1, 0.1), (10.0, 0.5)])
def test_virtual_drives_are_looked_at_twice_a_second_or_more_often_if_wanted(
    tmp_path: Path, wanted: float, seconds: float
) -> None:
    watcher = DriveWatcher(virtual=tmp_path, udev=Udev.NEVER, timing=Timing(poll=wanted))
    *_, virtual = watcher._sources
    assert (virtual.every, virtual.poll) == (seconds, seconds)
    assert virtual_source(tmp_path).poll == 0.5


def test_another_interval_between_slow_looks_holds_for_drives_that_are_known(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        looks: list[str] = []
        host = await asyncio.to_thread(spawn_host, tmp_path / "demo.sock", "demo")
        watcher = DriveWatcher(
            virtual=tmp_path,
            udev=Udev.NEVER,
            probe=lambda address: looks.append(address) or Presence(Seen.NONE),
            timing=QUICK,
        )
        try:
            async with watcher:
                watcher.poll_every(0.02)
                address = f"virtual:{tmp_path / 'demo.sock'}"
                while looks.count(address) < 5:
                    await asyncio.sleep(0.01)
                assert watcher._presences._drives[address].poll == 0.02
        finally:
            await asyncio.to_thread(host.stop)

    run(story)
