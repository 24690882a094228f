# SPDX-License-Identifier: Apache-2.0
"""Correction of a drive's read offset in audio areas.

A sample is 4 bytes (left and right, 16 bits each); a sector holds 588. `samples` is the *read
offset correction* of AccurateRip's list of drives, of EAC and of redumper: a drive listed with +n
delivers data from n samples *earlier* than it was asked for. What belongs at sample i of the disc
comes out n samples late, at position i + n of what the drive delivers, so

    corrected[i] = read[i + n]

Only bytes move; the subchannel belongs to the drive's own idea of the address and stays. Data
sectors carry their address in their header, drives align them by it: they are not moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from imagerd.disc.layout import Layout, SectorFormat, Session
from imagerd.disc.source import Bytes2D, Fault, Sectors, SectorSource, SectorState
from imagerd.sectors.blocks import clip_faults, read_all, rows_of
from imagerd.sectors.geometry import RAW
from imagerd.sectors.verify import sync_ok

SAMPLE: Final = 4
SAMPLES: Final = RAW // SAMPLE  # of one sector: 588
_C2: Final = 294
_PAUSE: Final = 225  # the longest that a change of kind needs (ECMA-130, clause 20)


def audio_areas(layout: Layout) -> tuple[range, ...]:
    """The LBAs of each run of neighbouring audio tracks; a run never crosses sessions."""
    return tuple(area for session in layout.sessions for area in _runs(session))


def _runs(session: Session) -> Iterator[range]:
    start: int | None = None
    for track in session.tracks:
        if track.is_data and start is not None:
            yield range(start, track.start)
            start = None
        elif not track.is_data and start is None:
            start = track.start
    if start is not None:
        yield range(start, session.tracks[-1].end)


def _without_pause(source: SectorSource, area: range) -> range:
    """`area` up to the first data sector in the pause of the track that follows."""
    following = source.layout.track_at(area.stop)
    if following is None or not following.is_data:
        return area
    first = max(area.start, area.stop - _PAUSE)
    block = read_all(source, first, area.stop - first)
    found = np.flatnonzero(sync_ok(block.data) & (block.states > SectorState.FAILED))
    return range(area.start, first + int(found[0])) if len(found) else area


class OffsetView:
    """A source whose audio is moved by `samples` (positive: the drive delivers it late).

    Each contiguous audio area is corrected for itself: at its edges samples come from the blocks of
    `beyond` that join it (raw sectors as the drive gave them, READ or better). Where there is none,
    there are zeros (`padded` names the sectors). A corrected sector is made of parts of two; its
    state is the worse of both (what lies beyond an edge counts as READ), its C2 bits move with the
    bytes, and it is FAILED with the Fault of the one that failed. Audio must be stored RAW: put a
    `RawView` below if it is not.

    A layout out of the table of contents alone gives the pause before a data track to the audio;
    but it holds data sectors. So the last sectors of such an area are looked at once, at the
    beginning, and the area ends at the first that has a sync.
    """

    def __init__(self, source: SectorSource, samples: int, beyond: Sequence[Sectors] = ()) -> None:
        layout = source.layout
        for track in layout.tracks:
            if not track.is_data and track.stored is not SectorFormat.RAW:
                raise ValueError(f"track {track.number} is stored as {track.stored.name}, not RAW")
        self._source = source
        self._layout = layout
        areas = audio_areas(layout) if layout.is_cd and samples else ()
        self._areas = tuple(_without_pause(source, area) for area in areas)
        self._beyond = tuple(beyond)
        self.samples = samples

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._layout

    @property
    def areas(self) -> tuple[range, ...]:
        """The LBAs that are corrected, each area for itself."""
        return self._areas

    @property
    def padded(self) -> tuple[range, ...]:
        """The LBAs that hold zeros in place of samples from beyond their audio area."""
        found = []
        for area in self._areas:
            there = sum(len(block) for block in self._joining(area, behind=self.samples > 0))
            missing = max(abs(self.samples) - there * SAMPLES, 0)
            lost = min(-(-missing // SAMPLES), len(area))
            late = range(area.stop - lost, area.stop)
            found.append(late if self.samples > 0 else range(area.start, area.start + lost))
        return tuple(edge for edge in found if len(edge))

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`."""
        area = next((area for area in self._areas if lba in area), None)
        if area is None or self.samples == 0:
            return self._source.read(lba, self._before_audio(lba, count))
        return self._corrected(area, lba, min(count, area.stop - lba))

    def _joining(self, area: range, *, behind: bool) -> Iterator[Sectors]:
        """The block of `beyond` that follows `area`, or that ends where it begins."""
        for block in self._beyond:
            if (block.lba == area.stop) if behind else (block.end == area.start):
                yield block
                return

    def _outside(self, area: range, lba: int, count: int, *, behind: bool) -> Bytes2D:
        """`count` rows from `lba`, all beyond one edge of `area`; zeros where none was read."""
        rows = np.zeros((count, RAW), np.uint8)
        for block in self._joining(area, behind=behind):
            first, end = max(block.lba, lba), min(block.end, lba + count)
            if first < end:
                rows[first - lba : end - lba] = block.data[first - block.lba : end - block.lba]
        return rows

    def _before_audio(self, lba: int, count: int) -> int:
        """`count`, cut where the next area to be corrected begins."""
        starts = [area.start - lba for area in self._areas if area.start > lba]
        return min([count, *starts]) if self.samples else count

    def _corrected(self, area: range, lba: int, count: int) -> Sectors:
        sectors, rest = divmod(self.samples, SAMPLES)
        first = lba + sectors  # the sector in which the first corrected one begins
        needed = count + (rest > 0)
        # One read brings the bytes and, for their subchannel, the sectors asked for.
        start = max(area.start, min(lba, first))
        stop = min(area.stop, max(lba + count, first + needed))
        whole = read_all(self._source, start, stop - start)
        inside = range(max(first, area.start), min(first + needed, area.stop))
        block = rows_of(whole, min(max(inside.start, start), stop), len(inside))
        ahead = inside.start - first if len(inside) else needed
        behind = needed - ahead - len(inside)
        parts = (
            self._outside(area, first, ahead, behind=first >= area.stop),
            block.data,
            self._outside(area, first + needed - behind, behind, behind=True),
        )
        data = _moved(np.concatenate(parts), rest * SAMPLE, count)
        states = np.pad(block.states, (ahead, behind), constant_values=SectorState.READ)
        states = np.minimum(states[:count], states[needed - count :])
        c2 = None if block.c2 is None else _moved_c2(_padded(block.c2, ahead, behind), rest, count)
        sub = None if whole.sub is None else whole.sub[lba - start : lba - start + count]
        faults = _moved_faults(block.faults, sectors, rest, range(lba, lba + count))
        return Sectors(lba, block.format, data, states, sub, c2, faults)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def _padded(data: Bytes2D, ahead: int, behind: int) -> Bytes2D:
    return np.pad(data, ((ahead, behind), (0, 0))) if ahead or behind else data


def _moved(data: Bytes2D, start: int, count: int) -> Bytes2D:
    """`count` rows out of the same bytes, beginning `start` bytes later."""
    width = data.shape[1]
    return data.reshape(-1)[start : start + count * width].reshape(count, width).copy()


def _moved_c2(c2: Bytes2D, samples: int, count: int) -> Bytes2D:
    """C2 bits follow their bytes: one bit a byte, in 294 bytes of each sector."""
    bits = np.unpackbits(c2[:, :_C2], axis=1)
    return np.packbits(_moved(bits, samples * SAMPLE, count), axis=1)


def _moved_faults(
    faults: tuple[Fault, ...], sectors: int, rest: int, wanted: range
) -> tuple[Fault, ...]:
    """A failed sector spoils the corrected sectors that take a part of it."""
    grown = tuple(
        replace(fault, lba=fault.lba - sectors - (rest > 0), count=fault.count + (rest > 0))
        for fault in faults
    )
    return clip_faults(grown, wanted.start, wanted.stop)
