# SPDX-License-Identifier: Apache-2.0
"""Sources that hear or hide: the sound of a disc while it is hashed, some of its tracks alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from imagerd.disc.layout import Layout, Track
from imagerd.disc.source import Sectors, SectorSource, SectorState
from imagerd.sectors.geometry import RAW
from imagerd.toolkit.match.records import Sound
from imagerd.toolkit.sound import SoundHash
from imagerd.toolkit.submission.tap import unread_gaps

_BATCH = 1024


class Ear:
    """`source`, raw if it is a CD, whose audio is hashed as somebody reads it through in order."""

    def __init__(self, source: SectorSource) -> None:
        self._source = source
        cd = source.layout.is_cd
        audio = [track for track in source.layout.tracks if cd and not track.is_data]
        self._tracks = {track.number: SoundHash() for track in audio}
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
        if track is not None and track.number in self._tracks:
            self._tracks[track.number].update(block.data)
            self._all.update(block.data)
            self._whole &= bool((block.states >= SectorState.READ).all())
        return block

    def sounds(self) -> dict[int, Sound]:
        """By track; 0 is all audio, if every sample of it was read."""
        heard = {0: self._all.sound()} if self._whole else {}
        heard |= {number: hashed.sound() for number, hashed in self._tracks.items()}
        return {number: sound for number, sound in heard.items() if sound is not None}

    def close(self) -> None:
        """Close the source."""
        self._source.close()


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
        layout = source.layout
        sessions = (
            replace(
                s,
                tracks=tuple(replace(t, pregap_virtual=0, postgap_virtual=0) for t in s.tracks),
            )
            for s in layout.sessions
        )
        self._layout = replace(layout, sessions=tuple(sessions))

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
    lba, stop = track.stored_range.start, track.stored_range.stop
    while lba < stop:
        block = source.read(lba, min(_BATCH, stop - lba))
        yield np.ascontiguousarray(block.data).data.cast("B")
        lba = block.end


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
