# SPDX-License-Identifier: Apache-2.0
"""The files that an image consists of, and those that go with it, as renaming needs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from imagerd.base.errors import BadInput
from imagerd.formats import names, open_image
from imagerd.formats.cue.opening import read_sheet
from imagerd.formats.cue.program import Program
from imagerd.formats.cue.reader import read_program
from imagerd.formats.cue.sheet import Sheet
from imagerd.formats.mds.table import read_table
from imagerd.formats.sidecar import sidecar
from imagerd.toolkit.beside import map_name
from imagerd.toolkit.match import sheets
from imagerd.toolkit.match.sheets import TextSheet

# What belongs to NAME.cue is called NAME and one of these. Checksum files name the files in them.
_BESIDE: Final = (".map", ".sub", ".repaired.sub", ".sbi", ".log", ".txt", ".json", ".html")

_IMPLIED: Final = frozenset({"ccd", "mds", "split", "isz", "daa"})
_NUMBERED: Final = re.compile(r"\.(?:\d{3}|part\d{1,3}(?:\.daa)?|i\d{2})$", re.IGNORECASE)
_INNER: Final = frozenset({".iso", ".bin", ".img", ".udf", ".gz", ".xz", ".zst", ".bz2", ".ecm"})
_PACKED: Final = frozenset({".gz", ".xz", ".zst", ".bz2", ".ecm"})  # stand behind another suffix


@dataclass(frozen=True, slots=True)
class Piece:
    """A data file, the number of the first track in it, and the sheet's lines that name it."""

    path: Path
    track: int | None = None
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Pieces:
    """An image: the `main` file, its `sheet` if it is one, data files, and what stands beside.

    `other`: a sheet of another kind that names its files. `implied`: nothing names the data files;
    they are found because they are called like the main file.
    """

    main: Path
    sheet: Sheet | None
    data: tuple[Piece, ...]
    beside: tuple[Path, ...]
    text: Piece | None = None  # the CDTEXTFILE
    other: TextSheet | None = None
    implied: bool = False


def pieces_of(main: Path) -> Pieces:
    """Of the image `main`. Raises `BadInput` for one whose files cannot be renamed safely."""
    with closing(open_image(main)) as image:
        files = image.files
        found = _found(main, image.format, files[1:])
    if {piece.path for piece in found.data} != set(files[1:]):
        raise BadInput(f"{main} finds its files by other names than it says; correct it first.")
    paths = [main, *(piece.path for piece in found.data)]
    for path in [*paths, *([found.text.path] if found.text is not None else [])]:
        if path.is_symlink():
            raise BadInput(f"{path} is a link; rename its target by hand.")
    return replace(found, beside=tuple(_beside(paths)))


def _found(main: Path, format: str, data: tuple[Path, ...]) -> Pieces:
    if format == "cue":
        sheet = read_sheet(main)
        program = read_program(sheet)
        return Pieces(main, sheet, tuple(_data(main, program)), (), _text(main, program))
    other = sheets.read_sheet(main, format)
    if other is not None:
        pieces = tuple(Piece(path, track) for path, track in other.tracks.items())
        return Pieces(main, None, pieces, (), other=other)
    stem = main.name.removesuffix(ending(main))
    if any(not path.name.casefold().startswith(stem.casefold()) for path in data):
        raise BadInput(f"{main} does not find its files by its own name; rename them by hand.")
    if data and (format not in _IMPLIED or (format == "mds" and _names_files(main))):
        raise BadInput(f"{main} names its files in a form that renaming does not know.")
    return Pieces(main, None, tuple(Piece(path) for path in data), (), implied=True)


def _names_files(main: Path) -> bool:
    """Whether a .mds tells more than "*.mdf"."""
    blocks = read_table(main.read_bytes()).blocks
    return any(not block.name.startswith("*") for block in blocks if block.name)


def ending(path: Path) -> str:
    """The suffix of an image, with what before it tells how it is packed: .iso.gz, .iso.001."""
    numbered = _NUMBERED.search(path.name)
    if numbered is not None:
        inner = Path(path.name[: numbered.start()])
        return (ending(inner) if inner.suffix.lower() in _INNER else "") + numbered[0]
    packed = path.suffix.lower() in _PACKED
    return (Path(path.stem).suffix if packed else "") + path.suffix


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
