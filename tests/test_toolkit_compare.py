# SPDX-License-Identifier: Apache-2.0
"""Comparing discs: exactly the sectors that differ, in any pair of stored forms."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.progress import run
from imagerd.disc.layout import Control, Index, Medium, SectorFormat, TrackMode
from imagerd.sectors.convert import from_raw
from imagerd.toolkit.compare import CompareResult, Depth, Sameness, compare
from tests.sources import MemorySource, TrackPlan, audio, data, memory_blocks, memory_disc

MIXED = (data(40), audio(30, pregap=10), audio(25))


def compared(a: MemorySource, b: MemorySource, *, common: bool = False) -> CompareResult:
    return run(compare(a, b, common=common))


def restored(disc: MemorySource, stored: SectorFormat) -> MemorySource:
    """The same disc with its data tracks stored in another form."""
    layout = disc.layout
    sessions = tuple(
        replace(
            session,
            tracks=tuple(
                replace(track, stored=stored) if track.is_data else track
                for track in session.tracks
            ),
        )
        for session in layout.sessions
    )
    raw = {
        track.number: from_raw(disc.raw[track.number], stored, track.mode)
        if track.is_data
        else disc.raw[track.number]
        for track in layout.tracks
    }
    return MemorySource(replace(layout, sessions=sessions), raw)


def changed(disc: MemorySource, lbas: set[int], column: int = 500) -> MemorySource:
    """The same disc with one byte of each of `lbas` changed."""
    raw = {number: rows.copy() for number, rows in disc.raw.items()}
    for lba in lbas:
        track = disc.layout.track_at(lba)
        assert track is not None
        raw[track.number][lba - track.start, column] ^= 0x5A
    return MemorySource(disc.layout, raw)


def differing(result: CompareResult) -> set[int]:
    return {lba for track in result.tracks for area in track.different.ranges for lba in area}


def test_a_disc_equals_itself() -> None:
    result = compared(memory_disc(MIXED), memory_disc(MIXED))
    assert result.outcome is Sameness.EQUAL
    assert result.sectors == 95
    assert result.first_difference is None
    assert {track.depth for track in result.tracks} == {Depth.RAW}
    assert not result.layout and not result.details


@settings(max_examples=60, deadline=None)
@given(
    lbas=st.sets(st.integers(0, 94), max_size=20),
    column=st.integers(0, 2351),
)
def test_exactly_the_changed_sectors_are_reported(lbas: set[int], column: int) -> None:
    disc = memory_disc(MIXED)
    result = compared(disc, changed(disc, lbas, column))
    assert differing(result) == lbas
    assert result.outcome is (Sameness.DIFFERENT if lbas else Sameness.EQUAL)
    assert result.first_difference == min(lbas, default=None)
    for track in result.tracks:
        ranges = track.different.ranges
        assert all(a.stop < b.start for a, b in itertools.pairwise(ranges))


@settings(max_examples=40, deadline=None)
@given(
    mode=st.sampled_from([TrackMode.MODE1, TrackMode.MODE2]),
    lbas=st.sets(st.integers(0, 39), max_size=8),
    raw_first=st.booleans(),
)
def test_raw_and_cooked_are_compared_by_their_user_data(
    mode: TrackMode, lbas: set[int], raw_first: bool
) -> None:
    disc = memory_disc([data(40, mode)])
    other = restored(changed(disc, lbas), SectorFormat.USER)
    pair = (disc, other) if raw_first else (other, disc)
    result = compared(*pair)
    assert differing(result) == lbas
    assert result.tracks[0].depth is Depth.USER


@pytest.mark.parametrize("column", [0, 13, 2070, 2351])
def test_what_a_cooked_side_does_not_hold_does_not_matter(column: int) -> None:
    disc = memory_disc([data(40)])
    other = restored(disc, SectorFormat.USER)
    assert compared(changed(disc, {7}, column), other).outcome is Sameness.EQUAL


@pytest.mark.parametrize("stored", [SectorFormat.MODE2, SectorFormat.XA_USER])
def test_mode_2_short_forms_equal_their_raw_sectors(stored: SectorFormat) -> None:
    disc = memory_disc([data(40, TrackMode.MODE2, form2=3)])
    result = compared(disc, restored(disc, stored))
    assert result.outcome is Sameness.EQUAL
    result = compared(changed(disc, {9}), restored(disc, stored))
    assert differing(result) == {9}


def test_unreadable_sectors_leave_it_undecided() -> None:
    disc, hurt = memory_disc(MIXED), memory_disc(MIXED, bad=frozenset({12, 13, 50}))
    result = compared(disc, hurt)
    assert result.outcome is Sameness.UNDECIDED
    assert result.tracks[0].unreadable_b.ranges == (range(12, 14),)
    assert result.tracks[1].unreadable_b.ranges == (range(50, 51),)
    assert not differing(result)


def test_a_difference_beats_unreadable_sectors() -> None:
    disc, hurt = memory_disc(MIXED), memory_disc(MIXED, bad=frozenset({12}))
    assert compared(changed(disc, {3}), hurt).outcome is Sameness.DIFFERENT


def test_the_filling_of_unreadable_sectors_is_never_compared() -> None:
    hurt = changed(memory_disc(MIXED), {12})
    hurt.bad = frozenset({12})
    result = compared(memory_disc(MIXED), hurt)
    assert not differing(result)


def test_missing_tracks_are_told_and_decide() -> None:
    whole = memory_disc(MIXED)
    first = memory_disc(MIXED[:1])
    result = compared(whole, first)
    assert result.outcome is Sameness.DIFFERENT
    assert result.only_a.ranges == (range(40, 95),)
    assert result.layout == (
        "Track 2 (at LBA 50) is only in the first.",
        "Track 3 (at LBA 70) is only in the first.",
    )


def test_asked_for_what_is_common_missing_tracks_do_not_matter() -> None:
    result = compared(memory_disc(MIXED), memory_disc(MIXED[:1]), common=True)
    assert result.outcome is Sameness.EQUAL


def test_an_iso_is_found_again_where_its_track_lies_on_the_disc() -> None:
    disc = memory_disc([audio(33), data(40)])
    track = disc.layout.tracks[1]
    iso = memory_disc([data(40, stored=SectorFormat.USER)])
    iso.raw[1] = from_raw(disc.raw[2], SectorFormat.USER, track.mode)
    result = compared(disc, iso, common=True)
    assert (result.outcome, result.shift, result.sectors) == (Sameness.EQUAL, -33, 40)
    iso.raw[1][5, 0] ^= 1
    assert differing(compared(disc, iso)) == {38}
    assert differing(compared(iso, disc)) == {5}


def test_the_medium_that_an_iso_is_taken_for_does_not_decide() -> None:
    blocks = memory_blocks(40, medium=Medium.DVD)
    iso = memory_disc([data(40, stored=SectorFormat.USER)])
    iso.raw[1] = blocks.raw[1].copy()
    result = compared(blocks, iso)
    assert result.outcome is Sameness.EQUAL
    assert result.details == ("The disc is taken for a DVD in the first, CD in the second.",)


def test_other_indexes_decide_and_other_isrcs_do_not() -> None:
    disc = memory_disc(MIXED)
    pregap = memory_disc((MIXED[0], audio(30, pregap=9), MIXED[2]))
    assert compared(disc, pregap).outcome is Sameness.DIFFERENT
    index = [memory_disc((MIXED[0], audio(30, pregap=10, indexes=(n,)), MIXED[2])) for n in (4, 5)]
    result = compared(*index)
    assert result.outcome is Sameness.DIFFERENT
    assert result.layout == ("Track 2 has its INDEX 02 at LBA 54 in the first, 55 in the second.",)
    result = compared(disc, index[0])
    assert result.outcome is Sameness.EQUAL
    assert result.details == ("Track 2 has its INDEX 02 (at LBA 54) only in the second.",)
    isrc = memory_disc(
        (MIXED[0], MIXED[1], audio(25, isrc="DEA371500001", control=Control.PRE_EMPHASIS)),
        mcn="4006381333931",
    )
    result = compared(disc, isrc)
    assert result.outcome is Sameness.EQUAL
    assert len(result.details) == 3


def test_sessions_and_their_gap_are_walked() -> None:
    plans = (audio(30), data(20, session=2))
    disc = memory_disc(plans)
    second = disc.layout.tracks[1].start
    result = compared(disc, changed(disc, {second + 3}))
    assert result.sectors == 50
    assert differing(result) == {second + 3}


def test_audio_against_cooked_data_is_all_different() -> None:
    result = compared(memory_disc([audio(10)]), memory_disc([data(10, stored=SectorFormat.USER)]))
    assert result.outcome is Sameness.DIFFERENT
    assert result.tracks[0].different.count == 10


def test_a_source_of_tiny_reads_is_compared_all_the_same() -> None:
    class Tiny(MemorySource):
        def read(self, lba: int, count: int):  # type: ignore[no-untyped-def]
            return super().read(lba, min(count, 1 + lba % 3))

    disc = memory_disc(MIXED)
    tiny = Tiny(disc.layout, changed(disc, {41, 60}).raw)
    assert differing(compared(disc, tiny)) == differing(compared(tiny, disc)) == {41, 60}


def test_rows_are_compared_in_every_sector_size() -> None:
    from imagerd.toolkit.compare import unequal_rows

    for stored in SectorFormat:
        a = np.zeros((5, stored.size), np.uint8)
        for column in (0, stored.size - 1):
            b = a.copy()
            b[3, column] = 1
            assert unequal_rows(a, b).tolist() == [False, False, False, True, False]


def test_a_track_that_is_stored_otherwise_is_no_difference_of_layout() -> None:
    disc = memory_disc([TrackPlan(TrackMode.MODE1, 12), audio(9)])
    result = compared(disc, restored(disc, SectorFormat.USER))
    assert result.outcome is Sameness.EQUAL
    assert not result.layout


def toc_only(disc: MemorySource) -> MemorySource:
    """The same disc as a drive knows it that reads no subchannel: no pregaps, no indexes."""
    tracks = disc.layout.tracks
    ends = [*(track.index1 for track in tracks[1:]), disc.layout.end]
    shown = tuple(
        replace(track, indexes=(Index(1, track.index1),), end=end)
        for track, end in zip(tracks, ends, strict=True)
    )
    layout = replace(disc.layout, sessions=(replace(disc.layout.sessions[0], tracks=shown),))
    whole = np.concatenate([disc.raw[track.number] for track in tracks])
    raw = {track.number: whole[track.index1 : track.end] for track in shown}
    return MemorySource(layout, raw)


def test_pregaps_that_one_side_cannot_know_do_not_decide() -> None:
    disc = memory_disc(MIXED)
    for pair in ((disc, toc_only(disc)), (toc_only(disc), disc)):
        result = compared(*pair)
        assert result.outcome is Sameness.EQUAL
        assert result.sectors == 95
        assert len(result.details) == 1


def test_a_lead_out_that_lies_elsewhere_decides() -> None:
    result = compared(memory_disc([data(40)]), memory_disc([data(41)]))
    assert result.outcome is Sameness.DIFFERENT
    assert result.layout == ("Session 1 ends at LBA 40 in the first, 41 in the second.",)
