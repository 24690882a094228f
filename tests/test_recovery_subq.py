# SPDX-License-Identifier: Apache-2.0
"""Layouts out of the subchannel: whatever the TOC leaves out comes back, noise or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import Index, Layout, Session, Track
from imagerd.disc.source import Bytes2D
from imagerd.recovery.subnumbers import findings_on, isrc_sound, mcn_sound, number_told
from imagerd.recovery.subq import FlagsTold, IndexTold, Refined, refine_layout
from imagerd.sectors.subgen import build_sub
from tests.sources import audio, data, lay_out

ISRCS = st.none() | st.sampled_from(["DEABC9900001", "USXYZ0100042"])


@st.composite
def discs(draw: st.DrawFn) -> Layout:
    plans = []
    for number in range(draw(st.integers(1, 5))):
        pregap = draw(st.sampled_from([0, 0, 150, 75, 33, 12])) if number else 0
        indexes = tuple(draw(st.lists(st.integers(12, 60), max_size=3)))
        # Once in a hundred sectors there is a frame of each other kind: two to be sure of.
        length = pregap + sum(indexes) + draw(st.integers(320, 500))
        kind = draw(st.sampled_from([audio, audio, data]))
        isrc = draw(ISRCS) if kind is audio else None
        plans.append(kind(length, pregap=pregap, indexes=indexes, isrc=isrc))
    return lay_out(plans, mcn=draw(st.none() | st.just("4006381333931")))


def as_toc(layout: Layout) -> Layout:
    """What the table of contents alone tells: INDEX 01 and the lead-out."""
    sessions = []
    for session in layout.sessions:
        tracks = list(session.tracks)
        ends = [*(track.index1 for track in tracks[1:]), session.lead_out]
        bare = [
            replace(track, indexes=(Index(1, track.index1),), end=end, isrc=None)
            for track, end in zip(tracks, ends, strict=True)
        ]
        sessions.append(Session(session.number, tuple(bare), session.lead_out))
    return replace(layout, sessions=tuple(sessions), mcn=None)


def refined(layout: Layout, spoil: object = None, shift: int = 0) -> Refined:
    """The TOC of `layout` refined by its subchannel; `spoil` changes (n, 96) in place."""
    sub = {area.start: build_sub(layout, area.start - shift, len(area)) for area in layout.ranges()}
    for rows in sub.values():
        if callable(spoil):
            spoil(rows)

    def read(lba: int, count: int) -> Bytes2D:
        begin = max(start for start in sub if start <= lba)
        return sub[begin][lba - begin : lba - begin + count]

    return refine_layout(as_toc(layout), read)


def starts(layout: Layout) -> list[tuple[int, int, int]]:
    return [(t.number, i.number, i.lba) for t in layout.tracks for i in t.indexes]


@settings(max_examples=80, deadline=None)
@given(discs())
def test_every_index_comes_back(layout: Layout) -> None:
    found = refined(layout)
    for told, (track, index, lba) in zip(starts(found.layout), starts(layout), strict=True):
        # A frame with the MCN or the ISRC has no index: the next one is the first to tell.
        hidden = lba % 100 in (40, 80) and index != 1
        assert told in [(track, index, lba), (track, index, lba + hidden)]
    assert found.layout.mcn == layout.mcn
    assert [t.isrc for t in found.layout.tracks] == [t.isrc for t in layout.tracks]
    for track, following in pairwise(found.layout.tracks):
        assert track.end == following.start
    assert found.layout_record.layout() == found.layout


@settings(max_examples=30, deadline=None)
@given(discs(), st.integers(-3, 3), st.integers(0, 2**32 - 1))
def test_a_drive_whose_subchannel_lags_does_no_harm(layout: Layout, shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def noise(rows: Bytes2D) -> None:
        hit = rng.random(len(rows)) < 0.1
        rows[hit, rng.integers(0, 96)] ^= 0x40

    for truth, found in zip(
        layout.tracks, refined(layout, noise, shift).layout.tracks, strict=True
    ):
        assert found.index1 == truth.index1
        assert abs(found.start - truth.start) <= 12


def test_frames_of_nonsense_do_not_move_a_boundary() -> None:
    layout = lay_out([audio(2000), audio(2000, pregap=150)])
    liar = build_sub(layout, 1900, 1)[0]

    def lies(rows: Bytes2D) -> None:
        rows[2100:2140] = build_sub(layout, 2100 - 40, 40)  # a stretch read twice
        rows[100] = liar
        rows[3000] = 0

    assert starts(refined(layout, lies).layout) == starts(layout)


def test_where_q_contradicts_the_toc_the_toc_is_followed_and_it_is_told() -> None:
    layout = lay_out([audio(1000), audio(1000, pregap=150)])
    track = layout.tracks[1]
    moved = replace(track, indexes=(Index(0, 1000), Index(1, 1153)))
    session = replace(layout.sessions[0], tracks=(layout.tracks[0], moved))
    other = replace(layout, sessions=(session,))
    sub = build_sub(other, 0, 2000)
    found = refine_layout(as_toc(layout), lambda lba, count: sub[lba : lba + count])
    assert found.layout.tracks[1].index1 == 1150
    assert found.layout.tracks[1].start == 1000
    assert any("1153" in finding and "1150" in finding for finding in found.findings)


def test_an_unreadable_stretch_at_a_boundary_is_told() -> None:
    layout = lay_out([audio(1000), audio(1000, pregap=40)])

    def hole(rows: Bytes2D) -> None:
        rows[990:1005] = 0

    found = refined(layout, hole)
    start = found.layout.tracks[1].start
    assert 990 <= start <= 1005
    assert any("unreadable" in finding for finding in found.findings)


def test_a_pause_of_whole_seconds_is_believed_over_a_hole() -> None:
    layout = lay_out([audio(1000), audio(1000, pregap=150)])

    def hole(rows: Bytes2D) -> None:
        rows[997:1005] = 0

    found = refined(layout, hole)
    assert found.layout.tracks[1].start == 1000
    assert not found.findings


def test_without_subchannel_the_layout_stays_and_that_is_told() -> None:
    layout = as_toc(lay_out([audio(500), audio(500)]))
    found = refine_layout(layout, lambda lba, count: np.zeros((count, 96), np.uint8))
    assert found.layout == layout
    assert len(found.findings) == 1


def test_flags_that_only_q_knows_are_told() -> None:
    layout = lay_out([audio(500)])
    track: Track = replace(layout.tracks[0], control=layout.tracks[0].control.__class__(1))
    other = replace(layout, sessions=(replace(layout.sessions[0], tracks=(track,)),))
    sub = build_sub(other, 0, 500)
    found = refine_layout(layout, lambda lba, count: sub[lba : lba + count])
    assert any("flags 0x1" in finding for finding in found.findings)


@pytest.mark.parametrize("sectors", [330_000])
def test_a_full_disc_is_refined_in_bounded_pieces(sectors: int) -> None:
    layout = lay_out([audio(sectors // 10, pregap=150 if n else 0) for n in range(10)])
    sub = build_sub(layout, 0, layout.end)
    biggest = 0

    def read(lba: int, count: int) -> Bytes2D:
        nonlocal biggest
        biggest = max(biggest, count)
        return sub[lba : lba + count]

    assert starts(refine_layout(as_toc(layout), read).layout) == starts(layout)
    assert biggest <= 8192


# -- both sources, side by side ----------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(discs())
def test_every_index_is_told_by_each_source_that_knows_it(layout: Layout) -> None:
    found = refined(layout)
    told = {(told.track, told.index): told for told in found.indexes}
    assert set(told) == {(t.number, i.number) for t in found.layout.tracks for i in t.indexes}
    for track in found.layout.tracks:
        for index in track.indexes:
            entry = told[track.number, index.number]
            assert entry.used == index.lba == entry.q
            assert entry.toc == (index.lba if index.number == 1 else None)
            assert not entry.differs
    assert found.flags == ()


def test_both_places_of_an_index_are_kept_where_they_differ() -> None:
    layout = lay_out([audio(1000), audio(1000, pregap=150)])
    moved = replace(layout.tracks[1], indexes=(Index(0, 1000), Index(1, 1153)))
    other = replace(
        layout, sessions=(replace(layout.sessions[0], tracks=(layout.tracks[0], moved)),)
    )
    sub = build_sub(other, 0, 2000)
    found = refine_layout(as_toc(layout), lambda lba, count: sub[lba : lba + count])
    differing = [told for told in found.indexes if told.differs]
    assert differing == [IndexTold(2, 1, 1150, 1153, 1150)]
    assert msgspec.json.decode(msgspec.json.encode(differing[0])) == {
        "track": 2, "index": 1, "toc": 1150, "q": 1153, "used": 1150,
    }  # fmt: skip


def test_what_q_does_not_tell_is_not_made_up() -> None:
    layout = lay_out([audio(1000, pregap=200), audio(1000)])
    sub = build_sub(layout, 0, 2000).copy()
    sub[0:400] = 0
    sub[850:1150] = 0
    found = refine_layout(layout, lambda lba, count: sub[lba : lba + count])
    told = [(t.track, t.index, t.toc, t.q) for t in found.indexes]
    assert told == [(1, 0, 0, None), (1, 1, 200, None), (2, 1, 1000, None)]


def test_flags_by_both_sources_are_in_the_record() -> None:
    layout = lay_out([audio(500)])
    track = replace(layout.tracks[0], control=layout.tracks[0].control.__class__(1))
    other = replace(layout, sessions=(replace(layout.sessions[0], tracks=(track,)),))
    sub = build_sub(other, 0, 500)
    found = refine_layout(layout, lambda lba, count: sub[lba : lba + count])
    assert found.flags == (FlagsTold(1, 0, 1),)


# -- numbers -----------------------------------------------------------------------------------

MCN = "4006381333931"
DIGITS = st.text("0123456789", min_size=12, max_size=12)


def ean(digits: str) -> str:
    total = sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(digits))
    return digits + str(-total % 10)


@given(DIGITS, st.integers(0, 12), st.integers(1, 9))
def test_a_check_digit_finds_any_wrong_digit(digits: str, place: int, by: int) -> None:
    right = ean(digits)
    assert mcn_sound(right)
    wrong = right[:place] + str((int(right[place]) + by) % 10) + right[place + 1 :]
    assert not mcn_sound(wrong)


@given(DIGITS.map(ean), st.lists(st.integers(0, 12), min_size=3, max_size=12, unique=True))
def test_frames_that_differ_agree_by_character(right: str, places: list[int]) -> None:
    """Each frame has another digit wrong, so no two are alike and yet all is told."""
    told = Counter(
        right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :] for place in places
    )
    found = number_told(told, None)
    assert found is not None
    assert (found.q, found.used, found.votes, found.sound) == (right, right, 0, True)
    assert any("put together" in finding for finding in findings_on([found]))


def test_what_is_put_together_and_has_no_right_check_digit_is_not_believed() -> None:
    wrong = ean("400638133393")[:-1] + "5"
    told = Counter(wrong[:n] + "7" + wrong[n + 1 :] for n in (0, 1, 2, 3))
    found = number_told(told, MCN)
    assert found is not None
    assert (found.q, found.used) == (None, MCN)


def test_a_number_with_a_wrong_check_digit_that_all_frames_tell_stands() -> None:
    found = number_told(Counter({"4006381333930": 9}), None)
    assert found is not None
    assert (found.used, found.sound, found.votes) == ("4006381333930", False, 9)
    assert any("check digit" in finding for finding in findings_on([found]))


@pytest.mark.parametrize("told", [{MCN: 1}, {MCN: 2, "0614141999996": 2}])
def test_too_few_frames_or_divided_ones_leave_what_the_drive_told(told: dict[str, int]) -> None:
    found = number_told(Counter(told), "0614141999996")
    assert found is not None
    assert found.used == "0614141999996"
    assert found.frames == sum(told.values())


def test_the_drive_is_contradicted_openly() -> None:
    found = number_told(Counter({"DEABC9900001": 5}), "DEABC9900002", 3)
    assert found is not None
    assert (found.used, found.drive, found.q) == ("DEABC9900001", "DEABC9900002", "DEABC9900001")
    assert any("track 3" in told and "Q is followed" in told for told in findings_on([found]))


@pytest.mark.parametrize(
    ("isrc", "sound"),
    [("DEABC9900001", True), ("QZIMG2600001", True), ("12ABC9900001", False), ("DEABC99", False)],
)
def test_the_form_of_an_isrc(isrc: str, sound: bool) -> None:
    assert isrc_sound(isrc) is sound


@settings(max_examples=25, deadline=None)
@given(discs(), st.integers(0, 2**32), st.floats(0, 0.5))
def test_noise_never_makes_a_number(layout: Layout, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)

    def noise(rows: Bytes2D) -> None:
        for row in np.flatnonzero(rng.random(len(rows)) < share):
            rows[row, rng.choice(96, 4, replace=False)] ^= 0x40

    found = refined(layout, noise)
    assert found.layout.mcn in (layout.mcn, None)
    for track, true in zip(found.layout.tracks, layout.tracks, strict=True):
        assert track.isrc in (true.isrc, None)
