# SPDX-License-Identifier: Apache-2.0
"""What every disc loader can do, and what it may say about it.

The host opens and closes trays, the loader only moves discs. Every verb announces each single
motion *before* it sends it, so that the caller can put it on record; it returns the loader's
`Claim`. A claim is no proof: whether a disc is in the drive, only the drive can say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from imagerd.base.errors import NotAvailable, OperatorError


class LineHeld(OperatorError):
    """The line stands still: a person must look before anything moves again."""


class LoaderLost(NotAvailable):
    """The loader's port is gone, taken, or was never there."""


class Place(StrEnum):
    """Where a disc can be. DRIVE is the tray, open or closed."""

    INPUT = "input"
    GRIPPER = "gripper"
    DRIVE = "drive"
    ACCEPT = "accept"
    REJECT = "reject"
    UNSURE = "unsure"  # in one of two places; the note beside it says which


class Outcome(StrEnum):
    """What a loader says of a motion."""

    DONE = "done"  # it says that it did it
    REFUSED = "refused"  # it says that it failed; a disc may have moved all the same
    DOUBTFUL = "doubtful"  # it says that it failed, but this make says so of good moves too
    SILENT = "silent"  # it did not answer in time
    GARBLED = "garbled"  # it answered what no table knows


@dataclass(frozen=True, slots=True)
class Motion:
    """One motion of a disc, or of the empty arm (source and target alike)."""

    source: Place
    target: Place
    command: str = ""

    def __str__(self) -> str:
        return f"{self.source} → {self.target}" + (f" ({self.command})" if self.command else "")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the loader says of the last motion that it was asked for.

    `motion` is that motion (the one that failed, where a verb takes several); `reply` what it
    answered, readable; `code` its own status code, if it gave one; `none_left` whether it says that
    the motion's source holds no disc.
    """

    outcome: Outcome
    motion: Motion
    reply: str = ""
    code: int | None = None
    none_left: bool = False

    @property
    def done(self) -> bool:
        """Whether the loader says that it succeeded."""
        return self.outcome is Outcome.DONE

    @property
    def understood(self) -> bool:
        """Whether there was an answer at all, and one that we know."""
        return self.outcome not in (Outcome.SILENT, Outcome.GARBLED)

    def __str__(self) -> str:
        answer = f"answered {self.reply!r} to" if self.reply else "gave no answer to"
        code = "" if self.code is None else f", status {self.code:02d}"
        return f"{answer} {self.motion}{code}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What a place holds. `discs` is None where the loader cannot count."""

    place: Place
    discs: int | None = None
    index: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The places of a loader and what it knows of their contents."""

    holdings: tuple[Holding, ...]

    def discs(self, place: Place) -> int | None:
        """How many discs are in `place` over all its bins; None if any of them is unknown."""
        counts = [holding.discs for holding in self.holdings if holding.place is place]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(counts) else None


@dataclass(frozen=True, slots=True)
class LoaderStatus:
    """Whether the loader answers, hence stands still, and what it says of itself."""

    alive: bool
    sentence: str
    code: int | None = None


Announce = Callable[[Motion], None]
"""Told each motion before it is sent; what it raises stops the motion."""


def unannounced(_motion: Motion) -> None:
    """An `Announce` for moves that nobody records."""


class Loader(Protocol):
    """A robot, a changer or a person that moves discs. One caller at a time.

    Verbs raise `LoaderLost` when the port itself fails, and nothing else for what a loader says.
    The tray that is loaded or unloaded must be open, and every other tray of the tower closed:
    that is the caller's work. `drive` counts from 0, `bank` counts input bins from 0.
    """

    @property
    def name(self) -> str:
        """What a person calls it, with its port."""
        ...

    def inventory(self) -> Inventory:
        """What is where, as far as the loader knows."""
        ...

    def load(self, announce: Announce, *, drive: int = 0, bank: int = 0) -> Claim:
        """Bring the next disc from the input to the open tray."""
        ...

    def unload(self, announce: Announce, *, drive: int = 0) -> Claim:
        """Bring the disc from the open tray to the accept bin."""
        ...

    def reject(self, announce: Announce, *, drive: int = 0) -> Claim:
        """Bring the disc from the open tray to the reject bin."""
        ...

    def status(self) -> LoaderStatus:
        """Ask it how it is, and wait as long as a motion may still take."""
        ...

    def home(self, announce: Announce) -> Claim:
        """Bring the arm to rest. Moves no disc."""
        ...

    @property
    def can_recover(self) -> bool:
        """Whether `recover` can empty the gripper without a person."""
        ...

    @property
    def can_probe(self) -> bool:
        """Whether `reject` tells a full tray from an empty one, so may be used to find out."""
        ...

    def recover(self, announce: Announce) -> Claim:
        """Empty the gripper into the reject bin: DONE if it held a disc, REFUSED if it did not.

        Asked only while the loader stands still. Raises `NotAvailable` unless `can_recover`.
        """
        ...

    def close(self) -> None:
        """Let go of the port; idempotent."""
        ...


class Tray(Protocol):
    """The drive as the line sees it. Each may raise `MediumError` when the drive does not obey."""

    @property
    def name(self) -> str:
        """What a person calls the drive."""
        ...

    def unlock(self) -> None:
        """Allow the removal of the medium: udev locks the door on every insertion."""
        ...

    def open_tray(self) -> None:
        """Open, and return when open."""
        ...

    def close_tray(self) -> None:
        """Close, and return when closed. A closed tray stays closed."""
        ...

    def is_open(self) -> bool:
        """Whether the tray is open, as far as the drive can tell."""
        ...

    def medium_present(self, timeout: float) -> bool:
        """Whether there is a disc in the closed drive, waiting up to `timeout` seconds for one.

        False as soon as the drive is certain that there is none, or when the time is over.
        """
        ...
