# SPDX-License-Identifier: Apache-2.0
"""`merge`: several images of one disc, none of them whole, become one that is as whole as can be.

Of each sector that a data track's EDC can prove, every reading counts, also one that was given up:
what proves itself is taken, else bytes are voted on, else the parity is asked (`sectors.combine`).
Where nothing can prove a sector (audio, blocks of 2048 bytes), readings that were good are taken if
they agree, or if most of them do; else the sector is in dispute, and stays doubtful. What all hold
alike is left as it is, also where its EDC is wrong: it may have been made so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorSource, SectorState
from imagerd.sectors.blocks import read_all
from imagerd.sectors.combine import COMPUTED, How, combine, majority
from imagerd.toolkit.convert import ConvertOptions, ConvertResult, convert
from imagerd.toolkit.verdicts import is_provable

_MOST = 512  # sectors of each source in memory


@dataclass(frozen=True, slots=True)
class Run:
    """`count` bytes from `offset` of a sector are from source number `source`, None: computed."""

    offset: int
    count: int
    source: int | None


@dataclass(frozen=True, slots=True)
class Joined:
    """A sector that no source has whole, and where each of its bytes is from."""

    lba: int
    how: How
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class MergeResult:
    """`written` is the image. `same`: sectors that all sources hold alike and good.

    `taken`: for each source, the sectors that are its as the others have them not, or wrong.
    `joined`: put together from several, or mended. `outvoted`: unprovable, and most readings agree.
    `disputed`: unprovable, and no majority: the first good reading is written, as doubtful. `lost`:
    no source has it.
    """

    ok: bool
    written: ConvertResult
    same: Extent
    taken: tuple[Extent, ...]
    joined: tuple[Joined, ...]
    outvoted: Extent
    disputed: Extent
    lost: Extent


def merge(
    sources: Sequence[SectorSource], target: Path, options: ConvertOptions | None = None
) -> Task[MergeResult]:
    """Write the best of `sources` as `target`, whose suffix chooses the container.

    Raises `BadInput` if they cannot be of one disc, and what `convert` raises.
    """
    merged = MergedSource(sources)
    written = yield from convert(merged, target, options)
    return merged.result(written)


class MergedSource:
    """The best of several sources of one disc; remembers where it has each sector from.

    Its layout is that of the source which reaches furthest. Closing it closes the sources.
    """

    def __init__(self, sources: Sequence[SectorSource]) -> None:
        """Raises `BadInput` if the layouts are not those of one disc."""
        self._sources = tuple(sources)
        self._layout = max((one.layout for one in sources), key=lambda layout: layout.end)
        for number, one in enumerate(sources):
            _refuse_other_disc(self._layout, one.layout, number)
        self._same: list[range] = []
        self._taken: list[list[int]] = [[] for _ in sources]
        self._joined: dict[int, Joined] = {}
        self._outvoted: list[int] = []
        self._disputed: list[int] = []
        self._lost: list[int] = []

    @property
    def layout(self) -> Layout:
        """The disc's layout."""
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`, within one track."""
        track = self._layout.track_at(lba)
        stop = lba + 1 if track is None else track.end
        blocks = [
            _reach(one, lba, min(count, stop - lba, _MOST), track, self._layout)
            for one in self._sources
        ]
        good = np.stack([block.states >= SectorState.READ for block in blocks])
        data = np.stack([block.data for block in blocks])
        alike = (data == data[0]).all(axis=(0, 2)) & good.all(axis=0)
        out = replace(blocks[0], data=data[0].copy(), states=blocks[0].states.copy(), c2=None)
        self._same += from_mask(lba, alike)
        for row in np.flatnonzero(~alike).tolist():
            _put(out, row, self._choose(track, blocks, row))
        lost = from_mask(lba, out.states <= SectorState.FAILED)
        faults = tuple(Fault(area.start, len(area), FaultKind.FILLING) for area in lost)
        sub = next((block.sub for block in blocks if block.sub is not None), None)
        return replace(out, sub=sub, faults=faults)

    def close(self) -> None:
        """Close the sources."""
        for one in self._sources:
            one.close()

    def result(self, written: ConvertResult) -> MergeResult:
        """What became of all that was read so far."""
        taken = tuple(_extent(lbas) for lbas in self._taken)
        disputed, lost = _extent(self._disputed), _extent(self._lost)
        return MergeResult(
            ok=written.ok and not disputed and not lost,
            written=written,
            same=Extent.of(self._same),
            taken=taken,
            joined=tuple(self._joined.values()),
            outvoted=_extent(self._outvoted),
            disputed=disputed,
            lost=lost,
        )

    def _choose(
        self, track: Track | None, blocks: Sequence[Sectors], row: int
    ) -> tuple[Bytes2D, SectorState]:
        """The bytes (size,) and the state of a sector that the sources do not agree on."""
        came = [n for n, block in enumerate(blocks) if block.states[row] > SectorState.FAILED]
        lba = blocks[0].lba + row
        if not came:
            self._lost.append(lba)
            return blocks[0].data[row], SectorState.FAILED
        if track is not None and is_provable(track) and track.stored is SectorFormat.RAW:
            proven = self._prove(track, blocks, row, came)
            if proven is not None:
                return proven, SectorState.PROVEN
        return self._trust(blocks, row, came)

    def _prove(
        self, track: Track, blocks: Sequence[Sectors], row: int, came: list[int]
    ) -> Bytes2D | None:
        lba = blocks[0].lba + row
        readings = np.stack([blocks[n].data[row] for n in came])
        found = combine(readings, lba=lba, mode2=track.mode is TrackMode.MODE2)
        if found is None:
            return None
        if (found.origins == found.origins[0]).all() and found.how is How.READ:
            self._taken[came[int(found.origins[0])]].append(lba)
        else:
            self._joined[lba] = Joined(lba, found.how, tuple(_runs(found.origins, came)))
        return found.data

    def _trust(
        self, blocks: Sequence[Sectors], row: int, came: list[int]
    ) -> tuple[Bytes2D, SectorState]:
        """What cannot prove itself: those that were read well, if they agree or most of them do."""
        lba = blocks[0].lba + row
        level = min(max(int(blocks[n].states[row]) for n in came), SectorState.READ)
        trusted = [n for n in came if blocks[n].states[row] >= level]
        readings = np.stack([blocks[n].data[row] for n in trusted])
        agreed = bool((readings == readings[0]).all())
        chosen = 0 if agreed else majority(readings)
        if chosen is None:
            self._disputed.append(lba)
            return readings[0], SectorState.SUSPECT
        if not agreed:
            self._outvoted.append(lba)
        else:
            self._taken[trusted[0]].append(lba)
        return readings[chosen], SectorState(level)  # whatever it was called: nothing proves it


def _refuse_other_disc(layout: Layout, other: Layout, number: int) -> None:
    """The same tracks at the same places, but that the last may end early."""
    for one, two in zip(_shape(layout), _shape(other), strict=False):
        if one != two:
            raise BadInput(
                f"Image {number + 1} is not of the same disc, or in another form: it has {two},"
                f" another has {one}."
            )
    if len(other.tracks) != len(layout.tracks):
        raise BadInput(
            f"Image {number + 1} has {len(other.tracks)} tracks, another {len(layout.tracks)}."
        )


def _shape(layout: Layout) -> list[str]:
    return [
        f"track {track.number} ({track.mode.value}, {track.stored.size} bytes a sector)"
        f" at LBA {track.index1}"
        for track in layout.tracks
    ]


def _reach(
    source: SectorSource, lba: int, count: int, track: Track | None, layout: Layout
) -> Sectors:
    """`count` sectors of a source; FAILED where it ends before the others."""
    area = next((area for area in source.layout.ranges() if lba in area), range(0))
    there = max(0, min(count, area.stop - lba))
    stored = SectorFormat.RAW if track is None else track.stored
    missing = Sectors(
        lba + there,
        stored,
        np.zeros((count - there, stored.size), np.uint8),
        np.full(count - there, SectorState.FAILED, np.uint8),
    )
    if not there:
        return missing
    block = read_all(source, lba, there)
    if there == count:
        return block
    return Sectors(
        lba,
        block.format,
        np.concatenate([block.data, missing.data]),
        np.concatenate([block.states, missing.states]),
        faults=block.faults,
    )


def _put(out: Sectors, row: int, chosen: tuple[Bytes2D, SectorState]) -> None:
    out.data[row], out.states[row] = chosen


def _runs(origins: npt.NDArray[np.int8], came: list[int]) -> list[Run]:
    found, offset = [], 0
    for origin, group in groupby(origins.tolist()):
        count = len(list(group))
        found.append(Run(offset, count, None if origin == COMPUTED else came[origin]))
        offset += count
    return found


def _extent(lbas: list[int]) -> Extent:
    return Extent.of(range(lba, lba + 1) for lba in lbas)
