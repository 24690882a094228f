# SPDX-License-Identifier: Apache-2.0
"""Which file lies where on a disc, and which files a range of bad sectors hits.

>>> table = FileTable.of(source)                              # doctest: +SKIP
>>> table.hit(range(12000, 12100))                            # doctest: +SKIP
('DATA/VIDEO.AVI',)

Tolerant: file systems that are damaged, odd or hostile give what can be read of them; what is
wrong is told in `problems`. A further file system is one more walker in `WALKERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from imagerd.disc.source import SectorSource
from imagerd.filesystems import iso9660
from imagerd.filesystems.blocks import Blocks
from imagerd.filesystems.gathering import Entry, Gathering, Kind, Limits

Walker = Callable[[Blocks, Gathering], None]

WALKERS: tuple[Walker, ...] = (iso9660.walk,)
_LIMITS = Limits()


class FileTable:
    """The entries of a disc's file systems. Immutable.

    `entries` are all, in the order of the walk; `files` those that are files; `problems` are
    sentences on what is wrong with the file systems. `complete` is False if entries are known to be
    missing, so that a sector of no entry may belong to a file all the same.
    """

    def __init__(
        self,
        entries: Iterable[Entry] = (),
        problems: Iterable[str] = (),
        *,
        complete: bool = True,
    ) -> None:
        self.complete = complete
        self.entries = tuple(entries)
        self.files = tuple(entry for entry in self.entries if entry.kind is Kind.FILE)
        self.problems = tuple(problems)
        self._newest = max((entry.session for entry in self.entries), default=1)
        self._by_path: dict[str, Entry] = {}
        self._by_name: dict[str, list[Entry]] = {}
        for file in self.files:
            path = file.path.casefold()
            self._by_path.setdefault(path, file)
            self._by_name.setdefault(path.rpartition("/")[2], []).append(file)
        self._index()

    @classmethod
    def of(cls, source: SectorSource, limits: Limits = _LIMITS) -> FileTable:
        """Walk the file systems on all data tracks of `source`, which stays open."""
        disc = Blocks(source, most=limits.blocks, failures=limits.failures)
        found = Gathering(limits)
        for walk in WALKERS:
            walk(disc, found)
        if disc.spent:
            found.lost("Too much is unreadable or absurd: the walk was ended before all of it.")
        return cls(found.entries, found.all_problems(), complete=found.complete)

    def find(self, path: str) -> Entry | None:
        """The file of that path, whatever the case of its letters."""
        return self._by_path.get(path.casefold())

    def named(self, name: str) -> tuple[Entry, ...]:
        """The files of that name in any directory, whatever the case of its letters."""
        return tuple(self._by_name.get(name.casefold(), ()))

    def hit(self, lbas: range) -> tuple[str, ...]:
        """Labels of the files, directories and structures in `lbas`, by LBA, each once."""
        return tuple(dict.fromkeys(self.label(entry) for entry in self.at(lbas)))

    def at(self, lbas: range) -> tuple[Entry, ...]:
        """The entries with a sector in `lbas`, by LBA; one of several extents may come twice."""
        # Extents may overlap, so a search by start alone does not do: the furthest end so far
        # never falls, and tells where the first of those begins that can reach into `lbas`.
        low = int(np.searchsorted(self._furthest, lbas.start, side="right"))
        high = int(np.searchsorted(self._starts, lbas.stop, side="left"))
        if not lbas or low >= high:
            return ()
        reach = np.flatnonzero(self._ends[low:high] > lbas.start) + low
        return tuple(self.entries[self._owners[index]] for index in reach.tolist())

    def next_start(self, lba: int) -> int | None:
        """Where the next extent at or behind `lba` begins; None if there is none."""
        index = int(np.searchsorted(self._starts, lba, side="left"))
        return int(self._starts[index]) if index < len(self._starts) else None

    def label(self, entry: Entry) -> str:
        """What to call an entry of the table; those of an older session say so."""
        old = entry.session != self._newest
        return f"{entry.label}, session {entry.session}" if old else entry.label

    def _index(self) -> None:
        spans = [
            (extent.start, extent.stop, number)
            for number, entry in enumerate(self.entries)
            for extent in entry.extents
            if extent
        ]
        spans.sort()
        table = np.array(spans, np.int64).reshape(-1, 3)
        self._starts, self._ends, self._owners = table.T.copy()
        self._furthest = np.maximum.accumulate(self._ends)
