# SPDX-License-Identifier: Apache-2.0
"""Sector sources over sector sources: raw sectors of anything, user data of anything.

The source below belongs to the view: closing the view closes it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Index, Layout, SectorFormat, Session, Track, TrackMode
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.sectors.blocks import rows_of, with_stored
from imagerd.sectors.convert import stored_offset, to_raw, user_data
from imagerd.sectors.geometry import (
    FORM2_BIT,
    MODE,
    RAW,
    SUB,
    SUBHEADER,
    SUBMODE,
    SYNC_ROW,
    USER,
    Flags,
)

_AHEAD = 512  # sectors to regenerate at once: parity is made in batches
_RAW_FORMATS = (SectorFormat.RAW, SectorFormat.RAW_SUB)
_MAIN = {SectorFormat.RAW_SUB: SectorFormat.RAW, SectorFormat.USER_SUB: SectorFormat.USER}


class MainView:
    """The main channel: sectors as they are stored, without the subchannel behind each.

    So the same disc has the same bytes whether its container keeps subchannel between the sectors,
    beside them or not at all. Shorter sectors stay as they are (`RawView` makes them raw).
    """

    def __init__(self, source: SectorSource) -> None:
        self._source = source
        self._layout = source.layout.with_tracks(
            lambda track: replace(track, stored=_MAIN.get(track.stored, track.stored))
        )

    @property
    def layout(self) -> Layout:
        """The source's layout, no track stored with its subchannel."""
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`; `.sub` is filled where the source stores it."""
        block = self._source.read(lba, count)
        main = _MAIN.get(block.format)
        if main is None:
            return block
        data = np.ascontiguousarray(block.data[:, : main.size])
        return replace(block, format=main, data=data, sub=sub_of(block))

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def sub_of(block: Sectors) -> Bytes2D | None:
    """(n, 96) raw subchannel of the sectors, wherever the block has it; None if it has none."""
    if block.format in _MAIN:
        return np.ascontiguousarray(block.data[:, -SUB:])
    return block.sub


class RawView:
    """A CD whose sectors all come raw (2352 bytes), generated where they are stored shorter.

    What is generated is exact for mode 1 and plausible for mode 2 (`convert.to_raw`). Rows that
    could not be read stay errors: their filling gets no sync, no header and no EDC, so they never
    look like data. Of media other than CDs (no raw form) blocks are passed on as they are.

    Short forms are read `ahead` sectors at a time and kept, as parity is made in batches; a sector
    among them that failed is not tried again while its batch is kept.
    """

    def __init__(self, source: SectorSource, *, ahead: int = _AHEAD) -> None:
        self._source = source
        layout = source.layout
        self._layout = with_stored(layout, SectorFormat.RAW) if layout.is_cd else layout
        self._ahead = ahead
        self._kept: Sectors | None = None

    @property
    def layout(self) -> Layout:
        """The source's layout, every track stored RAW."""
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` raw sectors from `lba`; `.sub` is filled where the source stores it."""
        track = self._source.layout.track_at(lba)
        if track is None or not self._layout.is_cd or track.stored is SectorFormat.RAW:
            return self._source.read(lba, count)
        kept = self._kept
        if kept is None or not kept.lba <= lba < kept.end:
            ahead = max(count, self._ahead)
            kept = self._kept = self._raw(track, lba, min(ahead, track.end - lba))
        block = rows_of(kept, lba, count)
        return replace(block, data=block.data.copy(), states=block.states.copy())

    def _raw(self, track: Track, lba: int, count: int) -> Sectors:
        block = self._source.read(lba, count)
        raw = to_raw(block.data, block.format, track.mode, block.lba)
        lost = block.states <= SectorState.FAILED
        if lost.any() and block.format not in _RAW_FORMATS:
            raw[lost] = 0
            start = stored_offset(block.format, track.mode)
            size = min(block.format.size, RAW - start)
            raw[lost, start : start + size] = block.data[lost, :size]
        return replace(block, format=SectorFormat.RAW, data=raw, sub=sub_of(block))

    def close(self) -> None:
        """Close the source."""
        self._kept = None
        self._source.close()


class UserView:
    """The 2048-byte user data of one data track, or all blocks of a DVD or BD.

    LBAs stay those of the disc. The layout has one session with that one track, from its INDEX 01
    to its last stored sector. `track` is its number; without it, the first data track.

    Raw rows without a sync or of another mode are SUSPECT at best, as is a mode 2 form 2 sector,
    of whose 2324 bytes the first 2048 are given. EDC is not checked here.
    """

    def __init__(self, source: SectorSource, track: int | None = None) -> None:
        self._source = source
        layout = source.layout
        if layout.is_cd:
            self._track = _data_track(layout, track)
            self._layout = _only(layout, self._track)
        else:
            self._track = layout.tracks[0]
            self._layout = layout

    @property
    def layout(self) -> Layout:
        """One track of blocks, stored as USER."""
        return self._layout

    @property
    def track(self) -> Track:
        """The track of the source that is shown."""
        return self._track

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` blocks from `lba`."""
        area = self._layout.tracks[0]
        if not area.start <= lba < area.end:
            raise ValueError(f"LBA {lba} is outside {area.start}–{area.end - 1}")
        block = self._source.read(lba, min(count, area.end - lba))
        if block.format is SectorFormat.USER:
            return block
        data, doubtful = self._user(block)
        states = block.states
        if doubtful is not None and doubtful.any():
            states = np.where(doubtful, np.minimum(states, SectorState.SUSPECT), states)
        return Sectors(lba, SectorFormat.USER, data, states, sub_of(block), None, block.faults)

    def _user(self, block: Sectors) -> tuple[Bytes2D, Flags | None]:
        """The user data, and which rows may not be what they seem."""
        if block.format in _RAW_FORMATS:
            raw = block.data[:, :RAW]
            return user_data(raw, self._track.mode), _doubtful(raw, self._track.mode)
        if block.format is SectorFormat.USER_SUB:
            return np.ascontiguousarray(block.data[:, :USER]), None
        if block.format is SectorFormat.FORM2:
            return np.ascontiguousarray(block.data[:, :USER]), np.ones(len(block), np.bool_)
        mode2 = self._track.mode is TrackMode.MODE2
        start = 8 if mode2 else 0
        form2 = block.data[:, SUBMODE - SUBHEADER] & FORM2_BIT != 0 if mode2 else None
        return np.ascontiguousarray(block.data[:, start : start + USER]), form2

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def _doubtful(raw: Bytes2D, mode: TrackMode) -> Flags:
    """Rows without a sync, of another mode than the track's, or form 2."""
    expected = {TrackMode.MODE0: 0, TrackMode.MODE1: 1}.get(mode, 2)
    doubtful: Flags = raw[:, MODE] & 0x1F != expected
    doubtful |= (raw[:, :12] != SYNC_ROW).any(axis=1)
    if mode is TrackMode.MODE2:
        doubtful |= raw[:, SUBMODE] & FORM2_BIT != 0
    return doubtful


def _data_track(layout: Layout, number: int | None) -> Track:
    for track in layout.tracks:
        if number in (None, track.number) and track.is_data:
            return track
    what = "no data track" if number is None else f"no data track {number}"
    raise BadInput(f"The disc has {what}: its tracks are {_list(layout)}; name another track.")


def _list(layout: Layout) -> str:
    return ", ".join(f"{track.number} ({track.mode})" for track in layout.tracks)


def _only(layout: Layout, track: Track) -> Layout:
    """A layout of that track alone, at its place."""
    end = track.end - track.postgap_virtual
    indexes = tuple(i for i in track.indexes if i.number > 0)
    first = max(track.index1, track.start + track.pregap_virtual)
    indexes = tuple(Index(i.number, max(i.lba, first)) for i in indexes)
    shown = replace(
        track,
        indexes=indexes,
        end=end,
        stored=SectorFormat.USER,
        pregap_virtual=0,
        postgap_virtual=0,
    )
    return replace(layout, sessions=(Session(track.session, (shown,), end),), cd_text=None)


__all__ = ["MainView", "RawView", "UserView", "rows_of", "sub_of", "with_stored"]
