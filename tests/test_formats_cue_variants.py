# SPDX-License-Identifier: Apache-2.0
"""Sheets as the world writes them: each opens right, and each oddity is told with its line."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Control, DiscType, SectorFormat, TrackMode
from imagerd.disc.source import FaultKind, SectorState
from imagerd.formats import Image, open_image
from tests.discs_formats import noise, raw_sectors, raw_volume, read_all, volume_sectors

DATA, SONG = 216, 600
RAW = raw_volume(DATA)
AUDIO = noise(SONG, 2352, 1)

STANDARD = """FILE "d.bin" BINARY
  TRACK 01 MODE1/2352
    INDEX 01 00:00:00
"""
MIXED = """FILE "d.bin" BINARY
  TRACK 01 MODE1/2352
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    INDEX 00 00:02:66
    INDEX 01 00:04:66
"""


@contextmanager
def opened(folder: Path, sheet: str | bytes, **files: bytes) -> Iterator[Image]:
    """Write `sheet` as d.cue, `files` (``d_bin`` is d.bin) beside it, and open it."""
    for name, data in (files or {"d_bin": RAW.tobytes()}).items():
        (folder / name.replace("_", ".")).write_bytes(data)
    path = folder / "d.cue"
    path.write_bytes(sheet.encode() if isinstance(sheet, str) else sheet)
    image = open_image(path)
    try:
        yield image
    finally:
        image.close()


def lines_warned(image: Image) -> list[int | None]:
    return [warning.line for warning in image.warnings]


def assert_is_the_data_disc(image: Image) -> None:
    (track,) = image.layout.tracks
    assert (track.mode, track.index1, track.end) == (TrackMode.MODE1, 0, DATA)
    assert track.control == Control.DATA
    assert np.array_equal(read_all(image, range(DATA)), RAW)


@pytest.mark.parametrize(
    "sheet",
    [
        STANDARD,
        STANDARD.replace("\n", "\r\n"),
        STANDARD.replace("\n", "\r"),
        STANDARD.replace("  ", "\t"),
        STANDARD.replace('"', ""),
        STANDARD.replace("TRACK 01", "TRACK 1").replace("INDEX 01", "INDEX 1"),
        STANDARD.rstrip("\n"),
        STANDARD.replace("\n", "   \n\n") + "\x1a",
    ],
    ids=[
        "standard",
        "crlf",
        "cr",
        "tabs",
        "no-quotes",
        "one-digit",
        "no-final-newline",
        "blanks",
    ],
)
def test_plain_spellings_open_without_a_warning(tmp_path: Path, sheet: str) -> None:
    with opened(tmp_path, sheet) as image:
        assert image.warnings == ()
        assert_is_the_data_disc(image)


@pytest.mark.parametrize(
    ("sheet", "line"),
    [
        pytest.param(STANDARD.lower(), 1, id="lower-case"),
        pytest.param(b"\xef\xbb\xbf" + STANDARD.encode(), 1, id="utf-8-mark"),
        pytest.param(b"\xff\xfe" + STANDARD.encode("utf-16-le"), 1, id="utf-16-le"),
        pytest.param(b"\xfe\xff" + STANDARD.encode("utf-16-be"), 1, id="utf-16-be"),
        pytest.param(STANDARD.encode("utf-16-le"), 1, id="utf-16-without-mark"),
        pytest.param("; made by hand\n" + STANDARD, 1, id="semicolon"),
        pytest.param(STANDARD + "// the end\n", 4, id="slashes"),
        pytest.param(STANDARD.replace("d.bin", "D.BIN"), 1, id="wrong-case"),
        pytest.param(STANDARD.replace("d.bin", "C:\\rips\\d.bin"), 1, id="windows-path"),
        pytest.param(STANDARD.replace("d.bin", ".\\d.bin"), 1, id="backslash"),
        pytest.param(STANDARD.replace(" BINARY", ""), 1, id="no-type"),
        pytest.param(STANDARD.replace('"d.bin" BINARY', "d.bin"), 1, id="no-type-no-quotes"),
        pytest.param(STANDARD.partition("\n")[2], 1, id="no-file-line"),
        pytest.param(STANDARD.replace("d.bin", "BOING.BIN"), 1, id="other-name"),
        pytest.param(STANDARD.replace("MODE1", "MODE2"), 2, id="mode2-over-mode1"),
        pytest.param(STANDARD.replace("/2352", "/2048"), 2, id="2048-over-2352"),
        pytest.param(STANDARD.replace("/2352", "/2336"), 2, id="2336-over-2352"),
        pytest.param(STANDARD.replace("MODE1/2352", "AUDIO"), 2, id="audio-over-data"),
        pytest.param(STANDARD.replace("MODE1/2352", "MODE9/4711"), 2, id="unknown-type"),
        pytest.param("\n".join(STANDARD.split("\n")[::2]), 2, id="no-track-line"),
        pytest.param("\n".join(STANDARD.split("\n")[:1]), 1, id="file-line-only"),
        pytest.param("\n".join(STANDARD.split("\n")[:2]), 2, id="no-index-line"),
        pytest.param(STANDARD.replace("INDEX 01", "INDEX 00"), 2, id="index-00-only"),
        pytest.param('"' + STANDARD.rstrip("\n") + '"', 1, id="quotes-around-the-sheet"),
        pytest.param(STANDARD.replace("TRACK 01", "TRACK 00"), 2, id="track-0"),
        pytest.param(STANDARD.replace("TRACK 01", "TRACK xx"), 2, id="track-xx"),
        pytest.param(STANDARD + "    FLAGS WHAT\n", 4, id="unknown-flag"),
        pytest.param(STANDARD + "    ISRC nonsense\n", 4, id="bad-isrc"),
        pytest.param("CATALOG 123\n" + STANDARD, 1, id="bad-catalog"),
        pytest.param(STANDARD + "    INDEX 02 later\n", 4, id="bad-time"),
        pytest.param(STANDARD + "    INDEX\n", 4, id="bare-index"),
        pytest.param(STANDARD + "WHATEVER 1\n", 4, id="unknown-command"),
        pytest.param(
            STANDARD.replace("    INDEX", "    PREGAP 00:02:00\n    INDEX"), 2, id="implied-pregap"
        ),
    ],
)
def test_odd_sheets_open_right_with_a_warning_at_their_line(
    tmp_path: Path, sheet: str | bytes, line: int
) -> None:
    with opened(tmp_path, sheet) as image:
        assert line in lines_warned(image), image.warnings
        assert_is_the_data_disc(image)


def test_gbk_bytes_in_a_title_are_read_as_chinese(tmp_path: Path) -> None:
    sheet = 'TITLE "中文标题测试"\n' + STANDARD
    with opened(tmp_path, sheet.encode("gbk")) as image:
        assert_is_the_data_disc(image)
        assert "gbk" in image.warnings[0].sentence


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("圝乗壎.bin", "gbk"),  # trail bytes below 0x80
        ("ソフト.bin", "cp932"),  # 0x5C, the backslash, in its first letter
        ("Музыка.bin", "cp1251"),
        ("Café.bin", "cp1252"),
        ("Ärger Ünsinn.bin", "utf-8"),
    ],
)
def test_file_names_are_found_in_the_encodings_of_their_countries(
    tmp_path: Path, name: str, codec: str
) -> None:
    (tmp_path / name).write_bytes(RAW.tobytes())
    title = {"cp932": "ゲームのソフト", "gbk": "中国游戏光盘"}.get(codec, "x")
    sheet = f'TITLE "{title}"\n' + STANDARD.replace("d.bin", name)
    with opened(tmp_path, sheet.encode(codec), other_bin=b"") as image:
        assert image.files[1].name == name
        assert_is_the_data_disc(image)


def test_frames_above_74_are_added_up_with_a_warning(tmp_path: Path) -> None:
    sheet = MIXED.replace("00:04:66", "00:03:80")
    with opened(tmp_path, sheet, d_bin=RAW.tobytes() + AUDIO.tobytes()) as image:
        assert image.layout.tracks[1].index1 == 305
        assert lines_warned(image) == [6]


def test_cooked_mode_1_opens_as_user_data(tmp_path: Path) -> None:
    sheet = STANDARD.replace("/2352", "/2048")
    with opened(tmp_path, sheet, d_bin=volume_sectors(DATA).tobytes()) as image:
        assert image.warnings == ()
        assert image.layout.tracks[0].stored is SectorFormat.USER
        assert_is_the_data_disc(image)


def test_raw_declared_over_cooked_data_is_noticed(tmp_path: Path) -> None:
    with opened(tmp_path, STANDARD, d_bin=volume_sectors(DATA).tobytes()) as image:
        assert lines_warned(image) == [2]
        assert_is_the_data_disc(image)


def test_cdi_tracks_are_mode_2_on_a_cd_i_disc(tmp_path: Path) -> None:
    raw = raw_sectors(TrackMode.MODE2, 0, 30)
    with opened(tmp_path, STANDARD.replace("MODE1", "CDI"), d_bin=raw.tobytes()) as image:
        assert image.warnings == ()
        assert image.layout.disc_type is DiscType.CDI
        assert image.layout.tracks[0].mode is TrackMode.MODE2
        assert np.array_equal(read_all(image, range(30)), raw)


def test_two_files_with_both_indexes_in_the_second(tmp_path: Path) -> None:
    sheet = (
        STANDARD + 'FILE "e.bin" BINARY\n  TRACK 02 AUDIO\n    INDEX 00 00:00:00\n'
        "    INDEX 01 00:02:00\n"
    )
    with opened(tmp_path, sheet, d_bin=RAW.tobytes(), e_bin=AUDIO.tobytes()) as image:
        second = image.layout.tracks[1]
        assert (second.start, second.index1, second.end) == (DATA, 366, DATA + SONG)
        assert np.array_equal(read_all(image, range(DATA, DATA + SONG)), AUDIO)
        assert image.warnings == ()


def test_one_file_with_sectors_of_two_sizes(tmp_path: Path) -> None:
    sheet = MIXED.replace("MODE1/2352", "MODE1/2048")
    data = volume_sectors(DATA).tobytes() + AUDIO.tobytes()
    with opened(tmp_path, sheet, d_bin=data) as image:
        assert [t.stored.size for t in image.layout.tracks] == [2048, 2352]
        assert np.array_equal(read_all(image, range(DATA)), RAW)
        assert np.array_equal(read_all(image, range(DATA, DATA + SONG)), AUDIO)
        assert len(image.read(DATA - 5, 100)) == 5  # never across a change of format
        assert image.warnings == ()


SESSIONS = """REM SESSION 01
FILE "a.bin" BINARY
  TRACK 01 AUDIO
    INDEX 01 00:00:00
