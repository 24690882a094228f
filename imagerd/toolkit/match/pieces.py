# SPDX-License-Identifier: Apache-2.0
"""The files that an image consists of, and those that go with it, as renaming needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagerd.base.errors import BadInput
from imagerd.formats import names, open_image
from imagerd.formats.cue.opening import read_sheet
from imagerd.formats.cue.program import Program
from imagerd.formats.cue.reader import read_program
from imagerd.formats.cue.sheet import Sheet
from imagerd.formats.sidecar import sidecar
from imagerd.toolkit.beside import map_name

# What belongs to NAME.cue is called NAME and one of these. Checksum files name the files in them.
_BESIDE: Final = (".map", ".sub", ".repaired.sub", ".sbi", ".log", ".txt", ".json", ".html")

_PACKED: Final = frozenset({".gz", ".xz", ".zst", ".bz2", ".ecm"})  # stand behind another suffix


@dataclass(frozen=True, slots=True)
class Piece:
    """A data file, the number of the first track in it, and the sheet's lines that name it."""

    path: Path
    track: int | None = None
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Pieces:
    """An image: the `main` file, its `sheet` if it is one, data files, and what stands beside."""

    main: Path
    sheet: Sheet | None
    data: tuple[Piece, ...]
    beside: tuple[Path, ...]
    text: Piece | None = None  # the CDTEXTFILE


def pieces_of(main: Path) -> Pieces:
    """Of the image `main`. Raises `BadInput` for one whose files cannot be renamed safely."""
    with closing(open_image(main)) as image:
        is_sheet = image.format == "cue"
        files = image.files
    if not is_sheet and len(files) > 1:
        raise BadInput(f"{main} names its files in a form that renaming does not know.")
    if not is_sheet:
        found = Pieces(main, None, (), ())
    else:
        sheet = read_sheet(main)
        program = read_program(sheet)
        found = Pieces(main, sheet, tuple(_data(main, program)), (), _text(main, program))
        if {piece.path for piece in found.data} != set(files[1:]):
            raise BadInput(f"{main} finds its files by other names than it says; correct it first.")
    paths = [main, *(piece.path for piece in found.data)]
    for path in [*paths, *([found.text.path] if found.text is not None else [])]:
        if path.is_symlink():
            raise BadInput(f"{path} is a link; rename its target by hand.")
    return Pieces(main, found.sheet, found.data, tuple(_beside(paths)), found.text)


def ending(path: Path) -> str:
    """The suffix of an image, with the one before it where that tells what is packed: .iso.gz."""
    inner = Path(path.stem).suffix if path.suffix.lower() in _PACKED else ""
    return inner + path.suffix


def _data(main: Path, program: Program) -> Iterator[Piece]:
    """Each file once, though several lines may name it."""
    lines: dict[Path, list[int]] = {}
    tracks: dict[Path, list[int]] = {}
    for at, entry in enumerate(program.files):
        found = names.find(main, entry.names)
        if found is None:
            raise BadInput(f"{main}: line {entry.line} names no file that is there; correct it.")
        lines.setdefault(found.path, []).append(entry.line)
        tracks.setdefault(found.path, []).extend(
            track.number
            for track in program.tracks
            if any(position.file == at for position in track.indexes.values())
        )
    for path, where in lines.items():
        yield Piece(path, min(tracks[path], default=None), tuple(where))


def _text(main: Path, program: Program) -> Piece | None:
    if program.cdtextfile is None:
        return None
    name, line = program.cdtextfile
    found = names.find(main, (name,))
    return None if found is None else Piece(found.path, None, (line,))


def _beside(paths: list[Path]) -> Iterator[Path]:
    main = paths[0]
    stems = dict.fromkeys((main.stem, main.name.removesuffix(ending(main))))
    candidates = [main.with_name(stem + suffix) for stem in stems for suffix in _BESIDE]
    candidates += [sidecar(main), *(map_name(path) for path in paths)]
    for path in dict.fromkeys(candidates):
        if path.is_file() and not path.is_symlink() and path not in paths:
            yield path
