# SPDX-License-Identifier: Apache-2.0
"""From the lines of a sheet to a `Program`: one method for each command."""

from __future__ import annotations

import re
from collections.abc import Callable

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PackType
from imagerd.disc.layout import Control, DiscType, TrackMode
from imagerd.disc.msf import parse_duration
from imagerd.formats.cue.program import (
    FileEntry,
    Position,
    Program,
    SessionEntry,
    TrackEntry,
    track_type,
)
from imagerd.formats.cue.sheet import FILE_TYPES, Line, Sheet

_TEXTS = {
    "TITLE": PackType.TITLE,
    "PERFORMER": PackType.PERFORMER,
    "SONGWRITER": PackType.SONGWRITER,
    "COMPOSER": PackType.COMPOSER,
    "ARRANGER": PackType.ARRANGER,
    "MESSAGE": PackType.MESSAGE,
}
_UNUSED = frozenset({"GENRE", "DISC_ID", "UPC_EAN"})  # known, but no part of a layout
_FLAGS = {
    "DCP": Control.COPY_PERMITTED,
    "4CH": Control.FOUR_CHANNEL,
    "PRE": Control.PRE_EMPHASIS,
    "SCMS": Control.NONE,
    "DATA": Control.NONE,  # follows from the mode
}
DISC_TYPES = {"CD-I": DiscType.CDI, "XA": DiscType.XA, "CD-ROM": DiscType.CDDA_OR_ROM}
LONGEST_GAP = 450_000  # sectors; a whole disc. Bounds what a hostile sheet can ask for.
_MOST_TRACKS = 99
_MOST_FILES = 200  # each is opened; more than tracks, as some hold none
_MSF_NOTE = re.compile(r"MSF:?\s*\d+:\d+:\d+\s*=\s*LBA:?\s*(-?\d{1,9})", re.IGNORECASE)
_TIME = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2})")


def read_program(sheet: Sheet) -> Program:
    """Understand `sheet`. Raises `BadInput` (no file name in it) where there is nothing to."""
    reader = _Reader(sheet)
    for line in sheet.lines:
        reader.take(line)
    return reader.finish()


