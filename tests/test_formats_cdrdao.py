# SPDX-License-Identifier: Apache-2.0
"""TOC files of cdrdao: written and read back the same, as cdrdao reads them, and hostile ones."""

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
from imagerd.disc.cdtext import CdText, PackType, Text, build
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
    single_track,
)
from imagerd.disc.source import SectorState
from imagerd.formats import WriteOptions, open_image, write_image
from imagerd.formats.cdrdao.tokens import escaped, tokens
from tests.discs_formats import MemorySource, noise, raw_sectors, read_all
from tests.judges import ask
from tests.sheets import (
    SubSource,
    assert_same_sectors,
    damage,
    opens_or_is_refused,
    sub_of,
    tracks_mapped,
    without_empty_pregaps,
    written,
)
from tests.strategies_formats import layouts

QUICK = WriteOptions(sync=False, hash=False)
FLAGS = Control.COPY_PERMITTED | Control.PRE_EMPHASIS


def held(layout: Layout) -> Layout:
    """What of a layout of one session a TOC can hold."""
    return tracks_mapped(without_empty_pregaps(layout), {}, number=1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layout=layouts(most_sessions=1, starts=(0,)))
def test_any_layout_of_one_session_written_and_read_is_the_same(layout: Layout) -> None:
    expected = held(layout)
    source = MemorySource(layout)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "disc.toc"
        with written(source, target) as (_, image):
            first = layout.tracks[0].number
            texts = layout.cd_text.texts() if layout.cd_text else ()
            found = image.layout.cd_text.texts() if image.layout.cd_text else ()
            shifted = [replace(t, track=t.track - first + 1 if t.track else 0) for t in texts]
            assert list(found) == shifted
            assert replace(image.layout, cd_text=None) == replace(expected, cd_text=None)
            assert_same_sectors(image, source)


def mixed() -> Layout:
    texts = [Text(0, PackType.TITLE, 0, 'Album "é"'), Text(0, PackType.TITLE, 2, "A song")]
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 400, control=Control.DATA)
    song = Track(
        2, 1, TrackMode.AUDIO, (Index(0, 400), Index(1, 550), Index(2, 600)), 900,
        control=FLAGS, isrc="USXX19801234", pregap_virtual=150,
    )  # fmt: skip
    last = Track(3, 1, TrackMode.AUDIO, (Index(0, 900), Index(1, 1050)), 1400)
    session = Session(1, (data, song, last), 1400)
    return Layout(Medium.CD, (session,), mcn="4006381333931", cd_text=build(texts, 3))


def test_cdrdao_reads_what_we_write(tmp_path: Path) -> None:
    run(write_image(MemorySource(mixed()), tmp_path / "x.toc", QUICK))
    found = ask("cdrdao", "show-toc", "x.toc", cwd=tmp_path)
    assert "ERROR" not in found
    assert "WARNING" not in found
    assert "CATALOG NUMBER: 4006381333931" in found
    assert re.search(
        r"TRACK +1 +Mode MODE1_RAW:\s+COPY.*\s+START.*\s+END +00:05:25\( *400\)", found
    )
    song = found.partition("TRACK  2")[2].partition("TRACK  3")[0]
    assert "ISRC US XX1 98 01234" in song
    assert "\n          COPY PERMITTED\n          PRE-EMPHASIS\n" in song
    assert re.search(
        r"PREGAP 00:02:00\( *150\)\s+START +\S+\( *550\)\s+INDEX +2 \S+\( *600\)", song
    )
    last = found.partition("TRACK  3")[2]
    assert re.search(r"PREGAP 00:02:00.*\s+START +\S+\( *1050\)\s+END +\S+\( *1400\)", last)


