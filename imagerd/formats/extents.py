# SPDX-License-Identifier: Apache-2.0
"""An image as a list of extents: runs of sectors at an offset of a file, or that no file holds."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from imagerd.disc.layout import Layout, SectorFormat, TrackMode
from imagerd.disc.source import Fault, FaultKind, Sectors, SectorState
from imagerd.formats.datafile import DataFile, Packing
from imagerd.formats.density import Density
from imagerd.formats.features import Feature
from imagerd.formats.image import Place, Warning_
from imagerd.formats.keptsheet import KeptSheet
from imagerd.formats.rawform import empty_sectors

MOST_ROWS = 2048  # of one read: bounds the memory that a caller can ask for


@dataclass(frozen=True, slots=True)
class Extent:
    """`count` sectors from `lba`, at byte `offset` of `file`; without a file they are virtual.

    `skip` bytes after each sector are something else, which is not given.
    """

    lba: int
    count: int
    mode: TrackMode
    stored: SectorFormat
    file: DataFile | None = None
    offset: int = 0
    skip: int = 0

    @property
    def row_size(self) -> int:
        """Bytes from one sector to the next."""
        return self.stored.size + self.skip

    @property
    def end(self) -> int:
        """One past the last LBA."""
        return self.lba + self.count

    def continued_by(self, other: Extent) -> bool:
        """Whether `other` goes on just where this one ends, on the disc and in the file."""
        return (
            self.file is not None
            and self.file is other.file
            and (self.end, self.stored, self.skip) == (other.lba, other.stored, other.skip)
            and self.offset + self.count * self.row_size == other.offset
        )


def merged(extents: list[Extent]) -> tuple[Extent, ...]:
    """The extents, with those that continue each other made one, so that reads are long."""
    result: list[Extent] = []
    for extent in extents:
        if extent.count <= 0:
            continue
        if result and result[-1].continued_by(extent):
            result[-1] = replace(result[-1], count=result[-1].count + extent.count)
        else:
            result.append(extent)
    return tuple(result)


class ExtentImage:
    """An opened image made of extents. A context manager; closing closes the files."""

    def __init__(
        self,
        path: Path,
        format: str,
        layout: Layout,
        extents: list[Extent],
        *,
        files: tuple[Path, ...],
        warnings: tuple[Warning_, ...] = (),
        sheet: KeptSheet | None = None,
        densities: tuple[Density, ...] = (),
    ) -> None:
        self.path = path
        self.format = format
        self.layout = layout
        self.files = files
        self.warnings = warnings
        self.sheet = sheet
        self.densities = densities
        self._extents = merged(extents)
        self._starts = [extent.lba for extent in self._extents]
        self._data = {id(e.file): e.file for e in extents if e.file is not None}

    @property
    def packings(self) -> tuple[Packing, ...]:
        """Of those data files that are packed."""
        return tuple(file.packing for file in self._data.values() if file.packing)

    @property
    def features(self) -> frozenset[Feature]:
        """See `Featured`."""
        return frozenset({Feature.DPM} if self.densities else ())

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`, never across a change of file or stored format."""
        if count < 1:
            raise ValueError(f"cannot read {count} sectors")
        extent = self._extent(lba)
        if extent is None:
            raise ValueError(f"LBA {lba} is in no session of {self.path}")
        count = min(count, extent.end - lba, MOST_ROWS)
        if extent.file is None:
            empty = empty_sectors(extent.mode, extent.stored, lba, count)
            return _with_sub(Sectors.good(lba, empty, extent.stored))
        return _with_sub(_read_file(extent, extent.file, lba, count))

    def where(self, lba: int) -> Place | None:
        """See `Placed`. Audio whose bytes are swapped or decoded on reading has no place."""
        extent = self._extent(lba)
        if extent is None or extent.file is None or not extent.file.plain:
            return None
        offset = extent.offset + (lba - extent.lba) * extent.row_size
        if offset + extent.stored.size > extent.file.end:
            return None
        return Place(extent.file.path, offset, extent.stored)

    def _extent(self, lba: int) -> Extent | None:
        at = bisect_right(self._starts, lba) - 1
        if at < 0 or lba >= self._extents[at].end:
            return None
        return self._extents[at]

    def close(self) -> None:
        """Close all files; idempotent."""
        for file in self._data.values():
            file.close()

    def __enter__(self) -> ExtentImage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _read_file(extent: Extent, file: DataFile, lba: int, count: int) -> Sectors:
    size = extent.row_size
    begin = extent.offset + (lba - extent.lba) * size
    data, there = file.rows(begin, count, size)
    if extent.skip:
        data = np.ascontiguousarray(data[:, : extent.stored.size])
    if there == count:
        return _doubted(Sectors.good(lba, data, extent.stored), file)
    # Sectors after the lost ones may be there again: the block ends where these do.
    lost = min(count - there, file.lost_rows(begin + there * size, size))
    sectors = _doubted(Sectors.good(lba, data[: there + lost], extent.stored), file)
    sectors.states[there:] = SectorState.FAILED
    fault = Fault(lba + there, lost, FaultKind.MISSING)
    return replace(sectors, faults=(fault,))


def _doubted(sectors: Sectors, file: DataFile) -> Sectors:
    """SUSPECT where what the file was packed with says so."""
    if file.store.suspect:
        sectors.states[:] = SectorState.SUSPECT
    return sectors


def _with_sub(sectors: Sectors) -> Sectors:
    """For formats that carry subchannel, show it as `sub` too."""
    if sectors.format is SectorFormat.RAW_SUB:
        return replace(sectors, sub=sectors.data[:, 2352:])
    return sectors
