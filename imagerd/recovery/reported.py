# SPDX-License-Identifier: Apache-2.0
"""The way back: from a report to the map of its sectors."""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Layout, Medium, TrackMode, single_track
from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import Code, ErrorRange, Why
from imagerd.recovery.report import RangeReport, Report
from imagerd.recovery.sectormap import RangeSet, SectorMap

_MOST = 1 << 27  # sectors: a BD-XL has half of that


def layout_of(report: Report) -> Layout:
    """The layout of the disc; one track of all sectors if the report has none."""
    try:
        if report.disc.layout is not None:
            return report.disc.layout.layout()
        medium = Medium(report.disc.medium)
    except (ValueError, KeyError) as error:
        raise BadInput(f"The report's layout of the disc makes no sense: {error}.") from error
    end = max([report.disc.sectors, *(bad.lba + bad.count for bad in report.bad)])
    mode = TrackMode.MODE1 if medium is Medium.CD else TrackMode.BLOCKS
    return single_track(end, mode, medium=medium)


def map_of(report: Report) -> SectorMap:
    """The sector map that the report was made of, as far as it tells.

    Where a report does not say which sectors prove themselves, all good ones are READ. Raises
    `BadInput` for a report that contradicts itself.
    """
    try:
        return _map_of(report)
    except (ValueError, KeyError) as error:
        raise BadInput(f"The report contradicts itself: {error}.") from error


def _map_of(report: Report) -> SectorMap:
    layout = layout_of(report)
    if layout.end - layout.start > _MOST:
        raise ValueError(f"no disc has {layout.end - layout.start} sectors")
    sectors = SectorMap(layout.ranges())
    bad = RangeSet(range(story.lba, story.lba + story.count) for story in report.bad)
    for area in sectors.areas:
        for part in _between(area, bad):
            sectors.raise_to(part.start, SectorState.READ, len(part))
    for lba, count in report.proven or ():
        sectors.raise_to(lba, SectorState.PROVEN, count)
    for story in report.bad:
        sectors.raise_to(story.lba, SectorState[story.state.upper()], story.count)
    for story in sorted((*report.bad, *report.recovered), key=lambda told: told.lba):
        if story.attempts:
            sectors.errors.add(_error(story))
    for lba, count in report.repaired:
        sectors.repaired.add(range(lba, lba + count))
    return sectors


def _between(area: range, holes: RangeSet) -> Iterator[range]:
    at = area.start
    for hole in holes:
        if at < (end := min(hole.start, area.stop)):
            yield range(at, end)
        at = max(at, hole.stop)
    if at < area.stop:
        yield range(at, area.stop)


def _error(story: RangeReport) -> ErrorRange:
    first, last = (0.0 if time is None else time.timestamp() for time in (story.first, story.last))
    why = Why[story.why.upper().replace("-", "_")]
    return ErrorRange(
        story.lba, story.count, why, _code(story.sense), story.attempts, 0, first, last
    )


def _code(sense: str | None) -> Code | None:
    if sense is None:
        return None
    key, asc, ascq = (int(part, 16) for part in sense.split("/"))
    return key, asc, ascq