def test_cdrdao_hears_the_samples_in_the_same_byte_order(tmp_path: Path) -> None:
    layout = single_track(300, TrackMode.AUDIO)
    source = MemorySource(layout)
    ramp = np.arange(300 * 588 * 2, dtype="<i2").reshape(300, -1)
    source.tracks[1] = ramp.view(np.uint8)
    run(write_image(source, tmp_path / "x.toc", QUICK))
    shown = ask("cdrdao", "show-data", "x.toc", cwd=tmp_path)
    samples = re.findall(r"^ *(\d+): +(-?\d+) +(-?\d+)", shown, re.MULTILINE)
    assert len(samples) > 1000
    for position, left, right in samples[:: len(samples) // 200]:
        at = ramp.reshape(-1)[int(position) * 2 :][:2]
        assert (int(left), int(right)) == tuple(at)


@pytest.mark.parametrize("sub", [False, True])
@pytest.mark.parametrize("kind", list(DiscType))
def test_cdrdao_accepts_every_mode_flag_and_type_of_disc(
    tmp_path: Path, kind: DiscType, sub: bool
) -> None:
    tracks, lba = [], 0
    for number, mode in enumerate(
        [TrackMode.MODE1, TrackMode.MODE2, TrackMode.AUDIO, TrackMode.AUDIO], 1
    ):
        control = Control.NONE if mode is TrackMode.AUDIO else Control.DATA
        control |= Control.COPY_PERMITTED if number % 2 else Control.NONE
        four = number == 4
        tracks.append(
            Track(
                number, 1, mode, (Index(0, lba), Index(1, lba + 20)), lba + 400,
                control=control | (Control.FOUR_CHANNEL if four else Control.NONE),
                pregap_virtual=10, postgap_virtual=0 if four else 15,
            )
        )  # fmt: skip
        lba += 400
    layout = Layout(Medium.CD, (Session(1, tuple(tracks), lba),), kind)
    source = SubSource(layout) if sub else MemorySource(layout)
    with written(source, tmp_path / "x.toc") as (_, image):
        assert_same_sectors(image, source)
        stored = SectorFormat.RAW_SUB if sub else SectorFormat.RAW
        assert image.layout == tracks_mapped(layout, {"stored": stored})
    found = ask("cdrdao", "show-toc", "x.toc", cwd=tmp_path)
    assert "ERROR" not in found
    assert found.count("TRACK") == 4


def test_toc2cue_says_where_we_say(tmp_path: Path) -> None:
    run(write_image(MemorySource(mixed()), tmp_path / "x.toc", QUICK))
    ask("toc2cue", "x.toc", "x.cue", cwd=tmp_path)
    toc, cue = open_image(tmp_path / "x.toc"), open_image(tmp_path / "x.cue")
    try:
        assert [t.index1 for t in toc.layout.tracks] == [t.index1 for t in cue.layout.tracks]
        assert toc.layout.end == cue.layout.end
        assert np.array_equal(read_all(toc, range(400)), read_all(cue, range(400)))
    finally:
        toc.close()
        cue.close()


def test_subchannel_lies_behind_each_sector_and_audio_alone_is_swapped(tmp_path: Path) -> None:
    source = SubSource(mixed())
    with written(source, tmp_path / "x.toc") as (result, image):
        assert result.left_out == ()
        assert (tmp_path / "x.bin").stat().st_size == 1250 * 2448
        for lba in (0, 399, 550, 1399):
            assert sub_of(image, lba) == source.sub(lba, 1).tobytes()
        raw = (tmp_path / "x.bin").read_bytes()[400 * 2448 :][:2352]
        assert raw[1::2] == source.tracks[2][150].tobytes()[::2]
        assert_same_sectors(image, source)


def sheet(folder: Path, text: str, data: bytes, name: str = "d.bin") -> Path:
    (folder / name).write_bytes(data)
    path = folder / "x.toc"
    path.write_text(text, encoding="utf-8")
    return path


def test_parts_silence_offsets_and_byte_orders_are_laid_one_after_another(tmp_path: Path) -> None:
    sectors = noise(20, 2352, 3)
    path = sheet(
        tmp_path,
        """CD_DA // a comment
        TRACK AUDIO NO COPY
        FILE "d.bin" 0 00:00:05 START
        AUDIOFILE "d.bin" SWAP 588 1176
        SILENCE 00:00:02
        FILE "d.bin" #4704 00:00:08
        INDEX 00:00:03
        """,
        sectors.tobytes(),
    )
    image = open_image(path)
    try:
        swapped = sectors.reshape(20, -1, 2)[:, :, ::-1].reshape(20, 2352)
        nothing = np.zeros((2, 2352), np.uint8)
        expected = np.concatenate((swapped[:5], sectors[1:3], nothing, swapped[10:]))
        assert np.array_equal(read_all(image, range(19)), expected)
        track = image.layout.tracks[0]
        assert track.indexes == (Index(0, 0), Index(1, 5), Index(2, 8))
        assert image.layout.end == 19
        assert not image.warnings
    finally:
        image.close()


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("MODE1", SectorFormat.USER),
        ("MODE2_FORM1", SectorFormat.USER),
        ("MODE2_FORM2", SectorFormat.FORM2),
        ("MODE2_FORM_MIX", SectorFormat.MODE2),
        ("MODE2", SectorFormat.MODE2),
        ("MODE0", SectorFormat.MODE2),
        ("MODE1 RW_RAW", SectorFormat.USER_SUB),
    ],
)
def test_every_mode_has_its_sector_size(tmp_path: Path, name: str, stored: SectorFormat) -> None:
    rows = noise(6, stored.size, 2)
    image = open_image(sheet(tmp_path, f'TRACK {name}\nDATAFILE "d.bin"\n', rows.tobytes()))
    try:
        assert image.layout.end == 6
        block = image.read(0, 6)
        assert (block.format, image.layout.tracks[0].stored) == (stored, stored)
        assert np.array_equal(block.data, rows)
    finally:
        image.close()


