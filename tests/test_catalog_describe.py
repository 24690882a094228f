# SPDX-License-Identifier: Apache-2.0
"""What the rooms below know is told to the catalog without loss."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.digests import digest_bytes
from imagerd.catalog.describe import (
    describe_counts,
    describe_disc,
    describe_errors,
    describe_tracks,
    layout_from_json,
    layout_json,
)
from imagerd.catalog.records import RangeState
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    Session,
    Track,
    TrackMode,
    single_track,
)
from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import ErrorRange as Story
from imagerd.recovery.evidence import Why
from imagerd.recovery.sectormap import NOT_GOOD, SectorMap

NOON = 1_777_896_000.5

MIXED = Layout(
    Medium.CD,
    (
        Session(
            1,
            (
                Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 1000, control=Control.DATA),
                Track(
                    2, 1, TrackMode.AUDIO, (Index(0, 1000), Index(1, 1150), Index(2, 1500)), 2000
                ),
            ),
            2000,
        ),
    ),
    mcn="4006381333931",
    cd_text=build([Text(0, PackType.TITLE, 0, "Hits")], 2),
)
DVD = single_track(5000, TrackMode.BLOCKS, medium=Medium.DVD, layers=(2500,))


@pytest.mark.parametrize("layout", [MIXED, DVD])
def test_a_layout_survives_the_catalog(layout: Layout) -> None:
    assert layout_from_json(layout_json(layout)) == layout


def test_what_is_no_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="not a layout"):
        layout_from_json({"medium": "cd"})
    with pytest.raises(ValueError):
        layout_from_json({"medium": "stone", "tracks": [], "sessions": []})


def test_a_cd_has_ids_and_a_dvd_has_none() -> None:
    cd, dvd = describe_disc("f", MIXED, "GAME"), describe_disc("g", DVD)
    assert (cd.volume_id, cd.title, cd.sectors) == ("GAME", "Hits", 2000)
    assert cd.musicbrainz_id is not None
    assert cd.cddb_id is not None
    assert (dvd.musicbrainz_id, dvd.cddb_id, dvd.volume_id, dvd.title) == (None,) * 4


def test_tracks_carry_their_digests() -> None:
    one, two = describe_tracks(MIXED, {2: digest_bytes(b"x")})
    assert (one.mode, one.control, one.digests) == ("mode1", 4, None)
    assert (two.start, two.index1, two.end, two.pregap) == (1000, 1150, 2000, 150)
    assert two.digests == digest_bytes(b"x")


@st.composite
def maps(draw: st.DrawFn) -> SectorMap:
    sectors = SectorMap([range(40), range(60, 90)])
    inside = st.integers(0, 39) | st.integers(60, 89)
    for lba in draw(st.lists(inside, max_size=25)):
        sectors.raise_to(lba, draw(st.sampled_from(SectorState)))
    for lba in draw(st.lists(inside, max_size=8)):
        count = min(draw(st.integers(1, 6)), (40 if lba < 40 else 90) - lba)
        story = Story(lba, count, Why.MEDIUM, (3, 0x11, draw(st.integers(0, 1))), 1, 1, NOON, NOON)
        sectors.errors.add(story)
    for lba in draw(st.lists(inside, max_size=4)):
        sectors.repaired.add(range(lba, lba + 1))
    return sectors


@given(maps())
@settings(max_examples=100, deadline=None)
def test_every_sector_with_a_story_is_listed_once_and_truthfully(sectors: SectorMap) -> None:
    ranges = describe_errors(sectors)
    listed = {lba: r for r in ranges for lba in range(r.lba, r.end)}
    assert sum(r.count for r in ranges) == len(listed)
    assert [r.lba for r in ranges] == sorted(r.lba for r in ranges)
    for area in sectors.areas:
        for lba in area:
            state, story = sectors.state(lba), sectors.errors.at(lba)
            if story is None and lba not in sectors.repaired and state not in NOT_GOOD:
                assert lba not in listed
                continue
            found = listed.pop(lba)
            assert found.state is RangeState[state.name]
            assert found.repaired == (lba in sectors.repaired)
            if story is None:
                assert (found.kind, found.sense, found.attempts) == (None, None, 0)
            else:
                assert (found.kind, found.sense) == ("medium", story.sense)
                assert found.attempts == story.attempts
                assert found.first == datetime.fromtimestamp(NOON, UTC)
    assert listed == {}


def test_counts_are_the_maps_and_unread_is_failed() -> None:
    sectors = SectorMap([range(10)])
    for lba, state in enumerate(SectorState):
        sectors.raise_to(lba, state)
    counts = describe_counts(sectors)
    assert (counts.proven, counts.good, counts.suspect, counts.failed) == (1, 1, 1, 7)
    assert counts.total == 10
    assert not counts.complete
