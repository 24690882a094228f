# SPDX-License-Identifier: Apache-2.0
"""READ TOC/PMA/ATIP, formats 0 to 5 (MMC-6, 6.25), out of a layout.

A pressed disc has no PMA (format 3) and no ATIP (format 4): these are asked of recordable CDs.
"""

from __future__ import annotations

from imagerd.devices.virtual.recordable import LEAD_IN, Recordable, atip, pma
from imagerd.disc.layout import Control, Layout, Session
from imagerd.disc.msf import LBA_MAX, PREGAP, Msf

LEAD_OUT = 0xAA
_PRESSED_LEAD_IN = 95  # minute in which the first lead-in of a pressed disc begins
_ADR_POSITION = 0x10
_ADR_SESSIONS = 0x50


def msf_bytes(lba: int) -> bytes:
    """Zero, minute, second, frame in binary; the last address there is for all above it."""
    msf = Msf.from_lba(min(lba, LBA_MAX))
    return bytes((0, msf.minute, msf.second, msf.frame))


def address_bytes(lba: int, msf: bool) -> bytes:
    """Four bytes of an address in either form."""
    return msf_bytes(lba) if msf else (lba & 0xFFFFFFFF).to_bytes(4, "big")


class TocReplies:
    """The table of contents of one disc, computed once. `kind`: of a recordable one."""

    def __init__(self, layout: Layout, kind: Recordable | None = None) -> None:
        self._layout = layout
        self._kind = kind if layout.is_cd else None
        self._tracks = layout.tracks
        self._full = _full_entries(layout, kind) if layout.is_cd else ()
        self._kept: dict[tuple[int, bool], bytes | None] = {}

    def tracks(self, start: int, msf: bool) -> bytes | None:
        """Format 0: tracks from number `start` and the lead-out; None if there is no such."""
        if (start, msf) not in self._kept:
            self._kept[start, msf] = self._tracks_from(start, msf)
        return self._kept[start, msf]

    def _tracks_from(self, start: int, msf: bool) -> bytes | None:
        first, last = self._tracks[0].number, self._tracks[-1].number
        if start > last and start != LEAD_OUT:
            return None
        entries = [
            _entry(track.control, track.number, track.index1, msf)
            for track in self._tracks
            if track.number >= start
        ]
        entries.append(_entry(self._tracks[-1].control, LEAD_OUT, self._layout.end, msf))
        return _with_header(first, last, b"".join(entries))

    def sessions(self, msf: bool) -> bytes:
        """Format 1: first and last session, and the first track of the last."""
        sessions = self._layout.sessions
        track = sessions[-1].tracks[0]
        entry = _entry(track.control, track.number, track.index1, msf)
        return _with_header(sessions[0].number, sessions[-1].number, entry)

    def full(self, first_session: int) -> bytes | None:
        """Format 2: all Q of the lead-ins, from a session on; None if there is no such."""
        if not self._full:
            return None
        sessions = self._layout.sessions
        entries = b"".join(entry for entry in self._full if entry[0] >= first_session)
        if not entries:
            return None
        return _with_header(sessions[0].number, sessions[-1].number, entries)

    def pma(self) -> bytes | None:
        """Format 3: what the recorder noted before it closed the disc; None of a pressed one."""
        return None if self._kind is None else _with_header(0, 0, pma(self._layout))

    def atip(self) -> bytes | None:
        """Format 4: what the groove of a recordable disc tells; None of a pressed one."""
        kind = self._kind
        return None if kind is None else _with_header(0, 0, atip(kind, self._layout))

    def cd_text(self) -> bytes | None:
        """Format 5: the packs; None if the disc has none."""
        text = self._layout.cd_text
        return None if text is None else _with_header(0, 0, text.packs)


def _with_header(first: int, last: int, body: bytes) -> bytes:
    return (len(body) + 2).to_bytes(2, "big") + bytes((first, last)) + body


def _entry(control: Control, number: int, lba: int, msf: bool) -> bytes:
    return bytes((0, _ADR_POSITION | control, number, 0)) + address_bytes(lba, msf)


def _full_entries(layout: Layout, kind: Recordable | None) -> tuple[bytes, ...]:
    lead_in = bytes((0, LEAD_IN.minute if kind is not None else _PRESSED_LEAD_IN, 0, 0))
    entries: list[bytes] = []
    for number, session in enumerate(layout.sessions):
        later = layout.sessions[number + 1 :]
        entries += _session_entries(session, layout.disc_type.value)
        if later:
            entries.append(_next_session(session, later[0]))
        if later and number == 0:
            entries.append(_point(session, _ADR_SESSIONS | 4, 0xC0, lead_in))
    return tuple(entries)


def _session_entries(session: Session, disc_type: int) -> list[bytes]:
    first, last = session.tracks[0], session.tracks[-1]
    adr = _ADR_POSITION
    return [
        _point(session, adr | first.control, 0xA0, bytes((0, first.number, disc_type, 0))),
        _point(session, adr | last.control, 0xA1, bytes((0, last.number, 0, 0))),
        _point(session, adr | last.control, 0xA2, msf_bytes(session.lead_out)),
        *(
            _point(session, adr | track.control, track.number, msf_bytes(track.index1))
            for track in session.tracks
        ),
    ]


def _next_session(session: Session, following: Session) -> bytes:
    """Point B0: where the next program area may begin, and how many points of mode 5 there are."""
    begin = max(session.lead_out, following.start - PREGAP)
    time = msf_bytes(begin)[1:]
    pointers = 2 if session.number == 1 else 1
    latest = bytes((pointers, 79, 59, 74))  # the outermost lead-out of an 80 minute disc
    return _point(session, _ADR_SESSIONS | 4, 0xB0, latest, time)


def _point(
    session: Session, adr_control: int, point: int, pointer: bytes, time: bytes = bytes(3)
) -> bytes:
    """Eleven bytes: session, ADR and control, TNO, POINT, time, zero and pointer."""
    return bytes((session.number, adr_control, 0, point)) + time + pointer
