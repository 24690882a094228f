# SPDX-License-Identifier: Apache-2.0
"""Views: raw of anything, user data of anything, and honest about what could not be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.layout import (
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
    single_track,
)
from imagerd.disc.source import FaultKind, SectorSource, SectorState
from imagerd.sectors.convert import to_raw
from imagerd.sectors.verify import check, check_data
from imagerd.sectors.views import RawView, UserView
from tests.strategies_sectors import MemorySource, make_layout, noise

S, M = SectorFormat, TrackMode


def cooked(sectors: int = 700, **options: object) -> MemorySource:
    layout = single_track(sectors, M.MODE1, stored=S.USER)
    return MemorySource(layout, {1: noise(1, sectors, 2048)}, **options)  # type: ignore[arg-type]


def mixed(stored: SectorFormat = S.USER) -> MemorySource:
    layout = make_layout((M.MODE1, 40), (M.AUDIO, 30), stored=stored)
    return MemorySource(layout, {1: noise(1, 40, stored.size), 2: noise(2, 30, 2352)})


def test_views_are_sources() -> None:
    assert isinstance(RawView(cooked()), SectorSource)
    assert isinstance(UserView(cooked()), SectorSource)


@settings(max_examples=30)
@given(st.integers(0, 699), st.integers(1, 60), st.integers(1, 300), st.integers(1, 400))
def test_raw_view_regenerates_what_is_stored_short(
    lba: int, count: int, ahead: int, short: int
) -> None:
    source = cooked(short=short)
    view = RawView(source, ahead=ahead)
    expected = to_raw(source.tracks[1], S.USER, M.MODE1, 0)
    at = lba
    while at < min(lba + count, 700):
        block = view.read(at, lba + count - at)
        assert block.lba == at
        assert block.format is S.RAW
        assert np.array_equal(block.data, expected[at : at + len(block)])
        assert (block.states == SectorState.READ).all()
        at = block.end


def test_raw_view_layout_is_raw_and_nothing_else_changes() -> None:
    view = RawView(mixed())
    assert [track.stored for track in view.layout.tracks] == [S.RAW, S.RAW]
    assert [track.end for track in view.layout.tracks] == [40, 70]


def test_raw_view_passes_audio_on_and_stops_at_the_track() -> None:
    source = mixed()
    view = RawView(source)
    assert len(view.read(35, 20)) == 5
    assert np.array_equal(view.read(40, 30).data, source.tracks[2])


def test_buffers_of_a_raw_view_are_the_callers() -> None:
    view = RawView(cooked())
    first = view.read(0, 4)
    first.data[:] = 0
    first.states[:] = 0
    assert check(view.read(0, 4).data, 0).proven.all()
    assert (view.read(0, 4).states == SectorState.READ).all()


@pytest.mark.parametrize(
    ("stored", "mode"),
    [
        (S.USER, M.MODE1),
        (S.USER, M.MODE2),
        (S.MODE2, M.MODE2),
        (S.FORM2, M.MODE2),
        (S.XA_USER, M.MODE2),
    ],
)
def test_unread_sectors_do_not_become_data_in_raw(stored: SectorFormat, mode: TrackMode) -> None:
    """Least of all zeros, which with a sync would be a right form 1 sector."""
    layout = make_layout((mode, 20), stored=stored)
    source = MemorySource(layout, {1: np.zeros((20, stored.size), np.uint8)}, frozenset({3, 4}))
    block = RawView(source).read(0, 20)
    assert block.states[3:5].tolist() == [SectorState.FAILED] * 2
    found = check_data(block.data, 0)
    assert found.wrong[3:5].all()
    assert (block.data[3:5] == 0x55).sum() == 2 * stored.size
    assert [(fault.lba, fault.kind) for fault in block.faults] == [
        (3, FaultKind.MEDIUM),
        (4, FaultKind.MEDIUM),
    ]


def test_faults_are_told_for_the_rows_given_only() -> None:
    view = RawView(cooked(failed=frozenset({10, 50})))
    assert [fault.lba for fault in view.read(5, 20).faults] == [10]
    assert view.read(11, 20).faults == ()
    assert [fault.lba for fault in view.read(50, 1).faults] == [50]


def test_raw_view_splits_stored_subchannel_off() -> None:
    data = noise(3, 10, 2448)
    layout = make_layout((M.MODE2, 10), stored=S.RAW_SUB)
    block = RawView(MemorySource(layout, {1: data})).read(2, 5)
    assert block.format is S.RAW
    assert np.array_equal(block.data, data[2:7, :2352])
    assert block.sub is not None
    assert np.array_equal(block.sub, data[2:7, 2352:])


def test_raw_view_of_a_dvd_is_the_dvd() -> None:
    layout = single_track(50, M.BLOCKS, medium=Medium.DVD, stored=S.USER)
    source = MemorySource(layout, {1: noise(1, 50, 2048)})
    view = RawView(source)
    assert view.layout == layout
    assert view.read(10, 5).format is S.USER
    user = UserView(source)
    assert np.array_equal(user.read(0, 50).data, source.tracks[1])


@pytest.mark.parametrize(
    ("stored", "mode", "start"),
    [
        (S.RAW, M.MODE1, 16),
        (S.RAW, M.MODE2, 24),
        (S.RAW_SUB, M.MODE1, 16),
        (S.USER_SUB, M.MODE1, 0),
        (S.MODE2, M.MODE2, 8),
        (S.XA_USER, M.MODE2, 8),
        (S.USER, M.MODE2, 0),
    ],
)
def test_user_view_finds_the_user_data(stored: SectorFormat, mode: TrackMode, start: int) -> None:
    user = noise(4, 12, 2048)
    data = np.zeros((12, stored.size), np.uint8)
    if stored in (S.RAW, S.RAW_SUB):
        data[:, :2352] = to_raw(user, S.USER, mode, 0)
    else:
        data[:, start : start + 2048] = user
    view = UserView(MemorySource(make_layout((mode, 12), stored=stored), {1: data}))
    block = view.read(3, 9)
    assert block.format is S.USER
    assert np.array_equal(block.data, user[3:])
    assert (block.states == SectorState.READ).all()


def test_user_view_doubts_what_does_not_look_like_the_track() -> None:
    raw = to_raw(noise(1, 6, 2048), S.USER, M.MODE2, 0)
    raw[1, 3] = 0  # sync
    raw[2, 15] = 1  # mode
    raw[3, 18] |= 0x20  # form 2
    raw[4] = 0
    source = MemorySource(make_layout((M.MODE2, 6)), {1: raw}, frozenset({5}))
    states = UserView(source).read(0, 6).states.tolist()
    doubt = SectorState.SUSPECT
    assert states == [SectorState.READ, doubt, doubt, doubt, doubt, SectorState.FAILED]


def test_user_view_shows_one_track_at_its_place() -> None:
    tracks = (
        Track(1, 1, M.AUDIO, (Index(1, 0),), 100),
        Track(
            2,
            1,
            M.MODE1,
            (Index(0, 100), Index(1, 250)),
            400,
            S.USER,
            pregap_virtual=150,
            postgap_virtual=50,
        ),
    )
    layout = Layout(Medium.CD, (Session(1, tracks, 400),))
    data = noise(1, 300, 2048)
    view = UserView(MemorySource(layout, {1: noise(2, 100, 2352), 2: data}))
    assert (view.layout.start, view.layout.end) == (250, 350)
    assert view.track.number == 2
    assert np.array_equal(view.read(250, 1000).data, data[150:250])
    for lba in (249, 350):
        with pytest.raises(ValueError, match="outside"):
            view.read(lba, 1)


def test_user_view_needs_a_data_track() -> None:
    source = mixed()
    assert UserView(source, 1).track.number == 1
    with pytest.raises(BadInput, match="no data track 2"):
        UserView(source, 2)
    audio = MemorySource(make_layout((M.AUDIO, 5)), {1: noise(1, 5, 2352)})
    with pytest.raises(BadInput, match="no data track"):
        UserView(audio)


def test_closing_a_view_closes_the_source() -> None:
    for make in (RawView, UserView):
        source = cooked()
        make(source).close()
        assert source.closed
