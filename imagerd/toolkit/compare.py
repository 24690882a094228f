# SPDX-License-Identifier: Apache-2.0
"""`compare`: disc with disc, whatever the containers.

Sectors are compared in what both sides hold of them: all 2352 bytes of raw against raw, the 2048
bytes of user data where one side holds no more. Addresses are those of the first disc.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.ranges import Extent, from_mask, pieces, without
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.toolkit.differences import Differences, layout_differences

_BATCH = 512
_REPORT_EVERY = 4096


class Sameness(StrEnum):
    """The outcome. UNDECIDED: what could be read is equal, but something could not be read."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNDECIDED = "undecided"


class Depth(StrEnum):
    """How much of the sectors was compared."""

    RAW = "raw sectors"
    NO_HEADER = "sectors without sync and header"
    FORM2 = "user data and subheaders"
    USER = "user data"
    NOTHING = "nothing: the two hold no common part"


@dataclass(frozen=True, slots=True)
class TrackComparison:
    """One track of the first disc, as far as the second reaches. LBAs are the first disc's."""

    number: int
    session: int
    mode: TrackMode
    first: int
    sectors: int
    depth: Depth
    different: Extent
    unreadable_a: Extent
    unreadable_b: Extent


@dataclass(frozen=True, slots=True)
class CompareResult:
    """`shift`: the address in the second disc minus that in the first, mostly 0."""

    outcome: Sameness
    sectors: int
    first_difference: int | None
    tracks: tuple[TrackComparison, ...]
    only_a: Extent
    only_b: Extent  # in the first disc's addresses
    shift: int
    layout: tuple[str, ...]  # differences that decide
    details: tuple[str, ...]  # differences that not every container can hold; they do not decide


@dataclass(slots=True)
class _Found:
    depth: Depth
    different: list[range]
    unreadable_a: list[range]
    unreadable_b: list[range]


def compare(
    a: SectorSource, b: SectorSource, *, common: bool = False, shift: int | None = None
) -> Task[CompareResult]:
    """Compare every sector that both discs have; `common` lets the rest not matter.

    `shift`: what to add to an address of `a` for that of `b`, where the layouts do not tell.
    """
    if shift is None:
        shift = alignment(a.layout, b.layout)
    areas = _common_areas(a.layout, b.layout, shift)
    total = sum(len(area) for _, area in areas)
    done = 0
    tracks: list[TrackComparison] = []
    yield Progress(0, total)
    for track, area in areas:
        found = _Found(Depth.RAW, [], [], [])
        for piece in pieces(area, _REPORT_EVERY):
            _compare_piece(a, b, track, piece, shift, found)
            done += len(piece)
            yield Progress(done, total, what=f"track {track.number}")
        tracks.append(_comparison(track, area, found))
    differences = layout_differences(a.layout, b.layout, shift)
    return _result(a.layout, b.layout, shift, tracks, differences, common)


def alignment(a: Layout, b: Layout) -> int:
    """What to add to an address of `a` for that of `b`.

    An .iso begins with its data track; on the disc that track may begin later (enhanced CDs, PC
    Engine and other discs with audio first).
    """
    if _is_cooked(a) == _is_cooked(b):
        return 0
    if _is_cooked(b):
        return b.start - _first_data(a)
    return _first_data(b) - a.start


def _is_cooked(layout: Layout) -> bool:
    """A single track of 2048-byte sectors: all that an .iso can be."""
    return len(layout.tracks) == 1 and layout.tracks[0].stored is SectorFormat.USER


def _first_data(layout: Layout) -> int:
    return next((track.index1 for track in layout.tracks if track.is_data), layout.start)


def _common_areas(a: Layout, b: Layout, shift: int) -> list[tuple[Track, range]]:
    """Pieces of the tracks of `a` that `b` has too; empty ones left out."""
    found: list[tuple[Track, range]] = []
    for track in a.tracks:
        for other in b.ranges():
            area = range(max(track.start, other.start - shift), min(track.end, other.stop - shift))
            if area:
                found.append((track, area))
    return found


def _compare_piece(
    a: SectorSource, b: SectorSource, track: Track, area: range, shift: int, found: _Found
) -> None:
    lba = area.start
    while lba < area.stop:
        mine = a.read(lba, min(_BATCH, area.stop - lba))
        its = b.read(lba + shift, len(mine))
        size = min(len(mine), len(its))
        other = b.layout.track_at(lba + shift)
        span = _common_span(mine.format, its.format, _mode(track, other))
        _note(lba, mine, its, size, span, found)
        lba += size


