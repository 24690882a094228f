# SPDX-License-Identifier: Apache-2.0
"""CloneCD images: written and read back the same, as others read them, and hostile ones."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Control, Index, Layout, Medium, Session, Track, TrackMode
from imagerd.disc.source import SectorState
from imagerd.formats import WriteOptions, open_image, write_image
from imagerd.sectors.subchannel import deinterleave
from imagerd.sectors.subgen import build_sub
from tests.discs_formats import MemorySource, raw_sectors, raw_volume, volume_sectors
from tests.judges import ask
from tests.sheets import (
    SubSource,
    assert_same_sectors,
    damage,
    opens_or_is_refused,
    stored_whole,
    sub_of,
    tracks_mapped,
    written,
)
from tests.strategies_formats import layouts

QUICK = WriteOptions(sync=False, hash=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layout=layouts(starts=(0,)), with_sub=st.booleans())
def test_any_layout_written_and_read_is_the_same(layout: Layout, with_sub: bool) -> None:
    source = SubSource(layout) if with_sub else MemorySource(layout)
    with (
        tempfile.TemporaryDirectory() as folder,
        written(source, Path(folder) / "disc.ccd") as (_, image),
    ):
        assert image.layout == stored_whole(layout)
        assert image.warnings == ()
        assert_same_sectors(image, source)
        for area in layout.ranges():
            lba = (area.start + area.stop) // 2
            expected = (
                source.sub(lba, 1)
                if isinstance(source, SubSource)
                else build_sub(image.layout, lba, 1)
            )
            assert sub_of(image, lba) == expected.tobytes()


def mixed() -> Layout:
    texts = [Text(0, PackType.TITLE, 0, "Album"), Text(0, PackType.TITLE, 2, "A song")]
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 40, control=Control.DATA)
    song = Track(
        2, 1, TrackMode.AUDIO, (Index(0, 40), Index(1, 190), Index(2, 200)), 300,
        control=Control.COPY_PERMITTED, isrc="USXX19801234",
    )  # fmt: skip
    extra = Track(3, 2, TrackMode.MODE2, (Index(1, 11700),), 11730, control=Control.DATA)
    return Layout(
        Medium.CD, (Session(1, (data, song), 300), Session(2, (extra,), 11730)),
        mcn="4006381333931", cd_text=build(texts, 3),
    )  # fmt: skip


def test_the_table_says_what_cloned_discs_say(tmp_path: Path) -> None:
    with written(MemorySource(mixed()), tmp_path / "x.ccd") as (result, _):
        assert [file.path.name for file in result.files] == ["x.ccd", "x.img", "x.sub"]
        assert "the .sub was made" in result.left_out[0]
    text = (tmp_path / "x.ccd").read_bytes().decode()
    assert text.startswith("[CloneCD]\r\nVersion=3\r\n[Disc]\r\nTocEntries=10\r\nSessions=2\r\n")
    for part in (
        "CATALOG=4006381333931\r\n",
        "[CDText]\r\nEntries=",
        "[Session 2]\r\nPreGapMode=2\r\n",
        "Session=1\r\nPoint=0xa0\r\nADR=0x01\r\nControl=0x04\r\n",
        "Point=0xa2\r\nADR=0x01\r\nControl=0x02\r\n",
        "Session=1\r\nPoint=0xb0\r\nADR=0x05\r\n",
        "PMin=0\r\nPSec=6\r\nPFrame=0\r\nPLBA=300\r\n",
        "[TRACK 2]\r\nMODE=0\r\nISRC=USXX19801234\r\nINDEX 0=40\r\nINDEX 1=190\r\nINDEX 2=200\r\n",
    ):
        assert part in text, part
    assert (tmp_path / "x.img").stat().st_size == 330 * 2352
    assert (tmp_path / "x.sub").stat().st_size == 330 * 96


def test_the_sub_holds_one_channel_after_another(tmp_path: Path) -> None:
    source = SubSource(mixed())
    run(write_image(source, tmp_path / "x.ccd", QUICK))
    row = (tmp_path / "x.sub").read_bytes()[195 * 96 :][:96]
    assert row == deinterleave(source.sub(195, 1)).tobytes()
    assert row[12:15] == b"\x21\x02\x01"  # Q: copy permitted, track 2, index 1


def volume_disc() -> MemorySource:
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 400, control=Control.DATA)
    source = MemorySource(Layout(Medium.CD, (Session(1, (data,), 400),)))
    source.tracks[1] = raw_volume(400)
    return source


def test_ccd2iso_makes_the_same_volume_of_our_image(tmp_path: Path) -> None:
    run(write_image(volume_disc(), tmp_path / "x.ccd", QUICK))
    ask("ccd2iso", "x.img", "x.iso", cwd=tmp_path)
    assert (tmp_path / "x.iso").read_bytes() == volume_sectors(400).tobytes()


def test_index_0_that_the_table_leaves_out_is_found_in_the_subchannel(tmp_path: Path) -> None:
    layout = mixed()
    run(write_image(SubSource(layout), tmp_path / "x.ccd", QUICK))
    path = tmp_path / "x.ccd"
    path.write_text(re.sub(r"INDEX 0=.*\n", "", path.read_text(encoding="ascii")))
    image = open_image(path)
    try:
        assert image.layout.tracks == stored_whole(layout).tracks
        assert "INDEX 0 of track 2 is from the .sub" in str(image.warnings[0])
    finally:
        image.close()


def test_without_a_sub_there_is_no_subchannel_and_the_same_sectors(tmp_path: Path) -> None:
    source = MemorySource(mixed())
    run(write_image(source, tmp_path / "x.ccd", QUICK))
    (tmp_path / "x.sub").write_bytes(b"")
    image = open_image(tmp_path / "x.ccd")
    try:
        assert image.read(0, 1).sub is None
        assert_same_sectors(image, source)
    finally:
        image.close()


@pytest.mark.parametrize("gap", ["pregap", "all"])
def test_the_gap_between_sessions_may_be_in_the_image(tmp_path: Path, gap: str) -> None:
    source = MemorySource(mixed())
    run(write_image(source, tmp_path / "x.ccd", QUICK))
    image = tmp_path / "x.img"
    data = image.read_bytes()
    gap_sectors = 150 if gap == "pregap" else 11700 - 300
    image.write_bytes(data[: 300 * 2352] + bytes(gap_sectors * 2352) + data[300 * 2352 :])
    (tmp_path / "x.sub").unlink()
    opened = open_image(tmp_path / "x.ccd")
    try:
        assert_same_sectors(opened, source)
        assert opened.warnings == ()
    finally:
        opened.close()


def test_index_0_may_lie_in_the_two_seconds_before_a_session(tmp_path: Path) -> None:
    source = MemorySource(mixed())
    run(write_image(source, tmp_path / "x.ccd", QUICK))
    (tmp_path / "x.sub").unlink()
    path = tmp_path / "x.ccd"
    text = path.read_text(encoding="ascii")
    text = text.replace("INDEX 1=0\n", "INDEX 0=-150\nINDEX 1=0\n")
    path.write_text(text.replace("INDEX 1=11700\n", "INDEX 0=-150\nINDEX 1=0\n"))
    image = open_image(path)
    try:
        assert image.layout == stored_whole(mixed())
        assert image.warnings == ()
        assert_same_sectors(image, source)
    finally:
        image.close()


def test_indexes_may_count_from_their_session_and_old_tables_have_none(tmp_path: Path) -> None:
    layout = tracks_mapped(mixed(), {"isrc": None})
    run(write_image(SubSource(layout), tmp_path / "x.ccd", QUICK))
    path = tmp_path / "x.ccd"
    text = path.read_text(encoding="ascii")
    path.write_text(text.replace("INDEX 1=11700", "INDEX 1=0"))
    for _ in range(2):
        image = open_image(path)
        expected = stored_whole(layout).tracks
        found = tuple(
            replace(track, indexes=tuple(i for i in track.indexes if i.number < 2))
            for track in image.layout.tracks
        )
        image.close()
        wanted = tuple(
            replace(track, indexes=tuple(i for i in track.indexes if i.number < 2))
            for track in expected
        )
        assert found == wanted
        path.write_text(text.partition("[TRACK 1]")[0].replace("Version=3", "Version=2"))


def test_an_image_that_is_too_short_gives_faults_and_a_warning(tmp_path: Path) -> None:
    run(write_image(MemorySource(mixed()), tmp_path / "x.ccd", QUICK))
    with (tmp_path / "x.img").open("r+b") as file:
        file.truncate(320 * 2352)
    image = open_image(tmp_path / "x.ccd")
    try:
        states = image.read(11700, 30).states
        assert (states == [SectorState.READ] * 20 + [SectorState.FAILED] * 10).all()
        assert any("10 sectors" in str(warning) for warning in image.warnings)
    finally:
        image.close()


def test_unreadable_sectors_have_no_subchannel_that_looks_read(tmp_path: Path) -> None:
    source = SubSource(mixed(), failed=frozenset({20}))
    with written(source, tmp_path / "x.ccd") as (result, image):
        assert result.bad == (range(20, 21),)
        assert not any(sub_of(image, 20))
        assert sub_of(image, 21) == source.sub(21, 1).tobytes()


def test_headers_are_believed_over_the_table(tmp_path: Path) -> None:
    run(write_image(MemorySource(mixed()), tmp_path / "x.ccd", QUICK))
    data = bytearray((tmp_path / "x.img").read_bytes())
    data[: 40 * 2352] = raw_sectors(TrackMode.MODE2, 0, 40).tobytes()
    (tmp_path / "x.img").write_bytes(data)
    image = open_image(tmp_path / "x.ccd")
    try:
        assert image.layout.tracks[0].mode is TrackMode.MODE2
        assert "track 1 is declared mode1, but its data are mode2" in str(image.warnings[0])
    finally:
        image.close()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("DataTracksScrambled=0", "DataTracksScrambled=1", "scrambled"),
        ("Point=0xa2", "Point=0xa3", "no lead-out"),
        ("PLBA=300", "PLBA=5", "before it begins"),
        ("PLBA=11730", "PLBA=9999999", "outside every disc"),
        ("PLBA=190", "PLBA=oops", "no number"),
        ("Point=0x02", "Point=0x01", "track 1 too many"),
        ("[Entry", "[Entrance", "no entries"),
    ],
)
def test_what_no_disc_has_is_refused_with_a_sentence(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    run(write_image(MemorySource(mixed()), tmp_path / "x.ccd", QUICK))
    path = tmp_path / "x.ccd"
    path.write_text(path.read_text(encoding="ascii").replace(old, new))
    with pytest.raises(BadInput, match=rf"{sentence}.*\.$"):
        open_image(path)
    (tmp_path / "x.img").unlink()
    with pytest.raises(BadInput, match=r"no x\.img"):
        open_image(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "x.ccd"
    run(write_image(MemorySource(mixed()), path, QUICK))
    return path


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_table_opens_or_is_refused(whole: Path, data: st.DataObject) -> None:
    damaged = whole.with_name("damaged.ccd")
    damaged.write_bytes(data.draw(damage(whole.read_bytes(), first=12)))
    for suffix in (".img", ".sub"):
        damaged.with_suffix(suffix).unlink(missing_ok=True)
        damaged.with_suffix(suffix).hardlink_to(whole.with_suffix(suffix))
    opens_or_is_refused(damaged)


def test_a_further_index_before_its_track_is_dropped_with_a_warning(tmp_path: Path) -> None:
    source = MemorySource(mixed())
    run(write_image(source, tmp_path / "x.ccd", QUICK))
    path = tmp_path / "x.ccd"
    path.write_text(path.read_text(encoding="ascii").replace("INDEX 2=200", "INDEX 2=20"))
    image = open_image(path)
    try:
        assert image.layout.tracks[1].indexes == (Index(0, 40), Index(1, 190))
        assert "INDEX 2 of track 2 lies outside it" in str(image.warnings[0])
        assert_same_sectors(image, source)
    finally:
        image.close()


def test_a_disc_that_an_image_cannot_hold_is_refused(tmp_path: Path) -> None:
    layout = mixed()
    late = replace(layout, sessions=layout.sessions[1:])
    with pytest.raises(BadInput, match="begins at LBA 11700"):
        run(write_image(MemorySource(late), tmp_path / "x.ccd", QUICK))
    assert list(tmp_path.iterdir()) == []
    wrong = replace(layout, mcn="12")
    result = run(write_image(MemorySource(wrong), tmp_path / "x.ccd", QUICK))
    assert any("'12'" in sentence for sentence in result.left_out)
    assert np.fromfile(tmp_path / "x.img", np.uint8).size == 330 * 2352
