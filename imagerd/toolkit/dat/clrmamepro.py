# SPDX-License-Identifier: Apache-2.0
"""Read a DAT in ClrMamePro's own form: ``game ( name "A" rom ( name "a.bin" size 1 … ) )``.

Words stand apart by blanks, texts with blanks in quotes, which know no escape; a block is a word
and what its parentheses hold. What each says goes to the same `Builder` as XML does, and is bound
by the same limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from imagerd.base.errors import BadInput
from imagerd.toolkit.dat.reading import LARGEST, MOST_ROMS, Builder, Refused
from imagerd.toolkit.dat.records import Game, Header

BEGINNING: Final = b"clrmamepro"
_LONGEST_LINE: Final = 1 << 20
_WORD: Final = re.compile(r'"([^"]*)"(?=\s|$)|(\S+)')
_GAMES: Final = frozenset({"game", "machine", "resource"})
_FILES: Final = frozenset({"rom", "disk"})
_DEEPEST: Final = 8


def read_text_dat(stream: BinaryIO, name: str) -> Iterator[Header | Game]:
    """As `reading.read_dat`, of the text form."""
    reader = _Reader(Builder(name))
    done = number = 0
    try:
        reader.builder.start("datafile", {})
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            done += len(line)
            if done > LARGEST:
                raise Refused(f"it is larger than {LARGEST >> 20} MiB")
            if len(line) == _LONGEST_LINE:
                raise Refused("a line in it has no end")
            for word in _WORD.finditer(_decoded(line)):
                reader.take(word)
            yield from reader.builder.take()
        reader.end()
    except Refused as refused:
        raise BadInput(f"{name}, line {number}: {refused}; it was not imported.") from None
    yield from reader.builder.take()
    if reader.builder.games == 0:
        raise BadInput(f"{name} lists nothing: no game, machine or resource in it.")


def _decoded(line: bytes) -> str:
    """A line; it does not tell its encoding, and old ones are of Windows."""
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


@dataclass(slots=True)
class _Block:
    """What stands in a pair of parentheses, but for blocks within."""

    name: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Reader:
    """Puts words together; `_key` is the one that waits for its value or block."""

    builder: Builder
    _open: list[_Block] = field(default_factory=list)
    _files: list[_Block] = field(default_factory=list)
    _key: str | None = None

    def take(self, word: re.Match[str]) -> None:
        """The next word, quoted or not."""
        quoted, plain = word.groups()
        if plain is not None and plain.startswith('"') and self._key is not None:
            raise Refused("a quoted text in it has no end")
        if self._key is None and plain == ")":
            self._close()
        elif self._key is None:
            self._key = (plain or quoted or "").lower()
        elif plain == "(":
            if len(self._open) == _DEEPEST:
                raise Refused(f"its blocks are nested more than {_DEEPEST} deep")
            self._open.append(_Block(self._key))
            self._key = None
        else:
            self._value(self._key, quoted if plain is None else plain)
            self._key = None

    def end(self) -> None:
        """Nothing may be open at the end."""
        if self._open or self._key is not None:
            raise Refused("it breaks off within a block")

    def _value(self, key: str, text: str) -> None:
        if not self._open:
            raise Refused("a word in it stands in no block")
        self._open[-1].values.setdefault("status" if key == "flags" else key, text)

    def _close(self) -> None:
        if not self._open:
            raise Refused("a parenthesis in it closes nothing")
        block = self._open.pop()
        if not self._open:
            self._finish(block)
            self._files = []
        elif len(self._open) == 1 and block.name in _FILES:
            if len(self._files) >= MOST_ROMS:
                raise Refused(f"a game has more than {MOST_ROMS} files")
            self._files.append(block)

    def _finish(self, block: _Block) -> None:
        if block.name == BEGINNING.decode():
            self.builder.start("header", {})
            self._texts(block)
            self.builder.end("header")
        elif block.name in _GAMES:
            self.builder.start("game", {"name": block.values.get("name", "")})
            self._texts(block)
            for file in self._files:
                self.builder.start(file.name, file.values)
                self.builder.end(file.name)
            self.builder.end("game")

    def _texts(self, block: _Block) -> None:
        for key, text in block.values.items():
            self.builder.start(key, {})
            self.builder.text(text)
            self.builder.end(key)
