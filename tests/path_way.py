# SPDX-License-Identifier: Apache-2.0
"""The whole way of a disc in one process: virtual drive, archive, catalog, image, all accounts.

The catalog, the report and the map are read as someone else would read them; nothing of the
machinery that wrote them is asked.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, Outcome, follow
from imagerd.archive.world import Order, World
from imagerd.base.config import parse_config
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import ErrorRange, Image, RangeState
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.faults import NO_FAULTS, FaultPlan
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Index, Layout, SectorFormat, Track, TrackMode
from imagerd.disc.source import Bytes2D, SectorSource
from imagerd.formats import open_image
from imagerd.formats.image import Image as OpenImage
from imagerd.recovery.engine import Recovery
from imagerd.recovery.mapfile import MapFile, Status, read_mapfile
from imagerd.recovery.report import Report, read_report
from imagerd.sectors.views import RawView
from tests.strategies_recovery import FastClock

PROFILES = ("plain", "plextor", "no-c2", "swapped", "c2-294", "c2-296", "liar")
FILL, SILENCE = 0x55, 0x00
_BAD = {"failed", "suspect", "unread"}

_CONFIG = """\
[archive]
folder = "archive"
minimum_free = 1
naming = "disc"
[daemon]
state = "state"
runtime = "run"
[policy]
duplicates = "again"
{policy}
[policy.budget]
minutes = 100000
attempts = 14
rounds_without_gain = 8
{extra}
"""


@dataclass(frozen=True, slots=True)
class Archived:
    """What a job left behind."""

    outcome: Outcome
    image: Image
    ranges: tuple[ErrorRange, ...]

    @property
    def main(self) -> Path:
        """The .iso or .cue."""
        return Path(self.image.path)

    @property
    def report(self) -> Report:
        """The JSON report beside it."""
        return read_report(self.main.with_suffix(".json"))

    @property
    def map(self) -> MapFile:
        """The ddrescue map beside it."""
        return read_mapfile(self.main.with_suffix(".map"))

    @contextmanager
    def opened(self) -> Iterator[OpenImage]:
        """The image, opened as anyone would."""
        with closing(open_image(self.main)) as image:
            yield image

    def lbas(self, *states: RangeState) -> set[int]:
        """The LBAs that the catalog lists in one of these states."""
        return {lba for r in self.ranges if r.state in states for lba in range(r.lba, r.end)}

    def bad(self) -> set[int]:
        """The LBAs that the catalog says are not good."""
        return self.lbas(RangeState.FAILED, RangeState.SUSPECT, RangeState.UNREAD)


class Way:
    """An archive in a folder. `policy` and `extra` are TOML of [policy] and behind it."""

    def __init__(self, folder: Path, policy: str = "", extra: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = _CONFIG.format(policy=policy, extra=extra)
        self.config = parse_config(text, file=folder / "imagerd.toml", environ={})
        self.config.daemon.state.mkdir()
        self.catalog = Catalog.open(self.config.catalog.url)

    def close(self) -> None:
        """Close the catalog."""
        self.catalog.close()

    def go(
        self, source: SectorSource, plan: FaultPlan = NO_FAULTS, profile: str = "plain",
        *, read_offset: int = 0,
    ) -> Outcome:  # fmt: skip
        """Put `source` into a drive and archive it; the drive's read offset is 0 unless told."""
        virtual = VirtualDrive(replace(DriveProfile.load(profile), read_offset=read_offset))
        virtual.insert(source, plan)
        clock = FastClock()
        with closing(OpticalDrive(virtual, sleep=clock.sleep, clock=clock)) as drive:
            drive.identify()
            world = World(self.config, self.catalog)
            return follow(archive_disc(drive, world, Order(), Control()), lambda _: None)

    def archive(
        self, source: SectorSource, plan: FaultPlan = NO_FAULTS, profile: str = "plain",
        *, read_offset: int = 0,
    ) -> Archived:  # fmt: skip
        """As `go`; there must be an image at the end."""
        outcome = self.go(source, plan, profile, read_offset=read_offset)
        assert outcome.job is not None, outcome
        images = self.catalog.images.of_job(outcome.job)
        assert images, outcome
        image = self.catalog.images.get(images[0].id)
        return Archived(outcome, image, self.catalog.errors.of_image(image.id))


