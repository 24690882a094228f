# SPDX-License-Identifier: Apache-2.0
"""What lies in the archive, judged by other people's programs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagerd.devices.virtual.faults import FaultPlan
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Control, DiscType, SectorFormat, TrackMode
from imagerd.formats import open_image
from imagerd.sectors.convert import to_raw
from tests.iso9660 import iso_image, write_iso
from tests.judges import ask
from tests.path_way import Archived, Way, way
from tests.sources import MemorySource, TrackPlan, audio, data, memory_disc

BAD = """\
[[sectors]]
what = "unreadable"
lba = [60, 200]
count = 7

[[sectors]]
what = "wrong"
lba = 290
bytes = 900
stable = true
"""
BAD_LBAS = {*range(60, 67), *range(200, 207), 290}


def with_volume(disc: MemorySource) -> MemorySource:
    """The same disc with an ISO 9660 volume in its first track."""
    track = disc.layout.tracks[0]
    count = track.end - track.start
    volume = iso_image("JUDGED", {"HELLO.TXT": b"hello\n" * 999}, pad_to=count)
    user = np.frombuffer(volume, np.uint8).reshape(-1, 2048)
    if track.mode is TrackMode.MODE1:
        disc.raw[1] = to_raw(user, SectorFormat.USER, track.mode, 0)
    else:
        body = np.zeros((count, 2332), np.uint8)
        body[:, [2, 6]] = 0x08
        body[:, 8:2056] = user
        disc.raw[1] = to_raw(body, SectorFormat.XA_USER, track.mode, 0)
    return disc


def mixed() -> MemorySource:
    return with_volume(
        memory_disc([data(500), audio(700, 150, isrc="QZIMG2600001"), audio(600, 75)])
    )


def music() -> MemorySource:
    plans = [
        audio(600, isrc="QZIMG2600001", indexes=(200,)),  # cdrdao 1.2.4: in track 1 or not at all
        audio(500, 150, isrc="QZIMG2600002", control=Control.COPY_PERMITTED),
        audio(700, 33),
    ]
    disc = memory_disc(plans, mcn="4006381333931")
    texts = [Text(0, PackType.TITLE, number, f"Piece {number}") for number in range(4)]
    return MemorySource(replace(disc.layout, cd_text=build(texts, 3)), disc.raw)


def xa() -> MemorySource:
    return with_volume(
        memory_disc([TrackPlan(TrackMode.MODE2, 700, form2=0)], disc_type=DiscType.XA)
    )


def plain() -> MemorySource:
    return with_volume(memory_disc([data(500)]))


DISCS = {"mixed": mixed, "music": music, "xa": xa}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way(tmp_path_factory.mktemp("way")) as made:
        yield made


@pytest.fixture(scope="module")
def archived(there: Way) -> dict[str, Archived]:
    return {name: there.archive(make()) for name, make in DISCS.items()}


@pytest.fixture(scope="module")
def scratched(there: Way) -> dict[str, Archived]:
    plan = FaultPlan.parse(BAD)
    return {name: there.archive(make(), plan) for name, make in {**DISCS, "plain": plain}.items()}


def copied(done: Archived, folder: Path) -> Path:
    """The image's files for tools that would leave theirs beside them."""
    shutil.copytree(done.main.parent, folder, dirs_exist_ok=True)
    return folder / done.main.name


@pytest.mark.parametrize("name", list(DISCS))
def test_chdman_takes_the_sheet_and_gives_the_same_bytes(
    archived: dict[str, Archived], name: str, tmp_path: Path
) -> None:
    sheet = archived[name].main
    ask("chdman", "createcd", "-i", sheet, "-o", "x.chd", "-c", "cdzl", cwd=tmp_path)
    ask("chdman", "extractcd", "-i", "x.chd", "-o", "e.cue", "-ob", "e.bin", cwd=tmp_path)
    assert (tmp_path / "e.bin").read_bytes() == sheet.with_suffix(".bin").read_bytes()


@pytest.mark.parametrize("name", list(DISCS))
def test_cdrdao_reads_the_tracks(archived: dict[str, Archived], name: str, tmp_path: Path) -> None:
    sheet = copied(archived[name], tmp_path)
    told = ask("cdrdao", "show-toc", sheet.name, cwd=tmp_path)
    words = {TrackMode.AUDIO: "AUDIO", TrackMode.MODE1: "MODE1_RAW", TrackMode.MODE2: "MODE2_RAW"}
    layout = DISCS[name]().layout
    assert re.findall(r"TRACK +\d+ +Mode (\w+)", told) == [words[t.mode] for t in layout.tracks]
    for word, found in (("START", "index1"), ("END", "end")):
        lbas = re.findall(rf"^ +{word} +[\d:]+\( *(\d+)\)", told, re.MULTILINE)
        assert [int(lba) for lba in lbas] == [getattr(track, found) for track in layout.tracks]
    if name == "music":
        assert "CATALOG NUMBER: 4006381333931" in told
        assert "ISRC QZ IMG 26 00002" in told
        assert "INDEX  2 00:02:50(   200)" in told
    ask("cueconvert", "-i", "cue", "-o", "toc", sheet.name, "x.toc", cwd=tmp_path)
    assert (tmp_path / "x.toc").read_text().count("\nTRACK ") == len(layout.tracks)


