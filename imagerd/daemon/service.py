# SPDX-License-Identifier: Apache-2.0
"""The daemon put together: watcher, scheduler, API and what runs beside them, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import msgspec
import uvicorn

from imagerd.archive.sweep import pause_interrupted, sweep
from imagerd.archive.world import World
from imagerd.base.config import Config, load_config
from imagerd.base.errors import ImagerdError, InternalError, NotAvailable
from imagerd.base.notify import Notifier
from imagerd.catalog.catalog import Catalog
from imagerd.daemon.aftermath import survivors
from imagerd.daemon.api import application
from imagerd.daemon.hub import Hub, notice
from imagerd.daemon.listener import listening, sole_daemon
from imagerd.daemon.loader_config import loader_configs
from imagerd.daemon.loading import Loaders
from imagerd.daemon.nursery import Nursery, open_nursery
from imagerd.daemon.one_disc import work
from imagerd.daemon.operations import Desk
from imagerd.daemon.protocol import LoaderView
from imagerd.daemon.rig import Rig
from imagerd.daemon.scheduler import Scheduler, Surroundings
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.transport import open_transport
from imagerd.devices.watch import DriveWatcher, Timing

_log = logging.getLogger("imagerd")
_SPACE_SECONDS = 5.0


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the daemon's are in charge."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT. Raises `OperatorError` if it cannot even start."""
    loader_configs(config)  # a wrong table is told before anything is touched
    for folder in (config.archive.folder, config.daemon.state):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotAvailable(f"Cannot make the folder {folder}: {error.strerror}.") from error
    with (
        closing(open_nursery(work)) as nursery,  # first: it is to have nothing of what follows
        sole_daemon(config.daemon.runtime),
        Catalog.open(config.catalog.url) as catalog,
        closing(Rig(config.daemon.runtime / "virtual")) as rig,
        listening(config.daemon.socket, config.daemon.socket_group) as listener,
    ):
        world = World(config, catalog)
        for folder in sweep(world):
            _log.info("cleared %s, left by a job that had ended", folder)
        for job in pause_interrupted(world):
            _log.info("job %s was interrupted; it waits for its disc", job.id)
        asyncio.run(Service(config, catalog, rig, nursery).run(listener))


class Service:
    """The parts of a running daemon."""

    def __init__(self, config: Config, catalog: Catalog, rig: Rig, nursery: Nursery) -> None:
        self._config = config
        self._catalog = catalog
        self._nursery = nursery
        self._hub = Hub()
        self._notifier = Notifier.from_environment()
        self._watcher = DriveWatcher(
            virtual=rig.folder, timing=Timing(poll=config.daemon.poll_seconds)
        )
        self._scheduler = Scheduler(self._surroundings(config))
        self._loaders = Loaders(config, self._scheduler, catalog, self._tell_loader)
        self._desk = Desk(
            self._scheduler, catalog, rig, self._loaders, self._hub, lambda: self._watcher.how
        )
        self._stop = asyncio.Event()

    async def run(self, listener: socket.socket) -> None:
        """Serve until told to stop, then let workers checkpoint.

        Raises `InternalError` if it stopped because a part of it failed.
        """
        self._handle_signals()
        server = _Server(
            uvicorn.Config(
                application(self._desk),
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=2,
            )
        )
        async with self._watcher:
            api = asyncio.create_task(server.serve(sockets=[listener]))
            parts = (self._hear(), self._tend(), self._nursery.watch())
            beside = [asyncio.create_task(part) for part in parts]
            self._notifier.ready(self._sentence())
            _log.info("watching by %s; API at %s", self._watcher.how, self._config.daemon.socket)
            failure = await self._until_stopped(api, *beside)
            self._notifier.stopping()
            self._loaders.stop_soon()
            await self._scheduler.stop()
            await self._loaders.close()
            self._hub.publish(notice("goodbye"))
            self._hub.close()
            server.should_exit = True
            for task in beside:
                task.cancel()
            await asyncio.gather(api, *beside, return_exceptions=True)
        if failure:
            raise InternalError(f"A part of the daemon ended: {failure}")

    async def _until_stopped(self, *tasks: asyncio.Task[None]) -> str:
        """Until a signal, or until one of the parts fails, which is a bug and ends the daemon."""
        stop = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        failures = [task.exception() for task in done - {stop}]
        for error in failures:
            _log.error("a part of the daemon ended", exc_info=error)
        return "; ".join(f"{type(error).__name__}: {error}" for error in failures)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _reload(self) -> None:
        """Read the configuration again; running jobs keep theirs, a wrong file changes nothing."""
        self._notifier.reloading()
        try:
            config = _with_places_of(self._config, load_config(self._config.file))
            self._loaders.reconfigure(config)
        except ImagerdError as error:
            _log.error("the configuration stays as it was: %s", error)
        else:
            self._config = config
            self._watcher.poll_every(config.daemon.poll_seconds)
            self._scheduler.reconfigure(self._surroundings(config))
            _log.info("the configuration was read again")
        self._notifier.ready(self._sentence())

    def _surroundings(self, config: Config) -> Surroundings:
        world = World(config, self._catalog)
        return Surroundings(
            config, self._hub, self._watcher, self._eject, survivors(world), self._nursery
        )

    async def _hear(self) -> None:
        async for event in self._watcher.events():
            _log.info("%s: %s", event.address, event.kind)
            self._scheduler.hear(event)
            self._notifier.status(self._sentence())

    async def _tend(self) -> None:
        """What is looked after now and then: the watchdog, waiting jobs."""
        pause = min((self._notifier.watchdog_seconds or _SPACE_SECONDS) / 2, _SPACE_SECONDS)
        while True:
            self._notifier.alive()
            self._scheduler.space_may_be_back()
            await asyncio.sleep(pause)

    async def _eject(self, address: str) -> None:
        """Open the tray, but not while another program has the drive for itself."""

        def eject() -> None:
            with closing(OpticalDrive(open_transport(address))) as drive:
                drive.eject()

        await asyncio.to_thread(eject)
        self._watcher.look_soon(address)

    def _tell_loader(self, loader: LoaderView) -> None:
        self._hub.publish(notice("loader", loader=loader))

    def _sentence(self) -> str:
        working = sum(slot.working for slot in self._scheduler.slots)
        return f"{len(self._scheduler.slots)} drives, {working} at work"


def _with_places_of(before: Config, after: Config) -> Config:
    """`after`, but where a running daemon lives: that is bound to its start."""
    fixed = msgspec.structs.replace(
        before.daemon,
        poll_seconds=after.daemon.poll_seconds,
        watchdog_seconds=after.daemon.watchdog_seconds,
    )
    if (fixed, before.catalog) != (after.daemon, after.catalog):
        _log.warning("folders, socket and catalog stay as they are until imagerd is started anew")
    return replace(after, daemon=fixed, catalog=before.catalog)
