# SPDX-License-Identifier: Apache-2.0
"""From track entries to a layout, and from a layout to the frames where its sectors lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

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
    single_track,
)
from imagerd.formats.chd.tracks import Entry
from imagerd.formats.cue.gaps import GD_HIGH_DENSITY, SESSION_PREGAP, gap_after
from imagerd.formats.iso import LARGEST_DVD


@dataclass(frozen=True, slots=True)
class Piece:
    """`count` sectors from `lba`, in the frames from `frame` on; in none if that is None."""

    lba: int
    count: int
    frame: int | None
    mode: TrackMode
    stored: SectorFormat
    sub: str = "NONE"
    swap: bool = False

    @property
    def end(self) -> int:
        """One past the last LBA."""
        return self.lba + self.count


@dataclass(slots=True)
class _Laying:
    """Where the next track begins, and the tracks so far by session."""

    lba: int = 0
    gap: int = 0  # frames before it that only fill up (PAD)
    sessions: list[list[Track]] = field(default_factory=lambda: [[]])


def layout_of(
    entries: Sequence[Entry],
    *,
    gd: bool = False,
    sessions: Sequence[int] = (),
    note: Callable[[str], None] = lambda _: None,
) -> Layout:
    """The layout that the entries describe by themselves.

    `sessions`: the session of each track, where the file says so (CHSE). The second area of a
    GD-ROM begins with the track whose INDEX 01 is at LBA 45000.
    """
    state = _Laying()
    for at, entry in enumerate(entries):
        if sessions and at and sessions[at] > sessions[at - 1]:
            state.lba += gap_after(len(state.sessions))
            state.sessions.append([])
        _lay(state, entry, gd=gd, note=note)
    made = tuple(
        Session(number, tuple(tracks), tracks[-1].end)
        for number, tracks in enumerate(state.sessions, 1)
    )
    xa = any(entry.mode is TrackMode.MODE2 for entry in entries)
    return Layout(Medium.CD, made, DiscType.XA if xa else DiscType.CDDA_OR_ROM)


def _lay(state: _Laying, entry: Entry, *, gd: bool, note: Callable[[str], None]) -> None:
    virtual = 0 if entry.stored_gap else entry.pregap
    first = entry.number == 1
    if first and virtual == SESSION_PREGAP and entry.mode is not TrackMode.AUDIO:
        note("the PREGAP of the first track is the one that every disc has")
        virtual = 0
    start = state.lba + state.gap + virtual  # of what is stored
    index1 = start + (entry.pregap if entry.stored_gap else 0)
    if gd and len(state.sessions) == 1 and state.sessions[0] and index1 >= GD_HIGH_DENSITY:
        state.sessions.append([])
    else:
        virtual += state.gap
    start -= virtual
    indexes = (Index(1, index1),) if index1 == start else (Index(0, start), Index(1, index1))
    end = start + virtual + entry.frames - entry.pad
    data = Control.NONE if entry.mode is TrackMode.AUDIO else Control.DATA
    track = Track(
        entry.number,
        len(state.sessions),
        entry.mode,
        indexes,
        end + entry.postgap,
        entry.stored,
        data,
        None,
        virtual,
        entry.postgap,
    )
    state.sessions[-1].append(track)
    state.lba, state.gap = track.end, entry.pad


def dvd_layout(blocks: int) -> Layout:
    """The layout of so many blocks of a DVD, or of a BD where they are too many for one."""
    medium = Medium.DVD if blocks <= LARGEST_DVD else Medium.BD
    return single_track(blocks, TrackMode.BLOCKS, medium=medium, stored=SectorFormat.USER)


def pieces_of(layout: Layout, entries: Sequence[Entry]) -> tuple[Piece, ...] | None:
    """Where the sectors of `layout` lie. None if the entries hold more, fewer, or other sectors."""
    runs = list(_runs(entries))
    pieces: list[Piece] = []
    for track in layout.tracks:
        stored = track.stored_range
        if track.pregap_virtual:
            pieces.append(Piece(track.start, track.pregap_virtual, None, track.mode, track.stored))
        lba = stored.start
        while lba < stored.stop:
            if not runs:
                return None
            frame, count, entry = runs.pop(0)
            taken = min(count, stored.stop - lba)
            if entry.stored is not track.stored:
                return None
            swap = entry.mode is TrackMode.AUDIO
            pieces.append(Piece(lba, taken, frame, track.mode, track.stored, entry.sub, swap))
            if taken < count:
                runs.insert(0, (frame + taken, count - taken, entry))
            lba += taken
        if track.postgap_virtual:
            pieces.append(Piece(lba, track.postgap_virtual, None, track.mode, track.stored))
    return None if runs else tuple(pieces)


def _runs(entries: Sequence[Entry]) -> Iterator[tuple[int, int, Entry]]:
    """First frame and number of what is stored of each track."""
    frame = 0
    for entry in entries:
        if entry.frames > entry.pad:
            yield frame, entry.frames - entry.pad, entry
        frame += entry.padded
