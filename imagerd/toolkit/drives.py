# SPDX-License-Identifier: Apache-2.0
"""A disc in a drive with what its table of contents does not tell: pregaps, MCN, ISRCs.

All of it is in the Q subchannel (ECMA-130, 22.3): a few sectors before each track are asked whose
they are. Where the drive gives no subchannel, or it does not say, the layout stays as the TOC has
it. Further indexes (02 and up) would need a reading of the whole disc, and are not looked for.
"""

from __future__ import annotations

from dataclasses import replace

from imagerd.devices.drive import OpticalDrive
from imagerd.devices.reading import ReadRequest
from imagerd.disc.layout import Index, Layout, Session, Track
from imagerd.disc.msf import PREGAP
from imagerd.disc.source import Sectors
from imagerd.sectors.subchannel import QPosition, parse_q, q_crc_ok, q_of

_SAMPLE = 3  # sectors asked at once: up to one in a hundred holds a catalogue number instead


class RefinedDrive:
    """The drive as a sector source whose layout is as complete as a few reads can make it.

    Closing it closes the drive.
    """

    def __init__(self, drive: OpticalDrive) -> None:
        self._drive = drive
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """The TOC, with pregaps, catalogue number and ISRCs where the drive tells them."""
        if self._layout is None:
            layout = self._drive.layout
            self._layout = _refined(self._drive, layout) if layout.is_cd else layout
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the drive reads."""
        return self._drive.read(lba, count)

    def close(self) -> None:
        """Close the drive."""
        self._drive.close()


def _refined(drive: OpticalDrive, layout: Layout) -> Layout:
    sessions = layout.sessions
    if drive.probe_read_features().raw_sub:
        sessions = tuple(_with_pregaps(drive, session) for session in sessions)
    sessions = tuple(
        replace(session, tracks=tuple(_with_isrc(drive, track) for track in session.tracks))
        for session in sessions
    )
    return replace(layout, sessions=sessions, mcn=layout.mcn or drive.mcn())


def _with_isrc(drive: OpticalDrive, track: Track) -> Track:
    """Data tracks have none."""
    if track.is_data or track.isrc:
        return track
    return replace(track, isrc=drive.isrc(track.number))


def _with_pregaps(drive: OpticalDrive, session: Session) -> Session:
    tracks = list(session.tracks)
    for at in range(1, len(tracks)):
        before, track = tracks[at - 1], tracks[at]
        start = _start_of(drive, before, track)
        if start is not None and before.index1 < start < track.index1:
            tracks[at - 1] = replace(before, end=start)
            tracks[at] = replace(track, indexes=(Index(0, start), *track.indexes))
    return replace(session, tracks=tuple(tracks))


def _start_of(drive: OpticalDrive, before: Track, track: Track) -> int | None:
    """First LBA that Q gives to `track`, between the starts of both; None if it does not tell."""
    if len(track.indexes) > 1:
        return None
    low, high = before.index1, track.index1  # low is of the track before, high of this one
    guesses = [high - 1, high - PREGAP, high - PREGAP - 1]
    while high - low > 1:
        guess = guesses.pop(0) if guesses else (low + high) // 2
        if not low < guess < high:
            continue
        owner = _owner(drive, guess, high)
        if owner == track.number:
            high = guess
        elif owner == before.number:
            low = guess
        else:
            return None
    return high


def _owner(drive: OpticalDrive, lba: int, end: int) -> int | None:
    """The track that Q names at `lba`; a sector without a position lends its neighbour's."""
    request = ReadRequest(lba, min(_SAMPLE, end - lba), sub=True)
    sectors = drive.attempt(request).sectors
    if sectors is None or sectors.sub is None:
        return None
    rows = q_of(sectors.sub)
    for row, right in zip(rows, q_crc_ok(rows), strict=True):
        entry = parse_q(row.tobytes()) if right else None
        if isinstance(entry, QPosition):
            return entry.track
    return None
