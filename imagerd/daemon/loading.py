# SPDX-License-Identifier: Apache-2.0
"""Unattended stacks: a loader of the configuration works through one drive of the daemon.

The run itself (`imagerd.devices.loaders.stack`) blocks and lives in a thread of its own. The rest
lives in the event loop; the thread reaches it by `call_soon_threadsafe` to tell, and by one
coroutine to have a disc archived. While a line is not at rest its drive is reserved: a disc that
appears there is the line's, and only the line begins its work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagerd.base.config import Config
from imagerd.base.errors import BadInput, ExitCode, ImagerdError, NotAvailable, OperatorError
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.states import OPEN
from imagerd.daemon.loader_config import LoaderConfig, loader_configs
from imagerd.daemon.loader_line import LoaderLine
from imagerd.daemon.protocol import LoaderView
from imagerd.daemon.scheduler import Scheduler
from imagerd.daemon.slots import Slot
from imagerd.daemon.tray import DriveTray
from imagerd.devices.loaders.journal import Entry, Event, Position, StackJournal
from imagerd.devices.loaders.prompts import Answer, Ask, Prompt, Wish
from imagerd.devices.loaders.registry import Context, open_loader
from imagerd.devices.loaders.stack import End, StackReport, StackRun, Verdict

_log = logging.getLogger(__name__)
_MOST_RUNS = 64  # at once; threads of their own, as they last for hours
_LOOK_SECONDS = 0.1
_ACCEPTED = frozenset({"done", "skipped"})  # the rule of the bins; all else is rejected
_QUITS = "imagerd is stopping; run the loader again to go on."


class Loaders:
    """All loaders of the configuration. For use in the event loop."""

    def __init__(
        self,
        config: Config,
        scheduler: Scheduler,
        catalog: Catalog,
        tell: Callable[[LoaderView], None],
    ) -> None:
        """Raises `BadInput` for a wrong table. `tell` is shown every change."""
        self._folder = config.daemon.state / "loaders"
        self._scheduler = scheduler
        self._catalog = catalog
        self._tell = tell
        self._threads = ThreadPoolExecutor(_MOST_RUNS, "loader")
        self._lines = {name: self._line(table) for name, table in loader_configs(config).items()}

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
            if not line.running:
                raise BadInput(f"The loader {name} is not running.")
            line.stop.set()
            self._tell(line.view())
        elif verb in ("run", "cleared"):
            self._begin(line, cleared=verb == "cleared")
        else:
            raise BadInput(f"A loader knows run, cleared and stop, not {verb}.")
        return line.view()

    def reconfigure(self, config: Config) -> None:
        """Take over another configuration; a run that is under way keeps its own.

        Raises `BadInput` for a wrong table, and then nothing has changed.
        """
        tables = loader_configs(config)
        running = {name: line for name, line in self._lines.items() if line.running}
        for name, line in self._lines.items():
            if name not in running:
                self._scheduler.set_free(line.config.drive)
        self._lines = running | {
            name: self._line(table) for name, table in tables.items() if name not in running
        }

    def stop_soon(self) -> None:
        """Ask every run to end: after the motion under way, with the disc where it is then."""
        for line in self._lines.values():
            line.leave.set()
            line.stop.set()

    async def close(self) -> None:
        """Wait until every run has ended."""
        self.stop_soon()
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)

    # -- a line ---------------------------------------------------------------------------

    def _line(self, config: LoaderConfig) -> LoaderLine:
        """A line as its journal left it; one that is not at rest keeps its drive."""
        line = LoaderLine.of_journal(config, self._journal(config))
        if not line.at_rest:
            self._scheduler.reserve(config.drive, config.name)
        return line

    def _journal(self, config: LoaderConfig) -> Path:
        return self._folder / f"{config.name}.jsonl"

    def _begin(self, line: LoaderLine, *, cleared: bool) -> None:
        name, drive = line.config.name, line.config.drive
        if self._leaves(line):
            raise NotAvailable(_QUITS)
        if line.running:
            raise BadInput(f"The loader {name} is running already.")
        slot = self._scheduler.find(drive)
        if not slot.enabled:
            raise BadInput(f"{slot.name} is disabled in the configuration; enable it, then run.")
        for other in self._lines.values():
            if other.running and self._scheduler.find(other.config.drive) is slot:
                raise BadInput(f"{slot.name} is worked by the loader {other.config.name}.")
        line.stop.clear()
        line.held, line.sentence = False, ""
        self._scheduler.reserve(drive, name)
        line.task = asyncio.create_task(self._run(line, slot.address, cleared=cleared))
        line.task.add_done_callback(lambda task: self._ended(line, task))

    async def _run(self, line: LoaderLine, address: str, *, cleared: bool) -> None:
        loop = asyncio.get_running_loop()
        run = _Run(self, line, address, self._journal(line.config), loop)
        try:
            report = await loop.run_in_executor(self._threads, run.work, cleared)
        except ImagerdError as error:
            line.held, line.sentence = True, str(error)
        else:
            line.held, line.sentence = report.ended is End.CANNOT_PICK, report.sentence

    def _ended(self, line: LoaderLine, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("a bug ended the run of the loader %s", line.config.name, exc_info=error)
            line.held, line.sentence = True, "A bug of imagerd ended the run; see its journal."
        if line.at_rest:
            self._scheduler.set_free(line.config.drive)
        _log.info("loader %s: %s", line.config.name, line.sentence)
        self._tell(line.view())

    # -- what a run's thread calls, by way of the loop --------------------------------------

    def heard(self, line: LoaderLine, position: Position, entry: Entry) -> None:
        """Take over what a run has put on record."""
        line.position = position
        if entry.event is not Event.HELD:
            self.show(line, line.words())

    def show(self, line: LoaderLine, sentence: str) -> None:
        """Let everybody know what is going on, or what a person is to do."""
        if sentence != line.sentence:
            line.sentence = sentence
            self._tell(line.view())

    async def archived(
        self, line: LoaderLine, known: str, note: Callable[[str], Awaitable[None]]
    ) -> Verdict | None:
        """Have the disc in the drive archived; None if the run is to end before it is.

        `known` is the job that has it, if an earlier run began one; `note` records a new one.
        Raises `OperatorError` where the line must be held, as it is not the disc's fault.
        """
        slot = self._scheduler.find(line.config.drive)
        verdict = await asyncio.to_thread(self._verdict_of, known) if known else None
        cycles = slot.cycles
        while verdict is None:
            worked = slot.working or slot.cycles > cycles
            if worked and slot.job is not None and slot.job.id != known:
                known = slot.job.id
                await note(known)
            elif slot.working:
                await asyncio.sleep(_LOOK_SECONDS)
            elif worked:
                cycles = slot.cycles
                verdict = None if self._leaves(line) else _verdict(slot)
            elif self._leaves(line) or (line.stop.is_set() and slot.needs_space):
                return None
            else:
                self._start(line, slot)
                await asyncio.sleep(_LOOK_SECONDS)
        return verdict

    def _leaves(self, line: LoaderLine) -> bool:
        return line.leave.is_set() or self._scheduler.stopping

    def _start(self, line: LoaderLine, slot: Slot) -> None:
        """Begin the work, as often as it takes until there is room for it."""
        if not slot.enabled:
            raise NotAvailable(
                f"{slot.name} is disabled in the configuration; enable it, then run."
            )
        self._scheduler.begin(slot)
        if slot.needs_space:
            self.show(line, slot.sentence)
        else:
            self.show(line, line.words())

    def _verdict_of(self, job: str) -> Verdict | None:
        """The verdict by a job that an earlier run began; None if it has not ended."""
        found = self._catalog.jobs.get(job)
        if found.state in OPEN:
            return None
        return Verdict(found.state.value in _ACCEPTED, found.error or found.state.value)


class _Run:
    """One run, in its thread. Touches nothing of the loop but by the loop's own doors."""

    def __init__(
        self,
        loaders: Loaders,
        line: LoaderLine,
        address: str,
        journal: Path,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._loaders = loaders
        self._line = line
        self._address = address
        self._path = journal
        self._loop = loop

    def work(self, cleared: bool) -> StackReport:
        """The stack, until its end. Raises `ImagerdError` where the line is held."""
        config = self._line.config
        self._path.parent.mkdir(parents=True, exist_ok=True)
        tray = DriveTray(self._address)
        with StackJournal(self._path) as journal:
            loader = open_loader(config.address, Context(tray=tray, ask=self._asker()))
            try:
                run = StackRun(
                    loader,
                    tray,
                    lambda disc: self._archive(journal, disc),
                    journal,
                    expect=config.expect,
                    stop=self._line.stop.is_set,
                    tell=lambda entry: self._heard(journal.position, entry),
                )
                return run.run(cleared=cleared)
            finally:
                loader.close()

    def _archive(self, journal: StackJournal, disc: int) -> Verdict | None:
        def write(job: str) -> None:
            journal.write(Entry(Event.JOB, journal.now(), disc, text=job))

        async def note(job: str) -> None:
            # this thread waits for the verdict, so the journal has one writer all the same
            await asyncio.to_thread(write, job)

        known = journal.position.job
        way = self._loaders.archived(self._line, known, note)
        return asyncio.run_coroutine_threadsafe(way, self._loop).result()

    def _heard(self, position: Position, entry: Entry) -> None:
        self._loop.call_soon_threadsafe(self._loaders.heard, self._line, position, entry)

    def _asker(self) -> Ask:
        """Show a person's task as the loader's sentence, and let the drive say when it is done."""
        line = self._line

        def ask(prompt: Prompt) -> Answer:
            if line.leave.is_set():
                raise NotAvailable(_QUITS)
            if line.stop.is_set() and prompt.wish is Wish.LOAD:
                return Answer.NONE_LEFT
            self._loop.call_soon_threadsafe(self._loaders.show, line, prompt.sentence)
            return Answer.WAIT

        return ask


def _verdict(slot: Slot) -> Verdict | None:
    """What the work in `slot` has come to; None if it waits for space.

    Raises `OperatorError` if it ended for a reason that is not the disc's.
    """
    last = slot.last
    if last is None:
        raise OperatorError(
            f"The worker of {slot.name} died several times in a row; see imagerd's journal."
        )
    if last.state == "paused":
        if last.needs_space:
            return None
        raise OperatorError(last.sentence)
    if last.lost or (last.state == "failed" and last.exit_code == ExitCode.OPERATOR):
        raise OperatorError(last.sentence)
    return Verdict(last.state in _ACCEPTED, last.sentence)
