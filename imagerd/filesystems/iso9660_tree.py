# SPDX-License-Identifier: Apache-2.0
"""One tree of an ISO 9660 volume: directories, files, and what the path tables add.

Every directory is read once, so loops end; numbers that cannot be are told and cut to what can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from imagerd.disc.layout import Track
from imagerd.disc.source import SectorState
from imagerd.filesystems.blocks import BLOCK, Blocks
from imagerd.filesystems.gathering import Entry, Gathering, Kind, structure
from imagerd.filesystems.iso9660_records import (
    ASSOCIATED,
    DIRECTORY,
    MULTI_EXTENT,
    PARENT,
    SELF,
    Descriptor,
    PathRecord,
    Record,
    name_of,
    path_records,
    record,
    records,
)

_MOST_TABLE = 1 << 22  # bytes of a path table: 65,535 records of some 60
_MOST_PIECES = 1024  # of a file
_BLOCK_SIZES = (512, 1024, 2048)
_CHUNK = 32  # blocks of a directory at a time


@dataclass(slots=True)
class _Pending:
    """A file whose record said that more extents follow."""

    name: bytes
    extents: list[range] = field(default_factory=list)
    size: int = 0
    outside: int = 0


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory to be read. `size` None: what its own first record says."""

    path: str
    extent: int
    size: int | None
    depth: int


