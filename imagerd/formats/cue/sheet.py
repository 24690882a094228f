# SPDX-License-Identifier: Apache-2.0
"""A cue sheet, line by line, losslessly: `Sheet.parse(data).render() == data` for any bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from imagerd.formats.cue.text import Encoding, detect, split_lines

FILE_TYPES = frozenset(
    {"BINARY", "MOTOROLA", "AIFF", "WAVE", "MP3", "FLAC", "OGG", "WAV", "RAW", "WV", "APE"}
)
KEYWORDS = frozenset(
    {"CATALOG", "CDTEXTFILE", "FILE", "TRACK", "INDEX", "PREGAP", "POSTGAP", "FLAGS", "ISRC"}
    | {"TITLE", "PERFORMER", "SONGWRITER", "COMPOSER", "ARRANGER", "MESSAGE"}
    | {"GENRE", "DISC_ID", "UPC_EAN", "REM"}
)
_WORD = re.compile(r"([^\s]+)\s*(.*)", re.DOTALL)
_QUOTED_FILE = re.compile(r'"(.*)"\s*(\S*)')


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `raw` holds its bytes, line end included; `text` is decoded, without either.

    `keyword` is in capitals: "" for a blank line, ";" for a comment, the word itself otherwise.
    `rest` is what follows it, trimmed. `stray_quote` tells of a quote before the keyword.
    """

    number: int
    raw: bytes
    text: str
    keyword: str
    rest: str
    stray_quote: bool = False

    @property
    def words(self) -> list[str]:
        """`rest` in words, without quotes around them."""
        return [word.strip('"') for word in self.rest.split()]

    def string(self) -> str:
        """`rest` as one string: the quotes around it removed, those inside kept."""
        text = self.rest
        if text.startswith('"'):
            return text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
        return text

    def file(self) -> tuple[str, str]:
        """Name and type of a FILE command; the type is "" if there is none."""
        quoted = _QUOTED_FILE.fullmatch(self.rest)
        if quoted is not None:
            return quoted[1], quoted[2].strip('"').upper()
        name, _, last = self.rest.rpartition(" ")
        if not name:
            name, _, last = self.rest.rpartition("\t")
        if name and last.strip('"').upper() in FILE_TYPES:
            return name.strip().strip('"'), last.strip('"').upper()
        return self.rest.strip('"'), ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole sheet as it is in its file."""

    lines: tuple[Line, ...]
    encoding: Encoding

    @classmethod
    def parse(cls, data: bytes) -> Sheet:
        """Any bytes; what is no cue sheet simply has no known commands."""
        encoding = detect(data)
        lines = (
            _line(number, raw, encoding.codec)
            for number, raw in enumerate(split_lines(data, encoding), 1)
        )
        return cls(tuple(lines), encoding)

    def render(self) -> bytes:
        """The bytes of the sheet."""
        return self.encoding.mark + b"".join(line.raw for line in self.lines)

    def with_line(self, number: int, text: str) -> Sheet:
        """The sheet with line `number` (from 1) saying `text`; its line end stays."""
        codec = self.encoding.codec
        old = self.lines[number - 1].raw
        ends = (end.encode(codec) for end in ("\r\n", "\n", "\r"))
        raw = text.encode(codec, "replace") + next((end for end in ends if old.endswith(end)), b"")
        lines = list(self.lines)
        lines[number - 1] = _line(number, raw, codec)
        return replace(self, lines=tuple(lines))


def _line(number: int, raw: bytes, codec: str) -> Line:
    text = raw.decode(codec, "replace").rstrip("\r\n")
    body = text.strip(" \t\v\f\0\ufeff\u00a0\x1a\r\n")
    if not body:
        return Line(number, raw, text, "", "")
    if body[0] == ";" or body.startswith("//"):
        return Line(number, raw, text, ";", body)
    stray = body[0] == '"' and _keyword(body.lstrip('"')) in KEYWORDS
    if stray:
        body = body.lstrip('"').replace('""', '"')
    match = _WORD.match(body)
    rest = match[2] if match else ""
    return Line(number, raw, text, _keyword(body), rest, stray)


def _keyword(body: str) -> str:
    match = _WORD.match(body)
    return match[1].upper() if match else ""
