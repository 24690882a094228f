# SPDX-License-Identifier: Apache-2.0
"""Discs in memory for tests: any layout, valid sectors of each mode, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorState
from imagerd.sectors.convert import from_raw, to_raw

SESSION_GAP = 11400  # lead-out 6750, lead-in 4500, pregap 150


@dataclass(frozen=True, slots=True)
class TrackPlan:
    """A track to be laid out: `pregap` sectors of INDEX 00 (in `sectors`), then INDEX 01.

    `form2` sectors of each eight of a mode 2 track are form 2, the rest form 1.
    `indexes` are the lengths of INDEX 01, 02, …; the last takes what is left.
    """

    mode: TrackMode
    sectors: int
    pregap: int = 0
    session: int = 1
    form2: int = 0
    stored: SectorFormat = SectorFormat.RAW
    control: Control | None = None
    isrc: str | None = None
    indexes: tuple[int, ...] = ()
    pregap_virtual: int = 0


def audio(sectors: int, pregap: int = 0, **more: object) -> TrackPlan:
    """An audio track."""
    return TrackPlan(TrackMode.AUDIO, sectors, pregap, **more)  # type: ignore[arg-type]


def data(sectors: int, mode: TrackMode = TrackMode.MODE1, **more: object) -> TrackPlan:
    """A data track."""
    return TrackPlan(mode, sectors, **more)  # type: ignore[arg-type]


def lay_out(
    plans: Sequence[TrackPlan],
    *,
    first_track: int = 1,
    mcn: str | None = None,
    disc_type: DiscType = DiscType.CDDA_OR_ROM,
    gap: int = SESSION_GAP,
) -> Layout:
    """The layout of tracks one after another; `gap` sectors between sessions."""
    at = 0
    tracks: list[Track] = []
    for number, plan in enumerate(plans, first_track):
        if tracks and plan.session != tracks[-1].session:
            at += gap
        tracks.append(_track(plan, number, at))
        at += plan.sectors
    sessions = tuple(
        Session(number, of, of[-1].end)
        for number in sorted({track.session for track in tracks})
        for of in [tuple(track for track in tracks if track.session == number)]
    )
    return Layout(Medium.CD, sessions, disc_type=disc_type, mcn=mcn)


def _track(plan: TrackPlan, number: int, at: int) -> Track:
    indexes = [Index(0, at)] if plan.pregap else []
    where = at + plan.pregap
    indexes.append(Index(1, where))
    for extra, length in enumerate(plan.indexes, 2):
        where += length
        indexes.append(Index(extra, where))
    control = plan.control
    if control is None:
        control = Control.NONE if plan.mode is TrackMode.AUDIO else Control.DATA
    return Track(
        number,
        plan.session,
        plan.mode,
        tuple(indexes),
        at + plan.sectors,
        plan.stored,
        control,
        plan.isrc,
        plan.pregap_virtual,
    )


def track_bytes(track: Track, seed: int, form2: int = 0) -> Bytes2D:
    """(n, 2352) raw sectors of `track`, or (n, 2048) of blocks: pseudo-random and valid."""
    rng = np.random.default_rng([seed, track.number])
    count = track.end - track.start
    if track.mode is TrackMode.BLOCKS:
        return rng.integers(0, 256, (count, 2048), np.uint8)
    if track.mode is TrackMode.AUDIO:
        raw = rng.integers(0, 256, (count, 2352), np.uint8)
        raw[: track.pregap] = 0
        return raw
    if track.mode is TrackMode.MODE2:
        body = rng.integers(0, 256, (count, 2332), np.uint8)
        submode = np.where(np.arange(count) % 8 < form2, 0x28, 0x08).astype(np.uint8)
        body[:, :8] = 0
        body[:, 2] = body[:, 6] = submode
        return to_raw(body, SectorFormat.XA_USER, track.mode, track.start)
    user = rng.integers(0, 256, (count, 2048), np.uint8)
    return to_raw(user, SectorFormat.USER, track.mode, track.start)


class MemorySource:
    """A disc in memory. `raw[number]` are a track's sectors as stored; `bad` LBAs come FAILED."""

    def __init__(
        self, layout: Layout, raw: dict[int, Bytes2D], bad: frozenset[int] = frozenset()
    ) -> None:
        self._layout = layout
        self.raw = raw
        self.bad = bad
        self.closed = False
        self.reads = 0

    @property
    def layout(self) -> Layout:
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        track = self._layout.track_at(lba)
        if track is None or count < 1:
            raise ValueError(f"LBA {lba}+{count} is outside every session")
        self.reads += 1
        first = lba - track.start
        rows = self.raw[track.number][first : first + count]
        if not self.bad:
            return Sectors.good(lba, rows, track.stored)
        states = np.full(len(rows), SectorState.READ, np.uint8)
        faults = []
        for row in range(len(rows)):
            if lba + row in self.bad:
                states[row] = SectorState.FAILED
                faults.append(Fault(lba + row, 1, FaultKind.MEDIUM, (3, 0x11, 5)))
        return Sectors(lba, track.stored, rows, states, faults=tuple(faults))

    def close(self) -> None:
        self.closed = True


def memory_disc(
    plans: Sequence[TrackPlan],
    *,
    seed: int = 1,
    mcn: str | None = None,
    disc_type: DiscType = DiscType.CDDA_OR_ROM,
    first_track: int = 1,
    bad: frozenset[int] = frozenset(),
) -> MemorySource:
    """A CD of these tracks."""
    layout = lay_out(plans, first_track=first_track, mcn=mcn, disc_type=disc_type)
    raw: dict[int, Bytes2D] = {}
    for track, plan in zip(layout.tracks, plans, strict=True):
        sectors = track_bytes(track, seed, plan.form2)
        raw[track.number] = from_raw(sectors, plan.stored, plan.mode)
    return MemorySource(layout, raw, bad)


def memory_blocks(
    sectors: int, *, medium: Medium = Medium.DVD, layers: tuple[int, ...] = (), seed: int = 1
) -> MemorySource:
    """A DVD or BD of so many blocks."""
    track = Track(1, 1, TrackMode.BLOCKS, (Index(1, 0),), sectors, SectorFormat.USER, Control.DATA)
    layout = Layout(medium, (Session(1, (track,), sectors),), layers=layers)
    return MemorySource(layout, {1: track_bytes(track, seed)})