class Tree:
    """One tree of a volume: that of the primary or of a supplementary descriptor."""

    def __init__(self, disc: Blocks, found: Gathering, about: Descriptor, track: Track) -> None:
        self._disc, self._found, self._track = disc, found, track
        if about.block_size not in _BLOCK_SIZES:
            found.problem(f"The volume claims blocks of {about.block_size} bytes; 2048 are taken.")
            about = replace(about, block_size=BLOCK)
        self._about = about
        self._table: tuple[PathRecord, ...] | None = None
        self._base, self._root = self._find_root()
        self._walked: set[int] = set()
        self._to_do: list[_Directory] = []
        self.files: list[Entry] = []

    @property
    def root(self) -> int | None:
        """The LBA of the root directory; None if neither descriptor nor path table tell."""
        return None if self._root is None else self._lba(self._root)

    def walk(self) -> None:
        """Gather directories, and files in `files`."""
        self._add_tables()
        if self._root is None:
            self._found.lost(f"The {self._about.what} leads to no root directory.")
        else:
            known = self._about.root
            size = known.size if known is not None and known.extent == self._root else None
            self._walk_from(_Directory("/", self._root, size, 0))
        self._walk_unreached()

    # -- where things lie ------------------------------------------------------------------

    def _lba(self, extent: int) -> int:
        return self._base + extent * self._about.block_size // BLOCK

    def _find_root(self) -> tuple[int, int | None]:
        """What addresses count from: LBA 0, or (some do) the track; and the root's extent.

        The root lies in the volume's own track, and its first record names its own address.
        """
        own_track = range(self._track.start, self._track.end)
        candidates = [
            (base, extent, base + extent * self._about.block_size // BLOCK)
            for extent in self._possible_roots()
            for base in dict.fromkeys((0, self._track.index1))
        ]
        possible = [(base, extent) for base, extent, lba in candidates if lba in own_track]
        for base, extent in possible:
            lba = base + extent * self._about.block_size // BLOCK
            own = self._own_record(self._disc.read(lba).block(0))
            if own is not None and own.extent == extent:
                return base, extent
        return possible[0] if possible else (0, None)

    def _possible_roots(self) -> Iterator[int]:
        if self._about.root is not None:
            yield self._about.root.extent
        if table := self._path_table():
            yield table[0].extent

    def _own_record(self, block: bytes) -> Record | None:
        """The record with which a directory begins, its own; None if this is no directory."""
        own = record(block, 0, self._disc.holds, sierra=self._about.sierra) if block else None
        return own if own is not None and own.name == SELF and own.flags & DIRECTORY else None

    # -- path tables -----------------------------------------------------------------------

    def _path_table(self) -> tuple[PathRecord, ...]:
        """The best copy: the first that is readable as a whole, else that which tells most."""
        if self._table is None:
            self._table = max(self._tables(), key=len, default=())
        return self._table

    def _tables(self) -> Iterator[tuple[PathRecord, ...]]:
        size = min(self._about.path_table, _MOST_TABLE)
        for base in dict.fromkeys((0, self._track.index1)):
            for where, big in self._about.tables:
                lba = base + where * self._about.block_size // BLOCK
                if not self._disc.holds(lba):
                    continue
                stretch = self._disc.read(lba, -(-size // BLOCK))
                bad = np.flatnonzero(stretch.states <= SectorState.FAILED)
                whole = stretch.data[: int(bad[0]) * BLOCK if len(bad) else size]
                table = tuple(path_records(whole, big=big, sierra=self._about.sierra))
                yield table
                if table and not len(bad):
                    return

    def _add_tables(self) -> None:
        claimed = min(self._about.path_table, _MOST_TABLE)
        used = sum(8 + len(entry.name) + len(entry.name) % 2 for entry in self._path_table())
        if used and used < claimed:  # padded, or an absurd claim
            claimed = used
        for where in dict.fromkeys(where for where, _ in self._about.tables):
            lba = self._lba(where)
            track = self._disc.layout.track_at(lba)
            if track is not None and self._disc.holds(lba):
                count = min(-(-claimed // BLOCK), track.end - lba)
                session = self._track.session
                self._found.add(structure("path table", lba, count, self._about.system, session))

    def _walk_unreached(self) -> None:
        paths: list[str] = []
        table = self._path_table()
        for number, entry in enumerate(table):
            parent = "" if not number else paths[entry.parent]
            name = name_of(entry.name, joliet=self._about.joliet)
            paths.append("/" if not number else _join(parent, name) + "/")
            if len(paths[-1]) > self._found.limits.text // len(table):
                return
            lba = self._lba(entry.extent)
            if lba in self._walked or not self._disc.holds(lba) or self._found.full:
                continue
            self._found.problem(f"The directory {paths[-1]} is named by the path table only.")
            self._walk_from(_Directory(paths[-1], entry.extent, None, 0))

    # -- the tree --------------------------------------------------------------------------

    def _walk_from(self, directory: _Directory) -> None:
        self._to_do = [directory] if self._found.room(directory.path) else []
        while self._to_do and not self._found.full and not self._disc.spent:
            self._walk_directory(self._to_do.pop())

    def _walk_directory(self, directory: _Directory) -> None:
        path, lba = directory.path, self._lba(directory.extent)
        if lba in self._walked:
            self._found.problem(f"The directory {path} at LBA {lba} is there twice or is a loop.")
            return
        self._walked.add(lba)
        first = self._disc.read(lba).block(0)
        own = self._own_record(first)
        if first and own is None:
            self._found.lost(f"There is no directory at LBA {lba}, where {path} should be.")
            return
        count = self._blocks_of(directory, own)
        extents = (range(lba, lba + count),)
        system, session = self._about.system, self._track.session
        self._found.keep(Entry(path, extents, count * BLOCK, Kind.DIRECTORY, 0, system, session))
        pending: _Pending | None = None
        for at in range(lba, lba + count, _CHUNK):
            stretch = self._disc.read(at, min(_CHUNK, lba + count - at))
            for index in range(len(stretch)):
                if not stretch.readable(index):
                    self._found.lost(
                        f"The directory {path} cannot be read at LBA {at + index}: what it lists"
                        " there is missing."
                    )
                else:
                    pending = self._walk_block(directory, stretch.block(index), at + index, pending)
            if self._disc.spent or self._found.full:
                break
        if pending is not None:
            self._found.problem(f"A last extent of {path}{pending.name!r} is missing.")
            self._add_file(directory, pending)

    def _blocks_of(self, directory: _Directory, own: Record | None) -> int:
        """How many blocks to read: by the directory's own first record, if that can be read."""
        size = directory.size
        if own is not None and own.size:
            if size is not None and own.size != size:
                self._found.problem(
                    f"The directory {directory.path} has {size} bytes by its parent and"
                    f" {own.size} by itself; the latter is taken."
                )
            size = own.size
        count = max(-(-(size or BLOCK) // BLOCK), 1)
        lba = self._lba(directory.extent)
        track = self._disc.layout.track_at(lba)
        most = min(self._found.limits.directory, 1 if track is None else track.end - lba)
        if count > most:
            self._found.lost(
                f"The directory {directory.path} claims {count} blocks; {most} are read."
            )
        return min(count, most)

    def _walk_block(
        self, directory: _Directory, block: bytes, lba: int, pending: _Pending | None
    ) -> _Pending | None:
        for item in records(block, self._disc.holds, sierra=self._about.sierra):
            if item is None:
                self._found.lost(
                    f"The directory {directory.path} holds nonsense at LBA {lba}: what it lists"
                    " behind is missing."
                )
                return pending
            if item.name in (SELF, PARENT):
                continue
            if item.torn:
                name = name_of(item.name, joliet=self._about.joliet)
                self._found.problem(
                    f"{_join(directory.path, name)} has numbers whose byte orders differ; what is"
                    " plausible is taken."
                )
            if item.flags & DIRECTORY:
                self._descend(directory, item)
            else:
                pending = self._take(directory, item, pending)
        return pending

    def _descend(self, directory: _Directory, item: Record) -> None:
        path = _join(directory.path, name_of(item.name, joliet=self._about.joliet)) + "/"
        lba = self._lba(item.extent)
        if not self._disc.holds(lba):
            self._found.lost(f"The directory {path} would lie at LBA {lba}, off the data.")
        elif directory.depth >= self._found.limits.depth:
            self._found.lost(f"The directory {path} is too deep and is left out.")
        elif self._found.room(path):
            self._to_do.append(_Directory(path, item.extent, item.size, directory.depth + 1))

    # -- files -----------------------------------------------------------------------------

    def _take(
        self, directory: _Directory, item: Record, pending: _Pending | None
    ) -> _Pending | None:
        """A file's record: the whole file, or one of its extents."""
        if pending is not None and pending.name != item.name:
            self._found.problem(f"A last extent of {directory.path}{pending.name!r} is missing.")
            self._add_file(directory, pending)
            pending = None
        file = pending or _Pending(item.name)
        extents, outside = self._extents(item)
        file.extents.extend(extents)
        file.size += item.size
        file.outside += outside
        if item.flags & MULTI_EXTENT and len(file.extents) < _MOST_PIECES:
            return file
        self._add_file(directory, file, associated=bool(item.flags & ASSOCIATED))
        return None

    def _add_file(self, directory: _Directory, file: _Pending, *, associated: bool = False) -> None:
        name = name_of(file.name, joliet=self._about.joliet)
        path = _join(directory.path, name) + (" (associated file)" if associated else "")
        if file.outside:
            self._found.problem(f"{path} claims {file.outside} sectors that are not on the disc.")
        extents = tuple(file.extents)
        if self._found.room(path, len(extents)):
            system, session = self._about.system, self._track.session
            self.files.append(
                Entry(path, extents, file.size, Kind.FILE, file.outside, system, session)
            )

    def _extents(self, item: Record) -> tuple[list[range], int]:
        """Ranges of LBAs on the disc, and how many sectors would lie off it."""
        size = self._about.block_size
        begin = item.extent * size
        pieces = [(begin, item.size)] if item.size else []
        if item.unit and item.gap:  # interleaved (6.4.3)
            unit, step = item.unit * size, (item.unit + item.gap) * size
            parts = -(-item.size // unit)
            if parts > _MOST_PIECES:
                pieces = [(begin, parts * step)]
            else:
                pieces = [
                    (begin + part * step, min(unit, item.size - part * unit))
                    for part in range(parts)
                ]
        first, last = self._disc.layout.start, self._disc.layout.end
        extents: list[range] = []
        outside = 0
        for at, length in pieces:
            whole = range(self._base + at // BLOCK, self._base - (-(at + length) // BLOCK))
            there = range(max(whole.start, first), min(whole.stop, last))
            outside += len(whole) - len(there)
            if there:
                extents.append(there)
        return extents, outside


def _join(directory: str, name: str) -> str:
    return name if directory == "/" else directory + name
