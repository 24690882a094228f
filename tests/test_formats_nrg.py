# SPDX-License-Identifier: Apache-2.0
"""Nero images: written and read back the same, as others read them, old ones, hostile ones."""

from __future__ import annotations

import itertools
import re
import struct
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.msf import PREGAP, Msf
from imagerd.disc.source import Sectors, SectorState
from imagerd.formats import WriteOptions, open_image, write_image
from imagerd.formats.datafile import DataFile
from imagerd.formats.nrg.chunks import Chunk, read_chunks
from imagerd.formats.rawform import empty_sectors
from imagerd.sectors.convert import to_raw
from tests.discs_formats import (
    MemorySource,
    noise,
    raw_volume,
    read_all,
    volume_sectors,
)
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


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(layout=layouts(starts=(0,)), with_sub=st.booleans(), version=st.sampled_from("12"))
def test_any_layout_written_and_read_is_the_same(
    layout: Layout, with_sub: bool, version: str
) -> None:
    ranges = list(layout.ranges())
    assume(all(b.start - a.stop >= 150 for a, b in itertools.pairwise(ranges)))
    source = SubSource(layout) if with_sub else MemorySource(layout)
    stored = SectorFormat.RAW_SUB if with_sub else SectorFormat.RAW
    with (
        tempfile.TemporaryDirectory() as folder,
        written(source, Path(folder) / "disc.nrg", replace(QUICK, variant=(version,))) as (
            _,
            image,
        ),
    ):
        assert image.layout == stored_whole(without_empty_pregaps(layout), stored)
        assert image.warnings == ()
        assert_same_sectors(image, source)
        if isinstance(source, SubSource):
            for area in ranges:
                lba = (area.start + area.stop) // 2
                assert sub_of(image, lba) == source.sub(lba, 1).tobytes()


def mixed() -> Layout:
    texts = [Text(0, PackType.TITLE, 0, "Album"), Text(0, PackType.TITLE, 2, "A song")]
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 400, control=Control.DATA)
    song = Track(
        2, 1, TrackMode.AUDIO, (Index(0, 400), Index(1, 550)), 900,
        control=Control.COPY_PERMITTED | Control.PRE_EMPHASIS, isrc="USXX19801234",
    )  # fmt: skip
    last = Track(3, 1, TrackMode.AUDIO, (Index(0, 900), Index(1, 1050)), 1400)
    session = Session(1, (data, song, last), 1400)
    return Layout(Medium.CD, (session,), mcn="4006381333931", cd_text=build(texts, 3))


def two_sessions() -> Layout:
    songs = [
        Track(n, n, TrackMode.AUDIO, (Index(1, at),), at + 9) for n, at in ((1, 0), (2, 11409))
    ]
    return Layout(Medium.CD, tuple(Session(t.session, (t,), t.end) for t in songs))


def close_together() -> Layout:
    songs = [Track(n, 1, TrackMode.AUDIO, (Index(1, at),), at + 9) for n, at in ((1, 0), (2, 9))]
    return Layout(Medium.CD, (Session(1, tuple(songs), 18),))


def mixed_source() -> MemorySource:
    source = MemorySource(mixed())
    source.tracks[1] = raw_volume(400)
    return source


def test_libcdio_finds_the_same_tracks_codes_and_texts(tmp_path: Path) -> None:
    run(write_image(mixed_source(), tmp_path / "x.nrg", QUICK))
    found = ask("cd-info", "--no-device-info", "-N", "x.nrg", cwd=tmp_path)
    rows = re.findall(r"^ *(\d+): \d\d:\d\d:\d\d +(\d+) ", found, re.MULTILINE)
    places = [(int(number), int(lsn)) for number, lsn in rows]
    assert places == [(1, 0), (2, 550), (3, 1050), (170, 1400)]
    assert "4006381333931" in found
    assert "TITLE: Album" in found
    assert "TITLE: A song" in found


def test_libcdio_reads_the_same_sectors(tmp_path: Path) -> None:
    source = mixed_source()
    run(write_image(source, tmp_path / "x.nrg", QUICK))
    ask(
        "cd-read", "--nrg-file=x.nrg", "--mode=audio", "--start=560", "--end=569",
        "--output-file=a.raw", "--no-hexdump", cwd=tmp_path,
    )  # fmt: skip
    assert (tmp_path / "a.raw").read_bytes() == read_all(source, range(560, 570)).tobytes()


def test_iat_finds_the_volume_where_it_lies(tmp_path: Path) -> None:
    run(write_image(mixed_source(), tmp_path / "x.nrg", QUICK))
    ask("iat", "x.nrg", "x.iso", cwd=tmp_path)
    assert (tmp_path / "x.iso").read_bytes().startswith(volume_sectors(400).tobytes())


