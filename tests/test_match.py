# SPDX-License-Identifier: Apache-2.0
"""A disc gets its name, whatever its container; and what nearly fits is told as what it is."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from imagerd.cli.main import cli
from imagerd.disc.layout import SectorFormat
from imagerd.toolkit.match import crc
from tests.catalogs import open_catalog
from tests.dats import write_datafile
from tests.path_way import way
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.toolkit_images import write_cue, write_iso

MIXED = (data(60), audio(300, pregap=10), audio(250))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def told(*arguments: str | Path, code: int = 0) -> Any:
    result = imagerctl(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def files(disc: MemorySource, name: str = "Game") -> dict[str, bytes]:
    """The files that Redump would list."""
    return {
        f"{name} (Track {track.number}).bin": disc.raw[track.number].tobytes()
        for track in disc.layout.tracks
    }


@pytest.fixture(autouse=True)
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERD_CATALOG", str(tmp_path / "catalog.sqlite"))


def learn(folder: Path, games: dict[str, dict[str, bytes]], **more: str) -> None:
    dat = write_datafile(folder / f"{more.get('name', 'list')}.dat", games, **more)
    assert imagerctl("dat", "import", dat).exit_code == 0


def test_a_disc_gets_the_name_of_the_game_with_its_tracks(tmp_path: Path) -> None:
    disc, other = memory_disc(MIXED), memory_disc(MIXED, seed=2)
    learn(tmp_path, {"Other": files(other), "Game & Co (USA)": {"Game.cue": b"x", **files(disc)}})
    sheet = write_cue(tmp_path, disc)
    image = told("match", sheet)["images"][0]
    assert image["result"]["verdict"] == "match"
    (found,) = image["result"]["candidates"]
    assert (found["name"], found["dat"]) == ("Game & Co (USA)", "Maker - System")
    assert [(t["fit"], t["by"]) for t in found["tracks"]] == [("same", "sha1")] * 3
    shown = imagerctl("match", sheet)
    assert "match  Game & Co (USA)" in shown.stdout
    assert "by SHA-1" in shown.stdout


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("stored", [SectorFormat.RAW, SectorFormat.USER])
def test_the_container_does_not_matter(tmp_path: Path, stored: SectorFormat, split: bool) -> None:
    learn(tmp_path, {"Game": files(memory_disc(MIXED))})
    plans = (data(60, stored=stored), *MIXED[1:])
    sheet = write_cue(tmp_path, memory_disc(plans), split=split)
    assert told("match", sheet)["images"][0]["result"]["verdict"] == "match"


def test_a_disc_of_one_track_is_found_as_iso_and_as_raw(tmp_path: Path) -> None:
    disc = memory_disc((data(60),))
    user = disc.raw[1][:, 16:2064].tobytes()
    sheet, iso = write_cue(tmp_path, disc), write_iso(tmp_path, user, "other")
    learn(tmp_path, {"Raw": {"Raw.bin": disc.raw[1].tobytes()}}, name="A")
    for path in (sheet, iso):
        assert names(told("match", path)) == ["Raw"]
    imagerctl("dat", "remove", "A")
    learn(tmp_path, {"Iso": {"Iso.iso": user}}, name="B")
    for path in (sheet, iso):
        assert names(told("match", path)) == ["Iso"]


def names(answer: Any, at: int = 0) -> list[str]:
    return [found["name"] for found in answer["images"][at]["result"]["candidates"]]


def test_a_disc_kept_as_one_file_is_found_as_such(tmp_path: Path) -> None:
    disc = memory_disc(MIXED)
    learn(tmp_path, {"Game": {"Game.bin": b"".join(files(disc).values()), "Game.cue": b""}})
    (found,) = told("match", write_cue(tmp_path, disc))["images"][0]["result"]["candidates"]
    assert (found["verdict"], found["form"]) == ("match", "joined")


def test_a_dvd_is_its_blocks(tmp_path: Path) -> None:
    disc = memory_blocks(400)
    blocks = bytearray(disc.raw[1].tobytes())
    blocks[16 * 2048 : 16 * 2048 + 6] = b"\x01CD001"
    learn(tmp_path, {"Film": {"Film.iso": bytes(blocks)}})
    assert names(told("match", write_iso(tmp_path, bytes(blocks)))) == ["Film"]


def moved(disc: MemorySource, samples: int) -> dict[str, bytes]:
    """The files of a dump whose audio comes `samples` earlier."""
    audio_tracks = [track for track in disc.layout.tracks if not track.is_data]
    whole = b"".join(disc.raw[track.number].tobytes() for track in audio_tracks)
    zeros = bytes(4 * abs(samples))
    shifted = (whole + zeros)[4 * samples :] if samples >= 0 else zeros + whole
    found = files(disc)
    at = 0
    for track in audio_tracks:
        size = len(disc.raw[track.number]) * 2352
        found[f"Game (Track {track.number}).bin"] = shifted[at : at + size]
        at += size
    return found


def quiet_edges(disc: MemorySource, sectors: int = 8) -> MemorySource:
    """Silence at the beginning and the end of the audio, so that nothing is lost by moving it."""
    tracks = [track for track in disc.layout.tracks if not track.is_data]
    disc.raw[tracks[0].number][:sectors] = 0
    disc.raw[tracks[-1].number][-sectors:] = 0
    return disc


@pytest.mark.parametrize("samples", [1, -1, 30, -667, 588, 4000, -4103])
@pytest.mark.parametrize("plans", [MIXED, MIXED[1:]])
def test_audio_at_another_offset_is_told_with_the_offset(
    tmp_path: Path, samples: int, plans: tuple[Any, ...]
) -> None:
    disc = quiet_edges(memory_disc(plans))
    learn(tmp_path, {"Game": moved(disc, samples)})
    result = told("match", write_cue(tmp_path, disc), code=1)["images"][0]["result"]
    (found,) = result["candidates"]
    assert (found["verdict"], found["offset"]) == ("near", samples)
    fits = [track["fit"] for track in found["tracks"]]
    assert fits == ["moved" if not track.is_data else "same" for track in disc.layout.tracks]
    assert "44100 samples to either side" in result["tried"][0]


def test_an_offset_is_found_though_samples_were_lost_at_an_edge(tmp_path: Path) -> None:
    disc = memory_disc((data(60), audio(300), audio(250), audio(200)))
    learn(tmp_path, {"Game": moved(disc, 100)})
    result = told("match", write_cue(tmp_path, disc), code=1)["images"][0]["result"]
    (found,) = result["candidates"]
    assert (found["verdict"], found["offset"]) == ("near", 100)  # zeros stand in for the lost ones
    learn(tmp_path, {"Game": moved(disc, -100)})
    disc.raw[4][-1] = 7
    result = told("match", write_cue(tmp_path, disc), code=1)["images"][0]["result"]
    (found,) = result["candidates"]
    assert (found["verdict"], found["offset"]) == ("partial", -100)
    assert [track["fit"] for track in found["tracks"]] == ["same", "moved", "moved", "different"]


def test_other_audio_is_told_as_other_audio(tmp_path: Path) -> None:
    disc, other = memory_disc(MIXED), memory_disc(MIXED, seed=2)
    theirs = {**files(other), "Game (Track 1).bin": disc.raw[1].tobytes()}
    learn(tmp_path, {"Game": theirs})
    result = told("match", write_cue(tmp_path, disc), code=1)["images"][0]["result"]
    (found,) = result["candidates"]
    assert (found["verdict"], found["offset"]) == ("partial", None)
    assert [track["fit"] for track in found["tracks"]] == ["same", "different", "different"]
    assert len(result["tried"]) == 1


def test_offsets_are_searched_where_the_data_differs_only_if_asked(tmp_path: Path) -> None:
    disc = quiet_edges(memory_disc((*MIXED, audio(100))))
    theirs = moved(disc, 12)
    theirs["Game (Track 1).bin"] = bytes(len(theirs["Game (Track 1).bin"]))
    learn(tmp_path, {"Game": theirs})
    sheet = write_cue(tmp_path, disc)
    assert told("match", sheet, code=1)["images"][0]["result"]["candidates"] == []
    (found,) = told("match", sheet, "--offsets", code=1)["images"][0]["result"]["candidates"]
    assert (found["verdict"], found["offset"]) == ("partial", 12)


@pytest.mark.parametrize(
    ("ours", "theirs", "fits", "note"),
    [
        (2, 3, ["same", "same", "missing"], "the image lacks 1 track"),
        (3, 2, ["same", "same", "extra"], "the image has 1 track more"),
    ],
)
def test_missing_and_further_tracks_are_told(
    tmp_path: Path, ours: int, theirs: int, fits: list[str], note: str
) -> None:
    disc = memory_disc(MIXED)
    learn(tmp_path, {"Game": dict(list(files(disc).items())[:theirs])})
    sheet = write_cue(tmp_path, memory_disc(MIXED[:ours]))
    (found,) = told("match", sheet, code=1)["images"][0]["result"]["candidates"]
    assert found["verdict"] == "partial"
    assert [track["fit"] for track in found["tracks"]] == fits
    assert note in found["notes"]
    assert note in imagerctl("match", sheet).stdout


@pytest.mark.parametrize(
    ("ours", "theirs", "note"),
    [
        (slice(0, 90), slice(0, 80), "20480 bytes (10 sectors) too many at the end"),
        (slice(0, 90), slice(17, 90), "34816 bytes (17 sectors) too many at the beginning"),
        (slice(0, 70), slice(0, 80), "20480 bytes (10 sectors) of zeros at the end are missing"),
    ],
)
def test_an_iso_of_another_length_is_near(
    tmp_path: Path, ours: slice, theirs: slice, note: str
) -> None:
    blocks = np.random.default_rng(1).integers(0, 256, (100, 2048), np.uint8)
    blocks[70:80] = 0
    blocks[16, :6] = list(b"\x01CD001")
    learn(tmp_path, {"Game": {"Game.iso": blocks[theirs].tobytes()}})
    result = told("match", write_iso(tmp_path, blocks[ours].tobytes()), code=1)["images"][0]
    (found,) = result["result"]["candidates"]
    assert (found["verdict"], found["tracks"][0]["fit"]) == ("near", "cut")
    assert found["tracks"][0]["note"] == note


def test_two_dumps_at_different_offsets_are_known_as_the_same(tmp_path: Path) -> None:
    disc = quiet_edges(memory_disc(MIXED))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    learn(tmp_path, {"Nothing": {"x.bin": b"x"}})
    first = write_cue(tmp_path / "a", disc)
    whole = b"".join(moved(disc, 30).values())
    (tmp_path / "b" / "disc.bin").write_bytes(whole)
    (tmp_path / "b" / "disc.cue").write_bytes(first.read_bytes())
    answer = told("match", tmp_path / "a", tmp_path / "b", code=1)
    one, two = answer["images"]
    assert one["same_sound"] == []
    assert two["same_sound"] == [{"path": str(first), "image": None, "offset": -30}]


def test_a_match_by_crc_alone_says_so(tmp_path: Path) -> None:
    disc = memory_disc((data(60),))
    text = write_datafile(tmp_path / "x.dat", {"Game": {"Game.bin": disc.raw[1].tobytes()}})
    stripped = re.sub(r' (md5|sha1)="\w+"', "", text.read_text())
    text.write_text(stripped)
    imagerctl("dat", "import", text)
    (found,) = told("match", write_cue(tmp_path, disc))["images"][0]["result"]["candidates"]
    assert found["tracks"][0]["by"] == "crc32"
    assert "proves little" in found["notes"][0]


def test_digests_that_contradict_each_other_prove_nothing(tmp_path: Path) -> None:
    disc = memory_disc((data(60),))
    text = write_datafile(tmp_path / "x.dat", {"Game": {"Game.bin": disc.raw[1].tobytes()}})
    text.write_text(re.sub(r'md5="\w+"', f'md5="{"0" * 32}"', text.read_text()))
    imagerctl("dat", "import", text)
    assert told("match", write_cue(tmp_path, disc), code=1)["images"][0]["result"]["verdict"] == (
        "unknown"
    )


def test_a_folder_is_matched_image_by_image(tmp_path: Path) -> None:
    disc, other = memory_disc(MIXED), memory_disc((data(70),), seed=5)
    folder = tmp_path / "discs"
    for name in ("one", "two", ".incoming"):
        (folder / name).mkdir(parents=True)
    write_cue(folder / "one", disc, split=True)
    write_cue(folder / "two", other)
    write_cue(folder / ".incoming", other)
    (folder / "bad.cue").write_text('FILE "../x.bin" BINARY\n  TRACK 01 AUDIO\n')
    learn(tmp_path, {"Game": files(disc)})
    images = told("match", folder, code=2)["images"]
    found = {Path(image["source"]).parent.name: image for image in images}
    assert len(images) == 3
    assert found["one"]["result"]["verdict"] == "match"
    assert found["two"]["result"]["verdict"] == "unknown"
    assert "outside its folder" in found["discs"]["error"]


def test_only_one_dat_can_be_asked(tmp_path: Path) -> None:
    disc = memory_disc(MIXED)
    learn(tmp_path, {"In A": files(disc)}, name="A")
    learn(tmp_path, {"In B": files(disc)}, name="B")
    sheet = write_cue(tmp_path, disc)
    assert sorted(names(told("match", sheet))) == ["In A", "In B"]
    assert names(told("match", sheet, "--dat", "B")) == ["In B"]
    assert imagerctl("match", sheet, "--dat", "C").exit_code == 2


def test_without_a_dat_it_says_how_to_get_one(tmp_path: Path) -> None:
    open_catalog(tmp_path).close()
    result = imagerctl("match", write_cue(tmp_path, memory_disc(MIXED)))
    assert result.exit_code == 1
    assert "imagerctl dat import" in result.stderr


def test_gaps_that_no_file_holds_are_filled_with_silence(tmp_path: Path) -> None:
    whole = memory_disc((data(60), audio(40, pregap=20), audio(30)))
    learn(tmp_path, {"Game": files(whole)})
    sheet = write_cue(tmp_path, whole, split=True)
    second = tmp_path / "disc (Track 2).bin"
    second.write_bytes(second.read_bytes()[20 * 2352 :])
    gap = "    INDEX 00 00:00:00\n    INDEX 01 00:00:20"
    assert gap in sheet.read_text()
    text = sheet.read_text().replace(gap, "    PREGAP 00:00:20\n    INDEX 01 00:00:00")
    sheet.write_text(text)
    (found,) = told("match", sheet, code=1)["images"][0]["result"]["candidates"][:1]
    assert (found["verdict"], found["form"]) == ("near", "filled")
    assert "silence for the gap of track 2" in found["notes"][0]


def software_list(path: Path, sha1: bytes) -> Path:
    path.write_text(
        '<softwarelist name="psx" description="PSX CD"><software name="ff7"><description>FF VII'
        f'</description><part><diskarea><disk name="ff7" sha1="{sha1.hex()}"/></diskarea></part>'
        "</software></softwarelist>"
    )
    return path


def test_a_chd_is_found_in_lists_of_mame_if_it_is_what_its_header_says(tmp_path: Path) -> None:
    chd = tmp_path / "x.chd"
    imagerctl("convert", write_cue(tmp_path, memory_disc(MIXED)), chd)
    body = chd.read_bytes()
    told("dat", "import", software_list(tmp_path / "psx.xml", body[84:104]))
    (found,) = told("match", chd)["images"][0]["result"]["candidates"]
    assert (found["name"], found["system"], found["form"]) == ("FF VII", "PSX CD", "chd")
    middle = len(body) // 2
    chd.write_bytes(body[:middle] + bytes(64) + body[middle + 64 :])
    (found,) = told("match", chd, code=1)["images"][0]["result"]["candidates"]
    assert (found["verdict"], found["tracks"][0]["by"]) == ("near", None)
    assert "the file is damaged" in found["notes"][0]


@pytest.mark.parametrize(("version", "at"), [(3, 80), (4, 48), (5, 84)])
def test_what_the_header_of_a_chd_claims_proves_nothing(
    tmp_path: Path, version: int, at: int
) -> None:
    sha1 = bytes(range(20))
    head = bytearray(124)
    head[:8], head[12:16], head[at : at + 20] = b"MComprHD", version.to_bytes(4, "big"), sha1
    (tmp_path / "x.chd").write_bytes(head)
    told("dat", "import", software_list(tmp_path / "psx.xml", sha1))
    (found,) = told("match", tmp_path / "x.chd", code=1)["images"][0]["result"]["candidates"]
    assert (found["name"], found["verdict"]) == ("FF VII", "near")
    assert "could not be read" in found["notes"][0]


@given(
    head=st.binary(min_size=0, max_size=300),
    positions=st.lists(st.integers(0, 400), min_size=1, unique=True),
    length=st.integers(0, 60),
)
def test_crcs_of_pieces_are_those_of_zlib(head: bytes, positions: list[int], length: int) -> None:
    body = head + bytes(460 - len(head))
    order = sorted({*positions, *(p + length for p in positions)})
    stream = [memoryview(body)[:7], memoryview(body)[7:]]
    found = dict(zip(order, crc.at_positions(stream, order), strict=True))
    assert all(found[p] == zlib.crc32(body[:p]) for p in order)
    begins = np.array([found[p] for p in positions], np.uint32)
    ends = np.array([found[p + length] for p in positions], np.uint32)
    expected = [zlib.crc32(body[p : p + length]) for p in positions]
    assert crc.pieces(begins, ends, length).tolist() == expected
    whole = zlib.crc32(body[: order[-1]])
    at = order[0]
    assert crc.blank(at) == zlib.crc32(bytes(at))
    assert crc.with_zeros(zlib.crc32(head), at) == zlib.crc32(head + bytes(at))
    assert crc.without(found[at], whole, order[-1] - at) == zlib.crc32(body[at : order[-1]])


def test_a_dat_that_claims_huge_files_does_not_keep_us_busy(tmp_path: Path) -> None:
    """The size is a stranger's word: with a fitting CRC-32 all of it would be hashed."""
    disc = memory_disc((data(30), audio(20)))
    content = disc.raw[2].tobytes()
    size = 1 << 50
    claimed = crc.with_zeros(zlib.crc32(content), size - len(content))
    dat = write_datafile(tmp_path / "x.dat", {"Game": {"1.bin": disc.raw[1].tobytes()}})
    rom = f'<rom name="2.bin" size="{size}" crc="{claimed:08x}"/></game>'
    dat.write_text(dat.read_text().replace("</game>", rom))
    told("dat", "import", dat)
    (found,) = told("match", write_cue(tmp_path, disc), code=1)["images"][0]["result"]["candidates"]
    assert [track["fit"] for track in found["tracks"]] == ["same", "size"]


