# SPDX-License-Identifier: Apache-2.0
"""Filling is never told to be good: what the catalog or a map file knows of an image counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from imagerd.base.digests import digest_bytes
from imagerd.catalog.glance import surely_unknown
from imagerd.catalog.records import Counts, ErrorRange, ImageFile, RangeState
from imagerd.cli.main import cli
from tests.catalogs import NOON, a_job, new_image, open_catalog, url_of
from tests.sources import audio, data, memory_blocks, memory_disc
from tests.toolkit_images import write_cue, write_iso

FILL = bytes(2048)
ALL = range(60)


@pytest.fixture(autouse=True)
def own_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERD_CATALOG", str(tmp_path / "catalog.sqlite"))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def told(*arguments: str | Path, code: int = 0) -> Any:
    result = imagerctl(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def lbas(extent: dict[str, Any]) -> set[int]:
    return {lba for r in extent["ranges"] for lba in range(r["first"], r["last"] + 1)}


def an_iso(folder: Path, lost: range = range(7, 10), stem: str = "disc") -> Path:
    """An .iso of 60 sectors, those of `lost` filled with zeros."""
    sectors = memory_blocks(60).raw[1].copy()
    sectors[lost.start : lost.stop] = 0
    return write_iso(folder, sectors.tobytes(), stem)


def write_map(path: Path, *blocks: tuple[int, int, str]) -> Path:
    """As ddrescue writes it."""
    lines = ["# Mapfile. Created by GNU ddrescue version 1.27", "0x00000000     +               1"]
    lines += [f"0x{pos:08X}  0x{size:08X}  {status}" for pos, size, status in blocks]
    path.write_text("\n".join(lines) + "\n")
    return path


def mapped(path: Path, lost: range = range(7, 10), size: int = 2048, count: int = 60) -> Path:
    """The map of an image of `count` sectors."""
    return write_map(
        path,
        (0, lost.start * size, "+"),
        (lost.start * size, len(lost) * size, "-"),
        (lost.stop * size, (count - lost.stop) * size, "+"),
    )


def entered(folder: Path, image: Path, *errors: ErrorRange) -> None:
    """Put the image into the catalog."""
    counts = Counts(good=60 - sum(e.count for e in errors), failed=sum(e.count for e in errors))
    digests = digest_bytes(image.read_bytes())
    files = (ImageFile(image.name, digests), ImageFile("disc.json", digest_bytes(b"report")))
    new = replace(
        new_image(folder=str(folder)),
        format="iso",
        main=image.name,
        counts=counts,
        files=files,
        tracks=(),
    )
    with open_catalog(folder) as catalog:
        catalog.images.commit(a_job(catalog).id, new, errors)


def failed(first: int, count: int, state: RangeState = RangeState.FAILED) -> ErrorRange:
    return ErrorRange(first, count, state, "medium", (3, 0x11, 5), 16, NOON, NOON)


def test_without_an_account_filling_cannot_be_told_from_data(tmp_path: Path) -> None:
    assert imagerctl("verify", an_iso(tmp_path)).exit_code == 0


def test_verify_finds_what_the_catalog_knows_to_be_filling(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    entered(tmp_path, image, failed(7, 3))
    result = imagerctl("verify", image)
    assert result.exit_code == 1, result.output
    assert "unreadable when it was imaged: 3 sectors, LBA 7–9" in result.stdout
    assert "The catalog (image 1) says: 3 sectors could not be read" in result.stdout
    assert "match     sha256 of disc.iso  (catalog)" in result.stdout
    verdict = told("verify", image, code=1)["verdict"]
    assert lbas(verdict["sectors"]["tracks"][0]["unreadable"]) == {7, 8, 9}
    assert verdict["sectors"]["tracks"][0]["faults"] == {"filling": 3}
    assert verdict["account"]["origin"] == "catalog"
    assert [h["origin"] for h in verdict["hashes"]] == ["catalog"]


def test_what_was_never_tried_is_unreadable_and_what_is_suspect_is_doubtful(
    tmp_path: Path,
) -> None:
    image = an_iso(tmp_path)
    entered(tmp_path, image, failed(7, 3, RangeState.UNREAD), failed(20, 2, RangeState.SUSPECT))
    track = told("verify", image, code=1)["verdict"]["sectors"]["tracks"][0]
    assert lbas(track["unreadable"]) == {7, 8, 9}
    assert lbas(track["doubtful"]) == {20, 21}


def test_what_was_read_in_the_end_is_no_finding(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    entered(tmp_path, image, failed(7, 3, RangeState.PROVEN), failed(20, 2, RangeState.READ))
    assert told("verify", image)["verdict"]["account"]["bad"]["count"] == 0
    assert "says: every sector was read" in imagerctl("verify", image).stdout


def test_an_image_that_changed_since_does_not_match_the_catalog(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    entered(tmp_path, image)
    content = bytearray(image.read_bytes())
    content[5000] ^= 1
    image.write_bytes(content)
    verdict = told("verify", image, code=1)["verdict"]
    assert [(h["outcome"], h["origin"]) for h in verdict["hashes"]] == [("mismatch", "catalog")]
    assert imagerctl("verify", image, "--no-catalog").exit_code == 0


def test_a_link_to_an_archived_image_is_that_image(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    entered(tmp_path, image, failed(7, 3))
    link = tmp_path / "elsewhere" / "link.iso"
    link.parent.mkdir()
    link.symlink_to(image)
    assert imagerctl("verify", link).exit_code == 1


def test_a_map_beside_the_image_counts_where_the_catalog_knows_nothing(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    mapped(tmp_path / "disc.map")
    verdict = told("verify", image, code=1)["verdict"]
    assert verdict["account"]["origin"] == "map"
    assert lbas(verdict["sectors"]["tracks"][0]["unreadable"]) == {7, 8, 9}
    assert "The map disc.map says: 3 sectors were not read well" in (
        imagerctl("verify", image).stdout
    )
    assert imagerctl("verify", image, "--no-map").exit_code == 0


def test_the_catalog_goes_before_the_map(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    entered(tmp_path, image, failed(30, 1))
    mapped(tmp_path / "disc.map")
    track = told("verify", image, code=1)["verdict"]["sectors"]["tracks"][0]
    assert lbas(track["unreadable"]) == {30}
    track = told("verify", image, "--no-catalog", code=1)["verdict"]["sectors"]["tracks"][0]
    assert lbas(track["unreadable"]) == {7, 8, 9}


def test_bytes_that_a_map_calls_bad_are_doubtful_and_never_thrown_away(tmp_path: Path) -> None:
    image = an_iso(tmp_path, range(7, 8))
    mapped(tmp_path / "disc.map", range(7, 10))
    track = told("verify", image, code=1)["verdict"]["sectors"]["tracks"][0]
    assert lbas(track["unreadable"]) == {7}
    assert lbas(track["doubtful"]) == {8, 9}
    out = tmp_path / "out.iso"
    told("convert", image, out, code=1)
    before, after = image.read_bytes(), out.read_bytes()
    assert before[8 * 2048 :] == after[8 * 2048 :]


@pytest.mark.parametrize("status", ["?", "*", "/", "-"])
def test_a_sector_of_which_any_byte_is_missing_is_bad(tmp_path: Path, status: str) -> None:
    image = an_iso(tmp_path, range(7, 9))
    end = 60 * 2048
    write_map(
        tmp_path / "disc.map",
        (0, 7 * 2048 + 512, "+"),
        (7 * 2048 + 512, 2048, status),
        (8 * 2048 + 512, end - 8 * 2048 - 512, "+"),
    )
    track = told("verify", image, code=1)["verdict"]["sectors"]["tracks"][0]
    assert lbas(track["unreadable"]) == {7, 8}


@pytest.mark.parametrize(
    "content", ["", "p0 q1 wall\n", "0x0 +\n0x0 0x1000 +\n", "0x0 + 1\n0x0 0x900000 -\n"]
)
def test_a_map_of_something_else_is_remarked_and_not_heeded(tmp_path: Path, content: str) -> None:
    image = an_iso(tmp_path)
    (tmp_path / "disc.map").write_text(content)
    verdict = told("verify", image)["verdict"]
    assert verdict["account"] is None
    assert "disc.map" in verdict["remarks"][0]


def test_the_map_of_a_sheet_counts_in_bytes_of_its_files(tmp_path: Path) -> None:
    disc = memory_disc([data(60), audio(30, pregap=10)])
    disc.raw[2][25] = 0
    for split in (False, True):
        folder = tmp_path / str(split)
        folder.mkdir()
        sheet = write_cue(folder, disc, split=split)
        mapped(folder / "disc.map", range(85, 86), 2352, 90)
        tracks = told("verify", sheet, code=1)["verdict"]["sectors"]["tracks"]
        assert [lbas(track["unreadable"]) for track in tracks] == [set(), {85}]


def test_a_catalog_that_is_not_there_is_no_trouble_unless_named(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    assert not told("verify", image)["verdict"]["remarks"]
    result = imagerctl("verify", image, "--catalog", tmp_path / "none.sqlite")
    assert result.exit_code == 2
    assert "There is no catalog" in result.stderr


def test_a_catalog_that_is_none_is_told(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    (tmp_path / "catalog.sqlite").write_bytes(b"no database at all, " * 100)
    verdict = told("verify", image)["verdict"]
    assert "The catalog was not asked" in verdict["remarks"][0]


def test_compare_tells_known_filling_from_data(tmp_path: Path) -> None:
    original = an_iso(tmp_path, range(0), "original")
    image = an_iso(tmp_path)
    assert told("compare", original, image, code=1)["comparison"]["outcome"] == "different"
    entered(tmp_path, image, failed(7, 3))
    result = told("compare", original, image, code=2)
    assert result["comparison"]["outcome"] == "undecided"
    assert lbas(result["comparison"]["tracks"][0]["unreadable_b"]) == {7, 8, 9}
    assert result["accounts"]["a"] is None
    assert result["accounts"]["b"]["origin"] == "catalog"
    assert "The catalog (image 1) says" in imagerctl("compare", original, image).stdout


def test_two_images_that_lack_the_same_sectors_are_not_equal(tmp_path: Path) -> None:
    one, other = an_iso(tmp_path, stem="one"), an_iso(tmp_path, stem="other")
    assert told("compare", one, other)["comparison"]["outcome"] == "equal"
    mapped(tmp_path / "one.map")
    assert told("compare", one, other, code=2)["comparison"]["outcome"] == "undecided"


def test_convert_hands_the_account_on(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    entered(tmp_path, image, failed(7, 3))
    out = tmp_path / "out.iso"
    result = imagerctl("convert", image, out)
    assert result.exit_code == 1
    assert "Unreadable, written as filling: 3 sectors, LBA 7–9" in result.stdout
    assert "listed in" in result.stdout
    verdict = told("verify", out, code=1)["verdict"]
    assert verdict["account"]["origin"] == "map"
    assert lbas(verdict["sectors"]["tracks"][0]["unreadable"]) == {7, 8, 9}
    again = tmp_path / "again.cue"
    told("convert", out, again, code=1)
    assert lbas(told("verify", again, code=1)["verdict"]["account"]["bad"]) == {7, 8, 9}


def test_a_wrong_edc_that_an_iso_hides_is_in_its_map(tmp_path: Path) -> None:
    disc = memory_disc([data(60)])
    disc.raw[1][9, 100:1500] = 0x55
    sheet = write_cue(tmp_path, disc)
    out = tmp_path / "out.iso"
    assert imagerctl("convert", sheet, out).exit_code == 1
    verdict = told("verify", out, code=1)["verdict"]
    assert lbas(verdict["sectors"]["tracks"][0]["doubtful"]) == {9}


def test_a_good_conversion_leaves_no_map(tmp_path: Path) -> None:
    out = tmp_path / "out.iso"
    assert told("convert", an_iso(tmp_path), out)["result"]["map"] is None
    assert not (tmp_path / "out.iso.map").exists()


def test_a_map_of_what_was_overwritten_does_not_accuse_what_is_good(tmp_path: Path) -> None:
    out = tmp_path / "out.iso"
    good = an_iso(tmp_path, range(0), "good")
    bad = an_iso(tmp_path, stem="bad")
    mapped(tmp_path / "bad.map")
    assert imagerctl("convert", bad, out).exit_code == 1
    out.unlink()
    assert imagerctl("convert", good, out).exit_code == 2  # the old map is in the way
    assert imagerctl("convert", "--overwrite", good, out).exit_code == 0
    assert imagerctl("verify", out).exit_code == 0


def test_info_tells_how_many_sectors_are_known_to_be_bad(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    entered(tmp_path, image, failed(7, 3))
    assert told("info", image)["account"]["bad"]["count"] == 3
    assert "3 sectors, LBA 7–9" in imagerctl("info", image).stdout


def test_a_glance_never_misses_an_image(tmp_path: Path) -> None:
    image = an_iso(tmp_path)
    url = url_of(tmp_path)
    assert surely_unknown(url, [image])
    entered(tmp_path, image)
    assert not surely_unknown(url, [image])
    assert surely_unknown(url, [tmp_path / "other.iso"])
    assert not surely_unknown("postgresql://server/catalog", [image])