def _note(lba: int, mine: Sectors, its: Sectors, size: int, span: range, found: _Found) -> None:
    lost_a = mine.states[:size] <= SectorState.FAILED
    lost_b = its.states[:size] <= SectorState.FAILED
    found.unreadable_a += from_mask(lba, lost_a)
    found.unreadable_b += from_mask(lba, lost_b)
    if found.depth is Depth.RAW:
        found.depth = _depth(span)
    if span:
        left = _cut(mine.data[:size], mine.format, span)
        right = _cut(its.data[:size], its.format, span)
        differ = unequal_rows(left, right)
    else:
        differ = np.ones(size, bool)
    found.different += from_mask(lba, differ & ~lost_a & ~lost_b)


def unequal_rows(a: Bytes2D, b: Bytes2D) -> npt.NDArray[np.bool_]:
    """Which rows differ, (n,). Rows are a multiple of 4 bytes, the last axis contiguous."""
    if a.shape[1] % 8 == 0:
        wide: npt.NDArray[np.bool_] = (a.view(np.uint64) != b.view(np.uint64)).any(axis=1)
        return wide
    narrow: npt.NDArray[np.bool_] = (a.view(np.uint32) != b.view(np.uint32)).any(axis=1)
    return narrow


def _mode(track: Track, other: Track | None) -> TrackMode:
    """The mode by which user data are found: that of the side that knows it."""
    if other is not None and track.stored is SectorFormat.USER:
        return other.mode
    return track.mode


def _held(stored: SectorFormat, mode: TrackMode) -> range:
    """Which bytes of the raw sector (ECMA-130, 14) a stored form holds."""
    if stored in (SectorFormat.RAW, SectorFormat.RAW_SUB):
        return range(2352)
    if stored is SectorFormat.MODE2:
        return range(16, 2352)
    if stored is SectorFormat.XA_USER:
        return range(16, 2348)
    if stored is SectorFormat.FORM2:
        return range(24, 2348)
    first = 24 if mode is TrackMode.MODE2 else 16
    return range(first, first + 2048)


def _common_span(a: SectorFormat, b: SectorFormat, mode: TrackMode) -> range:
    """The bytes of the raw sector that both forms hold; empty if that is not user data."""
    left, right = _held(a, mode), _held(b, mode)
    span = range(max(left.start, right.start), min(left.stop, right.stop))
    cooked = SectorFormat.USER in (a, b) or SectorFormat.USER_SUB in (a, b)
    if cooked and mode is TrackMode.AUDIO and a is not b:
        return range(0)
    return span


def _cut(data: Bytes2D, stored: SectorFormat, span: range) -> Bytes2D:
    """The columns of `data` that hold `span` of the raw sector."""
    if stored in (SectorFormat.USER, SectorFormat.USER_SUB):
        return data[:, :2048]
    first = {SectorFormat.MODE2: 16, SectorFormat.XA_USER: 16, SectorFormat.FORM2: 24}.get(
        stored, 0
    )
    return data[:, span.start - first : span.stop - first]


def _depth(span: range) -> Depth:
    if not span:
        return Depth.NOTHING
    if len(span) == 2048:
        return Depth.USER
    return {2352: Depth.RAW, 2336: Depth.NO_HEADER}.get(len(span), Depth.FORM2)


def _comparison(track: Track, area: range, found: _Found) -> TrackComparison:
    return TrackComparison(
        number=track.number,
        session=track.session,
        mode=track.mode,
        first=area.start,
        sectors=len(area),
        depth=found.depth,
        different=Extent.of(found.different),
        unreadable_a=Extent.of(found.unreadable_a),
        unreadable_b=Extent.of(found.unreadable_b),
    )


def _result(
    a: Layout,
    b: Layout,
    shift: int,
    tracks: list[TrackComparison],
    differences: Differences,
    common: bool,
) -> CompareResult:
    only_a = Extent.of(without(a.ranges(), _shifted(b, shift)))
    only_b = Extent.of(without(_shifted(b, shift), a.ranges()))
    different = any(track.different for track in tracks)
    lost = any(track.unreadable_a or track.unreadable_b for track in tracks)
    if not common:
        different = different or bool(only_a or only_b or differences.deciding)
    outcome = Sameness.DIFFERENT if different else Sameness.UNDECIDED if lost else Sameness.EQUAL
    firsts = [track.different.ranges[0].start for track in tracks if track.different]
    return CompareResult(
        outcome=outcome,
        sectors=sum(track.sectors for track in tracks),
        first_difference=min(firsts, default=None),
        tracks=tuple(tracks),
        only_a=only_a,
        only_b=only_b,
        shift=shift,
        layout=differences.deciding,
        details=differences.details,
    )


def _shifted(layout: Layout, shift: int) -> list[range]:
    return [range(area.start - shift, area.stop - shift) for area in layout.ranges()]