def test_packed_subchannel_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    rows = noise(5, 2352 + 96, 2)
    image = open_image(sheet(tmp_path, 'TRACK AUDIO RW\nFILE "d.bin" SWAP 0\n', rows.tobytes()))
    try:
        assert image.layout.tracks[0].stored is SectorFormat.RAW
        assert np.array_equal(image.read(0, 5).data, rows[:, :2352])
        assert "RW subchannel" in str(image.warnings[0])
    finally:
        image.close()


def test_a_data_file_that_is_too_short_gives_faults_and_a_warning(tmp_path: Path) -> None:
    text = 'TRACK MODE1_RAW\nDATAFILE "d.bin" 00:00:10\n'
    image = open_image(sheet(tmp_path, text, raw_sectors(TrackMode.MODE1, 0, 4).tobytes()))
    try:
        states = image.read(0, 10).states
        assert (states[:4] == SectorState.READ).all()
        assert (states[4:] == SectorState.FAILED).all()
        assert "6 sectors of the disc are in no file" in str(image.warnings[0])
    finally:
        image.close()


def test_headers_are_believed_over_the_declared_mode(tmp_path: Path) -> None:
    data = raw_sectors(TrackMode.MODE2, 0, 4).tobytes()
    image = open_image(sheet(tmp_path, 'TRACK MODE1_RAW\nDATAFILE "d.bin"\n', data))
    try:
        assert image.layout.tracks[0].mode is TrackMode.MODE2
        assert "declared mode1" in str(image.warnings[0])
    finally:
        image.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("CD_DA", "no TRACK"),
        ("CD_DA\nTRACK AUDIO\n", "no sectors"),
        ('CD_DA\nTRACK AUDIO\nFILE "../../e.bin" 0', "outside its folder"),
        ('CD_DA\nTRACK AUDIO\nFILE "/etc/passwd" 0', "outside its folder"),
        ('CD_DA\nTRACK AUDIO\nFILE "a" 0\nFILE "b" 0', "not there"),
        ('CD_DA\nTRACK AUDIO\nFILE "d.bin" 1 2\nFILE "d.bin" 0', "within a sector"),
        ('CD_DA\nTRACK AUDIO\nFILE "d.bin" 0 9999:00:00', "longer than a disc"),
        ("CD_DA\nTRACK AUDIO\nSILENCE 99:00:00\nSILENCE 99:00:00", "longer than a disc"),
        ("CD_DA\nTRACK AUDIO\nSILENCE 00:00:04\nSTART 00:01:00", "after its end"),
        ('CD_DA\nTRACK AUDIO\nFIFO "x" 00:04:00', "FIFO"),
        ("CD_DA\nTRACK SOUND\n", "no mode"),
        ("CD_DA\nBANANA\n", "no statement"),
        ('CD_DA\nTRACK AUDIO\nFILE "d.bin\n', "no TOC"),
    ],
)
def test_what_no_disc_has_is_refused_with_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(BadInput, match=rf"{sentence}.*\.$"):
        open_image(sheet(tmp_path, text, bytes(2352)))