def test_the_two_seconds_before_a_session_are_in_the_file(tmp_path: Path) -> None:
    run(write_image(MemorySource(mixed()), tmp_path / "x.nrg", QUICK))
    data = (tmp_path / "x.nrg").read_bytes()
    assert data[: 150 * 2352][12:16] == bytes((0, 0, 0, 1))  # the header of LBA -150
    assert struct.unpack(">4sQ", data[-12:]) == (b"NER5", 1550 * 2352)
    file = DataFile(tmp_path / "x.nrg")
    names = [chunk.name for chunk in read_chunks(file).chunks]
    file.close()
    assert names == ["CUEX", "DAOX", "CDTX", "SINF", "MTYP"]


# -- version 1, and track at once ----------------------------------------------------------------


def spaced(*tracks: tuple[TrackMode, int], start: int = 0) -> Layout:
    """Tracks two seconds apart."""
    made, at = [], start
    for number, (mode, count) in enumerate(tracks, 1):
        control = Control.NONE if mode is TrackMode.AUDIO else Control.DATA
        gap = PREGAP if made else 0
        indexes = (Index(0, at), Index(1, at + gap)) if gap else (Index(1, at),)
        made.append(Track(number, 1, mode, indexes, at + gap + count, control=control))
        at += gap + count
    return Layout(Medium.CD, (Session(1, tuple(made), at),))


class Spaced(MemorySource):
    """A source whose pregaps are empty."""

    def read(self, lba: int, count: int) -> Sectors:
        track = self.layout.track_at(lba)
        assert track is not None
        if lba >= track.index1:
            return super().read(lba, count)
        count = min(count, track.index1 - lba)
        empty = empty_sectors(track.mode, SectorFormat.RAW, lba, count)
        return Sectors.good(lba, empty, SectorFormat.RAW)


KINDS = st.sampled_from([TrackMode.AUDIO, TrackMode.MODE1, TrackMode.MODE2])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tracks=st.lists(st.tuples(KINDS, st.integers(4, 30)), min_size=1, max_size=6),
    version=st.sampled_from("12"),
)
def test_tracks_two_seconds_apart_are_the_same_track_at_once(
    tracks: list[tuple[TrackMode, int]], version: str
) -> None:
    source = Spaced(spaced(*tracks))
    options = replace(QUICK, variant=("tao", version))
    with (
        tempfile.TemporaryDirectory() as folder,
        written(source, Path(folder) / "disc.nrg", options) as (result, image),
    ):
        assert image.warnings == ()
        found, wanted = image.layout.tracks, source.layout.tracks
        assert [(t.number, t.mode, t.indexes, t.end, t.control) for t in found] == [
            (t.number, t.mode, t.indexes, t.end, t.control) for t in wanted
        ]
        assert_same_sectors(image, source)
        assert result.left_out == ()
        stored = sum(count for _, count in tracks) * 2352
        assert 0 < image.path.stat().st_size - stored < 400


@pytest.mark.parametrize("version", "12")
def test_libcdio_finds_the_tracks_at_once(tmp_path: Path, version: str) -> None:
    songs = [(TrackMode.AUDIO, 400), (TrackMode.AUDIO, 300), (TrackMode.AUDIO, 500)]
    source = Spaced(spaced(*songs))
    run(write_image(source, tmp_path / "x.nrg", replace(QUICK, variant=("tao", version))))
    found = ask("cd-info", "--no-device-info", "-N", "x.nrg", cwd=tmp_path)
    rows = re.findall(r"^ *(\d+): \d\d:\d\d:\d\d +(\d+) ", found, re.MULTILINE)
    assert [(int(number), int(lsn)) for number, lsn in rows][:3] == [(1, 0), (2, 550), (3, 1000)]


