# SPDX-License-Identifier: Apache-2.0
"""GD-ROMs as .gdi: written and read back, as others write them, hostile ones."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
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
from tests.discs_formats import MemorySource, noise, raw_sectors, read_all
from tests.sheets import assert_same_sectors, damage, opens_or_is_refused, written

QUICK = WriteOptions(sync=False, hash=False)


@st.composite
def discs(draw: st.DrawFn) -> Layout:
    """GD-ROMs: two areas, pregaps of any kind of tracks but the first of each area."""

    def area(session: int, number: int, lba: int) -> Session:
        tracks = []
        for at in range(draw(st.integers(1, 3))):
            mode = draw(st.sampled_from([TrackMode.AUDIO, TrackMode.MODE1, TrackMode.MODE2]))
            pregap = draw(st.integers(0, 9)) if at else 0
            end = lba + pregap + draw(st.integers(10, 15))
            control = Control.NONE if mode is TrackMode.AUDIO else Control.DATA
            indexes = (Index(0, lba), Index(1, lba + pregap)) if pregap else (Index(1, lba),)
            virtual = draw(st.sampled_from([0, pregap]))
            tracks.append(
                Track(
                    number + at, session, mode, indexes, end, control=control,
                    pregap_virtual=virtual,
                )
            )  # fmt: skip
            lba = end
        return Session(session, tuple(tracks), lba)

    first = area(1, 1, 0)
    return Layout(Medium.CD, (first, area(2, len(first.tracks) + 1, 45000)))


@settings(max_examples=60, deadline=None)
@given(layout=discs())
def test_any_gd_rom_written_and_read_has_the_same_tracks_and_sectors(layout: Layout) -> None:
    source = MemorySource(layout)
    with (
        tempfile.TemporaryDirectory() as folder,
        written(source, Path(folder) / "disc.gdi") as (result, image),
    ):
        assert result.left_out == ()
        assert image.warnings == ()
        assert_same_sectors(image, source)
        assert list(image.layout.ranges()) == list(layout.ranges())
        for found, track in zip(image.layout.tracks, layout.tracks, strict=True):
            same = (found.number, found.session, found.mode, found.control, found.index1)
            assert same == (track.number, track.session, track.mode, track.control, track.index1)
            if track.pregap_virtual:
                assert (found.start, found.pregap_virtual) == (track.start, track.pregap)


def gd_rom() -> Layout:
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 20, control=Control.DATA)
    song = Track(2, 1, TrackMode.AUDIO, (Index(0, 20), Index(1, 170)), 190, pregap_virtual=150)
    game = Track(3, 2, TrackMode.MODE1, (Index(1, 45000),), 45030, control=Control.DATA)
    return Layout(Medium.CD, (Session(1, (data, song), 190), Session(2, (game,), 45030)))


def test_the_lines_are_those_of_other_programs(tmp_path: Path) -> None:
    run(write_image(MemorySource(gd_rom()), tmp_path / "a b.gdi", QUICK))
    assert (tmp_path / "a b.gdi").read_bytes() == (
        b"3\r\n"
        b'1 0 4 2352 "a b-track01.bin" 0\r\n'
        b'2 170 0 2352 "a b-track02.raw" 0\r\n'
        b'3 45000 4 2352 "a b-track03.bin" 0\r\n'
    )
    assert (tmp_path / "a b-track02.raw").stat().st_size == 20 * 2352


def test_what_a_gdi_cannot_hold_is_said_or_refused(tmp_path: Path) -> None:
    layout = gd_rom()
    game = replace(layout.tracks[2], indexes=(Index(0, 44850), Index(1, 45000), Index(2, 45010)))
    flagged = replace(layout.tracks[1], control=Control.COPY_PERMITTED, isrc="USXX19801234")
    odd = replace(
        layout,
        mcn="4006381333931",
        sessions=(
            Session(1, (layout.tracks[0], flagged), 190),
            replace(layout.sessions[1], tracks=(game,)),
        ),
    )
    result = run(write_image(MemorySource(odd), tmp_path / "x.gdi", QUICK))
    said = "; ".join(result.left_out)
    for part in ("the pregap of track 3, 150", "catalogue", "ISRCs", "flags", "indexes above 01"):
        assert part in said
    with pytest.raises(BadInput, match="no GD-ROM"):
        one = replace(layout, sessions=layout.sessions[:1])
        run(write_image(MemorySource(one), tmp_path / "y.gdi", QUICK))


def gdi(folder: Path, text: str) -> Path:
    path = folder / "x.gdi"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_are_found_in_quotes_in_folders_and_in_another_case(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    rows = noise(10, 2048, 1)
    (tmp_path / "sub" / "Track 01.iso").write_bytes(b"12345678" + rows.tobytes())
    song = noise(12, 2352, 2)
    (tmp_path / "track02.raw").write_bytes(song.tobytes())
    text = '2\n 1 0 4 2048 "sub\\track 01.iso" 8\n 2 160 0 2352 TRACK02.RAW 0\n'
    image = open_image(gdi(tmp_path, text))
    try:
        assert image.format == "gdi"
        assert np.array_equal(image.read(0, 10).data, rows)
        assert image.layout.tracks[0].stored is SectorFormat.USER
        assert np.array_equal(read_all(image, range(160, 172)), song)
        assert len(image.warnings) == 3
    finally:
        image.close()


def test_what_a_file_may_have_lost_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(raw_sectors(TrackMode.MODE1, 0, 5).tobytes())
    (tmp_path / "b.raw").write_bytes(noise(5, 2352, 1).tobytes())
    text = "2\n1 0 4 2352 a.bin 0\n2 600 0 2352 b.raw 0\n"
    image = open_image(gdi(tmp_path, text))
    image.close()
    assert "595 sectors before track 2 are in no file" in str(image.warnings[0])


def test_headers_tell_the_mode_and_a_short_file_gives_faults(tmp_path: Path) -> None:
    data = raw_sectors(TrackMode.MODE2, 45000, 5).tobytes()
    (tmp_path / "a.bin").write_bytes(data[:-100])
    image = open_image(gdi(tmp_path, "1\n1 45000 4 2352 a.bin 0\n"))
    try:
        assert image.layout.tracks[0].mode is TrackMode.MODE2
        states = image.read(45000, 5).states
        assert (states == [SectorState.READ] * 4 + [SectorState.FAILED]).all()
        assert "middle of a sector" in str(image.warnings[0])
    finally:
        image.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1\n1 0 4 2352 ../a.bin 0\n", "outside its folder"),
        ("1\n1 0 4 2352 /etc/passwd 0\n", "outside its folder"),
        ("1\n1 0 4 2352 b.bin 0\n", "not there"),
        ("1\n1 0 4 9999 a.bin 0\n", "a disc has"),
        ("1\n1 0 4 2352 a.bin -1\n", "a disc has"),
        ("1\n1 900000 4 2352 a.bin 0\n", "a disc has"),
        ("2\n1 0 4 2352 a.bin 0\n1 5 4 2352 a.bin 0\n", "too many"),
        ("2\n1 50 4 2352 a.bin 0\n2 5 4 2352 a.bin 0\n", "overlap"),
        ("1\n1 0 4 2352 a.bin 0\nbanana\n", "no track"),
        ("1\n1 0 4 2352 a.bin 5000\n", "no sectors"),
    ],
)
def test_what_no_disc_has_is_refused_with_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "a.bin").write_bytes(bytes(2352))
    (tmp_path / "x" / "a.bin").write_bytes(bytes(2352))
    folder = tmp_path / "x"
    if "../" in text:
        (folder / "a.bin").unlink()
    with pytest.raises(BadInput, match=rf"{sentence}.*\.$"):
        open_image(gdi(folder, text))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_gdi_opens_or_is_refused(data: st.DataObject) -> None:
    text = b"3\r\n1 0 4 2352 a.bin 0\r\n2 170 0 2352 b.raw 0\r\n3 45000 4 2352 a.bin 0\r\n"
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.bin", "b.raw"):
            (Path(folder) / name).write_bytes(bytes(2352 * 5))
        path = Path(folder) / "x.gdi"
        path.write_bytes(data.draw(damage(text)))
        opens_or_is_refused(path)
