# SPDX-License-Identifier: Apache-2.0
"""Open a .gdi with its track files."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Control, SectorFormat, TrackMode
from imagerd.formats import names
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import ExtentImage
from imagerd.formats.gdi import HIGH_DENSITY, LIMIT
from imagerd.formats.image import Warning_
from imagerd.formats.placed import Placed, assemble, header_mode
from imagerd.formats.sheettext import read_text, with_path
from imagerd.formats.sidecar import read_sidecar

_LINE = re.compile(
    r'(\d{1,3})\s+(\d{1,9})\s+(\d{1,3})\s+(\d{1,5})\s+(?:"([^"]+)"|(\S.*?))\s+(-?\d{1,12})'
)
_STORED = {
    2352: SectorFormat.RAW,
    2048: SectorFormat.USER,
    2336: SectorFormat.MODE2,
    2448: SectorFormat.RAW_SUB,
}
_MOST_TRACKS = 99
_LONGEST_GAP = 225  # two or three seconds are usual; more may be what a file lost


@dataclass(frozen=True, slots=True)
class Row:
    """A line: track `number` begins at `lba`, at byte `offset` of the file `name`."""

    line: int
    number: int
    lba: int
    control: int
    size: int
    name: str
    offset: int


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open the .gdi `path` with its files."""
    text = read_text(path, ".gdi")
    notes: list[tuple[int | None, str]] = []
    with ExitStack() as stack:
        try:
            rows = read_rows(text, notes)
            files = [_open(path, row, notes, stack, allow_outside=allow_outside) for row in rows]
            placed = _place(rows, files, notes)
            made = assemble(placed, {}, limit=LIMIT)
        except BadInput as error:
            raise with_path(path, error) from error
        notes += [(None, note) for note in made.notes]
        warnings = tuple(Warning_(path, line, note) for line, note in notes)
        paths = (path, *dict.fromkeys(file.path for file in files))
        stack.pop_all()
        return ExtentImage(
            path,
            "gdi",
            made.layout,
            made.extents,
            files=paths,
            warnings=warnings,
            sheet=read_sidecar(path),
        )


def read_rows(text: str, notes: list[tuple[int | None, str]]) -> list[Row]:
    """The tracks, in order. Raises `BadInput` (no file name in it) for what is no .gdi."""
    lines = [(at, line.strip(" \t\0\x1a\ufeff")) for at, line in enumerate(text.splitlines(), 1)]
    lines = [(at, line) for at, line in lines if line]
    if not lines or not re.fullmatch(r"\d{1,3}", lines[0][1]):
        raise BadInput("its first line is no number of tracks")
    rows = []
    for at, line in lines[1:]:
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadInput(f"line {at}: {line[:40]!r} is no track")
        number, lba, control, size = (int(part) for part in match.groups()[:4])
        rows.append(Row(at, number, lba, control, size, match[5] or match[6], int(match[7])))
        if len(rows) > _MOST_TRACKS:
            raise BadInput(f"it has more than {_MOST_TRACKS} tracks")
        if size not in _STORED or rows[-1].offset < 0 or lba > LIMIT or control > 15:
            raise BadInput(f"line {at}: {line[:40]!r} is no track that a disc has")
    if int(lines[0][1]) != len(rows):
        notes.append((1, f"it says {lines[0][1]} tracks and has {len(rows)}"))
    return rows


def _open(
    path: Path,
    row: Row,
    notes: list[tuple[int | None, str]],
    stack: ExitStack,
    *,
    allow_outside: bool,
) -> DataFile:
    found = names.find(path, (row.name,), allow_outside=allow_outside)
    if found is None:
        raise BadInput(
            f"{path}: line {row.line} names {row.name!r}, which is not there; put the file beside"
            " it."
        )
    notes += [
        (row.line, f"{row.name!r} was found {note}: {found.path.name}") for note in found.notes
    ]
    file = DataFile(found.path)
    stack.callback(file.close)
    return file


def _place(
    rows: list[Row], files: list[DataFile], notes: list[tuple[int | None, str]]
) -> list[Placed]:
    """Each track to the end of its file; what lies before the next one is the pregap of that."""
    placed: list[Placed] = []
    for row, file in zip(rows, files, strict=True):
        session = 2 if row.lba >= HIGH_DENSITY else 1
        stored = _STORED[row.size]
        count = min(file.sectors_from(row.offset, stored.size), LIMIT)
        left = (file.end - row.offset) % stored.size
        if left and count:
            sentence = f"{file.path.name} ends in the middle of a sector: {left} of {stored.size}"
            notes.append((row.line, f"{sentence} bytes"))
        declared = TrackMode.MODE1 if row.control & Control.DATA else TrackMode.AUDIO
        mode, _ = header_mode(declared, stored, file, row.offset, count)
        indexes = {1: row.lba}
        before = placed[-1] if placed else None
        if before is not None and before.session == session and before.end < row.lba:
            indexes[0] = before.end
            if row.lba - before.end > _LONGEST_GAP:
                gap = row.lba - before.end
                notes.append((row.line, f"{gap} sectors before track {row.number} are in no file"))
        placed.append(
            Placed(
                row.number,
                session,
                mode,
                indexes,
                row.lba + count,
                file,
                row.offset,
                stored,
                Control(row.control),
                stored_from=row.lba,
            )
        )
    return placed