def test_nero_counts_lbas_without_the_gaps_and_others_with_them(tmp_path: Path) -> None:
    """libcdio: the LBA of Nero's ETNF is the number of sectors before it in the file."""
    song = noise(100, 2352, 2)
    for second in (40, 190):
        rows = struct.pack(">IIIi4x", 0, 40 * 2352, 7, 0)
        rows += struct.pack(">IIIi4x", 40 * 2352, 60 * 2352, 7, second)
        path = nrg(tmp_path / "x.nrg", song.tobytes(), [Chunk("ETNF", rows)], new=False)
        image = open_image(path)
        try:
            assert [track.index1 for track in image.layout.tracks] == [0, 190]
            assert np.array_equal(read_all(image, range(190, 250)), song[40:])
        finally:
            image.close()


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        (mixed(), "The pregap of track 2 is not empty"),
        (spaced((TrackMode.AUDIO, 10), start=30), "begins at LBA 30"),
        (two_sessions(), "several sessions"),
        (close_together(), "has a pregap of 0 sectors"),
    ],
)
def test_what_track_at_once_cannot_be_is_a_sentence(
    tmp_path: Path, layout: Layout, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        run(write_image(MemorySource(layout), tmp_path / "x.nrg", replace(QUICK, variant=("tao",))))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", "12")
def test_a_dvd_is_written_and_read_as_one(tmp_path: Path, version: str) -> None:
    source = memory_blocks(90)
    options = replace(QUICK, variant=(version,))
    with written(source, tmp_path / "x.nrg", options) as (_, image):
        assert image.layout.medium is Medium.DVD
        assert image.warnings == ()
        assert np.array_equal(image.read(0, 90).data, source.read(0, 90).data)


@pytest.mark.parametrize("words", [("1", "2"), ("dao", "tao"), ("3",), ("1", "1")])
def test_what_an_nrg_cannot_be_is_a_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=r"Cannot write .* as"):
        run(write_image(mixed_source(), tmp_path / "x.nrg", replace(QUICK, variant=words)))


def test_iat_finds_the_volume_in_version_1(tmp_path: Path) -> None:
    """libcdio takes the sectors of a CUES for 2336 bytes, and cannot judge."""
    run(write_image(mixed_source(), tmp_path / "x.nrg", replace(QUICK, variant=("1",))))
    ask("iat", "x.nrg", "x.iso", cwd=tmp_path)
    assert (tmp_path / "x.iso").read_bytes().startswith(volume_sectors(400).tobytes())


# -- images of other programs ---------------------------------------------------------------------


def nrg(path: Path, data: bytes, chunks: list[Chunk], *, new: bool) -> Path:
    """An image made by hand, version 1 or 2."""
    body = b"".join(
        struct.pack(">4sI", c.name.encode(), len(c.body)) + c.body
        for c in [*chunks, Chunk("END!", b"")]
    )
    form, name = (">4sQ", b"NER5") if new else (">4sI", b"NERO")
    path.write_bytes(data + body + struct.pack(form, name, len(data)))
    return path


@pytest.mark.parametrize("bcd", [False, True])
def test_version_1_disc_at_once_is_read(tmp_path: Path, bcd: bool) -> None:
    sectors = to_raw(noise(190, 2048, 9), SectorFormat.USER, TrackMode.MODE2, -150)
    song = noise(60, 2352, 4)

    def row(control: int, track: int, index: int, lba: int) -> bytes:
        msf = Msf.from_frames(lba + 150)
        time = msf.to_bcd() if bcd else bytes((msf.minute, msf.second, msf.frame))
        return bytes((control, track, index, 0, 0)) + time

    cues = b"".join(
        row(*values)
        for values in (
            (0x41, 0, 0, -150),
            (0x41, 1, 0, -150),
            (0x41, 1, 1, 0),
            (0x01, 2, 0, 40),
            (0x01, 2, 1, 50),
            (0x01, 0xAA, 1, 100),
        )
    )
    cut = 190 * 2352
    daoi = struct.pack("<I", 82) + b"4006381333931\0" + bytes((0x20, 1, 1, 2))
    daoi += struct.pack(">12sHB3x3I", b"", 2352, 6, 0, 150 * 2352, cut)
    daoi += struct.pack(
        ">12sHB3x3I", b"USXX19801234", 2352, 7, cut, cut + 10 * 2352, cut + 60 * 2352
    )
    chunks = [Chunk("CUES", cues), Chunk("DAOI", daoi), Chunk("SINF", struct.pack(">I", 2))]
    path = nrg(tmp_path / "x.nrg", sectors.tobytes() + song.tobytes(), chunks, new=False)
    image = open_image(path)
    try:
        assert image.warnings == ()
        layout = image.layout
        assert (layout.mcn, layout.disc_type, layout.end) == ("4006381333931", DiscType.XA, 100)
        assert layout.tracks[0].mode is TrackMode.MODE2
        assert layout.tracks[1].indexes == (Index(0, 40), Index(1, 50))
        assert layout.tracks[1].isrc == "USXX19801234"
        assert np.array_equal(read_all(image, range(40)), sectors[150:])
        assert np.array_equal(read_all(image, range(40, 100)), song)
    finally:
        image.close()