def test_a_game_of_thousands_of_files_is_no_disc(tmp_path: Path) -> None:
    disc = memory_disc(MIXED)
    many = {f"{n}.bin": b"%d" % n for n in range(3000)}
    learn(tmp_path, {"Folder": {**many, **files(disc)}})
    assert told("match", write_cue(tmp_path, disc), code=1)["images"][0]["result"]["verdict"] == (
        "unknown"
    )


@pytest.mark.parametrize("suffix", [".chd", ".ccd", ".toc", ".mds", ".nrg"])
def test_every_container_that_holds_the_tracks_gets_the_same_name(
    tmp_path: Path, suffix: str
) -> None:
    disc = memory_disc(MIXED)
    learn(tmp_path, {"Game": files(disc)})
    other = tmp_path / "other"
    other.mkdir()
    target = other / f"copy{suffix}"
    written = imagerctl("convert", write_cue(tmp_path, disc), target)
    assert written.exit_code == 0, written.output
    (image,) = told("match", other)["images"]
    assert image["source"] == str(target)
    assert [found["name"] for found in image["result"]["candidates"]] == ["Game"]
    named = told("match", other, "--rename", "{name}")
    assert (other / f"Game{suffix}").exists()
    assert named["images"][0]["kept_name"] is None
    (again,) = told("match", other)["images"]
    assert [found["name"] for found in again["result"]["candidates"]] == ["Game"]


