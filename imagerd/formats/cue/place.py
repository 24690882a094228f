# SPDX-License-Identifier: Apache-2.0
"""From what a sheet says and its data files to a layout: where on the disc each sector lies.

Files follow each other on the disc. Within a file the times of a sheet count sectors, each of the
size of the track that it lies in. Between sessions lie lead-out, lead-in and pregap: 6750 + 4500 +
150 sectors after the first session, 2250 + 4500 + 150 after later ones (MMC-6, 4.2.3.5).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imagerd.base.errors import BadInput
from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.formats.cue.believe import Look, settle
from imagerd.formats.cue.gaps import FIRST_LEAD_OUT, LATER_LEAD_OUT, LEAD_IN
from imagerd.formats.cue.program import Position, Program, TrackEntry
from imagerd.formats.cue.reader import LONGEST_GAP
from imagerd.formats.cue.sessions import Opening, first_start, later_start, session_entry
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent

_LEAD_OUT_DURATIONS = (FIRST_LEAD_OUT, LATER_LEAD_OUT)


@dataclass(slots=True)
class _Open:
    """The run of sectors since the last index: it ends where the next one comes."""

    track: TrackEntry
    file: int
    frames: int
    offset: int
    stored: SectorFormat


@dataclass(slots=True)
class _Building:
    """A track whose end is not known yet."""

    entry: TrackEntry
    stored: SectorFormat
    indexes: list[Index] = field(default_factory=list)
    virtual: int = 0


def place(program: Program, files: list[DataFile]) -> tuple[Layout, list[Extent]]:
    """Lay `program` out over `files`, one for each of its FILE commands.

    Notes oddities in `program`. Raises `BadInput` (no file name in it) for times that go
    backwards or far past the end of a file.
    """
    return _Placer(program, files).run()


class _Placer:
    def __init__(self, program: Program, files: list[DataFile]) -> None:
        self.program = program
        self.files = files
        self.lba = 0
        self.extents: list[Extent] = []
        self.open: _Open | None = None
        self.building: _Building | None = None
        self.tracks: list[Track] = []
        self.sessions: list[Session] = []
        self.missing = 0
        self.gap_in_file = 0

    def run(self) -> tuple[Layout, list[Extent]]:
        following = [*self.program.tracks[1:], None]
        for entry, after in zip(self.program.tracks, following, strict=True):
            self._track(entry, after)
        self._close_last()
        self._end_track()
        self._end_session()
        if not self.extents:
            raise BadInput("its data files hold no sectors")
        self._warn_missing()
        return self._layout(), self.extents

    # -- one track ---------------------------------------------------------------------------

    def _track(self, entry: TrackEntry, after: TrackEntry | None) -> None:
        first = entry.first
        new_session = bool(self.tracks or self.building) and entry.session != self._session_number()
        stored_gap = self._close_before(first, new_session)
        leading = first.frames if self._is_new_file(first) else stored_gap
        self._check_reach(first, leading)
        self._end_track()
        look = Look(self._start_offset(first), leading, _sectors_until(entry, after))
        stored, header = settle(self.program, self.files, entry, look)
        self.files[entry.indexes[1].file].rest()  # the next track may lie in another
        opening = Opening(entry, leading, header, self._is_new_file(first))
        if new_session:
            previous = self._session_number()
            self._end_session()
            self.lba = self._next_session(opening, previous)
        elif not self.tracks:
            self.lba = first_start(self.program, opening)
        self._begin(entry, stored, leading)

    def _next_session(self, opening: Opening, previous: int) -> int:
        if self.gap_in_file:
            start, self.gap_in_file = self.lba + self.gap_in_file, 0
            return start
        return later_start(self.program, opening, previous, len(self.sessions), self.lba)

    def _session_number(self) -> int:
        if self.building is not None:
            return self.building.entry.session
        return self.tracks[-1].session

    def _is_new_file(self, position: Position) -> bool:
        return self.open is None or self.open.file != position.file

    def _begin(self, entry: TrackEntry, stored: SectorFormat, leading: int) -> None:
        """Take the indexes of a track, of which `leading` sectors lie before the first."""
        start = self.lba
        building = _Building(entry, stored, virtual=entry.pregap)
        if entry.pregap and 0 in entry.indexes:
            self.program.note(
                entry.indexes[0].line, "PREGAP and INDEX 00 together: the pregap is both"
            )
        self.building = building
        if entry.pregap:
            self._add(Extent(self.lba, entry.pregap, entry.mode, stored))
            self.lba += entry.pregap
        first = True
        for number, position in entry.indexes.items():
            if first:
                self._first_index(entry, stored, position, leading)
            else:
                self._next_index(entry, stored, position)
            lba = start if first and number == 0 else self.lba
            if first and number > 0 and self.lba > start:
                building.indexes.append(Index(0, start))
            building.indexes.append(Index(number, lba))
            first = False

    def _first_index(
        self, entry: TrackEntry, stored: SectorFormat, position: Position, leading: int
    ) -> None:
        offset = self._start_offset(position)
        if leading:
            self._run(entry, stored, position.file, offset, leading)
            if 0 not in entry.indexes:
                self.program.note(
                    position.line,
                    f"{leading} sectors before the first INDEX of track {entry.number} are taken"
                    " for its pregap",
                )
        self.open = _Open(
            entry, position.file, position.frames, offset + leading * stored.size, stored
        )

    def _start_offset(self, position: Position) -> int:
        """Where in its file a track begins, the unmarked pregap included."""
        if self._is_new_file(position):
            return self.files[position.file].begin
        assert self.open is not None
        return self.open.offset

    def _next_index(self, entry: TrackEntry, stored: SectorFormat, position: Position) -> None:
        """A further index of the same track, maybe in the next file (EAC's "noncompliant")."""
        assert self.open is not None
        if position.file == self.open.file:
            self._advance(position)
            self.open.frames = position.frames
            return
        self._to_end_of_file()
        self._check_reach(position, position.frames)
        begin = self.files[position.file].begin
        self._run(entry, stored, position.file, begin, position.frames)
        offset = begin + position.frames * stored.size
        self.open = _Open(entry, position.file, position.frames, offset, stored)

    # -- runs of sectors -----------------------------------------------------------------------

    def _close_before(self, position: Position, new_session: bool) -> int:
        """End the open run where the next track begins; returns sectors left before its index.

        These are what a sheet with REM LEAD-OUT leaves between that and the next session.
        """
        if self.open is None:
            return 0
        if position.file != self.open.file:
            self._to_end_of_file()
            return 0
        session = session_entry(self.program, self.open.track.session)
        if not new_session or session.lead_out is None:
            self._advance(position)
            return 0
        if not self.open.frames <= session.lead_out <= position.frames:
            self.program.note(session.line, "REM LEAD-OUT lies outside its session")
            self._advance(position)
            return 0
        self._advance(Position(position.file, session.lead_out, position.line))
        left = position.frames - session.lead_out
        if left < LATER_LEAD_OUT + LEAD_IN:
            return left
        self.gap_in_file = left  # ImgBurn: lead-out, lead-in and pregap are in the file
        self.open.offset += left * self.open.stored.size
        self.open.frames = position.frames
        return 0

    def _advance(self, position: Position) -> None:
        """Run on to `position` in the same file."""
        run = self.open
        assert run is not None
        count = position.frames - run.frames
        if count < 0:
            raise BadInput(f"line {position.line}: its time lies before that of the index above")
        there = self.files[run.file].sectors_from(run.offset, run.stored.size)
        self._check_reach(position, count - there)
        self._run(run.track, run.stored, run.file, run.offset, count)
        run.offset += count * run.stored.size
        run.frames = position.frames

    def _check_reach(self, position: Position, beyond: int) -> None:
        """Refuse times that no disc has: what a sheet asks for must stay bounded."""
        if beyond > LONGEST_GAP:
            raise BadInput(
                f"line {position.line}: its time lies {beyond} sectors past the end of"
                f" {self.files[position.file].path.name}"
            )

    def _to_end_of_file(self) -> None:
        run = self.open
        assert run is not None
        file = self.files[run.file]
        count = file.sectors_from(run.offset, run.stored.size)
        left = (file.end - run.offset) % run.stored.size
        if left and count and not file.pad:
            self.program.note(
                self.program.files[run.file].line,
                f"{file.path.name} ends in the middle of a sector: {left} of"
                f" {run.stored.size} bytes",
            )
        if count == 0 and run.frames > 0:
            line = max(position.line for position in run.track.indexes.values())
            self.program.note(
                line, f"track {run.track.number}: {file.path.name} ends before this INDEX"
            )
        self._run(run.track, run.stored, run.file, run.offset, count)

    def _close_last(self) -> None:
        """End the last run: at the end of its file, or at a lead-out that the sheet places."""
        run = self.open
        assert run is not None
        session = session_entry(self.program, run.track.session)
        lead_out = session.lead_out
        single = all(p.file == run.file for t in self.program.tracks for p in t.indexes.values())
        if not single or lead_out is None or lead_out in _LEAD_OUT_DURATIONS:
            self._to_end_of_file()
            return
        end = run.frames + self.files[run.file].sectors_from(run.offset, run.stored.size)
        if end < lead_out <= end + LONGEST_GAP:
            self._advance(Position(run.file, lead_out, session.line))
            return
        if lead_out < end:
            self.program.note(session.line, "the file goes on after REM LEAD-OUT; all of it counts")
        self._to_end_of_file()

    def _run(
        self, entry: TrackEntry, stored: SectorFormat, file: int, offset: int, count: int
    ) -> None:
        self.missing += max(0, count - self.files[file].sectors_from(offset, stored.size))
        self._add(Extent(self.lba, count, entry.mode, stored, self.files[file], offset))
        self.lba += count

    def _add(self, extent: Extent) -> None:
        if extent.count > 0:
            self.extents.append(extent)

    # -- what is finished --------------------------------------------------------------------

    def _end_track(self) -> None:
        building = self.building
        if building is None:
            return
        entry = building.entry
        if entry.postgap:
            self._add(Extent(self.lba, entry.postgap, entry.mode, building.stored))
            self.lba += entry.postgap
        data = Control.NONE if entry.mode is TrackMode.AUDIO else Control.DATA
        self.tracks.append(
            Track(
                entry.number,
                len(self.sessions) + 1,
                entry.mode,
                tuple(building.indexes),
                self.lba,
                building.stored,
                entry.control | data,
                entry.isrc,
                building.virtual,
                entry.postgap,
            )
        )
        self.building = None

    def _end_session(self) -> None:
        done = sum(len(session.tracks) for session in self.sessions)
        tracks = tuple(self.tracks[done:])
        self.sessions.append(Session(len(self.sessions) + 1, tracks, self.lba))

    def _warn_missing(self) -> None:
        if self.missing:
            self.program.note(None, f"{self.missing} sectors of the disc are in no file")

    def _layout(self) -> Layout:
        kind = self.program.disc_type
        if kind is None:
            xa = any(track.mode is TrackMode.MODE2 for track in self.tracks)
            kind = DiscType.XA if xa else DiscType.CDDA_OR_ROM
        return Layout(Medium.CD, tuple(self.sessions), kind, self.program.catalog)


def _sectors_until(entry: TrackEntry, after: TrackEntry | None) -> int | None:
    """Sectors from INDEX 01 to the next track in the same file; None: to the file's end."""
    position = entry.indexes[1]
    if after is None or after.first.file != position.file:
        return None
    return after.first.frames - position.frames
