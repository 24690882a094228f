# SPDX-License-Identifier: Apache-2.0
"""Open a cdrdao TOC as an image."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.formats import names
from imagerd.formats.cdrdao.parse import read_program
from imagerd.formats.cdrdao.place import Files, place, swapped
from imagerd.formats.cdrdao.program import COMMENT, Program
from imagerd.formats.cdrdao.texts import cd_text
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.keptsheet import from_lines
from imagerd.formats.sheettext import read_text, with_path
from imagerd.formats.wave import is_wave, use_as_wave


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open the TOC `path` with its data files."""
    text = read_text(path, "TOC of cdrdao")
    with ExitStack() as stack:
        try:
            program = read_program(text)
            files, waves = _open_files(path, program, stack, allow_outside=allow_outside)
            layout, extents = place(program, files, waves)
        except BadInput as error:
            raise with_path(path, error) from error
        layout = replace(layout, cd_text=cd_text(program, len(layout.tracks)))
        warnings = tuple(Warning_(path, line, sentence) for line, sentence in program.notes)
        paths = (path, *dict.fromkeys(file.path for file in files.values()))
        stack.pop_all()
        kept = from_lines(
            line.removeprefix(COMMENT).strip()
            for line in text.splitlines()
            if line.startswith(COMMENT)
        )
        return ExtentImage(path, "toc", layout, extents, files=paths, warnings=warnings, sheet=kept)


def _open_files(
    path: Path, program: Program, stack: ExitStack, *, allow_outside: bool
) -> tuple[Files, frozenset[int]]:
    """Each file once for each byte order that its parts have, and which files are WAVE."""
    files: dict[tuple[int, bool], DataFile] = {}
    paths: dict[int, Path] = {}
    waves: set[int] = set()
    for track in program.tracks:
        for part in track.parts:
            number = part.file
            if number is None:
                continue
            if number not in paths:
                paths[number] = _find(path, program, number, part.line, allow_outside=allow_outside)
                if _is_wave(paths[number]):
                    waves.add(number)
            swap = swapped(part, track, wave=number in waves)
            if (number, swap) not in files:
                files[number, swap] = _open(program, paths[number], part.line, stack)
                files[number, swap].swap = swap
    return files, frozenset(waves)


def _is_wave(path: Path) -> bool:
    file = DataFile(path)
    try:
        return is_wave(file.peek(0, 12))
    finally:
        file.close()


def _open(program: Program, path: Path, line: int, stack: ExitStack) -> DataFile:
    file = DataFile(path)
    stack.callback(file.close)
    note = use_as_wave(file) if is_wave(file.peek(0, 12)) else None
    if note:
        program.note(line, note)
    return file


def _find(path: Path, program: Program, number: int, line: int, *, allow_outside: bool) -> Path:
    name = program.files[number]
    try:
        found = names.find(path, _decodings(name), allow_outside=allow_outside)
    except BadInput:
        if len(program.files) > 1 or names.beside(path) is None:
            raise
        found = None
    if found is not None:
        for note in found.notes:
            program.note(line, f"{name!r} was found {note}: {found.path.name}")
        return found.path
    beside = names.beside(path) if len(program.files) == 1 else None
    if beside is None:
        raise BadInput(
            f"{path}: line {line} names {name!r}, which is not there; put the file beside the TOC."
        )
    program.note(line, f"there is no {name!r}; {beside.name} beside the TOC was taken")
    return beside


def _decodings(name: str) -> tuple[str, ...]:
    """The name, and what it is if its octal escapes are the bytes of UTF-8."""
    try:
        other = name.encode("iso-8859-1").decode("utf-8")
    except UnicodeError:
        return (name,)
    return (name, other) if other != name else (name,)
