# SPDX-License-Identifier: Apache-2.0
"""Images of Alcohol 120%: written and read back the same, as others write them, hostile ones."""

from __future__ import annotations

import struct
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
from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.source import SectorState
from imagerd.formats import WriteOptions, open_image, write_image
from tests.discs_formats import MemorySource, noise, raw_volume, read_all, volume_sectors
from tests.judges import ask
from tests.sheets import (
    SubSource,
    assert_same_sectors,
    damage,
    opens_or_is_refused,
    stored_whole,
    sub_of,
    without_empty_pregaps,
    written,
)
from tests.sources import memory_blocks
from tests.strategies_formats import layouts

QUICK = WriteOptions(sync=False, hash=False)
HEADER, SESSION, TRACK = 88, 24, 80


def held(layout: Layout, stored: SectorFormat = SectorFormat.RAW) -> Layout:
    """What of a layout an .mds can hold."""
    sessions = tuple(
        replace(
            session,
            tracks=tuple(
                replace(track, isrc=None, indexes=tuple(i for i in track.indexes if i.number < 2))
                for track in session.tracks
            ),
        )
        for session in layout.sessions
    )
    bare = replace(layout, sessions=sessions, mcn=None, cd_text=None)
    return stored_whole(without_empty_pregaps(bare), stored)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(layout=layouts(starts=(0,)), with_sub=st.booleans())
def test_any_layout_written_and_read_is_the_same(layout: Layout, with_sub: bool) -> None:
    source = SubSource(layout) if with_sub else MemorySource(layout)
    stored = SectorFormat.RAW_SUB if with_sub else SectorFormat.RAW
    with (
        tempfile.TemporaryDirectory() as folder,
        written(source, Path(folder) / "disc.mds") as (_, image),
    ):
        assert image.layout == held(layout, stored)
        assert image.warnings == ()
        assert_same_sectors(image, source)
        if isinstance(source, SubSource):
            for area in layout.ranges():
                lba = (area.start + area.stop) // 2
                assert sub_of(image, lba) == source.sub(lba, 1).tobytes()


def mixed() -> Layout:
    texts = [Text(0, PackType.TITLE, 0, "Album")]
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


def test_the_structures_are_where_others_look_for_them(tmp_path: Path) -> None:
    with written(MemorySource(mixed()), tmp_path / "x.mds") as (result, _):
        assert [file.path.name for file in result.files] == ["x.mds", "x.mdf"]
        said = "; ".join(result.left_out)
        assert said == "the media catalogue number; the ISRCs; indexes above 01; CD-Text"
    data = (tmp_path / "x.mds").read_bytes()
    assert data[:0x16] == b"MEDIA DESCRIPTOR\1\3" + struct.pack("<HH", 0, 2)
    at = struct.unpack_from("<I", data, 0x50)[0]
    start, end, number, count, others, first, last, _, tracks = struct.unpack_from(
        "<iiHBBHHII", data, at
    )
    assert (start, end, number, count, others, first, last) == (-150, 300, 1, 5, 3, 1, 2)
    points = [data[tracks + row * TRACK + 4] for row in range(count)]
    assert points == [0xA0, 0xA1, 0xA2, 1, 2]
    song = tracks + 4 * TRACK
    assert data[song : song + 3] == bytes((0xA9, 0, 0x12))
    assert data[song + 9 : song + 12] == bytes((0, 4, 40))
    extra, size = struct.unpack_from("<IH", data, song + 12)
    assert (size, struct.unpack_from("<II", data, extra)) == (2352, (150, 110))
    assert struct.unpack_from("<iQI", data, song + 0x24) == (190, 190 * 2352, 1)
    assert data.endswith(b"*.mdf\0")


def test_mdf2iso_makes_the_same_volume_of_our_image(tmp_path: Path) -> None:
    track = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 400, control=Control.DATA)
    layout = Layout(Medium.CD, (Session(1, (track,), 400),))
    source = MemorySource(layout)
    source.tracks[1] = raw_volume(400)
    run(write_image(source, tmp_path / "x.mds", QUICK))
    ask("mdf2iso", "x.mdf", "x.iso", cwd=tmp_path)
    assert (tmp_path / "x.iso").read_bytes() == volume_sectors(400).tobytes()


# -- images of other programs ---------------------------------------------------------------------


def patched(path: Path, *changes: tuple[int, str, int]) -> None:
    data = bytearray(path.read_bytes())
    for at, form, value in changes:
        struct.pack_into(form, data, at, value)
    path.write_bytes(data)


def block(path: Path, row: int) -> int:
    """Where the block `row` of the first session lies."""
    data = path.read_bytes()
    return struct.unpack_from("<I", data, HEADER + 20)[0] + row * TRACK


