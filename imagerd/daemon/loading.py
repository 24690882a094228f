# SPDX-License-Identifier: Apache-2.0
"""Unattended stacks: a loader of the configuration works through one drive of the daemon.

The run itself (`imagerd.devices.loaders.stack`) blocks and lives in a thread of its own. What it
calls "archive this disc" is the daemon's ordinary way: the watcher sees the disc, a worker images
it, and the run is told how that ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from imagerd.base.config import Config, LoaderTable
from imagerd.base.errors import BadInput, ImagerdError, NotAvailable
from imagerd.daemon.protocol import LoaderView
from imagerd.daemon.scheduler import Scheduler
from imagerd.daemon.slots import Slot
from imagerd.daemon.tray import DriveTray
from imagerd.devices.loaders.journal import StackJournal
from imagerd.devices.loaders.prompts import Answer, Prompt
from imagerd.devices.loaders.registry import Context, open_loader
from imagerd.devices.loaders.stack import StackReport, StackRun, Verdict

_KEYS = frozenset({"driver", "port", "profile", "drive", "expect"})
_ACCEPTED = frozenset({"done", "skipped"})


@dataclass(frozen=True, slots=True)
class LoaderConfig:
    """A `[loader.NAME]` table: `driver` is a kind of loader, `port` what follows it."""

    name: str
    driver: str
    drive: str
    port: str = ""
    profile: str = ""
    expect: int | None = None

    @classmethod
    def of(cls, name: str, table: LoaderTable) -> LoaderConfig:
        """Check the table. Raises `BadInput`."""
        unknown = sorted(set(table) - _KEYS)
        if unknown:
            known = ", ".join(sorted(_KEYS))
            raise BadInput(f"[loader.{name}] has {unknown[0]!r}; known are {known}.")
        texts = {key: table.get(key, "") for key in ("driver", "drive", "port", "profile")}
        expect = table.get("expect")
        if not all(isinstance(text, str) for text in texts.values()) or not texts["drive"]:
            raise BadInput(f"[loader.{name}] needs driver and drive, both texts.")
        if expect is not None and not isinstance(expect, int):
            raise BadInput(f"[loader.{name}]: expect must be a number of discs.")
        driver, drive, port, profile = (str(text) for text in texts.values())
        return cls(name, driver, drive, port, profile, expect)

    @property
    def address(self) -> str:
        """As `open_loader` takes it."""
        rest = ",".join(
            part for part in (self.port, f"profile={self.profile}" if self.profile else "") if part
        )
        return f"{self.driver}:{rest}" if rest else self.driver


@dataclass(slots=True)
class _Line:
    """One loader and the run that it is on."""

    config: LoaderConfig
    stop: threading.Event = field(default_factory=threading.Event)
    task: asyncio.Task[None] | None = None
    accepted: int = 0
    rejected: int = 0
    sentence: str = ""
    cycles: int = 0  # of the drive's work, that belong to earlier discs

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    def view(self) -> LoaderView:
        return LoaderView(
            name=self.config.name,
            driver=self.config.driver,
            drive=self.config.drive,
            running=self.running,
            accepted=self.accepted,
            rejected=self.rejected,
            sentence=self.sentence,
        )


class Loaders:
    """All loaders of the configuration."""

    def __init__(self, config: Config, scheduler: Scheduler, tell: Callable[[], None]) -> None:
        self._state = config.daemon.state / "loaders"
        self._scheduler = scheduler
        self._tell = tell
        self._lines = {
            name: _Line(LoaderConfig.of(name, table)) for name, table in config.loader.items()
        }

    def views(self) -> list[LoaderView]:
        """How they stand."""
        return [line.view() for line in self._lines.values()]

    async def command(self, name: str, verb: str) -> LoaderView:
        """`run`, `cleared` (run, a person has emptied all) or `stop`."""
        line = self._lines.get(name)
        if line is None:
            known = ", ".join(self._lines) or "none"
            raise NotAvailable(f"The configuration has no loader {name}; it has: {known}.")
        if verb == "stop":
            line.stop.set()
            line.sentence = "Stopping after the disc at hand."
        elif verb in ("run", "cleared"):
            self._begin(line, cleared=verb == "cleared")
        else:
            raise BadInput(f"A loader knows run, cleared and stop, not {verb}.")
        return line.view()

    def reconfigure(self, config: Config) -> None:
        """Take over another configuration; a run that is under way keeps its own."""
        fresh = {name: _Line(LoaderConfig.of(name, table)) for name, table in config.loader.items()}
        self._lines = fresh | {name: line for name, line in self._lines.items() if line.running}

    def stop_soon(self) -> None:
        """Ask every run to stop; a disc in a drive stays there, and its place is on record."""
        for line in self._lines.values():
            line.stop.set()

    async def close(self) -> None:
        """Wait until every run has stopped."""
        self.stop_soon()
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        await asyncio.gather(*tasks)

    def _begin(self, line: _Line, *, cleared: bool) -> None:
        if line.running:
            raise BadInput(f"The loader {line.config.name} is running already.")
        slot = self._scheduler.find(line.config.drive)
        line.stop.clear()
        line.sentence = ""
        line.cycles = slot.cycles
        line.task = asyncio.create_task(self._run(line, slot, cleared=cleared))

    async def _run(self, line: _Line, slot: Slot, *, cleared: bool) -> None:
        loop = asyncio.get_running_loop()

        def archive(_disc: int) -> Verdict | None:
            ended: Future[Verdict | None] = asyncio.run_coroutine_threadsafe(
                self._archived(line, slot), loop
            )
            return ended.result()

        try:
            report = await asyncio.to_thread(self._stack, line, slot.address, archive, cleared)
        except ImagerdError as error:
            line.sentence = str(error)
        else:
            line.accepted, line.rejected = report.accepted, report.rejected
            line.sentence = report.sentence
        self._tell()

    def _stack(
        self,
        line: _Line,
        address: str,
        archive: Callable[[int], Verdict | None],
        cleared: bool,
    ) -> StackReport:
        """The whole run, in its thread."""
        self._state.mkdir(parents=True, exist_ok=True)
        tray = DriveTray(address)
        loader = open_loader(line.config.address, Context(tray=tray, ask=self._asker(line)))
        journal = StackJournal(self._state / f"{line.config.name}.jsonl")
        try:
            run = StackRun(
                loader, tray, archive, journal, expect=line.config.expect, stop=line.stop.is_set
            )
            return run.run(cleared=cleared)
        finally:
            journal.close()
            loader.close()

    def _asker(self, line: _Line) -> Callable[[Prompt], Answer]:
        """Show a person's task as the loader's sentence, and watch the drive for it to be done."""

        def ask(prompt: Prompt) -> Answer:
            line.sentence = prompt.sentence
            return Answer.NONE_LEFT if line.stop.is_set() else Answer.WAIT

        return ask

    async def _archived(self, line: _Line, slot: Slot) -> Verdict | None:
        """Wait for the job of the disc that is in the drive; None if the run is to stop."""
        ended = await self._scheduler.work_ended(slot, line.cycles, line.stop.is_set)
        if ended is None:
            return None
        line.cycles = slot.cycles
        accept = ended.state in _ACCEPTED
        line.accepted += accept
        line.rejected += not accept
        return Verdict(accept, ended.sentence)
