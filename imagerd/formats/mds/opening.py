# SPDX-License-Identifier: Apache-2.0
"""Open a version 1 .mds with its .mdf."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.layout import (
    Control,
    DiscType,
    Layout,
    Medium,
    SectorFormat,
    TrackMode,
    single_track,
)
from imagerd.disc.msf import LBA_MAX, PREGAP
from imagerd.formats import names
from imagerd.formats.binary import read_small
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent, ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.mds.table import (
    FIRST,
    LEAD_OUT,
    STORED,
    WITH_SUB,
    Table,
    TrackBlock,
    read_table,
)
from imagerd.formats.placed import Placed, assemble, header_mode
from imagerd.formats.sheettext import with_path

_LARGEST = 16 << 20  # densities take a megabyte or two
_LARGEST_DISC = 1 << 27  # blocks: 256 GiB
_SUB = 96
_MODES = {  # by the lower three bits
    0: TrackMode.MODE2,
    1: TrackMode.AUDIO,
    2: TrackMode.MODE1,
    3: TrackMode.MODE2,
    4: TrackMode.MODE2,
    5: TrackMode.MODE2,
    7: TrackMode.MODE2,
}


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open the .mds `path` with its data files."""
    data = read_small(path, ".mds", _LARGEST)
    with ExitStack() as stack:
        try:
            table = read_table(data)
            opening = _Opening(path, table, stack, allow_outside=allow_outside)
            layout, extents = opening.blocks() if table.is_dvd else opening.tracks()
        except BadInput as error:
            raise with_path(path, error) from error
        files = (path, *dict.fromkeys(file.path for file in opening.files.values()))
        warnings = tuple(Warning_(path, None, note) for note in opening.notes)
        stack.pop_all()
        return ExtentImage(
            path,
            "mds",
            layout,
            extents,
            files=files,
            warnings=warnings,
            sheet=table.sheet,
            densities=table.densities,
        )


class _Opening:
    def __init__(self, path: Path, table: Table, stack: ExitStack, *, allow_outside: bool) -> None:
        self.path = path
        self.table = table
        self.stack = stack
        self.allow_outside = allow_outside
        self.files: dict[str, DataFile] = {}
        self.used: dict[str, int] = {}  # byte of each file up to which tracks lie
        self.notes: list[str] = list(table.notes)

    def tracks(self) -> tuple[Layout, list[Extent]]:
        """A CD."""
        placed: list[Placed] = []
        for block in self.table.blocks:
            if block.is_track:
                opening = not placed or placed[-1].session != block.session
                placed.append(self._track(block, first=not placed, opening=opening))
        made = assemble(placed, self._lead_outs(), disc_type=self._disc_type())
        self.notes += made.notes
        return made.layout, made.extents

    def _track(self, block: TrackBlock, *, first: bool, opening: bool) -> Placed:
        file = self._file(block)
        declared, stored, skip = self._rows(block)
        if not 0 <= block.start <= LBA_MAX or block.length > LBA_MAX or block.pregap > LBA_MAX:
            raise BadInput(f"track {block.point} lies outside every disc")
        pregap = block.pregap
        if opening:  # the two seconds before a session are no part of a layout
            pregap = block.start if first else max(0, pregap - PREGAP)
        pregap = min(pregap, block.start)
        size = stored.size + skip
        before = max(0, block.offset - self.used.get(block.name, 0)) // size
        in_file = min(pregap, before)
        self.used[block.name] = block.offset + block.length * size
        mode, sentence = header_mode(declared, stored, file, block.offset, block.length)
        if sentence:
            self.notes.append(f"track {block.point} {sentence}")
        indexes = {1: block.start}
        if pregap:
            indexes[0] = block.start - pregap
        return Placed(
            block.point,
            block.session,
            mode,
            indexes,
            block.start + block.length,
            file,
            block.offset - in_file * size,
            stored,
            Control(block.control),
            stored_from=block.start - in_file,
            skip=skip,
        )

    def _rows(self, block: TrackBlock) -> tuple[TrackMode, SectorFormat, int]:
        """Mode, stored form, and bytes to pass over after each sector."""
        mode = _MODES.get(block.mode & 7)
        size = block.size
        sub = size - _SUB in STORED and size not in STORED
        stored = STORED.get(size - _SUB if sub else size)
        short = mode is TrackMode.AUDIO and stored is not SectorFormat.RAW
        if mode is None or stored is None or short:
            raise BadInput(
                f"track {block.point} is of mode {block.mode:#04x} with sectors of {size} bytes,"
                " which is not known"
            )
        if not sub:
            return mode, stored, 0
        if block.sub and stored in WITH_SUB:
            return mode, WITH_SUB[stored], 0
        self.notes.append(f"{_SUB} bytes after each sector of track {block.point} are passed over")
        return mode, stored, _SUB

    def _file(self, block: TrackBlock) -> DataFile:
        if block.files > 1:
            raise BadInput(f"its data are split over {block.files} files; join them to one .mdf")
        name = block.name
        if name in self.files:
            return self.files[name]
        if not name or name.startswith("*"):
            suffix = Path(name).suffix or ".mdf"
            found = names.beside(self.path, (suffix, ".mdf"))
            if found is None:
                raise BadInput(
                    f"{self.path}: there is no {self.path.stem}{suffix} beside it; put it there."
                )
        else:
            named = names.find(self.path, (name,), allow_outside=self.allow_outside)
            found = named.path if named else names.beside(self.path, (".mdf",))
            if found is None:
                raise BadInput(f"{self.path} names {name!r}, which is not there; put it beside it.")
            if named is None or named.notes:
                self.notes.append(f"for {name!r}, {found.name} was taken")
        file = DataFile(found)
        self.stack.callback(file.close)
        self.files[name] = file
        return file

    def _lead_outs(self) -> dict[int, int]:
        lead_outs = {}
        for block in self.table.blocks:
            if block.point == LEAD_OUT:
                minute, second, frame = block.p
                lead_outs[block.session] = (minute * 60 + second) * 75 + frame - PREGAP
        return {**self.table.ends, **lead_outs}

    def _disc_type(self) -> DiscType | None:
        known = {kind.value: kind for kind in DiscType}
        points = (block for block in self.table.blocks if block.point == FIRST)
        return next((known.get(block.p[1]) for block in points), None)

    def blocks(self) -> tuple[Layout, list[Extent]]:
        """A DVD: one track of 2048-byte blocks, whose length stands where a CD has an offset."""
        block = next((block for block in self.table.blocks if block.is_track), None)
        if block is None:
            raise BadInput("it has no tracks")
        stored = SectorFormat.USER
        if block.size != stored.size:
            raise BadInput(f"a DVD with sectors of {block.size} bytes is not read")
        file = self._file(block)
        there = file.sectors_from(block.offset, stored.size)
        count = block.extra or there
        if not 0 < count <= _LARGEST_DISC:
            raise BadInput(f"it has a track of {count} sectors, which no disc has")
        if count > there:
            self.notes.append(f"{count - there} sectors of the disc are in no file")
        layout = single_track(count, TrackMode.BLOCKS, medium=Medium.DVD, stored=stored)
        extent = Extent(0, count, TrackMode.BLOCKS, stored, file, block.offset)
        return layout, [extent]