class _Reader:
    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.program = Program()
        self.track: TrackEntry | None = None
        self.last_index: int | None = None
        self.session = 1
        self.commands: dict[str, Callable[[Line], None]] = {
            "CATALOG": self._catalog,
            "CDTEXTFILE": self._cdtextfile,
            "FILE": self._file,
            "TRACK": self._track,
            "INDEX": self._index,
            "PREGAP": self._pregap,
            "POSTGAP": self._postgap,
            "FLAGS": self._flags,
            "ISRC": self._isrc,
            "REM": self._rem,
        }

    def take(self, line: Line) -> None:
        if line.keyword in ("", ";"):
            if line.keyword == ";":
                self._note(line, "a comment begins with ';' or '//', not with REM")
            return
        if line.stray_quote:
            self._note(line, "a stray quotation mark stands before the command")
        if line.keyword in _TEXTS:
            self._text(line)
        elif line.keyword in self.commands:
            self._check_case(line)
            self.commands[line.keyword](line)
        elif line.keyword not in _UNUSED:
            self._note(line, f"the command {line.keyword[:20]!r} is unknown and was passed over")

    def finish(self) -> Program:
        program = self.program
        if not program.tracks and not program.files:
            raise BadInput("it has neither a FILE nor a TRACK command: not a cue sheet")
        if not program.tracks:
            self._implied_track(program.files[0].line)
        encoding = self.sheet.encoding
        if encoding.mark or not encoding.certain:
            mark = " with a byte order mark" if encoding.mark else ""
            guess = "" if encoding.certain else ", judging by its letters"
            program.notes.insert(0, (1, f"the sheet is encoded in {encoding.codec}{mark}{guess}"))
        for track in program.tracks:
            _complete_indexes(program, track)
        return program

    def _note(self, line: Line, sentence: str) -> None:
        self.program.note(line.number, sentence)

    def _check_case(self, line: Line) -> None:
        word = line.text.strip(' \t"\ufeff')[: len(line.keyword)]
        if word != line.keyword and not any("a keyword in" in s for _, s in self.program.notes):
            self._note(line, "a keyword in lower case")

    def _catalog(self, line: Line) -> None:
        digits = line.rest.replace('"', "").replace("-", "").replace(" ", "")
        if not re.fullmatch(r"[0-9]{13}", digits):
            self._note(line, f"CATALOG {line.rest[:30]!r} is not 13 digits and was passed over")
            return
        self.program.catalog = digits

    def _cdtextfile(self, line: Line) -> None:
        self.program.cdtextfile = (line.string(), line.number)

    def _file(self, line: Line) -> None:
        if len(self.program.files) == _MOST_FILES:
            raise BadInput(f"line {line.number}: more than {_MOST_FILES} files")
        name, kind = line.file()
        names = [name]
        codec = self.sheet.encoding.codec
        if not self.sheet.encoding.certain:  # perhaps the folder holds the very same bytes
            names.append(name.encode(codec, "replace").decode("utf-8", "surrogateescape"))
        if kind == "":
            self._note(line, "FILE without a type, taken for BINARY")
        elif kind not in FILE_TYPES:
            self._note(line, f"the FILE type {kind[:20]!r} is unknown, taken for BINARY")
            kind = ""
        if not line.rest.startswith('"') and " " in name:
            self._note(line, "a file name with blanks, but without quotation marks")
        self.program.files.append(FileEntry(tuple(dict.fromkeys(names)), kind, line.number))

    def _track(self, line: Line) -> None:
        words = line.words
        given = int(words[0]) if words and re.fullmatch(r"\d{1,3}", words[0]) else None
        number = self._number(line, given)
        kind = track_type(words[1:])
        if kind is None:
            self._note(line, "an unknown track type; the data will tell")
            kind = (TrackMode.MODE1, None)
        elif words[1].upper().startswith("CDI"):
            self.program.disc_type = self.program.disc_type or DiscType.CDI
        self._begin_track(TrackEntry(number, line.number, self.session, *kind))

    def _number(self, line: Line, given: int | None) -> int:
        tracks = self.program.tracks
        expected = tracks[-1].number + 1 if tracks else 1
        if given is not None and expected <= given <= _MOST_TRACKS and (given > 0):
            if tracks and given != expected:
                self._note(line, f"track {given} follows track {expected - 1}")
            return given
        if expected > _MOST_TRACKS:
            raise BadInput(f"line {line.number}: more than {_MOST_TRACKS} tracks")
        self._note(line, f"track number {line.rest[:10]!r} counted as {expected}")
        return expected

    def _begin_track(self, track: TrackEntry) -> None:
        if not self.program.files:
            self.program.note(track.line, "TRACK without a FILE before it")
            self.program.files.append(FileEntry((), "", track.line))
        if not self.program.sessions:
            self.program.sessions.append(SessionEntry(self.session, track.line))
        self.program.tracks.append(track)
        self.track = track
        self.last_index = None

    def _implied_track(self, line: int) -> TrackEntry:
        self.program.note(line, "no TRACK command; one was assumed, of the mode that the data has")
        track = TrackEntry(1, line, self.session, TrackMode.MODE1, None)
        self._begin_track(track)
        return track

    def _index(self, line: Line) -> None:
        track = self.track or self._implied_track(line.number)
        words = line.words
        if len(words) < 2 or not re.fullmatch(r"\d{1,2}", words[0]):
            self._note(line, "INDEX without number and time was passed over")
            return
        number, frames = int(words[0]), self._time(line, words[1])
        if frames is None:
            return
        if track.indexes and number <= max(track.indexes):
            self._note(line, f"INDEX {number:02} out of order was passed over")
            return
        if not track.indexes and number > 1:
            self._note(line, f"the first INDEX of the track is {number:02}")
        track.indexes[number] = Position(len(self.program.files) - 1, frames, line.number)
        self.last_index = number

    def _time(self, line: Line, text: str) -> int | None:
        match = _TIME.fullmatch(text)
        if match is None:
            self._note(line, f"{text[:20]!r} is not a time in mm:ss:ff and was passed over")
            return None
        if int(match[2]) >= 60 or int(match[3]) >= 75:
            self._note(line, f"the time {text} has more than 59 seconds or 74 frames")
        return parse_duration(text)

    def _gap(self, line: Line) -> int:
        frames = self._time(line, (line.words or [""])[0]) or 0
        if frames > LONGEST_GAP:
            raise BadInput(f"line {line.number}: a gap of {line.rest[:20]} is longer than a disc")
        if self.track is None:
            self._note(line, f"{line.keyword} before any TRACK was passed over")
        return frames

    def _pregap(self, line: Line) -> None:
        frames = self._gap(line)
        if self.track is not None:
            self.track.pregap = frames
            if self.track.indexes:
                self._note(line, "PREGAP after an INDEX")

    def _postgap(self, line: Line) -> None:
        frames = self._gap(line)
        if self.track is not None:
            self.track.postgap = frames

    def _flags(self, line: Line) -> None:
        if self.track is None:
            self._note(line, "FLAGS before any TRACK was passed over")
            return
        for word in line.words:
            flag = _FLAGS.get(word.upper())
            if flag is None:
                self._note(line, f"the flag {word[:20]!r} is unknown and was passed over")
            else:
                self.track.control |= flag

    def _isrc(self, line: Line) -> None:
        code = line.rest.replace('"', "").replace("-", "").replace(" ", "").upper()
        if self.track is None or not re.fullmatch(r"[A-Z0-9]{5}[0-9]{7}", code):
            self._note(line, f"ISRC {line.rest[:30]!r} was passed over")
            return
        if code != line.rest.strip('"'):
            self._note(line, f"ISRC {line.rest[:30]!r} read as {code}")
        self.track.isrc = code

    def _text(self, line: Line) -> None:
        track = self.track.number if self.track is not None else 0
        text = line.string()
        if text:
            self.program.texts.append((_TEXTS[line.keyword], track, text, line.number))

    def _rem(self, line: Line) -> None:
        words = [word.upper() for word in line.words]
        if not words:
            return
        if words[0] == "SESSION" and len(words) > 1 and re.fullmatch(r"\d{1,2}", words[1]):
            self._begin_session(line, int(words[1]))
        elif words[0] in ("LEAD-OUT", "LEAD-IN", "PREGAP") and len(words) > 1:
            self._session_time(line, words[0])
        elif words[:2] == ["SINGLE-DENSITY", "AREA"]:
            self._begin_session(line, 1)
        elif words[:2] == ["HIGH-DENSITY", "AREA"]:
            self._begin_session(line, 2)
            self.program.sessions[-1].high_density = True
        elif words[:2] == ["ORIGINAL", "MEDIA-TYPE:"]:
            self.program.media_type = " ".join(words[2:])
        elif words[0] == "DISC-TYPE" and words[1:] and words[1] in DISC_TYPES:
            self.program.disc_type = DISC_TYPES[words[1]]
        else:
            self._address(line)

    def _address(self, line: Line) -> None:
        """`REM MSF: m:s:f = LBA: n`, where the index above it lies on the disc (IsoBuster)."""
        match = _MSF_NOTE.match(line.rest)
        if match and self.track is not None and self.last_index is not None:
            self.track.address = (self.last_index, int(match[1]))

    def _begin_session(self, line: Line, number: int) -> None:
        sessions = self.program.sessions
        if sessions and number <= sessions[-1].number:
            if number < sessions[-1].number:
                self._note(line, f"session {number} after session {sessions[-1].number}")
            return
        if sessions and sessions[-1].number == self.session and not self._has_tracks(self.session):
            self._note(line, f"session {self.session} has no tracks")
            sessions.pop()
        self.session = sessions[-1].number + 1 if sessions else 1
        sessions.append(SessionEntry(self.session, line.number))

    def _has_tracks(self, session: int) -> bool:
        return any(track.session == session for track in self.program.tracks)

    def _session_time(self, line: Line, what: str) -> None:
        frames = self._time(line, line.words[1])
        sessions = self.program.sessions
        if frames is None or not sessions:
            return
        if what == "LEAD-OUT":
            sessions[-1].lead_out = frames
        elif what == "LEAD-IN":
            sessions[-1].lead_in = min(frames, LONGEST_GAP)
        else:
            sessions[-1].pregap = min(frames, LONGEST_GAP)


def _complete_indexes(program: Program, track: TrackEntry) -> None:
    """Every track has INDEX 01 in the end."""
    if 1 in track.indexes:
        return
    if not track.indexes:
        program.note(track.line, f"track {track.number} has no INDEX; its file's start was assumed")
        track.indexes[1] = Position(_file_of(program, track), 0, track.line)
        return
    number, position = next(iter(track.indexes.items()))
    program.note(track.line, f"track {track.number} has no INDEX 01; INDEX {number:02} was taken")
    rest = {n: p for n, p in track.indexes.items() if n > 1}
    first = {0: position} if number == 0 else {}
    track.indexes = {**first, 1: position, **rest}


def _file_of(program: Program, track: TrackEntry) -> int:
    before = [index for index, file in enumerate(program.files) if file.line <= track.line]
    return before[-1] if before else 0