@contextmanager
def way(folder: Path, policy: str = "", extra: str = "") -> Iterator[Way]:
    """A `Way` that does not wait for anything: its clock runs by itself, and no disk is waited for,
    as no machine dies here.
    """
    made = Way(folder, policy, extra)
    fast = functools.partial(Recovery, clock=FastClock().clock())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imagerd.archive.reading.Recovery", fast)
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, lambda fd: None)
        try:
            yield made
        finally:
            made.close()


# -- what must hold ----------------------------------------------------------------------------


def sectors_of(source: SectorSource, *, raw: bool = True) -> dict[int, Bytes2D]:
    """The sectors by LBA: raw of a CD, blocks of others. Without `raw` as they are stored."""
    view = RawView(source) if raw else source
    found: dict[int, Bytes2D] = {}
    for area in source.layout.ranges():
        lba = area.start
        while lba < area.stop:
            block = view.read(lba, min(512, area.stop - lba))
            found |= {block.lba + row: data for row, data in enumerate(block.data)}
            lba = block.end
    return found


def as_read(layout: Layout, *, sub: bool = True) -> Layout:
    """What a drive can tell of a disc with this layout; without `sub`, only its TOC tells."""
    sessions = tuple(
        replace(session, tracks=_as_read(session.tracks, first=number == 0, sub=sub))
        for number, session in enumerate(layout.sessions)
    )
    return replace(layout, sessions=sessions, mcn=layout.mcn if sub else None)


def _as_read(tracks: tuple[Track, ...], *, first: bool, sub: bool) -> tuple[Track, ...]:
    found = []
    for number, track in enumerate(tracks):
        following = tracks[number + 1 : number + 2]
        end = following[0].index1 if following and not sub else track.end
        indexes = track.indexes
        if not sub:
            hidden = (Index(0, track.start),) if first and number == 0 and track.pregap else ()
            indexes = (*hidden, Index(1, track.index1))
        found.append(
            Track(
                track.number,
                track.session,
                track.mode,
                indexes,
                end,
                SectorFormat.RAW,
                track.control,
                track.isrc if sub else None,
            )
        )
    return tuple(found)


def assert_accounts_agree(done: Archived, layout: Layout) -> None:
    """Catalog, report and map name the same bad sectors, and every one with its story."""
    report = done.report
    for state in _BAD:
        told = {b for r in report.bad if r.state == state for b in range(r.lba, r.lba + r.count)}
        assert told == done.lbas(RangeState(state)), state
    bad = done.bad()
    counts = done.image.counts
    assert counts.failed + counts.suspect == len(bad) == done.outcome.bad
    assert counts.total == layout.sectors == sum(report.counts.values())
    assert report.complete is (not bad)
    assert bad_of_map(done.map, layout, 2352 if done.image.format == "cue" else 2048) == bad
    for entry in done.ranges:
        if entry.state in (RangeState.FAILED, RangeState.SUSPECT):
            assert entry.kind is not None, entry
            assert entry.attempts >= 1, entry
            assert entry.first is not None and entry.last is not None, entry
            assert entry.first <= entry.last, entry
            assert entry.kind != "medium" or entry.sense is not None, entry


def bad_of_map(found: MapFile, layout: Layout, size: int) -> set[int]:
    """The LBAs that a map says are not finished, for an image that holds all sessions."""
    lbas = np.concatenate([np.arange(area.start, area.stop) for area in layout.ranges()])
    assert found.blocks[0].pos == 0
    assert found.blocks[-1].pos + found.blocks[-1].size == len(lbas) * size
    bad: set[int] = set()
    for block in found.blocks:
        assert block.pos % size == block.size % size == 0
        if block.status is not Status.FINISHED:
            first = block.pos // size
            bad |= set(lbas[first : first + block.size // size].tolist())
    return bad


def is_filling(row: Bytes2D, layout: Layout, lba: int) -> bool:
    """Whether a sector holds the declared filling and nothing else."""
    track = layout.track_at(lba)
    silent = track is not None and track.mode is TrackMode.AUDIO
    return bool((row == (SILENCE if silent else FILL)).all())
