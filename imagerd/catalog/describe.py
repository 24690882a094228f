# SPDX-License-Identifier: Apache-2.0
"""The catalog's records of what the rooms below know: layouts, digests of tracks, sector maps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from imagerd.base.digests import Digests
from imagerd.catalog.records import Counts, ErrorRange, ImageTrack, NewDisc, RangeState
from imagerd.disc.cdtext import PackType
from imagerd.disc.ids import cddb_id, musicbrainz_id, toc_text
from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorState
from imagerd.recovery.job import LayoutRecord
from imagerd.recovery.sectormap import NOT_GOOD, SectorMap

_NO_STATE = max(SectorState) + 1  # the map's mark of LBAs between sessions is above every state


def describe_disc(fingerprint: str, layout: Layout, volume_id: str | None = None) -> NewDisc:
    """A disc by its layout; ids of the TOC only where there is one."""
    title = None if layout.cd_text is None else layout.cd_text.get(PackType.TITLE)
    return NewDisc(
        fingerprint=fingerprint,
        medium=layout.medium.value,
        toc=toc_text(layout),
        sectors=layout.sectors,
        layout=layout_json(layout),
        musicbrainz_id=musicbrainz_id(layout) if layout.is_cd else None,
        cddb_id=cddb_id(layout) if layout.is_cd else None,
        volume_id=volume_id or None,
        title=title or None,
    )


def layout_json(layout: Layout) -> dict[str, object]:
    """The layout in values of JSON, as in the workspace's `job.json`."""
    values: dict[str, object] = msgspec.json.decode(msgspec.json.encode(LayoutRecord.of(layout)))
    return values


def layout_from_json(values: Mapping[str, object]) -> Layout:
    """The layout again. Raises `ValueError` for what is none."""
    try:
        return msgspec.convert(values, LayoutRecord).layout()
    except (msgspec.ValidationError, KeyError) as error:
        raise ValueError(f"not a layout: {error}") from error


def describe_tracks(
    layout: Layout, digests: Mapping[int, Digests] | None = None
) -> tuple[ImageTrack, ...]:
    """All tracks, with the digests by track number."""
    known = digests or {}
    return tuple(
        ImageTrack(
            number=track.number,
            session=track.session,
            mode=track.mode.value,
            start=track.start,
            index1=track.index1,
            end=track.end,
            pregap=track.pregap,
            isrc=track.isrc,
            control=int(track.control),
            digests=known.get(track.number),
        )
        for track in layout.tracks
    )


def describe_counts(sectors: SectorMap) -> Counts:
    """How complete the image is; sectors never tried count as failed."""
    counts = sectors.counts()
    return Counts(
        proven=counts[SectorState.PROVEN],
        good=counts[SectorState.READ],
        suspect=counts[SectorState.SUSPECT],
        failed=counts[SectorState.FAILED] + counts[SectorState.UNREAD],
    )


def describe_errors(sectors: SectorMap) -> tuple[ErrorRange, ...]:
    """Every range that is not good, that had errors once, or that was repaired; by LBA."""
    return tuple(_ranges(sectors))


def _ranges(sectors: SectorMap) -> Iterator[ErrorRange]:
    edges = sorted(_edges(sectors))
    for begin, end in itertools.pairwise(edges):
        state = int(sectors.states(begin, 1)[0])
        story = sectors.errors.at(begin)
        repaired = begin in sectors.repaired
        if state >= _NO_STATE or not (story or repaired or state in NOT_GOOD):
            continue
        known = ErrorRange(
            begin, end - begin, RangeState[SectorState(state).name], repaired=repaired
        )
        if story is None:
            yield known
            continue
        yield ErrorRange(
            lba=known.lba,
            count=known.count,
            state=known.state,
            kind=story.why.word,
            sense=story.sense,
            attempts=story.attempts,
            first=datetime.fromtimestamp(story.first, UTC),
            last=datetime.fromtimestamp(story.last, UTC),
            repaired=repaired,
        )


def _edges(sectors: SectorMap) -> set[int]:
    """Every LBA where state, story or repair may change, as far as it matters."""
    runs = list(sectors.repaired)
    for state in NOT_GOOD:
        runs += sectors.ranges([state])
    for story in sectors.errors:
        runs.append(range(story.lba, story.end))
        for state in SectorState:
            runs += sectors.ranges([state], story.lba, story.end)
    return {edge for run in runs for edge in (run.start, run.stop)}
