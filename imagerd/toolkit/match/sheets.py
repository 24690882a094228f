# SPDX-License-Identifier: Apache-2.0
"""Sheets that name their files as text, but are no cue sheets: their names, and other names.

Every byte that is no name stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.formats import names
from imagerd.formats.cdrdao.opening import decodings
from imagerd.formats.cdrdao.parse import read_program
from imagerd.formats.cdrdao.tokens import strings_behind
from imagerd.formats.cue.text import detect
from imagerd.formats.gdi.opening import BLANKS, LINE

Render = Callable[[str], str]  # a name, as the sheet writes it


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the text a file is named: characters from `start` to `end`."""

    start: int
    end: int
    path: Path


@dataclass(frozen=True, slots=True)
class TextSheet:
    """A sheet's bytes, and the places of its text where it names files. `tracks`: the first track
    in each.
    """

    main: Path
    body: bytes
    places: tuple[Place, ...]
    tracks: Mapping[Path, int]
    render: Render

    def with_names(self, new: Mapping[Path, str]) -> bytes:
        """The sheet with other names. Raises `BadInput` for letters that its encoding lacks."""
        encoding = detect(self.body)
        text, at, parts = _text(self.body), 0, []
        for place in self.places:
            parts += [text[at : place.start], self.render(new[place.path])]
            at = place.end
        whole = "".join((*parts, text[at:]))
        try:
            return encoding.mark + whole.encode(encoding.codec)
        except UnicodeEncodeError as error:
            raise BadInput(
                f"{self.main} is encoded in {encoding.codec}, which has no such letters."
            ) from error


def read_sheet(main: Path, format: str) -> TextSheet | None:
    """The sheet `main` of a cdrdao or GD-ROM image; None of any other.

    Raises `BadInput` for one that cannot be kept byte for byte.
    """
    read = {"toc": _toc, "gdi": _gdi}.get(format)
    if read is None:
        return None
    body = main.read_bytes()
    encoding = detect(body)
    text = _text(body)
    if encoding.mark + text.encode(encoding.codec, "replace") != body:
        raise BadInput(f"{main} is of no one encoding; correct it first.")
    return read(main, body, text)


def _text(body: bytes) -> str:
    encoding = detect(body)
    return body[len(encoding.mark) :].decode(encoding.codec, "replace")


def _toc(main: Path, body: bytes, text: str) -> TextSheet:
    program = read_program(text)
    first: dict[str, int] = {}
    for number, track in enumerate(program.tracks, 1):
        for part in track.parts:
            if part.file is not None:
                first.setdefault(program.files[part.file], number)
    found = {name: _find(main, decodings(name)) for name in first}
    places = tuple(
        Place(start, end, found[name])
        for start, end, name in strings_behind(text, ("FILE", "AUDIOFILE", "DATAFILE"))
        if name in found
    )
    return TextSheet(main, body, places, _firsts((found[n], t) for n, t in first.items()), _quoted)


def _quoted(name: str) -> str:
    plain = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def _gdi(main: Path, body: bytes, text: str) -> TextSheet:
    places: list[Place] = []
    tracks: list[tuple[Path, int]] = []
    for start, row in _lines(text):
        match = LINE.fullmatch(row)
        if match is None:
            continue
        group, more = (5, 1) if match[5] else (6, 0)  # with its quotes
        path = _find(main, (match[group],))
        places.append(
            Place(start + match.start(group) - more, start + match.end(group) + more, path)
        )
        tracks.append((path, int(match[1])))
    return TextSheet(main, body, tuple(places), _firsts(tracks), _with_blanks)


def _with_blanks(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line without what may stand around it, and where it begins."""
    at = 0
    for line in text.splitlines(keepends=True):
        core = line.strip(BLANKS + "\r\n")
        yield at + line.index(core), core
        at += len(line)


def _firsts(tracks: Iterable[tuple[Path, int]]) -> dict[Path, int]:
    found: dict[Path, int] = {}
    for path, number in tracks:
        found[path] = min(number, found.get(path, number))
    return found


def _find(main: Path, spellings: tuple[str, ...]) -> Path:
    found = names.find(main, spellings)
    if found is None:
        raise BadInput(f"{main} names {spellings[0]!r}, which is not there; correct it.")
    return found.path