REM LEAD-OUT 01:30:00
REM SESSION 02
REM LEAD-IN 01:00:00
REM PREGAP 00:02:00
FILE "d.bin" BINARY
  TRACK 02 MODE1/2352
    INDEX 01 00:00:00
"""


def test_sessions_lie_as_far_apart_as_on_a_disc(tmp_path: Path) -> None:
    start = SONG + 11400
    data = raw_volume(DATA, start).tobytes()
    with opened(tmp_path, SESSIONS, d_bin=data, a_bin=AUDIO.tobytes()) as image:
        first, second = image.layout.sessions
        assert (first.lead_out, second.start, second.lead_out) == (SONG, start, start + DATA)
        assert image.warnings == ()
        with pytest.raises(ValueError, match="no session"):
            image.read(SONG, 1)
        assert len(image.read(SONG - 3, 100)) == 3
        assert image.read(start, 1).data.tobytes() == data[:2352]


def test_later_sessions_lie_nearer(tmp_path: Path) -> None:
    third = 'REM SESSION 03\nFILE "d.bin" BINARY\n  TRACK 03 MODE1/2352\n    INDEX 01 00:00:00\n'
    with opened(tmp_path, SESSIONS + third, d_bin=RAW.tobytes(), a_bin=AUDIO.tobytes()) as image:
        second, last = image.layout.sessions[1:]
        assert last.start - second.lead_out == 6900


def test_the_sectors_own_addresses_decide_where_a_session_begins(tmp_path: Path) -> None:
    sheet = SESSIONS.replace("    INDEX 01 00:00:00\n", "", 2) + (
        "    INDEX 00 00:00:00\n    INDEX 01 00:02:00\n"
    )
    sheet = sheet.replace("TRACK 01 AUDIO\n", "TRACK 01 AUDIO\n    INDEX 01 00:00:00\n")
    start = SONG + 11250  # the pregap in the file is the one that REM PREGAP tells of
    data = raw_volume(DATA, start).tobytes()
    with opened(tmp_path, sheet, d_bin=data, a_bin=AUDIO.tobytes()) as image:
        second = image.layout.tracks[1]
        assert (second.start, second.index1) == (start, SONG + 11400)
        assert lines_warned(image) == [10]


def test_a_single_file_places_the_lead_out_and_leaves_the_gap_out(tmp_path: Path) -> None:
    sheet = (
        'FILE "d.bin" BINARY\nREM SESSION 01\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'
        "REM LEAD-OUT 00:08:00\nREM SESSION 02\n  TRACK 02 MODE1/2352\n    INDEX 01 00:08:00\n"
    )
    with opened(tmp_path, sheet, d_bin=AUDIO.tobytes() + RAW.tobytes()) as image:
        first, second = image.layout.sessions
        assert (first.lead_out, second.start) == (600, 12000)
        assert np.array_equal(read_all(image, range(12000, 12000 + DATA)), RAW)


def test_a_single_file_that_holds_the_gap_is_seen_by_its_length(tmp_path: Path) -> None:
    sheet = (
        'FILE "d.bin" BINARY\nREM SESSION 01\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'
        "REM LEAD-OUT 00:08:00\nREM SESSION 02\n  TRACK 02 MODE1/2352\n    INDEX 01 02:40:00\n"
    )
    gap = bytes(11400 * 2352)
    with opened(tmp_path, sheet, d_bin=AUDIO.tobytes() + gap + RAW.tobytes()) as image:
        first, second = image.layout.sessions
        assert (first.lead_out, second.start, second.lead_out) == (600, 12000, 12000 + DATA)
        assert np.array_equal(read_all(image, range(12000, 12000 + DATA)), RAW)


def test_track_numbers_that_begin_again_in_each_session_are_counted_on(tmp_path: Path) -> None:
    sheet = SESSIONS.replace("TRACK 02", "TRACK 01")
    with opened(tmp_path, sheet, d_bin=RAW.tobytes(), a_bin=AUDIO.tobytes()) as image:
        assert [track.number for track in image.layout.tracks] == [1, 2]
        assert lines_warned(image) == [10]


def test_catalog_isrc_flags_and_further_indexes_are_kept(tmp_path: Path) -> None:
    sheet = (
        "CATALOG 4006381333931\n"
        + MIXED.replace("  TRACK 02 AUDIO\n", "  TRACK 02 AUDIO\n    FLAGS DCP PRE 4CH\n"
        "    ISRC US-XX1-98-01234\n")
        + "    INDEX 02 00:05:00\n    INDEX 03 00:06:00\n    POSTGAP 00:01:00\n"
    )  # fmt: skip
    with opened(tmp_path, sheet, d_bin=RAW.tobytes() + AUDIO.tobytes()) as image:
        track = image.layout.tracks[1]
        assert image.layout.mcn == "4006381333931"
        assert track.isrc == "USXX19801234"
        assert track.control == (
            Control.COPY_PERMITTED | Control.PRE_EMPHASIS | Control.FOUR_CHANNEL
        )
        assert [(i.number, i.lba) for i in track.indexes] == [
            (0, 216), (1, 366), (2, 375), (3, 450)
        ]  # fmt: skip
        assert (track.postgap_virtual, track.end) == (75, DATA + SONG + 75)
        assert not image.read(DATA + SONG, 75).data.any()
        assert lines_warned(image) == [7]  # the dashes


def test_index_00_in_one_file_and_index_01_in_the_next(tmp_path: Path) -> None:
    sheet = (
        'FILE "a.bin" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n  TRACK 02 AUDIO\n'
        '    INDEX 00 00:06:00\nFILE "b.bin" BINARY\n    INDEX 01 00:00:00\n'
    )
    other = noise(100, 2352, 9)
    with opened(tmp_path, sheet, a_bin=AUDIO.tobytes(), b_bin=other.tobytes()) as image:
        first, second = image.layout.tracks
        assert (first.end, second.start, second.index1, second.end) == (450, 450, 600, 700)
        assert np.array_equal(read_all(image, range(700)), np.vstack((AUDIO, other)))


def test_a_pregap_is_silence_or_empty_sectors_of_the_right_mode(tmp_path: Path) -> None:
    sheet = (
        'FILE "a.bin" BINARY\n  TRACK 01 AUDIO\n    PREGAP 00:00:32\n    INDEX 01 00:00:00\n'
        '    POSTGAP 00:00:10\nFILE "d.bin" BINARY\n  TRACK 02 MODE1/2352\n    PREGAP 00:02:00\n'
        "    INDEX 01 00:00:00\n"
    )
    data = raw_volume(DATA, 792).tobytes()
    with opened(tmp_path, sheet, a_bin=AUDIO.tobytes(), d_bin=data) as image:
        first, second = image.layout.tracks
        assert (first.start, first.index1, first.end) == (0, 32, 642)
        assert (second.start, second.index1, second.pregap_virtual) == (642, 792, 150)
        assert not image.read(0, 32).data.any()
        empty = image.read(642, 150).data
        wanted = read_all(image, range(642, 792))
        assert np.array_equal(empty, wanted)
        assert (empty[:, 15] == 1).all()
        assert not empty[:, 16:2064].any()
        assert image.warnings == ()


def test_sectors_before_the_first_index_of_a_file_are_its_pregap(tmp_path: Path) -> None:
    sheet = 'FILE "a.bin" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:33\n'
    with opened(tmp_path, sheet, a_bin=AUDIO.tobytes()) as image:
        (track,) = image.layout.tracks
        assert (track.start, track.index1, track.end) == (0, 33, SONG)
        assert lines_warned(image) == [3]


def test_gd_rom_areas_lie_where_every_gd_rom_has_them(tmp_path: Path) -> None:
    sheet = SESSIONS
    for old in ("REM LEAD-OUT 01:30:00\n", "REM LEAD-IN 01:00:00\n", "REM PREGAP 00:02:00\n"):
        sheet = sheet.replace(old, "")
    sheet = sheet.replace("SESSION 01", "SINGLE-DENSITY AREA")
    sheet = sheet.replace("SESSION 02", "HIGH-DENSITY AREA")
    with opened(tmp_path, sheet, a_bin=AUDIO.tobytes(), d_bin=RAW.tobytes()) as image:
        assert [track.index1 for track in image.layout.tracks] == [0, 45000]
        assert image.layout.sessions[0].lead_out == SONG


def wave(samples: bytes, *, rate: int = 44100, extra: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", 1, 2, rate, rate * 4, 4, 16)
    body = b"fmt " + struct.pack("<I", 16) + form + extra
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def test_wave_files_are_read_from_their_samples_on(tmp_path: Path) -> None:
    sheet = 'FILE "a.wav" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'
    chunk = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    short = AUDIO.tobytes()[:-1000]
    with opened(tmp_path, sheet, a_wav=wave(short, extra=chunk)) as image:
        assert image.layout.end == SONG
        data = read_all(image, range(SONG)).tobytes()
        assert data == short + bytes(1000)
        assert (image.read(SONG - 1, 1).states == SectorState.READ).all()
    with (
        pytest.raises(BadInput, match="48000"),
        opened(tmp_path, sheet, a_wav=wave(b"", rate=48000)),
    ):
        pass


def test_motorola_files_have_their_bytes_swapped(tmp_path: Path) -> None:
    sheet = 'FILE "a.bin" MOTOROLA\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'
    swapped = AUDIO.view("<u2").byteswap().tobytes()
    with opened(tmp_path, sheet, a_bin=swapped) as image:
        assert np.array_equal(read_all(image, range(SONG)), AUDIO)


def test_flac_that_is_none_is_refused_with_a_sentence(tmp_path: Path) -> None:
    sheet = 'FILE "a.flac" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'
    refused = pytest.raises(BadInput, match="cannot be decoded")
    with refused, opened(tmp_path, sheet, a_flac=b"fLaC" * 100):
        pass


@pytest.mark.parametrize(
    ("word", "mode", "stored"),
    [
        ("AUDIO", TrackMode.AUDIO, SectorFormat.RAW),
        ("CDG", TrackMode.AUDIO, SectorFormat.RAW_SUB),
        ("MODE1/2048", TrackMode.MODE1, SectorFormat.USER),
        ("MODE2/2048", TrackMode.MODE2, SectorFormat.USER),
        ("MODE2/2324", TrackMode.MODE2, SectorFormat.FORM2),
        ("MODE2/2342", TrackMode.MODE2, SectorFormat.FORM2),
        ("MODE2/2332", TrackMode.MODE2, SectorFormat.XA_USER),
        ("MODE2/2336", TrackMode.MODE2, SectorFormat.MODE2),
        ("CDI/2336", TrackMode.MODE2, SectorFormat.MODE2),
        ("MODE1_RAW", TrackMode.MODE1, SectorFormat.RAW),
        ("MODE2_RAW", TrackMode.MODE2, SectorFormat.RAW),
        ("AUDIO RW_RAW", TrackMode.AUDIO, SectorFormat.RAW_SUB),
    ],
)
def test_every_track_type_has_its_size(
    tmp_path: Path, word: str, mode: TrackMode, stored: SectorFormat
) -> None:
    data = noise(20, stored.size, 5)
    sheet = STANDARD.replace("MODE1/2352", word)
    with opened(tmp_path, sheet, d_bin=data.tobytes()) as image:
        (track,) = image.layout.tracks
        assert (track.mode, track.stored, track.end) == (mode, stored, 20)
        block = image.read(0, 20)
        assert np.array_equal(block.data, data)
        assert (block.sub is not None) == (stored is SectorFormat.RAW_SUB)


def test_a_truncated_file_gives_faults_for_what_is_absent(tmp_path: Path) -> None:
    whole = RAW.tobytes() + AUDIO.tobytes()
    with opened(tmp_path, MIXED, d_bin=whole[: 100 * 2352 + 50]) as image:
        first, second = image.layout.tracks
        assert (first.end, second.index1) == (216, 366)
        block = image.read(90, 50)
        assert list(np.unique(block.states[:10])) == [SectorState.READ]
        assert list(np.unique(block.states[10:])) == [SectorState.FAILED]
        (fault,) = block.faults
        assert (fault.lba, fault.count, fault.kind) == (100, 40, FaultKind.MISSING)
        assert image.warnings != ()


def test_a_file_that_ends_inside_a_sector_gives_that_sector_as_missing(tmp_path: Path) -> None:
    with opened(tmp_path, STANDARD, d_bin=RAW.tobytes()[:-7]) as image:
        assert image.layout.end == DATA
        assert image.read(DATA - 1, 1).states.tolist() == [SectorState.FAILED]
        assert lines_warned(image) == [1]


def test_titles_become_cd_text(tmp_path: Path) -> None:
    sheet = 'TITLE "The Album"\nPERFORMER "Who?"\n' + STANDARD.replace(
        "    INDEX", '    TITLE "A "quoted" song"\n    INDEX'
    )
    with opened(tmp_path, sheet) as image:
        assert image.layout.cd_text is not None
        assert {t.value for t in image.layout.cd_text.texts()} == {
            "The Album", "Who?", 'A "quoted" song'
        }  # fmt: skip


def test_a_sheet_of_a_dvd_gives_blocks(tmp_path: Path) -> None:
    sheet = "REM ORIGINAL MEDIA-TYPE: DVD+R\n" + STANDARD.replace("2352", "2048")
    with opened(tmp_path, sheet, d_bin=volume_sectors(30).tobytes()) as image:
        assert image.layout.medium == "dvd"
        assert image.layout.tracks[0].mode is TrackMode.BLOCKS
