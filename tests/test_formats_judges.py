# SPDX-License-Identifier: Apache-2.0
"""What we write, judged by other people's programs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.progress import run
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Control, Index, Layout, Medium, Session, Track, TrackMode
from imagerd.formats import WriteOptions, open_image, write_image
from tests.discs_formats import MemorySource, raw_volume, volume_sectors
from tests.judges import ask

FLAGS = Control.COPY_PERMITTED | Control.PRE_EMPHASIS


def data_track(end: int) -> Track:
    return Track(1, 1, TrackMode.MODE1, (Index(1, 0),), end, control=Control.DATA)


def disc(*tracks: Track, **more: object) -> MemorySource:
    """A disc of one session; its data track has a volume in it."""
    layout = Layout(Medium.CD, (Session(1, tracks, tracks[-1].end),), **more)  # type: ignore[arg-type]
    source = MemorySource(layout)
    for track in tracks:
        if track.mode is TrackMode.MODE1:
            source.tracks[track.number] = raw_volume(track.end - track.start, track.start)
    return source


def plain() -> MemorySource:
    return disc(data_track(500))


def mixed() -> MemorySource:
    texts = [Text(0, PackType.TITLE, 0, "Album"), Text(0, PackType.TITLE, 2, "A song")]
    return disc(
        data_track(500),
        Track(
            2, 1, TrackMode.AUDIO, (Index(0, 500), Index(1, 650)), 1000, isrc="USXX19801234",
            control=FLAGS,
        ),
        Track(3, 1, TrackMode.AUDIO, (Index(0, 1000), Index(1, 1150)), 1600),
        mcn="4006381333931",
        cd_text=build(texts, 3),
    )  # fmt: skip


def virtual() -> MemorySource:
    gap = Track(2, 1, TrackMode.AUDIO, (Index(0, 500), Index(1, 650)), 1000, pregap_virtual=150)
    return disc(data_track(500), gap)


def sessions() -> MemorySource:
    song = Track(1, 1, TrackMode.AUDIO, (Index(1, 0),), 600)
    extra = Track(2, 2, TrackMode.MODE2, (Index(1, 12000),), 12400, control=Control.DATA)
    return MemorySource(Layout(Medium.CD, (Session(1, (song,), 600), Session(2, (extra,), 12400))))


def gd_rom() -> MemorySource:
    song = Track(2, 1, TrackMode.AUDIO, (Index(0, 300), Index(1, 450)), 700)
    high = Track(3, 2, TrackMode.MODE1, (Index(1, 45000),), 45300, control=Control.DATA)
    first = Session(1, (data_track(300), song), 700)
    return MemorySource(Layout(Medium.CD, (first, Session(2, (high,), 45300))))


DISCS = {"plain": plain, "mixed": mixed, "virtual": virtual, "sessions": sessions}


@pytest.fixture(params=[(name, split) for name in DISCS for split in (False, True)], ids=str)
def sheet(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A sheet of each disc, with one file and with a file for each track."""
    name, split = request.param
    target = tmp_path / "x.cue"
    run(write_image(DISCS[name](), target, WriteOptions(split_tracks=split, sync=False)))
    return target


def data_of(sheet: Path) -> bytes:
    image = open_image(sheet)
    image.close()
    return b"".join(file.read_bytes() for file in image.files[1:])


def test_chdman_takes_our_sheets_and_gives_the_same_bytes(sheet: Path, tmp_path: Path) -> None:
    ask("chdman", "createcd", "-i", sheet, "-o", "x.chd", "-c", "cdzl", cwd=tmp_path)
    ask("chdman", "extractcd", "-i", "x.chd", "-o", "e.cue", "-ob", "e.bin", cwd=tmp_path)
    assert (tmp_path / "e.bin").read_bytes() == data_of(sheet)


def test_chdman_takes_our_gd_rom_sheets(tmp_path: Path) -> None:
    target = tmp_path / "x.cue"
    run(write_image(gd_rom(), target, WriteOptions(split_tracks=True, sync=False)))
    ask("chdman", "createcd", "-i", target, "-o", "x.chd", "-c", "none", cwd=tmp_path)
    assert "CHGD" in ask("chdman", "info", "-i", "x.chd", cwd=tmp_path)


