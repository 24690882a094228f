# SPDX-License-Identifier: Apache-2.0
"""Layouts out of the subchannel: whatever the TOC leaves out comes back, noise or not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import Index, Layout, Session, Track
from imagerd.disc.source import Bytes2D
from imagerd.recovery.subq import Refined, refine_layout
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
