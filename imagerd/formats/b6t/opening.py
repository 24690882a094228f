# SPDX-License-Identifier: Apache-2.0
"""Open a BlindWrite 5 or 6 image."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import (
    Control,
    Layout,
    Medium,
    SectorFormat,
    TrackMode,
    single_track,
)
from imagerd.disc.msf import LBA_MAX, PREGAP
from imagerd.disc.source import Sectors
from imagerd.formats import names
from imagerd.formats.b6t.table import (
    DVD_TRACK,
    DataBlock,
    Entry,
    Table,
    read_bwa,
    read_table,
)
from imagerd.formats.binary import read_small
from imagerd.formats.codes import is_mcn
from imagerd.formats.datafile import DataFile
from imagerd.formats.density import Density
from imagerd.formats.extents import Extent, ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.placed import Placed, assemble, header_mode
from imagerd.formats.sheettext import with_path
from imagerd.sectors.subchannel import interleave

_LARGEST = 16 << 20
_LARGEST_DISC = 1 << 27  # blocks: 256 GiB
_MODES = {1: TrackMode.AUDIO, 2: TrackMode.MODE1, 3: TrackMode.MODE2, 4: TrackMode.MODE2}
_MODES[5] = TrackMode.MODE2
_STORED = {  # by bytes of a sector, with those to pass over after it
    2048: (SectorFormat.USER, 0),
    2336: (SectorFormat.MODE2, 0),
    2352: (SectorFormat.RAW, 0),
    2368: (SectorFormat.RAW, 16),  # P and Q, not as on the disc
    2448: (SectorFormat.RAW_SUB, 0),
}
_SUFFIXES = (".b6i", ".b5i", ".bwi", ".iso")


class _B6tImage(ExtentImage):
    """Its subchannel lies behind each sector channel by channel."""

    def read(self, lba: int, count: int) -> Sectors:
        block = super().read(lba, count)
        if block.format is not SectorFormat.RAW_SUB:
            return block
        sub = interleave(np.ascontiguousarray(block.data[:, 2352:]))
        data = np.concatenate((block.data[:, :2352], sub), axis=1)
        return replace(block, data=data, sub=sub)


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open the .b5t or .b6t `path` with its data files."""
    data = read_small(path, "BlindWrite description", _LARGEST)
    with ExitStack() as stack:
        try:
            opening = _Opening(path, read_table(data), stack, allow_outside=allow_outside)
            layout, extents = opening.dvd() if opening.table.dvd else opening.cd()
        except BadInput as error:
            raise with_path(path, error) from error
        bwa, densities = opening.densities()
        files = (path, *dict.fromkeys(file.path for file in opening.files.values()), *bwa)
        warnings = tuple(Warning_(path, None, note) for note in opening.notes)
        stack.pop_all()
        return _B6tImage(
            path, "b6t", layout, extents, files=files, warnings=warnings, densities=densities
        )


