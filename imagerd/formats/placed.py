# SPDX-License-Identifier: Apache-2.0
"""From a container's table of tracks, with an LBA for each, to a layout with extents.

Tables contradict themselves and their files: what can be lived with is noted, what no disc has is
refused, and nothing is allocated by what a table says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import CdText
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
from imagerd.disc.msf import LBA_MAX
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent
from imagerd.formats.probe import probe

_MOST_TRACKS = 99
_RAW = (SectorFormat.RAW, SectorFormat.RAW_SUB)


@dataclass(slots=True)
class Placed:
    """A track as a table tells it. `indexes` are LBAs by number and hold 1; `end` is its LBA.

    The sectors from LBA `stored_from` (None: from the first index) lie at byte `offset` of `file`,
    each followed by `skip` bytes; those before it are in no file.
    """

    number: int
    session: int
    mode: TrackMode
    indexes: dict[int, int]
    end: int
    file: DataFile | None
    offset: int
    stored: SectorFormat = SectorFormat.RAW
    control: Control = Control.NONE
    isrc: str | None = None
    stored_from: int | None = None
    skip: int = 0

    @property
    def start(self) -> int:
        """Its first LBA: of INDEX 00, if that is sound, or of INDEX 01."""
        return min(self.indexes[1], self.indexes.get(0, self.indexes[1]))


@dataclass(slots=True)
class Assembly:
    """What `assemble` gives. `notes` are sentences about what is odd."""

    layout: Layout
    extents: list[Extent]
    notes: list[str] = field(default_factory=list)


def assemble(
    tracks: Sequence[Placed],
    lead_outs: Mapping[int, int],
    *,
    disc_type: DiscType | None = None,
    mcn: str | None = None,
    cd_text: CdText | None = None,
    limit: int = LBA_MAX + 1,
) -> Assembly:
    """The CD of `tracks`, in the order of their LBAs; `lead_outs` by session, where known.

    Within a session tracks follow each other: what lies between two belongs to the first, and is
    in no file. Raises `BadInput` (no file name in it) for tracks that overlap and for LBAs that
    are negative or lie beyond `limit`.
    """
    if not tracks:
        raise BadInput("it has no tracks")
    if len(tracks) > _MOST_TRACKS:
        raise BadInput(f"it has {len(tracks)} tracks, and a disc has no more than {_MOST_TRACKS}")
    return _Assembler(tracks, lead_outs, limit).run(disc_type, mcn, cd_text)


class _Assembler:
    def __init__(self, tracks: Sequence[Placed], lead_outs: Mapping[int, int], limit: int) -> None:
        self.tracks = tracks
        self.lead_outs = lead_outs
        self.limit = limit
        self.notes: list[str] = []
        self.extents: list[Extent] = []
        self.missing = 0

    def run(self, disc_type: DiscType | None, mcn: str | None, cd_text: CdText | None) -> Assembly:
        self._check()
        made: list[Track] = []
        following: list[Placed | None] = [*self.tracks[1:], None]
        ordinals = {number: at for at, number in enumerate(self._session_numbers(), 1)}
        for placed, after in zip(self.tracks, following, strict=True):
            made.append(self._track(placed, after, ordinals[placed.session]))
        if not self.extents:
            raise BadInput("its tracks hold no sectors")
        if self.missing:
            self.notes.append(f"{self.missing} sectors of the disc are in no file")
        sessions = []
        for number in ordinals.values():
            own = tuple(track for track in made if track.session == number)
            sessions.append(Session(number, own, own[-1].end))
        if disc_type is None:
            xa = any(track.mode is TrackMode.MODE2 for track in made)
            disc_type = DiscType.XA if xa else DiscType.CDDA_OR_ROM
        layout = Layout(Medium.CD, tuple(sessions), disc_type, mcn, cd_text)
        return Assembly(layout, self.extents, self.notes)

    def _session_numbers(self) -> list[int]:
        return list(dict.fromkeys(track.session for track in self.tracks))

    def _check(self) -> None:
        """Refuse what no disc has."""
        numbers = set()
        sessions = [track.session for track in self.tracks]
        if sessions != sorted(sessions):
            raise BadInput("its sessions are not in order")
        for track in self.tracks:
            if not 1 <= track.number <= _MOST_TRACKS or track.number in numbers:
                raise BadInput(f"it has a track {track.number} too many")
            numbers.add(track.number)
            lbas = (*track.indexes.values(), track.end)
            if not all(0 <= lba <= self.limit for lba in lbas):
                raise BadInput(f"track {track.number} lies outside every disc")
            if track.end < track.indexes[1]:
                raise BadInput(f"track {track.number} ends before it begins")

    def _track(self, placed: Placed, after: Placed | None, session: int) -> Track:
        indexes = self._indexes(placed)
        start, own_end = indexes[0].lba, placed.end
        end = self._end(placed, after, indexes[-1].lba)
        first = start if placed.stored_from is None else placed.stored_from
        stored_from = min(max(first, start), end)
        stored_to = max(stored_from, min(own_end, end))
        if placed.file is None:
            stored_from = stored_to = end
        offset = placed.offset + (stored_from - first) * (placed.stored.size + placed.skip)
        self._add(placed, start, stored_from - start)
        self._add(placed, stored_from, stored_to - stored_from, placed.file, offset)
        self._add(placed, stored_to, end - stored_to)
        data = Control.NONE if placed.mode is TrackMode.AUDIO else Control.DATA
        return Track(
            placed.number,
            session,
            placed.mode,
            tuple(indexes),
            end,
            placed.stored,
            placed.control & ~Control.DATA | data,
            placed.isrc,
            min(stored_from, placed.indexes[1]) - start,
            min(end - stored_to, end - indexes[-1].lba),
        )

    def _indexes(self, placed: Placed) -> list[Index]:
        """Ascending, and within the track; others are dropped."""
        one = placed.indexes[1]
        kept = [Index(1, one)]
        if 0 in placed.indexes:
            if placed.indexes[0] <= one:
                kept.insert(0, Index(0, placed.indexes[0]))
            else:
                self.notes.append(f"INDEX 0 of track {placed.number} lies after INDEX 1")
        for number in sorted(n for n in placed.indexes if n > 1):
            lba = placed.indexes[number]
            if number <= 99 and kept[-1].lba <= lba <= placed.end:
                kept.append(Index(number, lba))
            else:
                self.notes.append(f"INDEX {number} of track {placed.number} lies outside it")
        return kept

    def _end(self, placed: Placed, after: Placed | None, least: int) -> int:
        """Where the track ends: at the next one, at the lead-out, or where the table says."""
        end = placed.end
        if after is not None and after.session == placed.session:
            wanted = after.start
        else:
            wanted = self.lead_outs.get(placed.session, end)
            if after is not None and max(wanted, least) > after.start:
                wanted = after.start
        if wanted == end:
            return end
        if wanted < least or wanted > self.limit:
            raise BadInput(f"track {placed.number} and what follows it overlap")
        how = "lie between" if wanted > end else "are shared by"
        self.notes.append(f"{abs(wanted - end)} sectors {how} track {placed.number} and the next")
        return wanted

    def _add(
        self, placed: Placed, lba: int, count: int, file: DataFile | None = None, offset: int = 0
    ) -> None:
        if count <= 0:
            return
        extent = Extent(lba, count, placed.mode, placed.stored, file, offset, placed.skip)
        if file is not None:
            if offset < 0:
                raise BadInput(f"track {placed.number} begins before its file")
            self.missing += max(0, count - file.sectors_from(offset, extent.row_size))
        self.extents.append(extent)


def header_mode(
    declared: TrackMode, stored: SectorFormat, file: DataFile, offset: int, count: int
) -> tuple[TrackMode, str | None]:
    """The mode that the headers of raw data sectors tell, and a sentence if it is another one.

    Mode 0, for which tables have no word, is believed without one.
    """
    if declared is TrackMode.AUDIO or stored not in _RAW:
        return declared, None
    found = probe(file, offset, count * stored.size)
    if found is None or found.stored is not stored or found.mode is declared:
        return declared, None
    if found.mode is TrackMode.MODE0:
        return found.mode, None
    return found.mode, f"is declared {declared}, but its data are {found.mode}"
