# SPDX-License-Identifier: Apache-2.0
"""A loader, one drive and a journal: the moves of which an unattended run is made.

Each keeps three rules: a motion is on record before it is sent; the tray does not move before the
loader has answered; and the drive, not the loader, says whether there is a disc.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from imagerd.devices.loaders.contract import (
    Claim,
    LineHeld,
    Loader,
    Motion,
    Outcome,
    Place,
    Tray,
)
from imagerd.devices.loaders.journal import Entry, Event, Position, StackJournal, Verb

Tell = Callable[[Entry], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """`settle`: seconds that the drive has to recognise a disc. `tries`: of one move."""

    settle: float = 90.0
    tries: int = 2


class Line:
    """The moves of a run. Everything that does not add up raises `LineHeld`."""

    def __init__(
        self,
        loader: Loader,
        tray: Tray,
        journal: StackJournal,
        limits: Limits,
        tell: Tell | None = None,
        drive: int = 0,
    ) -> None:
        self.loader = loader
        self.tray = tray
        self.limits = limits
        self._journal = journal
        self._tell = tell
        self._drive = drive

    @property
    def position(self) -> Position:
        """Where the line stands."""
        return self._journal.position

    def record(
        self,
        event: Event,
        *,
        disc: int = 0,
        target: Place | None = None,
        accept: bool | None = None,
        text: str = "",
    ) -> None:
        """Write an entry that is no motion."""
        self._write(
            Entry(event, self._journal.now(), disc, None, None, target, "", None, accept, text)
        )

    def send(self, verb: Verb, disc: int) -> Claim:
        """Ask the loader for `verb`, each motion journalled before, its claim after.

        Holds the line if the loader then does not answer at all: nobody knows where the arm is.
        """

        def announce(motion: Motion) -> None:
            now = self._journal.now()
            where = (motion.source, motion.target, motion.command)
            self._write(Entry(Event.SEND, now, disc, verb, *where))

        claim = self._ask(verb, announce)
        motion = claim.motion
        self._write(
            Entry(
                Event.CLAIM,
                self._journal.now(),
                disc,
                verb,
                motion.source,
                motion.target,
                motion.command,
                claim.outcome,
                text=claim.reply if claim.code is None else f"{claim.reply} {claim.code:02d}",
            )
        )
        if not claim.understood:
            self.stand_still()
        return claim

    def stand_still(self) -> None:
        """Return once the loader answers, so has ended its motion; hold the line if it does not."""
        status = self.loader.status()
        if not status.alive:
            self.hold(status.sentence)

    def open(self) -> None:
        """Open the tray, whoever locked it."""
        self.tray.unlock()
        self.tray.open_tray()

    def look(self) -> bool:
        """Close the tray and ask the drive whether there is a disc."""
        self.tray.close_tray()
        return self.tray.medium_present(self.limits.settle)

    def disc_on_tray(self, disc: int) -> bool:
        """Let the loader take what lies on the tray: a disc that the drive does not see.

        True if there was one, which then is in the reject bin. The tray is closed after. A loader
        that cannot tell is not asked.
        """
        if not self.loader.can_probe:
            return False
        self.open()
        claim = self._probe(disc)
        if not claim.done and not _nothing_there(claim):
            self.hold(
                f"{self.loader.name} {claim} while it cleared the tray of {self.tray.name};"
                " look at gripper and tray, then resume."
            )
        if self.look():
            self.hold(
                f"{self.tray.name} reports a disc where none should be: two discs came at once,"
                " or the gripper missed; take it out by hand, then resume."
            )
        return claim.done

    def _probe(self, disc: int) -> Claim:
        """Take the disc from the tray; again where the loader failed without saying why."""
        for _ in range(self.limits.tries):
            claim = self.send(Verb.PROBE, disc)
            if claim.done or claim.none_left or claim.motion.source is not Place.DRIVE:
                break
        return claim

    def hold(self, sentence: str) -> NoReturn:
        """Stop the line for a person."""
        raise LineHeld(sentence)

    def _ask(self, verb: Verb, announce: Callable[[Motion], None]) -> Claim:
        match verb:
            case Verb.LOAD:
                return self.loader.load(announce, drive=self._drive)
            case Verb.UNLOAD:
                return self.loader.unload(announce, drive=self._drive)
            case Verb.REJECT | Verb.PROBE:
                return self.loader.reject(announce, drive=self._drive)
            case Verb.RECOVER:
                return self.loader.recover(announce)

    def _write(self, entry: Entry) -> None:
        self._journal.write(entry)
        if self._tell is not None:
            self._tell(entry)


def _nothing_there(claim: Claim) -> bool:
    """Whether the loader finds the tray empty.

    One that gives status codes says so; of one that gives none, a refusal has to do.
    """
    if claim.outcome is not Outcome.REFUSED or claim.motion.source is not Place.DRIVE:
        return False
    return claim.none_left or claim.code is None
