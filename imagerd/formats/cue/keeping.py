# SPDX-License-Identifier: Apache-2.0
"""A sheet written anew that stays the sheet it was, as far as it still is true.

Where the sheet that the source came with says of the new files just what ours would say, it is
kept, byte for byte but for the names of files that are called otherwise now. Where it does not
(tracks in one file that had one each), what it says of no sector is carried over to ours: remarks
and texts. Which of these holds is no matter of opinion: both sheets are laid over the files that
were written, and must come to the same layout without the data having to correct them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import Layout, SectorFormat, TrackMode
from imagerd.formats.cue.place import place
from imagerd.formats.cue.program import Program
from imagerd.formats.cue.reader import read_program
from imagerd.formats.cue.sheet import Line, Sheet
from imagerd.formats.cue.texts import cd_text_of
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent

_TEXTS = frozenset(
    {"TITLE", "PERFORMER", "SONGWRITER", "COMPOSER", "ARRANGER", "MESSAGE"}
    | {"GENRE", "DISC_ID", "UPC_EAN"}
)
# Remarks that are about where things lie, or about files that are not those any more.
_BOUND = re.compile(
    r"(SESSION|LEAD-IN|LEAD-OUT|RUN-OUT|PREGAP|MSF|(SINGLE|HIGH)-DENSITY|DISC-TYPE|DISC HASHES"
    r"|CRC-?32|MD5|SHA-?1|SHA-?256)\b",
    re.IGNORECASE,
)
_Kinds = list[tuple[TrackMode, SectorFormat | None]]
_Placed = tuple[
    _Kinds, Layout, list[Extent]
]  # what the tracks are said to be, and what comes of it


@dataclass(frozen=True, slots=True)
class Written:
    """What a sheet is written over: the files as they are called, and where they are by now.

    `cdt`: what the file of the CD-Text is called; None if there is no CD-Text.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    cd_text: CdText | None
    cdt: str | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The bytes of the sheet, and whether it names the file of the CD-Text."""

    sheet: bytes
    names_cdt: bool


def choose(original: bytes | None, ours: str, written: Written) -> Chosen:
    """The sheet for what was written: `original` if it can be, with `ours` in its place if not."""
    plain = Chosen(ours.encode("utf-8", "surrogateescape"), written.cdt is not None)
    if original is None:
        return plain
    with ExitStack() as stack:
        files = []
        for path in written.paths:
            files.append(DataFile(path))
            stack.callback(files[-1].close)
        wanted = _placed(Sheet.parse(plain.sheet), files)
        kept = _renamed(Sheet.parse(original), written)
        if kept is not None and wanted is not None and _placed(kept, files) == wanted:
            return Chosen(kept.render(), read_program(kept).cdtextfile is not None)
        carried = Sheet.parse(_carried(Sheet.parse(original), ours).encode("utf-8", "replace"))
        if wanted is not None and _placed(carried, files) == wanted:
            return Chosen(carried.render(), plain.names_cdt)
    return plain


def _placed(sheet: Sheet, files: Sequence[DataFile]) -> _Placed | None:
    """What `sheet` makes of `files`; None if nothing."""
    try:
        program = read_program(sheet)
        if len(program.files) != len(files):
            return None
        said = [(track.mode, track.stored) for track in program.tracks]
        return said, *place(program, list(files))
    except BadInput:
        return None


def _renamed(sheet: Sheet, written: Written) -> Sheet | None:
    """`sheet` over the written files; None if it can not be over them."""
    try:
        program = read_program(sheet)
    except BadInput:
        return None
    plain = all(entry.kind in ("BINARY", "") and entry.names for entry in program.files)
    if len(program.files) != len(written.names) or not plain:
        return None
    if not _texts_stay(program, written):
        return None
    for entry, name in zip(program.files, written.names, strict=True):
        if entry.names[0] != name:
            sheet = with_command(sheet, entry.line, f'FILE "{name}" BINARY')
    if program.cdtextfile is not None and program.cdtextfile[0] != written.cdt:
        sheet = with_command(sheet, program.cdtextfile[1], f'CDTEXTFILE "{written.cdt}"')
    codec = sheet.encoding.codec
    names = (*written.names, written.cdt or "")
    if not all(spells(name, codec) for name in names):
        return None
    return sheet


def _texts_stay(program: Program, written: Written) -> bool:
    """Whether the CD-Text is the one that the sheet has: by its texts, or in a file it names."""
    if program.cdtextfile is not None:
        return written.cd_text is not None
    numbers = [track.number for track in program.tracks]
    return bool(numbers) and cd_text_of(program, numbers) == written.cd_text


def with_command(sheet: Sheet, number: int, command: str) -> Sheet:
    """`sheet` with another command in a line, which stays as far in as it was."""
    text = sheet.lines[number - 1].text
    return sheet.with_line(number, text[: len(text) - len(text.lstrip())] + command)


def spells(name: str, codec: str) -> bool:
    """Whether a sheet encoded so can say `name`."""
    try:
        return name.encode(codec).decode(codec) == name
    except UnicodeError:
        return False


def _carried(original: Sheet, ours: str) -> str:
    """`ours` with the remarks and texts of `original`: the disc's first, a track's after TRACK."""
    extras = _extras(original)
    mine = Sheet.parse(ours.encode("utf-8", "surrogateescape"))
    lines = [f"{text}\r\n" for text in _indented(extras[0], "")]
    track = 0
    for line in mine.lines:
        known = {extra.keyword for extra in extras[track]} if track < len(extras) else set()
        if line.keyword in _TEXTS and line.keyword in known:
            continue  # as it was is better than cut to what CD-Text can hold
        lines.append(line.raw.decode("utf-8", "replace"))
        if line.keyword == "TRACK":
            track += 1
            if track < len(extras):
                lines += [f"{text}\r\n" for text in _indented(extras[track], "    ")]
    return "".join(lines)


def _indented(lines: Sequence[Line], by: str) -> Iterator[str]:
    return (by + line.text.strip() for line in lines)


def _extras(original: Sheet) -> list[list[Line]]:
    """Lines that are about no file and no place: of the disc, then of each track in order."""
    extras: list[list[Line]] = [[]]
    for line in original.lines:
        if line.keyword == "TRACK":
            extras.append([])
        elif line.keyword in _TEXTS or (line.keyword == "REM" and not _BOUND.match(line.rest)):
            extras[-1].append(line)
    return extras
