# SPDX-License-Identifier: Apache-2.0
"""What the walkers of file systems bring together: entries and problems, both bounded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_EXTENT = 16


class Kind(StrEnum):
    """What an entry of a file table is."""

    FILE = "file"
    DIRECTORY = "directory"
    STRUCTURE = "structure"  # of the volume itself: descriptors, path tables


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory or volume structure, and the LBAs that it takes up.

    `path` has slashes between its parts and none in front; that of a directory ends in one (the
    root is "/"); of a structure it is its name in words. `extents` are ranges of LBAs on the disc,
    in the order of the file's bytes; `size` is in bytes, as the file system claims it. `outside`
    of its sectors would lie beyond the disc and are in no extent. `system` names the file system,
    `session` the session whose volume lists it.
    """

    path: str
    extents: tuple[range, ...]
    size: int
    kind: Kind = Kind.FILE
    outside: int = 0
    system: str = "ISO 9660"
    session: int = 1

    @property
    def label(self) -> str:
        """For people: what it is called in an account of damage."""
        if self.kind is Kind.DIRECTORY:
            return f"directory {self.path} ({self.system})"
        return self.path if self.kind is Kind.FILE else f"{self.path} ({self.system})"


def structure(what: str, lba: int, count: int, system: str, session: int) -> Entry:
    """The entry of `count` sectors that the volume itself needs."""
    extents = (range(lba, lba + count),)
    return Entry(what, extents, count * 2048, Kind.STRUCTURE, 0, system, session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a file system is believed, against loops and nonsense.

    `text`: characters of all paths together, an extent counting as sixteen. `blocks`: blocks of
    2048 bytes to read; after `failures` unreadable ones nothing more is read. `directory`: blocks
    of one directory.
    """

    entries: int = 500_000
    depth: int = 64
    text: int = 1 << 26
    blocks: int = 1 << 16
    failures: int = 512
    directory: int = 1 << 14
    problems: int = 1000


class Gathering:
    """Collects entries and problems up to the limits; refuses quietly what goes beyond."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.entries: list[Entry] = []
        self.problems: list[str] = []
        self._text = self._count = 0
        self._untold = 0
        self._full = False
        self.complete = True  # as far as is known, no entry is missing

    @property
    def full(self) -> bool:
        """Whether walking on brings nothing: no further entry would be kept."""
        return self._full

    def room(self, path: str, extents: int = 1) -> bool:
        """Whether there is room for one more entry of that path; counts it as taken."""
        self._count += 1
        self._text += len(path) + _EXTENT * extents
        if self._count > self.limits.entries or self._text > self.limits.text:
            if not self._full:
                self._full = True
                self.lost(f"Only the first {self._count - 1} entries are listed.")
            return False
        return True

    def add(self, entry: Entry) -> None:
        """Keep an entry if there is room."""
        if self.room(entry.path, len(entry.extents)):
            self.keep(entry)

    def keep(self, entry: Entry) -> None:
        """Keep an entry for which there was room."""
        self.entries.append(entry)

    def problem(self, sentence: str) -> None:
        """Keep a sentence on what is wrong, where."""
        if len(self.problems) < self.limits.problems:
            self.problems.append(sentence)
        else:
            self._untold += 1

    def lost(self, sentence: str) -> None:
        """As `problem`, of one for which entries are missing."""
        self.complete = False
        self.problem(sentence)

    def all_problems(self) -> tuple[str, ...]:
        """The sentences, with a last one that counts those left out."""
        rest = (f"{self._untold} more problems are not listed.",) if self._untold else ()
        return (*self.problems, *rest)
