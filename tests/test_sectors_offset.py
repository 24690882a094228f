# SPDX-License-Identifier: Apache-2.0
"""Read offset correction, against drives that read too early or too late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import Index, Layout, Medium, SectorFormat, Session, Track, TrackMode
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.sectors.blocks import read_all
from imagerd.sectors.convert import to_raw
from imagerd.sectors.offset import OffsetView, audio_areas
from tests.strategies_sectors import MemorySource, make_layout, noise

M = TrackMode
AREA = 12
offsets = st.integers(-4 * 588, 4 * 588) | st.sampled_from((6, 30, 102, 667, -582, 588, -588, 1176))


def samples_of(data: Bytes2D) -> npt.NDArray[np.uint32]:
    return np.ascontiguousarray(data).reshape(-1).view("<u4")


def as_the_drive_delivers(true: Bytes2D, offset: int, before: int = 0, after: int = 0) -> Bytes2D:
    """What a drive with this read offset gives: sample i of the disc comes at i + offset.

    That is, it delivers data from `offset` samples earlier than it was asked for.
    """
    samples = samples_of(true)
    delivered = np.empty_like(samples)
    for position in range(len(samples)):
        source = position - offset
        if source < 0:
            delivered[position] = before
        elif source >= len(samples):
            delivered[position] = after
        else:
            delivered[position] = samples[source]
    return delivered.view(np.uint8).reshape(true.shape)


def audio(data: Bytes2D, **options: object) -> MemorySource:
    layout = make_layout((M.AUDIO, len(data)))
    return MemorySource(layout, {1: data}, **options)  # type: ignore[arg-type]


def test_sign_of_the_offset_by_one_sample() -> None:
    """Listed +1: the drive is one sample behind, the first sample asked for is the one before."""
    delivered = np.arange(588 * 3, dtype="<u4").view(np.uint8).reshape(3, 2352)
    corrected = OffsetView(audio(delivered), +1).read(0, 3).data
    assert samples_of(corrected)[:3].tolist() == [1, 2, 3]
    assert samples_of(corrected)[-1] == 0
    other = OffsetView(audio(delivered), -1).read(0, 3).data
    assert samples_of(other)[:3].tolist() == [0, 0, 1]


@settings(max_examples=60, deadline=None)
@given(offsets, st.integers(0, AREA - 1), st.integers(1, AREA), st.integers(1, 5))
def test_corrected_audio_is_the_discs(offset: int, lba: int, count: int, short: int) -> None:
    true = noise(9, AREA, 2352)
    source = audio(as_the_drive_delivers(true, offset, 0xDEAD, 0xBEEF), short=short)
    count = min(count, AREA - lba)
    block = read_all(OffsetView(source, offset), lba, count)
    assert (block.lba, len(block)) == (lba, count)
    expected = samples_of(true).copy()
    if offset > 0:
        expected[max(0, len(expected) - offset) :] = 0
    elif offset < 0:
        expected[: min(len(expected), -offset)] = 0
    found = samples_of(block.data)
    assert np.array_equal(found, expected[588 * lba : 588 * (lba + count)])


@given(offsets)
def test_padded_names_exactly_the_sectors_with_lost_samples(offset: int) -> None:
    ones = np.full((AREA, 2352), 0x11, np.uint8)
    view = OffsetView(audio(ones), offset)
    block = read_all(view, 0, AREA)
    padded = [lba for edge in view.padded for lba in edge]
    assert padded == np.flatnonzero((block.data == 0).any(axis=1)).tolist()


def mixed() -> tuple[MemorySource, dict[int, Bytes2D]]:
    tracks = {
        1: to_raw(noise(1, 10, 2048), SectorFormat.USER, M.MODE1, 0),
        2: noise(2, 8, 2352),
        3: noise(3, 7, 2352),
        4: to_raw(noise(4, 5, 2048), SectorFormat.USER, M.MODE1, 25),
    }
    layout = make_layout((M.MODE1, 10), (M.AUDIO, 8), (M.AUDIO, 7), (M.MODE1, 5))
    return MemorySource(layout, tracks), tracks


@settings(deadline=None)
@given(offsets)
def test_data_tracks_stay_and_audio_runs_through_its_tracks(offset: int) -> None:
    source, tracks = mixed()
    true = np.concatenate((tracks[2], tracks[3]))
    shifted = as_the_drive_delivers(true, offset)
    source.tracks = {**tracks, 2: shifted[:8], 3: shifted[8:]}
    view = OffsetView(source, offset)
    assert np.array_equal(read_all(view, 0, 10).data, tracks[1])
    assert np.array_equal(read_all(view, 25, 5).data, tracks[4])
    found, expected = samples_of(read_all(view, 10, 15).data), samples_of(true)
    lost = abs(offset)
    inside = slice(0, len(expected) - lost) if offset >= 0 else slice(lost, None)
    assert np.array_equal(found[inside], expected[inside])
    assert not found[len(expected) - lost :].any() if offset > 0 else True


def test_areas_are_runs_of_audio_tracks_within_a_session() -> None:
    assert audio_areas(mixed()[0].layout) == (range(10, 25),)
    first = Track(1, 1, M.AUDIO, (Index(1, 0),), 100)
    second = Track(2, 2, M.AUDIO, (Index(1, 11500),), 11600)
    layout = Layout(Medium.CD, (Session(1, (first,), 100), Session(2, (second,), 11600)))
    assert audio_areas(layout) == (range(100), range(11500, 11600))


def test_a_block_does_not_run_from_data_into_corrected_audio() -> None:
    source, _ = mixed()
    assert OffsetView(source, 30).read(5, 15).end == 10


@pytest.mark.parametrize(
    ("offset", "spoiled"),
    [(0, [5]), (588, [4]), (-588, [6]), (30, [4, 5]), (-30, [5, 6]), (600, [3, 4]), (-600, [6, 7])],
)
def test_a_failed_sector_spoils_what_takes_a_part_of_it(offset: int, spoiled: list[int]) -> None:
    view = OffsetView(audio(noise(1, AREA, 2352), failed=frozenset({5})), offset)
    for block in (view.read(0, AREA), read_all(view, 0, AREA)):
        failed = np.flatnonzero(block.states == SectorState.FAILED).tolist()
        assert failed == spoiled
        named = [lba for f in block.faults for lba in range(f.lba, f.lba + f.count)]
        assert sorted(named) == spoiled


def test_edges_are_read_and_no_more() -> None:
    class Proven(MemorySource):
        def read(self, lba: int, count: int) -> Sectors:
            block = super().read(lba, count)
            block.states[:] = SectorState.PROVEN
            return block

    source = audio(noise(1, AREA, 2352))
    proven = Proven(source.layout, source.tracks)
    states = read_all(OffsetView(proven, 30), 0, AREA).states
    assert states.tolist() == [SectorState.PROVEN] * (AREA - 1) + [SectorState.READ]


def test_subchannel_stays_and_c2_moves_with_the_bytes() -> None:
    class WithC2(MemorySource):
        def read(self, lba: int, count: int) -> Sectors:
            block = super().read(lba, count)
            c2 = np.zeros((len(block), 294), np.uint8)
            for row in range(len(block)):
                if lba + row == 6:
                    c2[row, 10] = 0x80  # byte 80 of sector 6
            return replace(block, c2=c2)

    source = audio(noise(1, AREA, 2352))
    stamped = WithC2(
        source.layout,
        source.tracks,
        sub=lambda lba, count: np.arange(lba, lba + count, dtype=np.uint8)[:, None].repeat(96, 1),
    )
    for offset in (1, 30, -7, 588, 700, -3 * 588):
        view: SectorSource = OffsetView(stamped, offset)
        for lba, count in ((0, AREA), (0, 1), (0, 2), (AREA - 2, 2), (AREA - 1, 1)):
            block = view.read(lba, count)
            assert block.sub is not None
            assert block.sub[:, 0].tolist() == list(range(lba, lba + count))
        whole = view.read(0, AREA)
        assert whole.c2 is not None
        bits = np.unpackbits(whole.c2, axis=1).reshape(-1)
        moved = 6 * 2352 + 80 - 4 * offset
        assert np.flatnonzero(bits).tolist() == [moved]


def test_no_offset_changes_nothing() -> None:
    source, tracks = mixed()
    view = OffsetView(source, 0)
    assert np.array_equal(view.read(10, 8).data, tracks[2])
    assert view.padded == ()


def test_audio_must_be_raw() -> None:
    layout = single = make_layout((M.AUDIO, 5))
    track = replace(single.tracks[0], stored=SectorFormat.RAW_SUB)
    layout = replace(layout, sessions=(Session(1, (track,), 5),))
    with pytest.raises(ValueError, match="not RAW"):
        OffsetView(MemorySource(layout, {}), 6)