def test_what_chdman_extracts_opens_here_with_the_same_sectors(tmp_path: Path) -> None:
    target = tmp_path / "x.cue"
    run(write_image(mixed(), target, WriteOptions(split_tracks=True, sync=False)))
    ask("chdman", "createcd", "-i", target, "-o", "x.chd", "-c", "none", cwd=tmp_path)
    ask("chdman", "extractcd", "-i", "x.chd", "-o", "e.cue", "-ob", "e.bin", cwd=tmp_path)
    image = open_image(tmp_path / "e.cue")
    try:
        found = [(track.index1, track.end, track.mode) for track in image.layout.tracks]
        assert found == [(t.index1, t.end, t.mode) for t in mixed().layout.tracks]
        assert np.array_equal(image.read(0, 500).data, raw_volume(500))
    finally:
        image.close()


def test_cdrdao_takes_our_sheets(sheet: Path) -> None:
    told = ask("cdrdao", "show-toc", sheet, cwd=sheet.parent)
    modes = re.findall(r"TRACK +\d+ +Mode (\w+)", told)
    assert modes == [
        {"mode1": "MODE1_RAW", "mode2": "MODE2_RAW", "audio": "AUDIO"}[track.mode]
        for track in layout_of(sheet).tracks
    ]


def layout_of(sheet: Path) -> Layout:
    image = open_image(sheet)
    image.close()
    return image.layout


def test_cueconvert_takes_our_sheets(sheet: Path, tmp_path: Path) -> None:
    ask("cueconvert", "-i", "cue", "-o", "toc", sheet, tmp_path / "x.toc")
    toc = (tmp_path / "x.toc").read_text()
    assert len(re.findall(r"^TRACK ", toc, re.MULTILINE)) == len(layout_of(sheet).tracks)


def test_libcdio_sees_the_tracks_the_catalog_number_and_the_texts(tmp_path: Path) -> None:
    run(write_image(mixed(), tmp_path / "x.cue", WriteOptions(sync=False)))
    told = ask("cd-info", "--no-device-info", "--no-cddb", "--cue-file=x.cue", cwd=tmp_path)
    rows = re.findall(r"^ *(\d+): \S+ +(\d+) (data|audio|leadout)", told, re.MULTILINE)
    assert rows == [
        ("1", "000000", "data"),
        ("2", "000650", "audio"),
        ("3", "001150", "audio"),
        ("170", "001600", "leadout"),
    ]
    for words in ("4006381333931", "TITLE: Album", "TITLE: A song", "A VOLUME"):
        assert words in told


def test_bchunk_and_iat_find_the_same_data_as_our_iso(tmp_path: Path) -> None:
    run(write_image(plain(), tmp_path / "x.cue", WriteOptions(sync=False)))
    run(write_image(plain(), tmp_path / "ours.iso", WriteOptions(sync=False)))
    ask("bchunk", "x.bin", "x.cue", "b", cwd=tmp_path)
    ask("iat", "x.bin", "i.iso", cwd=tmp_path)
    ours = (tmp_path / "ours.iso").read_bytes()
    assert ours == volume_sectors(500).tobytes()
    assert (tmp_path / "b01.iso").read_bytes() == ours
    assert (tmp_path / "i.iso").read_bytes() == ours


def test_bchunk_cuts_a_mixed_disc_where_we_do(tmp_path: Path) -> None:
    run(write_image(mixed(), tmp_path / "x.cue", WriteOptions(sync=False)))
    ask("bchunk", "-r", "x.bin", "x.cue", "b", cwd=tmp_path)
    source = mixed()
    audio = source.tracks[3][150:].tobytes()
    assert (tmp_path / "b03.cdr").read_bytes() == audio


@pytest.mark.parametrize("tool", [("isoinfo", "-d", "-i"), ("iso-info", "-d", "-i")])
def test_our_iso_of_a_real_volume_is_one(tmp_path: Path, tool: tuple[str, ...]) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello")
    ask("xorriso", "-as", "mkisofs", "-V", "REAL", "-o", "real.iso", "tree", cwd=tmp_path)
    image = open_image(tmp_path / "real.iso")
    run(write_image(image, tmp_path / "x.cue", WriteOptions(sync=False)))
    image.close()
    again = open_image(tmp_path / "x.cue")
    run(write_image(again, tmp_path / "back.iso", WriteOptions(sync=False)))
    again.close()
    assert (tmp_path / "back.iso").read_bytes() == (tmp_path / "real.iso").read_bytes()
    assert "REAL" in ask(*tool, "back.iso", cwd=tmp_path)