@pytest.mark.parametrize("name", ["TINF", "ETNF", "ETN2"])
def test_track_at_once_is_read_and_its_pregaps_are_in_no_file(tmp_path: Path, name: str) -> None:
    data, song = noise(40, 2048, 1), noise(60, 2352, 2)
    lbas = ((), ()) if name == "TINF" else ((0,), (190,))
    form = {"TINF": ">III", "ETNF": ">IIIi4x", "ETN2": ">QQIi8x"}[name]
    rows = struct.pack(form, 0, 40 * 2048, 0, *lbas[0])
    rows += struct.pack(form, 40 * 2048, 60 * 2352, 7, *lbas[1])
    new = name == "ETN2"
    chunks = [Chunk(name, rows), Chunk("MTYP", struct.pack(">I", 1))]
    image = open_image(nrg(tmp_path / "x.nrg", data.tobytes() + song.tobytes(), chunks, new=new))
    try:
        assert image.warnings == ()
        first, second = image.layout.tracks
        assert (first.stored, first.end) == (SectorFormat.USER, 40)
        assert second.indexes == (Index(0, 40), Index(1, 190))
        assert (second.pregap_virtual, second.end) == (150, 250)
        assert np.array_equal(image.read(0, 40).data, data)
        assert not read_all(image, range(40, 190)).any()
        assert np.array_equal(read_all(image, range(190, 250)), song)
    finally:
        image.close()


def test_a_dvd_is_read_as_one(tmp_path: Path) -> None:
    data = volume_sectors(50)
    rows = struct.pack(">QQIi8x", 0, 50 * 2048, 0, 0)
    chunks = [Chunk("ETN2", rows), Chunk("MTYP", struct.pack(">I", 0x0C))]
    image = open_image(nrg(tmp_path / "x.nrg", data.tobytes(), chunks, new=True))
    try:
        assert image.layout.medium is Medium.DVD
        assert image.layout.tracks[0].mode is TrackMode.BLOCKS
        assert np.array_equal(image.read(0, 50).data, data)
    finally:
        image.close()


def test_a_track_that_the_file_cuts_short_gives_faults(tmp_path: Path) -> None:
    rows = struct.pack(">QQIi8x", 0, 20 * 2048, 0, 0)
    image = open_image(nrg(tmp_path / "x.nrg", bytes(15 * 2048), [Chunk("ETN2", rows)], new=True))
    try:
        assert (
            image.read(0, 20).states == [SectorState.READ] * 15 + [SectorState.FAILED] * 5
        ).all()
        assert "5 sectors" in str(image.warnings[0])
    finally:
        image.close()


# -- hostile --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    layout = mixed()
    tracks = (replace(layout.tracks[0], end=5), Track(2, 1, TrackMode.AUDIO, (Index(1, 5),), 9))
    path = tmp_path_factory.mktemp("small") / "x.nrg"
    run(write_image(MemorySource(replace(layout, sessions=(Session(1, tracks, 9),))), path, QUICK))
    return path.read_bytes()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_chunks_open_or_are_refused(small: bytes, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.nrg"
        path.write_bytes(data.draw(damage(small, first=159 * 2352)))
        opens_or_is_refused(path)


@pytest.mark.parametrize(
    ("chunks", "sentence"),
    [
        ([], "no tracks"),
        ([Chunk("CUEX", bytes(8))], "not where its tracks lie"),
        ([Chunk("ETN2", bytes(5))], "no tracks"),
        ([Chunk("ETN2", struct.pack(">QQIi8x", 0, 2048, 0x77, 0))], "mode 0x77"),
        ([Chunk("ETN2", struct.pack(">QQIi8x", 0, 2352, 7, -7))], "outside every disc"),
        ([Chunk("ETN2", struct.pack(">QQIi8x", 0, 1 << 63, 7, 0))], "outside every disc"),
        ([Chunk("ETN2", struct.pack(">QQIi8x", 0, 1 << 63, 0, 0))], "no disc has"),
        ([Chunk("ETN2", struct.pack(">QQIi8x", 0, 9 * 2352, 7, 5) + bytes(32))], "overlap"),
    ],
)
def test_what_no_disc_has_is_refused_with_a_sentence(
    tmp_path: Path, chunks: list[Chunk], sentence: str
) -> None:
    path = nrg(tmp_path / "x.nrg", bytes(2352), chunks, new=True)
    with pytest.raises(BadInput, match=rf"{sentence}.*\.$"):
        open_image(path)


def test_sessions_without_room_between_them_are_refused(tmp_path: Path) -> None:
    track = Track(1, 1, TrackMode.AUDIO, (Index(1, 0),), 10)
    other = Track(2, 2, TrackMode.AUDIO, (Index(1, 100),), 110)
    layout = Layout(Medium.CD, (Session(1, (track,), 10), Session(2, (other,), 110)))
    with pytest.raises(BadInput, match="90 sectors after"):
        run(write_image(MemorySource(layout), tmp_path / "x.nrg", QUICK))
    assert list(tmp_path.iterdir()) == []