class _Opening:
    def __init__(self, path: Path, table: Table, stack: ExitStack, *, allow_outside: bool) -> None:
        self.path = path
        self.table = table
        self.stack = stack
        self.allow_outside = allow_outside
        self.files: dict[str, DataFile] = {}
        self.notes: list[str] = table.notes

    def cd(self) -> tuple[Layout, list[Extent]]:
        """Tracks, each in one data block."""
        placed: list[Placed] = []
        for entry in self.table.entries:
            opening = not placed or placed[-1].session != entry.session
            placed.append(self._track(entry, opening=opening))
        packs = self.table.packs
        made = assemble(
            placed,
            self.table.ends,
            mcn=self.table.mcn if is_mcn(self.table.mcn) else None,
            cd_text=CdText(packs) if packs else None,
        )
        self.notes += made.notes
        return made.layout, made.extents

    def _track(self, entry: Entry, *, opening: bool) -> Placed:
        number, one = entry.point, entry.start + entry.pregap
        if entry.kind not in _MODES:
            raise BadInput(f"track {number} is of type {entry.kind}, which is not known")
        if not 0 <= one <= LBA_MAX or not 0 <= entry.length <= LBA_MAX:
            raise BadInput(f"track {number} lies outside every disc")
        start, end = entry.start, entry.start + entry.length
        if opening and start == self.table.starts[entry.session]:
            start = min(start + PREGAP, one)  # its two seconds are no part of a layout
        start = max(start, 0)
        block = self._block_at(one, number)
        if end > block.start + block.sectors:
            raise BadInput(f"track {number} lies in more than one data block, which is not read")
        stored, skip = self._rows(block)
        size = stored.size + skip
        file = self._file(block)
        first = max(start, block.start)
        offset = block.offset + (one - block.start) * size
        mode, sentence = header_mode(_MODES[entry.kind], stored, file, offset, end - one)
        if sentence:
            self.notes.append(f"track {number} {sentence}")
        return Placed(
            number,
            entry.session,
            mode,
            {0: start, 1: one} if start < one else {1: one},
            end,
            file,
            block.offset + (first - block.start) * size,
            stored,
            Control(entry.control),
            stored_from=first,
            skip=skip,
        )

    def densities(self) -> tuple[tuple[Path, ...], tuple[Density, ...]]:
        """The file that holds them, where it is one of its own, and the measurements."""
        found = names.beside(self.path, (".bwa",))
        if self.table.densities or found is None:
            return (), self.table.densities
        try:
            return (found,), (read_bwa(read_small(found, "measurement of density", _LARGEST)),)
        except BadInput:
            self.notes.append(f"{found.name} is no measurement of density, and was left aside")
            return (found,), ()

    def dvd(self) -> tuple[Layout, list[Extent]]:
        """One track of 2048-byte blocks, maybe in several files."""
        count = sum(entry.length for entry in self.table.entries if entry.kind == DVD_TRACK)
        if not 0 < count <= _LARGEST_DISC:
            raise BadInput(f"it has a track of {count} sectors, which no disc has")
        extents, lba, stored = list[Extent](), 0, SectorFormat.USER
        for block in sorted(self.table.blocks, key=lambda block: block.start):
            if block.start != lba or not 0 < block.sectors <= count - lba:
                raise BadInput("its data blocks do not follow each other")
            if self._rows(block) != (stored, 0):
                raise BadInput("a DVD whose sectors have no 2048 bytes is not read")
            file = self._file(block)
            there = file.sectors_from(block.offset, stored.size)
            if there < block.sectors:
                self.notes.append(f"{block.sectors - there} sectors of the disc are in no file")
            mode = TrackMode.BLOCKS
            extents.append(Extent(lba, block.sectors, mode, stored, file, block.offset))
            lba += block.sectors
        if lba != count:
            raise BadInput(f"its data blocks hold {lba} sectors, and its track has {count}")
        layout = single_track(count, TrackMode.BLOCKS, medium=Medium.DVD, stored=stored)
        return layout, extents

    def _block_at(self, lba: int, number: int) -> DataBlock:
        for block in self.table.blocks:
            if block.start <= lba < block.start + block.sectors:
                return block
        raise BadInput(f"track {number} lies in no data block")

    def _rows(self, block: DataBlock) -> tuple[SectorFormat, int]:
        size = block.length // block.sectors
        if size not in _STORED:
            raise BadInput(f"its sectors have {size} bytes, which no disc has")
        if _STORED[size][1]:
            self.notes.append("the P and Q behind its sectors are passed over")
        return _STORED[size]

    def _file(self, block: DataBlock) -> DataFile:
        if block.name in self.files:
            return self.files[block.name]
        name = block.name
        found = None
        if name:
            found = names.find(self.path, (name,), allow_outside=self.allow_outside)
        path = found.path if found is not None else names.beside(self.path, _SUFFIXES)
        if path is None:
            raise BadInput(f"{self.path} names {name!r}, which is not there; put it beside it.")
        file = DataFile(path)
        self.stack.callback(file.close)
        self.files[name] = file
        return file