def test_libcdio_reads_the_discs_tracks_numbers_and_texts(
    archived: dict[str, Archived], tmp_path: Path
) -> None:
    for name in ("mixed", "music"):
        sheet = copied(archived[name], tmp_path / name)
        told = ask("cd-info", "--no-device-info", "--no-cddb", f"--cue-file={sheet.name}",
                   cwd=sheet.parent)  # fmt: skip
        rows = re.findall(r"^ *(\d+): \S+ +(\d+) (data|audio|leadout)", told, re.MULTILINE)
        layout = DISCS[name]().layout
        assert [int(lsn) for _, lsn, _ in rows] == [
            *(track.index1 for track in layout.tracks),
            layout.end,
        ]
        words = {"mixed": ["JUDGED"], "music": ["4006381333931", "TITLE: Piece 2"]}[name]
        assert all(word in told for word in words)


def test_bchunk_cuts_the_tracks_where_they_are(
    archived: dict[str, Archived], tmp_path: Path
) -> None:
    sheet = archived["mixed"].main
    ask("bchunk", "-r", sheet.with_suffix(".bin"), sheet, tmp_path / "b")
    disc = mixed()
    assert (tmp_path / "b03.cdr").read_bytes() == disc.raw[3][75:].tobytes()
    # bchunk counts the pause to the track before it.
    assert (tmp_path / "b02.cdr").read_bytes()[: 550 * 2352] == disc.raw[2][150:].tobytes()
    ask("bchunk", sheet.with_suffix(".bin"), sheet, tmp_path / "c")
    user = disc.raw[1][:, 16:2064].tobytes()
    assert (tmp_path / "c01.iso").read_bytes()[: len(user)] == user


def test_iat_finds_the_same_user_data(archived: dict[str, Archived], tmp_path: Path) -> None:
    ask("iat", archived["xa"].main.with_suffix(".bin"), "x.iso", cwd=tmp_path)
    assert (tmp_path / "x.iso").read_bytes() == xa().raw[1][:, 24:2072].tobytes()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("iso-info", ("-l", "-i")), ("isoinfo", ("-l", "-i")), ("xorriso", ("-ls", "/", "-indev"))],
)
def test_an_iso_is_a_volume_for_everyone(
    there: Way, tool: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    files = {"READ.ME": b"me\n", "BIG.BIN": bytes(range(256)) * 4096}
    path = write_iso(tmp_path / "in.iso", "JUDGED", files, sectors=900)
    done = there.archive(open_image(path))
    assert done.main.read_bytes() == path.read_bytes()
    if tool == "xorriso":
        told = ask(tool, "-indev", done.main, "-ls", "/")
    else:
        told = ask(tool, *arguments, done.main)
    assert "BIG" in told.upper()


@pytest.mark.parametrize("name", [*DISCS, "plain"])
def test_sha256sum_agrees_with_all_files(scratched: dict[str, Archived], name: str) -> None:
    main = scratched[name].main
    told = ask("sha256sum", "-c", main.with_suffix(".sha256").name, cwd=main.parent)
    others = {path.name for path in main.parent.iterdir()} - {main.with_suffix(".sha256").name}
    assert {line.partition(":")[0] for line in told.splitlines() if ": OK" in line} == others


@pytest.mark.parametrize("name", [*DISCS, "plain"])
def test_ddrescue_reads_the_map_as_it_is_meant(scratched: dict[str, Archived], name: str) -> None:
    done = scratched[name]
    size = 2352 if done.main.suffix == ".cue" else 2048
    told = ask("ddrescuelog", f"--block-size={size}", "--list-blocks=?*/-",
               done.main.with_suffix(".map"))  # fmt: skip
    assert {int(line) for line in told.split()} == done.bad()
    # Audio that comes wrong without a word is not known to be; data give themselves away.
    assert done.bad() == (BAD_LBAS - {290} if name == "music" else BAD_LBAS)
    ask("ddrescuelog", "--show-status", done.main.with_suffix(".map"))
