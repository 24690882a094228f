# SPDX-License-Identifier: Apache-2.0
"""The line's journal: what was about to move, before it moved; JSON lines, synced one by one.

`Position` is where the line stands according to it: a pure reduction of the entries, so that a run
can be taken up again after any crash. A torn last line is a crash in the middle of a write: what it
was about to announce was never sent.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.files import sync_folder
from imagerd.devices.loaders.contract import Outcome, Place

_BEGINNING = b'{"event":"'  # of every line that we write


class Event(StrEnum):
    """What an entry records."""

    RUN = "run"  # a run begins, or is taken up again
    SEND = "send"  # a motion is about to be sent
    CLAIM = "claim"  # what the loader says of the verb
    IN_DRIVE = "in drive"  # the drive confirms the disc
    JOB = "job"  # which job of the archive has the disc in the drive: `text` is its id
    VERDICT = "verdict"  # the archive is done with it
    OUT = "out"  # the disc has left the line for `target`
    NO_DISC = "no disc"  # a load that brought none
    HELD = "held"  # a person must look
    STOPPED = "stopped"  # a run ends as asked, its stack unfinished
    END = "end"  # the stack is done; the next run begins another


class Verb(StrEnum):
    """Which verb of the loader a motion belongs to."""

    LOAD = "load"
    UNLOAD = "unload"
    REJECT = "reject"
    PROBE = "probe"  # a reject, to learn whether there is a disc on the tray at all
    RECOVER = "recover"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line. `time` is seconds since 1970; `disc` counts from 1 over the whole journal."""

    event: Event
    time: float
    disc: int = 0
    verb: Verb | None = None
    source: Place | None = None
    target: Place | None = None
    command: str = ""
    outcome: Outcome | None = None
    accept: bool | None = None
    text: str = ""


class Phase(StrEnum):
    """Where the disc in work is, as far as the journal knows."""

    IDLE = "idle"  # none in work
    LOADING = "loading"  # a load was sent and not confirmed
    IN_DRIVE = "in drive"  # confirmed, and not yet judged
    JUDGED = "judged"  # to be put away
    UNLOADING = "unloading"  # was sent and not confirmed


@dataclass(frozen=True, slots=True)
class Position:
    """What the journal tells. `disc` is the one in work, or the last one when idle.

    `verb` is the last verb begun for it; `outcome` the loader's claim about that, None if it never
    came; `job` the archive's job for the disc in the drive, if that is known. `accepted`,
    `rejected`, `unsure` count the discs of the stack that have left the line; `ended` whether that
    stack is done.
    """

    phase: Phase = Phase.IDLE
    disc: int = 0
    accept: bool = False
    verb: Verb | None = None
    outcome: Outcome | None = None
    job: str = ""
    accepted: int = 0
    rejected: int = 0
    unsure: int = 0
    ended: bool = False

    def after(self, entry: Entry) -> Position:
        """The position once `entry` is written."""
        match entry.event:
            case Event.RUN if self.ended:
                return replace(self, accepted=0, rejected=0, unsure=0, ended=False)
            case Event.END:
                return replace(self, ended=True)
            case Event.SEND if entry.verb is Verb.RECOVER:
                return self
            case Event.SEND:
                arriving = entry.verb in (Verb.LOAD, Verb.PROBE)
                phase = Phase.LOADING if arriving else Phase.UNLOADING
                return replace(self, phase=phase, disc=entry.disc, verb=entry.verb, outcome=None)
            case Event.CLAIM if entry.verb is not Verb.RECOVER:
                return replace(self, outcome=entry.outcome)
            case Event.IN_DRIVE:
                return replace(self, phase=Phase.IN_DRIVE, disc=entry.disc, job="")
            case Event.JOB:
                return replace(self, job=entry.text)
            case Event.VERDICT:
                return replace(self, phase=Phase.JUDGED, accept=bool(entry.accept))
            case Event.OUT:
                return self._out(entry)
            case Event.NO_DISC:
                return replace(self, phase=Phase.IDLE, disc=entry.disc - 1, outcome=None)
            case _:
                return self

    def _out(self, entry: Entry) -> Position:
        accepted, rejected = entry.target is Place.ACCEPT, entry.target is Place.REJECT
        return replace(
            self,
            phase=Phase.IDLE,
            disc=entry.disc,
            verb=None,
            outcome=None,
            accepted=self.accepted + accepted,
            rejected=self.rejected + rejected,
            unsure=self.unsure + (not accepted and not rejected),
        )


def position_of(entries: Iterable[Entry]) -> Position:
    """Where the line stands after `entries`."""
    position = Position()
    for entry in entries:
        position = position.after(entry)
    return position


class StackJournal:
    """The journal of one line, for one run at a time. `position` follows what is written."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open or begin the journal at `path`.

        Raises `NotAvailable` if another run has it or it cannot be written, `BadInput` if it is no
        journal of ours.
        """
        self.path = path
        self._clock = clock
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise NotAvailable(
                f"Cannot write the loader's journal {path}: {error.strerror}."
            ) from error
        try:
            self._lock()
            self.position = position_of(self._recorded())
        except BaseException:
            os.close(self._fd)
            raise
        self._size = path.stat().st_size
        sync_folder(path.parent)

    def write(self, entry: Entry) -> None:
        """Append `entry`, and return when it is on the disk."""
        line = msgspec.json.encode(entry) + b"\n"
        try:
            written = os.write(self._fd, line)
            os.fsync(self._fd)
        except OSError as error:
            self._take_back()
            raise self._unwritable(error.strerror or str(error)) from error
        if written != len(line):
            self._take_back()
            raise self._unwritable("the file system is full")
        self._size += len(line)
        self.position = self.position.after(entry)

    def now(self) -> float:
        """The time to put on an entry."""
        return self._clock()

    def close(self) -> None:
        """Let the next run have it; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotAvailable(
                f"Another run works with the loader's journal {self.path}; let it end first."
            ) from None

    def _recorded(self) -> list[Entry]:
        """All whole entries; a torn last one is cut off."""
        entries, torn = _parse(self.path, self.path.read_bytes())
        if torn:
            os.ftruncate(self._fd, self.path.stat().st_size - torn)
            os.fsync(self._fd)
        return entries

    def _take_back(self) -> None:
        """Leave no half of a line that was not written whole."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)

    def _unwritable(self, reason: str) -> NotAvailable:
        return NotAvailable(
            f"The loader's journal {self.path} cannot be written ({reason});"
            " nothing moves until it can."
        )


def read_journal(path: Path) -> list[Entry]:
    """The whole entries of the journal at `path`, for reports; it may be in use.

    Raises `NotAvailable` if it cannot be read, `BadInput` if it is no journal of ours.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NotAvailable(f"Cannot read the loader's journal {path}: {error.strerror}.") from error
    return _parse(path, raw)[0]


def _parse(path: Path, raw: bytes) -> tuple[list[Entry], int]:
    """The whole entries, and how many bytes of a torn one follow them."""
    whole, _, torn = raw.rpartition(b"\n")
    decoder = msgspec.json.Decoder(Entry)
    entries = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            entries.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _foreign(path, number, str(error)) from error
    if not torn.startswith(_BEGINNING[: len(torn)]):
        raise _foreign(path, len(entries) + 1, "cut off")
    return entries, len(torn)


def _foreign(path: Path, number: int, reason: str) -> BadInput:
    return BadInput(f"{path}, line {number}: not a loader's journal ({reason}); name another file.")