def test_what_is_archived_is_known_by_its_sound_from_then_on(tmp_path: Path) -> None:
    disc = quiet_edges(memory_disc((audio(300, pregap=10), audio(250))))
    joined = b"".join(disc.raw[number].tobytes() for number in (1, 2))
    hurt = memory_disc((audio(300), audio(250)), seed=9, bad=frozenset({100}))
    with way(tmp_path / "way") as there:
        image, partial = there.archive(disc).image, there.archive(hurt).image
        sounds = there.catalog.sounds.of_image(image.id)
        assert 0 not in there.catalog.sounds.of_image(partial.id)
        url = there.catalog.name
    assert set(sounds) == {0, 1, 2}
    first = next(n for n in range(0, len(joined), 4) if any(joined[n : n + 4]))
    last = next(n for n in range(len(joined), 0, -4) if any(joined[n - 4 : n]))
    assert sounds[0].sha1 == hashlib.sha1(joined[first:last]).hexdigest()
    assert (sounds[0].lead, sounds[0].tail) == (first // 4, (len(joined) - last) // 4)
    (tmp_path / "disc.bin").write_bytes(b"".join(moved(disc, -30).values()))
    sheet = tmp_path / "disc.cue"
    sheet.write_text('FILE "disc.bin" BINARY\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n')
    (same,) = told("match", sheet, "--catalog", url, code=1)["images"][0]["same_sound"]
    assert (same["image"], same["offset"]) == (image.id, 30)
