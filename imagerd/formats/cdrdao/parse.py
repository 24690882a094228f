# SPDX-License-Identifier: Apache-2.0
"""From the words of a cdrdao TOC to a program. Raises `BadInput`, no file name in it."""

from __future__ import annotations

import re

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Control, TrackMode
from imagerd.disc.msf import LBA_MAX, parse_duration
from imagerd.formats.cdrdao.program import (
    DISC_TYPES,
    MODES,
    Length,
    Part,
    Program,
    Sub,
    TrackEntry,
)
from imagerd.formats.cdrdao.texts import read_texts
from imagerd.formats.cdrdao.tokens import Tokens
from imagerd.formats.codes import is_isrc, is_mcn

_MOST_TRACKS = 99
_MOST_PARTS = 10_000
_UNITS = (LBA_MAX + 1) * 2448  # a start in bytes or samples is within a disc's
_FLAGS = {
    "COPY": Control.COPY_PERMITTED,
    "PRE_EMPHASIS": Control.PRE_EMPHASIS,
}


def read_program(text: str) -> Program:
    """The program that `text` is."""
    return _Parser(Tokens(text)).run()


class _Parser:
    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.program = Program()
        self.parts = 0

    def run(self) -> Program:
        tokens, program = self.tokens, self.program
        while tokens.peek() is not None:
            word = tokens.take()
            name = "" if word.quoted else word.text.upper()
            if name in DISC_TYPES:
                program.disc_type = DISC_TYPES[name]
            elif name == "CATALOG":
                self._catalog()
            elif name == "CD_TEXT":
                read_texts(tokens, program, len(program.tracks))
            elif name == "TRACK":
                self._track()
            elif not program.tracks or not self._of_track(name, program.tracks[-1]):
                raise BadInput(f"line {word.line}: {word.text[:20]!r} is no statement of a TOC")
        if not program.tracks:
            raise BadInput("it has no TRACK")
        return program

    def _catalog(self) -> None:
        number = self.tokens.string()
        if is_mcn(number):
            self.program.catalog = number
        else:
            self.program.note(self.tokens.line, f"CATALOG {number[:20]!r} is not 13 digits")

    def _track(self) -> None:
        name = self.tokens.take().text.upper()
        line = self.tokens.line
        if name not in MODES:
            raise BadInput(f"line {line}: {name[:20]!r} is no mode of a track")
        if len(self.program.tracks) == _MOST_TRACKS:
            raise BadInput(f"line {line}: a disc has no more than {_MOST_TRACKS} tracks")
        mode, stored = MODES[name]
        sub = Sub(self.tokens.take_if("RW", "RW_RAW") or "")
        control = Control.NONE if mode is TrackMode.AUDIO else Control.DATA
        self.program.tracks.append(TrackEntry(line, mode, stored, sub, control))

    def _of_track(self, name: str, track: TrackEntry) -> bool:
        """One statement of a track; False if it is none."""
        if name == "NO" and (flag := self.tokens.take_if(*_FLAGS)):
            track.control &= ~_FLAGS[flag]
        elif name in _FLAGS:
            track.control |= _FLAGS[name]
        elif name == "TWO_CHANNEL_AUDIO":
            track.control &= ~Control.FOUR_CHANNEL
        elif name == "FOUR_CHANNEL_AUDIO":
            track.control |= Control.FOUR_CHANNEL
        elif name == "ISRC":
            self._isrc(track)
        elif name in ("FILE", "AUDIOFILE", "DATAFILE"):
            self._file(track, samples=name != "DATAFILE")
        elif name in ("SILENCE", "ZERO"):
            self._zeros(track, samples=name == "SILENCE")
        elif name in ("START", "PREGAP", "INDEX"):
            self._position(name, track)
        elif name == "FIFO":
            raise BadInput(f"line {self.tokens.line}: a FIFO cannot be read twice; name a file")
        elif name == "END":
            self._end(track)
        else:
            return False
        return True

    def _isrc(self, track: TrackEntry) -> None:
        code = self.tokens.string()
        if is_isrc(code):
            track.isrc = code
        else:
            self.program.note(self.tokens.line, f"{code[:20]!r} is no ISRC")

    # -- parts ---------------------------------------------------------------------------------

    def _add(self, track: TrackEntry, part: Part) -> None:
        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise BadInput(f"line {part.line}: a TOC of more than {_MOST_PARTS} parts")
        track.parts.append(part)

    def _file(self, track: TrackEntry, *, samples: bool) -> None:
        name = self.tokens.string()
        line = self.tokens.line
        swap = self.tokens.take_if("SWAP") is not None
        offset = self._offset()
        start = Length()
        if samples:
            start = self._length() or Length()
        length = self._length()
        if name not in self.program.files:
            self.program.files.append(name)
        number = self.program.files.index(name)
        whole = length if length != Length() else None
        self._add(track, Part(line, number, whole, offset, start, samples, swap))

    def _offset(self) -> int:
        token = self.tokens.peek()
        if token is None or token.quoted or not token.text.startswith("#"):
            return 0
        self.tokens.take()
        if not re.fullmatch(r"#[0-9]{1,12}", token.text):
            raise BadInput(f"line {token.line}: {token.text[:20]!r} is no offset")
        return int(token.text[1:])

    def _zeros(self, track: TrackEntry, *, samples: bool) -> None:
        self.tokens.take_if(*MODES)
        self.tokens.take_if("RW", "RW_RAW")
        length = self._length()
        if length is None:
            raise BadInput(f"line {self.tokens.line}: zeros of no length")
        self._add(track, Part(self.tokens.line, length=length, samples=samples))

    def _length(self) -> Length | None:
        """A time, or a number of samples or bytes; None if the next token is neither."""
        token = self.tokens.peek()
        if token is None or token.quoted or not token.text[0].isdigit():
            return None
        if ":" in token.text:
            return Length(sectors=self._time())
        units = self.tokens.number()
        if units > _UNITS:
            raise BadInput(f"line {token.line}: {units} is longer than a disc")
        return Length(units=units)

    def _time(self) -> int:
        token = self.tokens.take()
        try:
            sectors = parse_duration(token.text)
        except ValueError:
            raise BadInput(f"line {token.line}: {token.text[:20]!r} is no time") from None
        if sectors > LBA_MAX:
            raise BadInput(f"line {token.line}: {token.text} is longer than a disc")
        return sectors

    # -- positions -----------------------------------------------------------------------------

    def _position(self, name: str, track: TrackEntry) -> None:
        token = self.tokens.peek()
        timed = token is not None and not token.quoted and token.text[:1].isdigit()
        line = self.tokens.line
        if name == "INDEX":
            track.indexes.append((line, self._time()))
            return
        if name == "PREGAP":
            self._add(track, Part(line, length=Length(sectors=self._time())))
        elif timed:
            track.start = self._time()
            return
        track.pregap_parts = len(track.parts)

    def _end(self, track: TrackEntry) -> None:
        """END [time]: a postgap by number, which a disc shows nowhere."""
        token = self.tokens.peek()
        if token is not None and not token.quoted and token.text[:1].isdigit():
            self._time()
        self.program.note(self.tokens.line, "END is passed over: no disc tells of it")