def test_a_pregap_may_be_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.mds"
    source = MemorySource(mixed())
    run(write_image(source, path, QUICK))
    data = (tmp_path / "x.mdf").read_bytes()
    (tmp_path / "x.mdf").write_bytes(data[: 40 * 2352] + data[190 * 2352 :])
    patched(
        path, (block(path, 4) + 0x28, "<Q", 40 * 2352), (block(path, 8) + 0x28, "<Q", 150 * 2352)
    )
    image = open_image(path)
    try:
        song = image.layout.tracks[1]
        assert (song.start, song.pregap_virtual, song.end) == (40, 150, 300)
        assert not read_all(image, range(40, 190)).any()
        assert np.array_equal(read_all(image, range(190, 300)), read_all(source, range(190, 300)))
        extra_track = range(11700, 11730)
        assert np.array_equal(read_all(image, extra_track), read_all(source, extra_track))
    finally:
        image.close()


def test_a_dvd_written_and_read_is_the_same(tmp_path: Path) -> None:
    source = memory_blocks(70, layers=(40,))
    source.bad = frozenset({9})
    with written(source, tmp_path / "x.mds") as (result, image):
        assert result.left_out == ("where a further layer begins",)
        assert result.bad == (range(9, 10),)
        assert image.layout == replace(source.layout, layers=())
        assert np.array_equal(image.read(10, 60).data, source.raw[1][10:])
        assert image.read(9, 1).data.tobytes().startswith(b"imagerd: unreadable")
    disc = memory_blocks(10, medium=Medium.BD)
    with pytest.raises(BadInput, match="BD has no raw sectors"):
        run(write_image(disc, tmp_path / "y.mds", QUICK))


def test_a_dvd_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "x.mds"
    track = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 5, control=Control.DATA)
    run(write_image(MemorySource(Layout(Medium.CD, (Session(1, (track,), 5),))), path, QUICK))
    (tmp_path / "x.mdf").write_bytes(volume_sectors(45).tobytes())
    at = block(path, 3)
    patched(path, (0x12, "<H", 0x10), (at + 16, "<H", 2048), (at + 12, "<I", 50))
    image = open_image(path)
    try:
        assert image.layout.medium is Medium.DVD
        assert image.layout.end == 50
        states = image.read(0, 50).states
        assert (states == [SectorState.READ] * 45 + [SectorState.FAILED] * 5).all()
        assert "5 sectors" in str(image.warnings[0])
    finally:
        image.close()


@pytest.mark.parametrize(("mode", "size"), [(0xAA, 2048), (0xAB, 2336), (0xAC, 2048)])
def test_short_sectors_are_read(tmp_path: Path, mode: int, size: int) -> None:
    path = tmp_path / "x.mds"
    track = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 5, control=Control.DATA)
    run(write_image(MemorySource(Layout(Medium.CD, (Session(1, (track,), 5),))), path, QUICK))
    rows = noise(5, size, 3)
    (tmp_path / "x.mdf").write_bytes(rows.tobytes())
    at = block(path, 3)
    patched(path, (at, "<B", mode), (at + 16, "<H", size))
    image = open_image(path)
    try:
        assert np.array_equal(image.read(0, 5).data, rows)
    finally:
        image.close()


# -- hostile --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "x.mds"
    run(write_image(MemorySource(mixed()), path, QUICK))
    return path


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_table_opens_or_is_refused(whole: Path, data: st.DataObject) -> None:
    damaged = whole.with_name("damaged.mds")
    damaged.write_bytes(data.draw(damage(whole.read_bytes(), first=16)))
    damaged.with_suffix(".mdf").unlink(missing_ok=True)
    damaged.with_suffix(".mdf").hardlink_to(whole.with_suffix(".mdf"))
    opens_or_is_refused(damaged)


@pytest.mark.parametrize(
    ("at", "form", "value", "sentence"),
    [
        (0x10, "<B", 3, "a version that is not known"),
        (0x14, "<H", 0, "0 sessions"),
        (0x14, "<H", 60000, "60000 sessions"),
        (0x50, "<I", 1 << 31, "points to byte"),
        (HEADER + 20, "<I", 1 << 31, "points to byte"),
        (-1 + 12, "<I", 1 << 31, "points to byte"),
        (-1 + 16, "<H", 17, "sectors of 17 bytes"),
        (-1 + 0x24, "<i", -5, "outside every disc"),
        (-1 + 0x30, "<I", 3, "split over 3 files"),
    ],
)
def test_what_no_disc_has_is_refused_with_a_sentence(
    tmp_path: Path, at: int, form: str, value: int, sentence: str
) -> None:
    path = tmp_path / "x.mds"
    run(write_image(MemorySource(mixed()), path, QUICK))
    inside = at if at in (0x10, 0x14, 0x50, HEADER + 20) else block(path, 3) + at + 1
    patched(path, (inside, form, value))
    with pytest.raises(BadInput, match=rf"{sentence}.*\.$"):
        open_image(path)


def test_names_do_not_leave_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "x.mds"
    path.parent.mkdir()
    run(write_image(MemorySource(mixed()), path, QUICK))
    (tmp_path / "a.mdf").write_bytes(bytes(2352))
    path.write_bytes(path.read_bytes().replace(b"*.mdf\0", b"../a.mdf\0"))
    with pytest.raises(BadInput, match="outside its folder"):
        open_image(path)
