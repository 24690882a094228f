# SPDX-License-Identifier: Apache-2.0
"""Any layout, written as a sheet and read back, is the same layout with the same sectors."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.digests import digest_bytes
from imagerd.base.errors import AlreadyThere, BadInput
from imagerd.base.progress import Progress, run
from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
    single_track,
)
from imagerd.disc.source import SectorState
from imagerd.formats import MARKER, WriteOptions, open_image, write_image
from tests.discs_formats import MemorySource, read_all
from tests.strategies_formats import layouts

QUICK = WriteOptions(sync=False)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layout=layouts(), split=st.booleans())
def test_any_layout_written_and_read_is_the_same_layout(layout: Layout, split: bool) -> None:
    source = MemorySource(layout)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "disc.cue"
        options = WriteOptions(sync=False, split_tracks=split, hash=False)
        run(write_image(source, target, options))
        image = open_image(target)
        try:
            assert image.layout == layout
            for track in layout.tracks:
                area = range(track.start, track.end)
                if len(area):
                    assert np.array_equal(read_all(image, area), read_all(source, area))
        finally:
            image.close()


def mixed_layout() -> Layout:
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 40, control=Control.DATA)
    song = Track(2, 1, TrackMode.AUDIO, (Index(0, 40), Index(1, 60)), 100)
    extra = Track(3, 2, TrackMode.MODE2, (Index(1, 11500),), 11530, control=Control.DATA)
    return Layout(Medium.CD, (Session(1, (data, song), 100), Session(2, (extra,), 11530)))


def test_files_are_called_as_redump_calls_them(tmp_path: Path) -> None:
    source = MemorySource(mixed_layout())
    run(write_image(source, tmp_path / "x.cue", WriteOptions(split_tracks=True, sync=False)))
    assert {p.name for p in tmp_path.iterdir()} == {
        "x.cue",
        "x (Track 1).bin",
        "x (Track 2).bin",
        "x (Track 3).bin",
    }
    one = MemorySource(single_track(10, TrackMode.AUDIO))
    run(write_image(one, tmp_path / "y.cue", WriteOptions(split_tracks=True, sync=False)))
    assert (tmp_path / "y.bin").stat().st_size == 10 * 2352


def test_ten_tracks_are_numbered_with_two_digits(tmp_path: Path) -> None:
    tracks = tuple(
        Track(n, 1, TrackMode.AUDIO, (Index(1, n * 4 - 4),), n * 4) for n in range(1, 11)
    )
    layout = Layout(Medium.CD, (Session(1, tracks, 40),))
    run(write_image(MemorySource(layout), tmp_path / "x.cue", WriteOptions(split_tracks=True)))
    assert (tmp_path / "x (Track 01).bin").exists()


def test_a_sheet_of_several_sessions_says_lead_out_as_position_or_as_duration(
    tmp_path: Path,
) -> None:
    source = MemorySource(mixed_layout())
    run(write_image(source, tmp_path / "one.cue", QUICK))
    run(write_image(source, tmp_path / "many.cue", WriteOptions(split_tracks=True, sync=False)))
    one = (tmp_path / "one.cue").read_bytes().decode()
    many = (tmp_path / "many.cue").read_bytes().decode()
    assert "REM LEAD-OUT 00:01:25\r\nREM SESSION 02\r\n" in one  # 100 sectors into the file
    assert "REM LEAD-OUT 01:30:00\r\nREM SESSION 02\r\n" in many  # 6750 sectors long
    assert (tmp_path / "one.bin").stat().st_size == 130 * 2352  # the gap is in no file


def test_digests_of_files_and_tracks_are_those_of_their_bytes(tmp_path: Path) -> None:
    source = MemorySource(mixed_layout())
    result = run(write_image(source, tmp_path / "x.cue", QUICK))
    for file in result.files:
        assert file.digests == digest_bytes(file.path.read_bytes())
    assert [file.path.suffix for file in result.files] == [".cue", ".bin"]
    for digests, track in zip(result.tracks, source.layout.tracks, strict=True):
        assert digests.number == track.number
        data = source.tracks[track.number].tobytes()
        assert digests.digests == digest_bytes(data)
    split = WriteOptions(split_tracks=True, sync=False)
    assert run(write_image(source, tmp_path / "y.cue", split)).tracks == result.tracks


def test_unreadable_sectors_hold_the_marker_and_are_listed(tmp_path: Path) -> None:
    source = MemorySource(mixed_layout(), failed=frozenset({3, 4, 5, 39, 40, 99}))
    result = run(write_image(source, tmp_path / "x.cue", QUICK))
    assert result.bad == (range(3, 6), range(39, 41), range(99, 100))
    data = (tmp_path / "x.bin").read_bytes()
    row = data[3 * 2352 : 4 * 2352]
    assert row.startswith(MARKER * 2)
    assert row[-len(MARKER) :] in MARKER * 3
    other = WriteOptions(fill=b"\x55", sync=False)
    run(write_image(source, tmp_path / "y.cue", other))
    assert (tmp_path / "y.bin").read_bytes()[3 * 2352 : 4 * 2352] == b"\x55" * 2352


def test_unreadable_audio_is_silent_and_listed(tmp_path: Path) -> None:
    layout = mixed_layout()
    track = next(track for track in layout.tracks if not track.is_data)
    source = MemorySource(layout, failed=frozenset({track.index1}))
    result = run(write_image(source, tmp_path / "x.cue", WriteOptions(split_tracks=True)))
    assert result.bad == (range(track.index1, track.index1 + 1),)
    file = next(f.path for f in result.files if f"(Track {track.number})" in f.path.name)
    at = (track.index1 - track.stored_range.start) * 2352
    assert file.read_bytes()[at : at + 2352] == bytes(2352)


def test_nothing_is_left_behind_and_nothing_replaced_when_a_file_exists(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"mine")
    task = write_image(MemorySource(mixed_layout()), tmp_path / "x.cue", QUICK)
    with pytest.raises(AlreadyThere):
        run(task)
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]
    assert (tmp_path / "x.bin").read_bytes() == b"mine"
    over = WriteOptions(overwrite=True, sync=False)
    run(write_image(MemorySource(mixed_layout()), tmp_path / "x.cue", over))
    assert (tmp_path / "x.bin").stat().st_size == 130 * 2352


def test_a_task_given_up_half_way_leaves_no_files(tmp_path: Path) -> None:
    task = write_image(MemorySource(mixed_layout()), tmp_path / "x.cue", QUICK)
    next(task)
    assert list(tmp_path.iterdir()) != []
    task.close()
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_the_stored_sectors(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(write_image(MemorySource(mixed_layout()), tmp_path / "x.cue", QUICK), seen.append)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[-1].done, seen[-1].total) == (130, 130)


def test_a_dvd_is_refused_with_a_sentence(tmp_path: Path) -> None:
    layout = single_track(20, TrackMode.MODE1, stored=SectorFormat.USER)
    source = MemorySource(layout)
    source.layout = replace(layout, medium=Medium.DVD)
    with pytest.raises(BadInput, match=r"DVD .* write it as \.iso\.$"):
        run(write_image(source, tmp_path / "x.cue"))


def test_an_unknown_suffix_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.cue, .*\.iso"):
        write_image(MemorySource(mixed_layout()), tmp_path / "x.xyz")


def test_shorter_stored_sectors_become_raw_in_a_sheet(tmp_path: Path) -> None:
    short = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 20, SectorFormat.USER, Control.DATA)
    source = MemorySource(Layout(Medium.CD, (Session(1, (short,), 20),)))
    run(write_image(source, tmp_path / "x.cue", QUICK))
    image = open_image(tmp_path / "x.cue")
    try:
        block = image.read(0, 20)
        assert block.format is SectorFormat.RAW
        assert (block.states == SectorState.READ).all()
        assert np.array_equal(block.data, read_all(source, range(20)))
        assert image.warnings == ()
    finally:
        image.close()