_WORDS = [
    "CD_DA", "CD_ROM_XA", "TRACK", "AUDIO", "MODE1_RAW", "MODE2_RAW", "RW_RAW", "RW", "FILE",
    "DATAFILE", "SILENCE", "ZERO", "START", "PREGAP", "INDEX", "ISRC", "NO", "COPY", "END",
    "CD_TEXT", "{", "}", "LANGUAGE", "LANGUAGE_MAP", "0", "0 : EN", "TITLE", "SIZE_INFO", ",",
    "SWAP", "#100", "00:00:02", "99:59:74", "588", "999999999999", '"d.bin"', '"x"', '"', "//",
    "TRACK AUDIO\n", 'FILE "d.bin" 0 00:00:03\n', 'DATAFILE "d.bin"\n', "SILENCE 00:00:04\n",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(text=st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join))
def test_any_words_open_or_are_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        opens_or_is_refused(sheet(Path(folder), f"CD_DA\n{text}", bytes(2352 * 5)))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_toc_opens_or_is_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.toc"
        run(write_image(MemorySource(mixed_small()), path, QUICK))
        path.write_bytes(data.draw(damage(path.read_bytes(), first=8)))
        opens_or_is_refused(path)


def mixed_small() -> Layout:
    layout = mixed()
    return replace(layout, sessions=(Session(1, layout.tracks[:1], 400),))


@given(text=st.text(st.characters(max_codepoint=255), max_size=40))
def test_escaped_strings_are_read_as_they_were(text: str) -> None:
    (token,) = tokens(escaped(text))
    assert (token.text, token.quoted) == (text, True)


def test_what_a_toc_cannot_hold_is_said_or_refused(tmp_path: Path) -> None:
    layout = mixed()
    packs = CdText(bytes(18) + (layout.cd_text.packs if layout.cd_text else b""))
    odd = tracks_mapped(replace(layout, cd_text=packs, mcn="12"), {"isrc": "?"}, number=5)
    result = run(write_image(MemorySource(odd), tmp_path / "x.toc", QUICK))
    said = "; ".join(result.left_out)
    for part in ("count from 5", "'12'", "ISRC of track 5", "CD-Text packs"):
        assert part in said
    other = Session(2, (replace(layout.tracks[0], number=4),), 400)
    two = replace(layout, sessions=(*layout.sessions, other))
    with pytest.raises(BadInput, match="2 sessions"):
        run(write_image(MemorySource(two), tmp_path / "y.toc", QUICK))
    assert not (tmp_path / "y.bin").exists()


def test_unreadable_sectors_are_listed_and_audio_is_silent(tmp_path: Path) -> None:
    source = MemorySource(mixed(), failed=frozenset({3, 560}))
    with written(source, tmp_path / "x.toc") as (result, image):
        assert result.bad == (range(3, 4), range(560, 561))
        assert image.read(3, 1).data.tobytes().startswith(b"imagerd: unreadable")
        assert not image.read(560, 1).data.any()
