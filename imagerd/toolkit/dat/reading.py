# SPDX-License-Identifier: Apache-2.0
"""Read a DAT as a stream: Logiqx XML, or MAME's software lists.

The XML is hostile until it has proven otherwise. No entity may be declared or fetched (so nothing
can expand), nesting, attributes, texts and counts are bounded, sizes and digests must be what they
claim to be, and a file's name may not lead out of its folder. A document type is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import BinaryIO, Final
from xml.parsers import expat

from imagerd.base.errors import BadInput
from imagerd.base.harmless import clean
from imagerd.toolkit.dat.records import Form, Game, Header, Rom, Status

LARGEST: Final = 1 << 30  # bytes of XML; MAME's whole list has a quarter of it
_CHUNK: Final = 1 << 16
_LONGEST_TOKEN: Final = 1 << 20  # bytes of one tag or comment
_LONGEST_TEXT: Final = 4096  # characters of a name or any other value
_DEEPEST: Final = 16
MOST_ROMS: Final = 50_000  # of one game
_MOST_GAMES: Final = 2_000_000
_MOST_BYTES: Final = 1 << 50  # of one file
_DIGITS: Final = {"crc": 8, "md5": 32, "sha1": 40, "sha256": 64}
_HEX: Final = re.compile(r"[0-9a-f]+")

_ROOTS: Final = frozenset({"datafile", "softwarelist", "softwarelists", "mame"})
_GAMES: Final = frozenset({"game", "machine", "software"})
_TEXTS: Final = frozenset({"name", "description", "version", "date", "author", "homepage"})


def read_dat(stream: BinaryIO, name: str) -> Iterator[Header | Game]:
    """What the DAT `stream` says: a `Header`, then its `Game`s; a file may hold several DATs.

    `name`: for sentences, and for a DAT without a header. Raises `BadInput`; what came before may
    have been good all the same, so keep it only if the end is reached.
    """
    builder = Builder(name)
    parser = _parser(builder)
    done, quiet = 0, 0
    try:
        while chunk := stream.read(_CHUNK):
            done += len(chunk)
            if done > LARGEST:
                raise Refused(f"it is larger than {LARGEST >> 20} MiB")
            builder.heard = False
            parser.Parse(chunk, False)
            quiet = 0 if builder.heard else quiet + len(chunk)
            if quiet > _LONGEST_TOKEN:
                raise Refused("a tag or a comment in it has no end")
            yield from builder.take()
        parser.Parse(b"", True)
    except Refused as refused:
        where = f", line {parser.CurrentLineNumber}"
        raise BadInput(f"{name}{where}: {refused}; it was not imported.") from None
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise BadInput(f"{name} is no DAT in XML: {clean(str(error))}.") from error
    yield from builder.take()
    if builder.games == 0:
        raise BadInput(f"{name} lists nothing: no game, machine or software in it.")


class Refused(Exception):
    """Half a sentence on what is wrong."""


def _parser(builder: Builder) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.specified_attributes = True  # defaults of a document type are not the author's
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.EntityDeclHandler = _refuse_entity
    parser.ExternalEntityRefHandler = _refuse_entity
    parser.SkippedEntityHandler = _refuse_entity
    parser.ElementDeclHandler = builder.other
    parser.AttlistDeclHandler = builder.other
    parser.CommentHandler = builder.other
    parser.ProcessingInstructionHandler = builder.other
    parser.StartDoctypeDeclHandler = builder.other
    return parser


def _refuse_entity(name: object, *_: object) -> int:
    raise Refused("it declares or uses an XML entity, which no DAT needs")


class Builder:
    """The parser's events, put together. `heard`: whether there was one since it was reset."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._path: list[str] = []
        self._words: list[str] = []
        self._length = 0
        self._values: dict[str, str] = {}
        self._lists: dict[str, str] = {}
        self._form = Form.LOGIQX
        self._roms: list[Rom] = []
        self._named = ""
        self._ready: list[Header | Game] = []
        self.started = False
        self.heard = False
        self.games = 0

    def take(self) -> list[Header | Game]:
        """What is complete since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def other(self, *_: object) -> None:
        """Anything that says nothing."""
        self.heard = True

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """A start tag."""
        self.heard = True
        if not self._path and tag not in _ROOTS:
            raise Refused(f"<{clean(tag)[:40]}> is not the beginning of a DAT")
        if len(self._path) >= _DEEPEST:
            raise Refused(f"its elements are nested more than {_DEEPEST} deep")
        self._path.append(tag)
        self._words, self._length = [], 0
        if tag in _GAMES:
            self._begin_game(_text(attributes, "name"))
        elif tag == "softwarelist":
            self._lists = {key: _text(attributes, key) for key in ("name", "description")}
            self._form, self.started = Form.SOFTWARE_LIST, False
        elif tag in ("rom", "disk") and self._in_game:
            self._add(tag, attributes)
        elif tag == "datafile":
            self._form, self.started = Form.LOGIQX, False
        elif tag == "header":
            self._values = {}

    def text(self, words: str) -> None:
        """Characters between tags."""
        self.heard = True
        if self._path and self._path[-1] in _TEXTS:
            self._length += len(words)
            if self._length > _LONGEST_TEXT:
                raise Refused(f"a text in it is longer than {_LONGEST_TEXT} characters")
            self._words.append(words)

    def end(self, tag: str) -> None:
        """An end tag."""
        self.heard = True
        self._path.pop()
        parent = self._path[-1] if self._path else ""
        if tag in _TEXTS and (parent == "header" or parent in _GAMES):
            self._values[tag] = clean("".join(self._words).strip())
        elif tag == "header" and parent == "datafile":
            if self.started:
                raise Refused("a second header, or one behind a game")
            self._begin_dat()
        elif tag in _GAMES:
            self._end_game()

    @property
    def _in_game(self) -> bool:
        return any(tag in _GAMES for tag in self._path)

    def _begin_dat(self) -> None:
        said = self._values if self._form is Form.LOGIQX else self._lists
        name = said.get("name") or PurePosixPath(self._source).stem
        listed = self._form is Form.SOFTWARE_LIST
        self._ready.append(
            Header(
                name=name,
                form=self._form,
                description=said.get("description", ""),
                version=said.get("version", ""),
                date=said.get("date", ""),
                publisher="MAME" if listed else said.get("homepage") or said.get("author", ""),
                system=(said.get("description") if listed else "") or name,
            )
        )
        self.started = True
        self._values = {}

    def _begin_game(self, name: str) -> None:
        if self._in_game and sum(tag in _GAMES for tag in self._path) > 1:
            raise Refused("a game lies within a game")
        if not self.started:
            self._begin_dat()
        if not name:
            raise Refused("a game has no name")
        self._named, self._roms, self._values = name, [], {}
        self.games += 1
        if self.games > _MOST_GAMES:
            raise Refused(f"it lists more than {_MOST_GAMES} games")

    def _end_game(self) -> None:
        description = self._values.get("description", "")
        name = self._named
        if self._form is Form.SOFTWARE_LIST and description:
            name, description = description, name  # its name is a short one, made for MAME
        self._ready.append(Game(name, tuple(self._roms), description))

    def _add(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "rom" and "name" not in attributes:
            return  # of a software list: what fills or continues another
        if len(self._roms) >= MOST_ROMS:
            raise Refused(f"a game has more than {MOST_ROMS} files")
        self._roms.append(_rom(tag, attributes))


def _rom(tag: str, attributes: Mapping[str, str]) -> Rom:
    name = _text(attributes, "name")
    if tag == "disk":
        name = name if name.lower().endswith(".chd") else f"{name}.chd"
    _refuse_leaving(name)
    rom = Rom(
        name,
        None if tag == "disk" else _size(attributes, name),
        crc32=_digest(attributes, "crc", name),
        md5=_digest(attributes, "md5", name),
        sha1=_digest(attributes, "sha1", name),
        sha256=_digest(attributes, "sha256", name),
    )
    try:
        return replace(rom, status=Status(attributes.get("status") or "good"))
    except ValueError:
        raise Refused(f"the status of {name!r} is none") from None


def _text(attributes: Mapping[str, str], key: str) -> str:
    value = attributes.get(key, "")
    if len(value) > _LONGEST_TEXT:
        raise Refused(f"a {key} in it is longer than {_LONGEST_TEXT} characters")
    return clean(value).strip()


def _refuse_leaving(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    drive = len(name) > 1 and name[1] == ":" and name[0].isalpha()
    if not path.parts or path.is_absolute() or ".." in path.parts or drive:
        raise Refused(f"the name {name[:80]!r} leads out of the folder")


def _size(attributes: Mapping[str, str], name: str) -> int | None:
    text = _text(attributes, "size")
    if not text:
        return None
    hexadecimal = text.lower().startswith("0x")
    digits = text[2:] if hexadecimal else text
    if not digits.isascii() or not digits.isalnum() or len(digits) > 16:
        raise Refused(f"the size of {name[:80]!r} is no number")
    try:
        size = int(digits, 16 if hexadecimal else 10)
    except ValueError:
        raise Refused(f"the size of {name[:80]!r} is no number") from None
    if size > _MOST_BYTES:
        raise Refused(f"the size of {name[:80]!r} is more than any disc holds")
    return size


def _digest(attributes: Mapping[str, str], kind: str, name: str) -> str | None:
    text = _text(attributes, kind).lower().removeprefix("0x")
    if not text or text == "-":
        return None
    if kind == "crc":
        text = text.rjust(8, "0")  # some write it as a number
    if len(text) != _DIGITS[kind] or not _HEX.fullmatch(text):
        raise Refused(f"the {kind} of {name[:80]!r} is none")
    return text
