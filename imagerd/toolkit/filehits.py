# SPDX-License-Identifier: Apache-2.0
"""Which files of an image its bad sectors hit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from imagerd.disc.layout import Layout
from imagerd.disc.ranges import join
from imagerd.disc.source import Sectors, SectorSource
from imagerd.filesystems.filetable import FileTable
from imagerd.filesystems.gathering import Entry


@dataclass(frozen=True, slots=True)
class FileHit:
    """A file (or directory, or structure of the volume) with `bad` of its `sectors` bad."""

    path: str
    bad: int
    sectors: int


@dataclass(frozen=True, slots=True)
class FileHits:
    """`by_range`: the labels for each range asked for; `files` each once, the worst first.

    `problems` are those of the file systems: with them, files may be missing here.
    """

    by_range: tuple[tuple[str, ...], ...]
    files: tuple[FileHit, ...]
    problems: tuple[str, ...]


def table_of(source: SectorSource, shift: int) -> FileTable:
    """The files of a source whose LBA 0 is `shift` on the disc."""
    return FileTable.of(Shifted(source, shift) if shift else source)


def file_hits(source: SectorSource, bad: Sequence[range], *, shift: int = 0) -> FileHits:
    """What `bad` ranges hit. `shift`: the disc's address of the source's LBA 0; `bad` are the
    disc's, and so are the addresses in an .iso of a later track.
    """
    table = table_of(source, shift)
    return FileHits(tuple(map(table.hit, bad)), tuple(_files(table, bad)), table.problems)


def _files(table: FileTable, bad: Iterable[range]) -> list[FileHit]:
    lost: dict[Entry, int] = {}
    for area in join(bad):
        for entry in dict.fromkeys(table.at(area)):
            shared = (
                min(extent.stop, area.stop) - max(extent.start, area.start)
                for extent in entry.extents
            )
            lost[entry] = lost.get(entry, 0) + sum(count for count in shared if count > 0)
    hits: dict[str, FileHit] = {}
    for entry, count in lost.items():
        label, sectors = table.label(entry), sum(map(len, entry.extents))
        before = hits.get(label, FileHit(label, 0, 0))  # path tables: several of one name
        hits[label] = FileHit(label, before.bad + count, before.sectors + sectors)
    return sorted(hits.values(), key=lambda hit: -hit.bad)


class Shifted:
    """A source whose LBAs are `shift` higher: an image of a later track, at its place."""

    def __init__(self, source: SectorSource, shift: int) -> None:
        self._source, self._shift = source, shift

    @property
    def layout(self) -> Layout:
        """The source's layout, moved."""
        layout, by = self._source.layout, self._shift
        sessions = tuple(
            replace(
                session,
                lead_out=session.lead_out + by,
                tracks=tuple(
                    replace(
                        track,
                        indexes=tuple(replace(i, lba=i.lba + by) for i in track.indexes),
                        end=track.end + by,
                    )
                    for track in session.tracks
                ),
            )
            for session in layout.sessions
        )
        return replace(layout, sessions=sessions, layers=tuple(at + by for at in layout.layers))

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`."""
        block = self._source.read(lba - self._shift, count)
        faults = tuple(replace(fault, lba=fault.lba + self._shift) for fault in block.faults)
        return replace(block, lba=lba, faults=faults)

    def close(self) -> None:
        """Close the source."""
        self._source.close()
