# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies and a source in memory, for the tests of sector arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorState
from imagerd.sectors import convert

MODES = (TrackMode.MODE1, TrackMode.MODE2)
lbas = st.integers(0, 449_000)
program_lbas = st.integers(-150, 449_849)


def noise(seed: int, rows: int, size: int) -> Bytes2D:
    return np.random.default_rng(seed).integers(0, 256, (rows, size), dtype=np.uint8)


@st.composite
def user_blocks(draw: st.DrawFn, *, most: int = 8) -> Bytes2D:
    """User data of 1 to `most` sectors: noise, zeros, or few bytes in zeros."""
    rows = draw(st.integers(1, most))
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(("noise", "zeros", "sparse")))
    data = noise(seed, rows, 2048)
    if kind == "zeros":
        data[:] = 0
    elif kind == "sparse":
        data[noise(seed + 1, rows, 2048) > 2] = 0
    return data


@st.composite
def raw_sectors(draw: st.DrawFn, *, most: int = 8) -> tuple[Bytes2D, TrackMode, int]:
    """Right raw sectors of mode 1 or mode 2 form 1, their mode and LBA."""
    data, mode, lba = draw(user_blocks(most=most)), draw(st.sampled_from(MODES)), draw(lbas)
    return convert.to_raw(data, SectorFormat.USER, mode, lba), mode, lba


@dataclass
class MemorySource:
    """Sectors in memory, one array for each track; `short` limits what one read gives."""

    layout: Layout
    tracks: dict[int, Bytes2D]
    failed: frozenset[int] = frozenset()
    short: int = 1_000_000
    sub: Callable[[int, int], Bytes2D] | None = None
    reads: list[tuple[int, int]] = field(default_factory=list)
    closed: bool = False

    def read(self, lba: int, count: int) -> Sectors:
        track = self.layout.track_at(lba)
        if track is None or count < 1:
            raise ValueError(f"LBA {lba}")
        self.reads.append((lba, count))
        count = min(count, track.end - lba, self.short)
        first = lba - track.start
        data = self.tracks[track.number][first : first + count].copy()
        states = np.full(count, SectorState.READ, np.uint8)
        lost = [at for at in range(lba, lba + count) if at in self.failed]
        for at in lost:
            states[at - lba] = SectorState.FAILED
            data[at - lba] = 0x55
        faults = tuple(Fault(at, 1, FaultKind.MEDIUM, (3, 0x11, 5)) for at in lost)
        sub = None if self.sub is None else self.sub(lba, count)
        return Sectors(lba, track.stored, data, states, sub, None, faults)

    def close(self) -> None:
        self.closed = True


def make_layout(
    *tracks: tuple[TrackMode, int], stored: SectorFormat = SectorFormat.RAW, start: int = 0
) -> Layout:
    """One session of (mode, sectors) tracks one after another; audio is always RAW."""
    made, at = [], start
    for number, (mode, sectors) in enumerate(tracks, 1):
        audio = mode is TrackMode.AUDIO
        made.append(
            Track(
                number,
                1,
                mode,
                (Index(1, at),),
                at + sectors,
                SectorFormat.RAW if audio else stored,
                Control.NONE if audio else Control.DATA,
            )
        )
        at += sectors
    return Layout(Medium.CD, (Session(1, tuple(made), at),))
