# SPDX-License-Identifier: Apache-2.0
"""One loader and its stack, as the daemon knows and shows it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

from imagerd.base.errors import ImagerdError
from imagerd.daemon.loader_config import LoaderConfig
from imagerd.daemon.protocol import LoaderView
from imagerd.devices.loaders.journal import Event, Phase, Position, Verb, position_of, read_journal


@dataclass(slots=True)
class LoaderLine:
    """Belongs to the event loop, but for `stop` and `leave`, which a run's thread asks."""

    config: LoaderConfig
    position: Position
    held: bool = False
    sentence: str = ""
    task: asyncio.Task[None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)  # after the disc at hand
    leave: threading.Event = field(default_factory=threading.Event)  # now: the daemon ends

    @classmethod
    def of_journal(cls, config: LoaderConfig, journal: Path) -> LoaderLine:
        """The line as its last run left it, perhaps in the middle; held if that cannot be read."""
        try:
            entries = read_journal(journal) if journal.exists() else []
        except ImagerdError as error:
            return cls(config, Position(), held=True, sentence=str(error))
        line = cls(config, position_of(entries))
        if entries and entries[-1].event is Event.HELD:
            line.held, line.sentence = True, entries[-1].text
        elif not line.at_rest:
            line.held = True
            line.sentence = (
                f"Interrupted at disc {line.position.disc};"
                f" `imagerctl loader run {config.name}` goes on."
            )
        return line

    @property
    def running(self) -> bool:
        """Whether a run works on it."""
        return self.task is not None and not self.task.done()

    @property
    def at_rest(self) -> bool:
        """Whether no disc is between input and bins."""
        return not self.running and self.position.phase is Phase.IDLE

    def view(self) -> LoaderView:
        """How callers see it."""
        stops = " It stops after the disc at hand." if self.running and self.stop.is_set() else ""
        return LoaderView(
            name=self.config.name,
            driver=self.config.driver,
            drive=self.config.drive,
            running=self.running,
            held=self.held and not self.running,
            accepted=self.position.accepted,
            rejected=self.position.rejected,
            sentence=f"{self.sentence}{stops}".strip(),
        )

    def words(self) -> str:
        """What it is at, as far as its journal knows."""
        position, drive = self.position, self.config.drive
        disc = f"Disc {position.disc}"
        match position.phase:
            case Phase.LOADING if position.verb is Verb.PROBE:
                return f"{drive} sees no disc; the loader looks whether one lies on its tray."
            case Phase.LOADING:
                return f"{disc} is on its way into {drive}."
            case Phase.IN_DRIVE:
                return f"{disc} is in {drive}."
            case Phase.JUDGED | Phase.UNLOADING:
                bin_ = "accept" if position.accept else "reject"
                return f"{disc} is on its way to the {bin_} bin."
            case Phase.IDLE:
                return ""
