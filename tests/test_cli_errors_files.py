# SPDX-License-Identifier: Apache-2.0
"""`imagerctl errors --files` names the files that bad sectors lie in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from imagerd.catalog.records import Counts, ErrorRange, ImageTrack, JobState, RangeState
from imagerd.cli.main import cli
from imagerd.toolkit.filehits import FileHit, file_hits
from tests.catalogs import a_disc, a_job, new_image, open_catalog
from tests.iso9660 import iso_image
from tests.volumes import Volume, made, tree

FILES = {"A.BIN": bytes(20 * 2048), "B.BIN": bytes(5 * 2048)}  # LBA 21–40 and 41–45
LOST = (
    ErrorRange(19, 1, RangeState.FAILED, "medium", (3, 0x11, 5), 4),
    ErrorRange(30, 2, RangeState.FAILED, "medium", (3, 0x11, 5), 4),
    ErrorRange(40, 2, RangeState.SUSPECT, "edc", None, 4),
    ErrorRange(45, 1, RangeState.PROVEN, "edc", None, 1),
    ErrorRange(60, 1, RangeState.FAILED, "medium", (3, 0x11, 5), 4),
)
Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """An archive with a hurt image that is really there, and a job at work."""
    monkeypatch.setenv("IMAGERD_CATALOG", str(tmp_path / "catalog.sqlite"))
    folder = tmp_path / "HURT"
    folder.mkdir()
    (folder / "HURT.iso").write_bytes(iso_image("HURT", FILES, pad_to=80))
    with open_catalog(tmp_path) as catalog:
        job = a_job(catalog, disc=a_disc(catalog, "bbbb", "SCRATCHED"))
        image = replace(
            new_image("HURT"),
            format="iso",
            folder=str(folder),
            main="HURT.iso",
            tracks=(ImageTrack(1, 1, "mode1", 0, 0, 80),),
            counts=Counts(proven=74, suspect=2, failed=4),
        )
        catalog.images.commit(job.id, image, LOST)
        a_job(catalog, JobState.READING, a_disc(catalog, "cccc", "AT WORK"))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, prog_name="imagerctl")

    return run


def told(result: Result) -> Any:
    assert result.exit_code == 1, result.output
    return json.loads(result.stdout)


def test_each_range_names_its_files_and_each_file_its_loss(ask: Ask) -> None:
    answer = told(ask("errors", "HURT", "--files", "--json"))
    assert [(r["first"], r["files"]) for r in answer["ranges"]] == [
        (19, ["path table (ISO 9660)"]),
        (30, ["A.BIN"]),
        (40, ["A.BIN", "B.BIN"]),
        (60, []),
    ]
    assert answer["files"] == [
        {"path": "A.BIN", "bad": 3, "sectors": 20},
        {"path": "path table (ISO 9660)", "bad": 1, "sectors": 1},
        {"path": "B.BIN", "bad": 1, "sectors": 5},
    ]
    assert answer["problems"] == []


def test_what_was_bad_once_hits_no_file(ask: Ask) -> None:
    ranges = told(ask("errors", "HURT", "--files", "--all", "--json"))["ranges"]
    assert (45, []) in [(r["first"], r["files"]) for r in ranges]


def test_people_see_the_worst_file_first_and_without_the_option_none(ask: Ask) -> None:
    lines = ask("errors", "HURT", "--files").stdout.splitlines()
    at = next(n for n, line in enumerate(lines) if line.split() == ["bad", "of", "file"])
    assert [line.split() for line in lines[at + 1 : at + 3]] == [
        ["3", "20", "A.BIN"],
        ["1", "1", "path", "table", "(ISO", "9660)"],
    ]
    assert "A.BIN" not in ask("errors", "HURT").stdout
    assert told(ask("errors", "HURT", "--json"))["files"] is None


def test_a_job_without_an_image_is_told_so(ask: Ask, tmp_path: Path) -> None:
    with open_catalog(tmp_path) as catalog:
        job = next(job for job in catalog.jobs.list() if job.state is JobState.READING)
    result = ask("errors", job.id, "--files")
    assert result.exit_code == 2
    assert "has no image yet" in result.stderr


def test_filling_is_not_taken_for_a_directory(ask: Ask, tmp_path: Path) -> None:
    """The root is lost and holds filling; the account says so, and the table is honest."""
    image = tmp_path / "HURT" / "HURT.iso"
    data = bytearray(image.read_bytes())
    data[20 * 2048 : 21 * 2048] = b"\x55" * 2048
    image.write_bytes(data)
    with open_catalog(tmp_path) as catalog:
        job = a_job(catalog, disc=a_disc(catalog, "dddd", "NO ROOT"))
        known = replace(
            new_image("ROOTLESS"), format="iso", folder=str(image.parent), main=image.name,
            tracks=(ImageTrack(1, 1, "mode1", 0, 0, 80),), counts=Counts(proven=79, failed=1),
        )  # fmt: skip
        catalog.images.commit(job.id, known, (ErrorRange(20, 1, RangeState.FAILED),))
    answer = told(ask("errors", "ROOTLESS", "--files", "--json"))
    assert answer["ranges"][0]["files"] == ["directory / (ISO 9660)"]
    assert any("cannot be read at LBA 20" in problem for problem in answer["problems"])


def test_an_image_of_a_later_track_keeps_the_addresses_of_the_disc(tmp_path: Path) -> None:
    start = 11_702
    old = tmp_path / "1.iso"
    made("genisoimage", tree(tmp_path / "1", {"OLD.TXT": b"1"}), old, "-no-pad")
    options = ("-C", f"0,{start}", "-M", str(old), "-no-pad")
    folder = tree(tmp_path / "2", {"NEW.BIN": bytes(10 * 2048)})
    image = Volume(made("genisoimage", folder, tmp_path / "2.iso", *options))
    last = start + len(image.blocks) - 1
    hits = file_hits(image, [range(start + 16, start + 17), range(last, last + 1)], shift=start)
    assert hits.by_range == (("primary volume descriptor (ISO 9660)",), ("NEW.BIN",))
    assert FileHit("NEW.BIN", 1, 10) in hits.files
