# SPDX-License-Identifier: Apache-2.0
"""Where sessions begin: what a sheet says of it, what the sectors say, or where it is usual."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.disc.layout import TrackMode
from imagerd.formats.cue.gaps import GD_HIGH_DENSITY, LEAD_IN, SESSION_PREGAP, lead_out_length
from imagerd.formats.cue.program import Program, SessionEntry, TrackEntry
from imagerd.formats.cue.reader import LONGEST_GAP


@dataclass(frozen=True, slots=True)
class Opening:
    """The first track of a session, as far as it is known when its place is to be found.

    `leading` sectors lie in the file before its first index; `header` is the LBA that the data
    at INDEX 01 give themselves, if they do; `new_file`: nothing of the session before is in its
    file.
    """

    entry: TrackEntry
    leading: int
    header: int | None
    new_file: bool

    def offset_of(self, number: int) -> int | None:
        """Sectors from the start of the track to its index `number`, if they can be told."""
        position = self.entry.indexes.get(number)
        first = self.entry.first
        if position is None or position.file != first.file:
            return None
        return self.entry.pregap + self.leading + position.frames - first.frames

    def told(self) -> int | None:
        """Where the track begins according to REM MSF."""
        if self.entry.address is None:
            return None
        number, lba = self.entry.address
        offset = self.offset_of(number)
        return None if offset is None else lba - offset


def session_entry(program: Program, number: int) -> SessionEntry:
    """What the sheet says of session `number`; nothing, if it does not name it."""
    for session in program.sessions:
        if session.number == number:
            return session
    return SessionEntry(number, 0)


def first_start(program: Program, opening: Opening) -> int:
    """The LBA of the first track: 0, or what REM MSF says.

    A PREGAP of two seconds before data is the one that every disc has, and is dropped.
    """
    entry = opening.entry
    implied = entry.address is None and entry.pregap == SESSION_PREGAP
    if implied and entry.mode is not TrackMode.AUDIO:
        program.note(entry.line, "the PREGAP of the first track is the one that every disc has")
        entry.pregap = 0
    told = opening.told()
    return told if told is not None and 0 <= told <= LONGEST_GAP else 0


def later_start(
    program: Program, opening: Opening, previous: int, ordinal: int, lead_out: int
) -> int:
    """The LBA of the first track of a session after number `previous`, the `ordinal`th.

    `lead_out` is where that one ended.
    """
    session = session_entry(program, opening.entry.session)
    own = opening.offset_of(1) or 0
    if session.high_density and GD_HIGH_DENSITY - own >= lead_out:
        return GD_HIGH_DENSITY - own
    possible = range(lead_out, lead_out + LONGEST_GAP)
    told = opening.told()
    if told is not None and told in possible:
        return told
    start = lead_out + _gap(program, opening, session_entry(program, previous), ordinal)
    header = None if opening.header is None else opening.header - own
    if header is not None and header in possible and header != start:
        program.note(
            opening.entry.line,
            f"session {session.number} would begin at LBA {start}, but its sectors say {header};"
            " they were believed",
        )
        return header
    return start


def _gap(program: Program, opening: Opening, before: SessionEntry, ordinal: int) -> int:
    """Lead-out, lead-in and pregap: as long as the sheet says, or as is usual."""
    session = session_entry(program, opening.entry.session)
    length = lead_out_length(ordinal)
    # A LEAD-OUT in the same file is a position; in a file of its own, a duration.
    if before.lead_out is not None and opening.new_file:
        length = min(before.lead_out, LONGEST_GAP)
    lead_in = LEAD_IN if session.lead_in is None else session.lead_in
    pregap = session.pregap
    if pregap is None:
        pregap = max(0, SESSION_PREGAP - (opening.offset_of(1) or 0))
    return length + lead_in + pregap
