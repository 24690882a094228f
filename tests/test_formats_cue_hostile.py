# SPDX-License-Identifier: Apache-2.0
"""Whatever a sheet or image says: nothing lost, no way out, a sentence instead of a crash."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.formats import open_image
from imagerd.formats.cue.opening import read_sheet
from imagerd.formats.cue.sheet import Sheet
from tests.discs_formats import noise, raw_volume

_WORDS = [
    "FILE", "TRACK", "INDEX", "REM", "SESSION", "LEAD-OUT", "LEAD-IN", "PREGAP", "POSTGAP",
    "CATALOG", "CDTEXTFILE", "TITLE", "FLAGS", "ISRC", "BINARY", "WAVE", "MOTOROLA", "AUDIO",
    "MODE1/2352", "MODE1/2048", "MODE2/2336", "CDG", "HIGH-DENSITY AREA", "SINGLE-DENSITY AREA",
    "MSF: 00:02:00 = LBA:", '"d.bin"', '"', "00", "01", "02", "99", "-1", "00:00:00", "00:02:00",
    "99:59:74", "9999:99:99", "1", "4294967296", "../../etc/passwd", "/dev/zero", "\x00", "ß",
]  # fmt: skip
LINES = st.lists(st.sampled_from(_WORDS), max_size=5).map(" ".join)
SHEETS = st.lists(LINES, max_size=25).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300) | SHEETS.map(str.encode))
@example(b"\xff\xfe\n")
@example(b"\xff\xfea\0\n\0b")
@example(b"\xef\xbb\xbf\r\r\n\n\r")
def test_parse_and_render_give_the_same_bytes_for_anything(data: bytes) -> None:
    assert Sheet.parse(data).render() == data


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030", "cp1251"]),
)
def test_parse_and_render_give_the_same_bytes_in_any_encoding(text: str, codec: str) -> None:
    data = text.encode(codec, "replace")
    assert Sheet.parse(data).render() == data


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "cp1251"])
def test_a_changed_line_keeps_its_line_end_and_leaves_the_others(end: str, codec: str) -> None:
    end = "\n" if codec == "utf-16" and end == "\r" else end
    data = f'REM Привет мир{end}FILE "a" BINARY{end}  TRACK 01 AUDIO'.encode(codec)
    changed = Sheet.parse(data).with_line(2, 'FILE "b" BINARY').render()
    assert changed == f'REM Привет мир{end}FILE "b" BINARY{end}  TRACK 01 AUDIO'.encode(codec)


def assert_is_a_sentence(error: BadInput) -> None:
    assert str(error).endswith(".")
    assert "\n" not in str(error)


@settings(max_examples=400, deadline=None)
@given(sheet=SHEETS, raw=st.booleans())
def test_any_sheet_opens_or_is_refused_with_one_sentence(sheet: str, raw: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.cue"
        path.write_text(f'FILE "d.bin" BINARY\n{sheet}' if sheet else "", encoding="utf-8")
        data = raw_volume(20) if raw else noise(20, 2352, 4)
        path.with_suffix(".bin").write_bytes(data.tobytes())
        try:
            image = open_image(path)
        except BadInput as error:
            assert_is_a_sentence(error)
            return
        try:
            for area in image.layout.ranges():
                for lba in {area.start, area.stop - 1, (area.start + area.stop) // 2}:
                    if lba in area:
                        assert len(image.read(lba, 10**9)) <= 2048
        finally:
            image.close()


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=4000), suffix=st.sampled_from([".cue", ".iso", ".bin", ".x"]))
def test_any_file_opens_or_is_refused_with_one_sentence(data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"d{suffix}"
        path.write_bytes(data)
        try:
            open_image(path).close()
        except BadInput as error:
            assert_is_a_sentence(error)


def sheet_naming(folder: Path, name: str) -> Path:
    path = folder / "inner" / "d.cue"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'FILE "{name}" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n')
    return path


@pytest.mark.parametrize("name", ["../out.bin", "{}/out.bin", "..\\out.bin", "sub/../../out.bin"])
def test_a_sheet_cannot_name_files_outside_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "out.bin").write_bytes(noise(5, 2352, 0).tobytes())
    path = sheet_naming(tmp_path, name.format(tmp_path))
    (tmp_path / "inner" / "sub").mkdir()
    with pytest.raises(BadInput, match="outside its folder"):
        open_image(path)
    image = open_image(path, allow_outside=True)
    assert image.layout.end == 5
    image.close()


def test_a_symbolic_link_is_no_way_out_either(tmp_path: Path) -> None:
    (tmp_path / "out.bin").write_bytes(noise(5, 2352, 0).tobytes())
    path = sheet_naming(tmp_path, "link.bin")
    (tmp_path / "inner" / "link.bin").symlink_to("../out.bin")
    with pytest.raises(BadInput, match="outside its folder"):
        open_image(path)
    open_image(path, allow_outside=True).close()


def test_folders_below_the_sheet_are_fine(tmp_path: Path) -> None:
    path = sheet_naming(tmp_path, "Data\\D.BIN")
    (tmp_path / "inner" / "data").mkdir()
    (tmp_path / "inner" / "data" / "d.bin").write_bytes(noise(5, 2352, 0).tobytes())
    image = open_image(path)
    assert image.layout.end == 5
    image.close()


@pytest.mark.parametrize(
    "sheet",
    [
        'FILE "gone.bin" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
        'FILE "pipe" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
        'FILE "." BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
        f'FILE "{"x" * 5000}" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
        "  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n",
    ],
    ids=["gone", "pipe", "folder", "too-long", "none"],
)
def test_a_sheet_without_its_data_file_is_refused_with_a_sentence(
    tmp_path: Path, sheet: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "s.cue").write_text(sheet)
    with pytest.raises(BadInput, match=r"s\.cue.*(not there|no data file).*\.$"):
        open_image(tmp_path / "s.cue")


@pytest.mark.parametrize(
    ("sheet", "word"),
    [
        ("    INDEX 01 00:00:10\n    INDEX 02 00:00:05\n", "line 4"),
        ("    INDEX 01 00:00:00\n  TRACK 02 AUDIO\n    INDEX 01 9999:00:00\n", "past the end"),
        ("    PREGAP 9999:00:00\n    INDEX 01 00:00:00\n", "longer than a disc"),
    ],
)
def test_impossible_times_are_refused_with_their_line(
    tmp_path: Path, sheet: str, word: str
) -> None:
    (tmp_path / "d.bin").write_bytes(noise(20, 2352, 0).tobytes())
    path = tmp_path / "d.cue"
    path.write_text(f'FILE "d.bin" BINARY\n  TRACK 01 AUDIO\n{sheet}')
    with pytest.raises(BadInput, match=word) as caught:
        open_image(path)
    assert str(caught.value).startswith(str(path))


def test_something_huge_named_cue_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.cue"
    with path.open("wb") as file:
        file.write(b"TRACK 01 AUDIO\n")
        file.truncate(1 << 40)
    with pytest.raises(BadInput, match="too long"):
        read_sheet(path)


def test_an_empty_data_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.bin").touch()
    (tmp_path / "d.cue").write_text('FILE "d.bin" BINARY\nTRACK 01 AUDIO\nINDEX 01 00:00:00')
    with pytest.raises(BadInput, match="no sectors"):
        open_image(tmp_path / "d.cue")


def test_a_hundred_tracks_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d.bin").write_bytes(noise(5, 2352, 0).tobytes())
    lines = ['FILE "d.bin" BINARY', *("TRACK 1 AUDIO\nINDEX 1 0:0:0" for _ in range(100))]
    (tmp_path / "d.cue").write_text("\n".join(lines))
    with pytest.raises(BadInput, match="more than 99"):
        open_image(tmp_path / "d.cue")


def test_a_cdrdao_toc_named_cue_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "d.bin").write_bytes(noise(5, 2352, 0).tobytes())
    (tmp_path / "d.cue").write_text('CD_DA\n\nTRACK AUDIO\nFILE "d.bin" 0\n')
    image = open_image(tmp_path / "d.cue")
    assert (image.format, image.layout.end) == ("toc", 5)
    image.close()
