# SPDX-License-Identifier: Apache-2.0
"""Sources that hear or hide: the sound of a disc while it is hashed, some of its tracks alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from imagerd.disc.layout import Layout, Track
from imagerd.disc.source import Sectors, SectorSource, SectorState
from imagerd.sectors.blocks import blocks_of
from imagerd.sectors.geometry import RAW
from imagerd.toolkit.match.records import Sound
from imagerd.toolkit.sound import SoundHash
from imagerd.toolkit.submission.tap import unread_gaps

_BATCH = 1024


class Ear:
    """`source`, raw if it is a CD, whose audio is hashed as somebody reads it through, in order.

    What is not read in order, not whole, or not well has no sound.
    """

    def __init__(self, source: SectorSource) -> None:
        self._source = source
        layout = source.layout
        audio = [track for track in layout.tracks if layout.is_cd and not track.is_data]
        self._heard = {track.number: _Heard(track) for track in audio}
        self._all = SoundHash()
        self._whole = not any(unread_gaps(tuple(audio)))

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._source.layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads."""
        block = self._source.read(lba, count)
        track = self._source.layout.track_at(lba)
        if track is not None and track.number in self._heard:
            self._heard[track.number].update(block)
            self._all.update(block.data)
        return block

    def sounds(self) -> dict[int, Sound]:
        """By track; 0 is all audio, if all of it was read."""
        found = {number: heard.sound() for number, heard in self._heard.items() if heard.whole}
        if self._whole and len(found) == len(self._heard):
            found[0] = self._all.sound()
        return {number: sound for number, sound in sorted(found.items()) if sound is not None}

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class _Heard:
    """One track while it is read; `_next`: the sector that is to come."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._next = track.stored_range.start
        self._good = True
        self._hash = SoundHash()

    def update(self, block: Sectors) -> None:
        self._good &= block.lba == self._next and bool((block.states >= SectorState.READ).all())
        self._next = block.end
        self._hash.update(block.data)

    @property
    def whole(self) -> bool:
        return self._good and self._next == self._track.stored_range.stop

    def sound(self) -> Sound | None:
        return self._hash.sound()


class Only:
    """`source` with only some of its tracks in the layout."""

    def __init__(self, source: SectorSource, numbers: Collection[int]) -> None:
        self._source = source
        layout = source.layout
        sessions = (
            replace(s, tracks=tuple(t for t in s.tracks if t.number in numbers))
            for s in layout.sessions
        )
        self._layout = replace(layout, sessions=tuple(s for s in sessions if s.tracks))

    @property
    def layout(self) -> Layout:
        """The layout of these tracks."""
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads."""
        return self._source.read(lba, count)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class Filled:
    """`source` with its virtual gaps as if they were stored."""

    def __init__(self, source: SectorSource) -> None:
        self._source = source
        self._layout = source.layout.with_tracks(
            lambda track: replace(track, pregap_virtual=0, postgap_virtual=0)
        )

    @property
    def layout(self) -> Layout:
        """The layout in which every gap is stored."""
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads: it gives silence or empty sectors for its gaps."""
        return self._source.read(lba, count)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def track_stream(source: SectorSource, track: Track) -> Iterator[memoryview]:
    """The stored bytes of a track."""
    for block in blocks_of(source, track.stored_range, _BATCH):
        yield np.ascontiguousarray(block.data).data.cast("B")


def area_stream(source: SectorSource, area: range, begin: int, size: int) -> Iterator[memoryview]:
    """`size` bytes of the raw sectors `area` from its byte `begin`; zeros where that is outside."""
    total, end = len(area) * RAW, begin + size
    if begin < 0:
        yield memoryview(bytes(min(-begin, size)))
    at = max(begin, 0)
    while at < min(end, total):
        lba = area.start + at // RAW
        block = source.read(lba, min(_BATCH, area.stop - lba))
        data = np.ascontiguousarray(block.data).data.cast("B")
        piece = data[at % RAW : at % RAW + min(end, total) - at]
        yield piece
        at += len(piece)
    if end > max(at, total):
        yield memoryview(bytes(end - max(at, total)))
