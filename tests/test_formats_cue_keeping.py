# SPDX-License-Identifier: Apache-2.0
"""From sheet to sheet: the very same bytes where they stay true, remarks and texts elsewhere."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.formats import WriteOptions, open_image, write_image
from imagerd.formats.cue.sheet import Sheet
from imagerd.formats.keptsheet import KeptSheet
from imagerd.formats.origin import Origin, origin_of
from tests.discs_formats import MemorySource as Pattern
from tests.sources import audio, data, memory_disc
from tests.strategies_formats import layouts
from tests.toolkit_images import write_cue

LONG = "A title that is much longer than the eighty letters that CDRWIN lets one have, is it not"
REDUMP = f"""REM COMMENT "Rip by somebody"\r
CATALOG 4006408130000\r
PERFORMER "Künstler – с"\r
REM DATE 1998\r
FILE "disc (Track 1).bin" BINARY\r
  TRACK 01 MODE1/2352\r
    REM NOTE "first"\r
    INDEX 01 00:00:00\r
FILE "disc (Track 2).bin" BINARY\r
  TRACK 02 AUDIO\r
    TITLE "{LONG}"\r
    FLAGS DCP\r
    INDEX 00 00:00:00\r
    INDEX 01 00:00:10\r
REM the end\r
"""


def redump(folder: Path, sheet: str = REDUMP, codec: str = "utf-8") -> Path:
    folder.mkdir()
    path = write_cue(folder, memory_disc([data(60), audio(40, pregap=10)]), split=True)
    path.write_bytes(sheet.encode(codec))
    return path


def rewrite(source: Path, target: Path, **options: bool) -> bytes:
    target.parent.mkdir(exist_ok=True)
    with closing(open_image(source)) as image:
        run(write_image(image, target, WriteOptions(sync=False, hash=False, **options)))
    return target.read_bytes()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(layout=layouts(), split=st.booleans(), remarks=st.lists(st.integers(0, 99), max_size=6))
def test_a_sheet_goes_through_byte_for_byte(
    layout: Layout, split: bool, remarks: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = folder / "disc.cue"
        options = WriteOptions(sync=False, split_tracks=split, hash=False)
        run(write_image(Pattern(layout), first, options))
        lines = first.read_bytes().splitlines(keepends=True)
        for number, at in enumerate(remarks):
            lines.insert(at % (len(lines) + 1), b"REM  odd\tremark %d  \r\n" % number)
        first.write_bytes(b"".join(lines))
        again = rewrite(first, folder / "again" / "disc.cue", split_tracks=split)
        assert again == first.read_bytes()
        other = rewrite(first, folder / "again" / "other.cue", split_tracks=split)
        changed = [
            (was, now)
            for was, now in zip(lines, other.splitlines(keepends=True), strict=True)
            if was != now
        ]
        assert all(now.split()[0] in (b"FILE", b"CDTEXTFILE") for _, now in changed)
        with closing(open_image(folder / "again" / "other.cue")) as image:
            assert image.layout == layout


def test_a_sheet_of_redump_stays_what_its_digest_is_of(tmp_path: Path) -> None:
    source = redump(tmp_path / "a")
    assert rewrite(source, tmp_path / "b" / "disc.cue", split_tracks=True) == source.read_bytes()
    assert not (tmp_path / "b" / "disc.cdt").exists()  # the sheet names none


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "cp1251"])
def test_any_encoding_stays(tmp_path: Path, codec: str) -> None:
    text = REDUMP.replace("Künstler –", "имя и фамилия").replace("\r\n", "\n")
    source = redump(tmp_path / "a", text, codec)
    assert rewrite(source, tmp_path / "b" / "disc.cue", split_tracks=True) == source.read_bytes()
    with_name = rewrite(source, tmp_path / "b" / "new.cue", split_tracks=True)
    assert Sheet.parse(with_name).encoding == Sheet.parse(source.read_bytes()).encoding


def test_a_name_that_the_sheet_cannot_spell_makes_it_ours(tmp_path: Path) -> None:
    text = REDUMP.replace("Künstler –", "имя и фамилия")
    source = redump(tmp_path / "a", text, "cp1251")
    made = rewrite(source, tmp_path / "b" / "日本.cue", split_tracks=True)
    assert 'FILE "日本 (Track 1).bin" BINARY' in made.decode()
    assert "имя и фамилия" in made.decode()


def test_joined_tracks_keep_remarks_and_texts_but_no_places(tmp_path: Path) -> None:
    source = redump(tmp_path / "a")
    made = rewrite(source, tmp_path / "b" / "disc.cue", split_tracks=False).decode()
    assert made.count("\nFILE ") == 1
    for line in (
        'REM COMMENT "Rip by somebody"',
        "REM DATE 1998",
        'REM NOTE "first"',
        "и" and "– с",
    ):
        assert line in made
    assert "is it not" in made and made.count("TITLE") == 1
    back = rewrite(tmp_path / "b" / "disc.cue", tmp_path / "c" / "disc.cue", split_tracks=True)
    for image in ("b", "c"):
        with (
            closing(open_image(source)) as one,
            closing(open_image(tmp_path / image / "disc.cue")) as other,
        ):
            assert replace(one.layout, cd_text=None) == replace(other.layout, cd_text=None)
    assert b"REM DATE 1998" in back


@pytest.mark.parametrize(
    "lie",
    [
        ("INDEX 01 00:00:10", "INDEX 01 00:00:11"),
        ("MODE1/2352", "MODE1/2048"),
        ("FLAGS DCP", "FLAGS PRE"),
    ],
)
def test_a_sheet_that_is_not_true_of_the_sectors_is_never_kept(
    tmp_path: Path, lie: tuple[str, str]
) -> None:
    source = redump(tmp_path / "a")
    target = tmp_path / "b" / "disc.cue"
    target.parent.mkdir()
    wrong = REDUMP.replace(*lie).encode()
    with closing(open_image(source)) as image:
        options = WriteOptions(sync=False, split_tracks=True, origin=Origin(KeptSheet(wrong)))
        run(write_image(image, target, options))
        made = target.read_bytes().decode()
        assert lie[0] in made and lie[1] not in made
        assert "REM DATE 1998" in made
        with closing(open_image(target)) as again:
            assert replace(again.layout, cd_text=None) == replace(image.layout, cd_text=None)


@settings(max_examples=100, deadline=None)
@given(sheet=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_for_a_sheet_do_no_harm(sheet: bytes) -> None:
    disc = memory_disc([data(10), audio(5)])
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "x.cue"
        origin = Origin(KeptSheet(sheet))
        run(write_image(disc, target, WriteOptions(sync=False, hash=False, origin=origin)))
        with closing(open_image(target)) as image:
            assert [t.indexes for t in image.layout.tracks] == [
                t.indexes for t in disc.layout.tracks
            ]


def test_raw_sectors_of_a_short_sheet_are_called_raw(tmp_path: Path) -> None:
    source = write_cue(tmp_path, memory_disc([data(30, stored=SectorFormat.USER)]))
    source.write_text("REM kept\n" + source.read_text())
    made = rewrite(source, tmp_path / "b" / "disc.cue").decode()
    assert "MODE1/2352" in made and "REM kept" in made
    same = rewrite(source, tmp_path / "c" / "disc.cue", raw=False)
    assert same == source.read_bytes()


def test_the_verb_keeps_it_through_account_and_repair(tmp_path: Path) -> None:
    source = redump(tmp_path / "a")
    target = tmp_path / "disc.cue"
    words = ["convert", "--split", "--repair", str(source), str(target)]
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert target.read_bytes() == source.read_bytes()
    assert origin_of(memory_disc([data(5)])).sheet is None
