# SPDX-License-Identifier: Apache-2.0
"""`imagerctl list`, `show` and `errors` tell what the catalog holds, to people and to programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from imagerd.catalog.records import ErrorRange, JobState, Pass, RangeState
from imagerd.cli.main import cli
from tests.catalogs import (
    NOON,
    a_disc,
    a_job,
    an_image,
    new_image,
    open_catalog,
    some_errors,
)

Ask = Callable[..., Result]
EVIL = "\x1b[2Jname\n"


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """An archive with a good image, a hurt one, and a job at work."""
    monkeypatch.setenv("IMAGERD_CATALOG", str(tmp_path / "catalog.sqlite"))
    monkeypatch.setenv("TZ", "UTC")
    with open_catalog(tmp_path) as catalog:
        an_image(catalog, "GOOD_1", a_disc(catalog, "aaaa", "ENCARTA"))
        job = a_job(catalog, disc=a_disc(catalog, "bbbb", "SCRATCHED"))
        catalog.jobs.record_pass(job.id, Pass("first", NOON, NOON, None, 7056, 1000, 990, 10, "0"))
        hurt = new_image("HURT_2", failed=6)
        ranges = (
            *some_errors(3),
            ErrorRange(700, 1, RangeState.PROVEN, "edc", None, 3, NOON, NOON, True),
        )
        catalog.images.commit(job.id, hurt, ranges)
        reading = a_job(catalog, JobState.READING, a_disc(catalog, "cccc", "AT WORK"))
        catalog.errors.replace(reading.id, some_errors(1))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, prog_name="imagerctl")

    return run


def told(result: Result, code: int = 0) -> Any:
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_list_shows_the_newest_first_with_what_is_the_matter(ask: Ask) -> None:
    result = ask("list")
    assert result.exit_code == 0
    head, hurt, good = result.stdout.splitlines()
    assert head.split() == ["id", "name", "disc", "format", "size", "state", "made"]
    assert "HURT_2" in hurt
    assert "6 bad" in hurt
    assert "GOOD_1" in good
    assert "complete" in good


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["encarta"], ["GOOD_1"]),
        (["_"], ["HURT_2", "GOOD_1"]),
        (["--state", "partial"], ["HURT_2"]),
        (["--state", "done"], ["GOOD_1"]),
        (["-n", "1"], ["HURT_2"]),
        (["--after", "2020-01-01"], ["HURT_2", "GOOD_1"]),
        (["--before", "2020-01-01T12:00"], []),
        (["nothing like it"], []),
    ],
)
def test_list_can_be_narrowed(ask: Ask, arguments: list[str], names: list[str]) -> None:
    images = told(ask("list", "--json", *arguments))["images"]
    assert [image["name"] for image in images] == names
    assert ask("list", *arguments).exit_code == 0


def test_show_tells_the_whole_story(ask: Ask) -> None:
    result = ask("show", "hurt")
    assert result.exit_code == 0
    for part in (
        "2  HURT_2",
        "/srv/images/HURT_2/HURT_2.cue",
        "SCRATCHED",
        "900 proven, 94 read, 6 bad; `imagerctl errors 2` lists them",
        "filled with  zeros",
        "-12 samples",
        "HL-DT-ST DVDRAM 1.00, serial S1",
        "audio/track02.bin",
        "USRC17607839",
        "left out the audio",
        "first",
    ):
        assert part in result.stdout, part


def test_show_gives_programs_every_digest(ask: Ask) -> None:
    image = told(ask("show", "1", "--json"))
    assert image["files"][1]["path"] == "audio/track02.bin"
    for digest, length in (("crc32", 8), ("md5", 32), ("sha1", 40), ("sha256", 64)):
        assert len(image["files"][1][digest]) == length
        assert len(image["tracks"][0][digest]) == length
    assert image["verified"] == "2026-05-04T12:00:00+00:00"
    assert image["sectors"] == {"total": 1000, "proven": 900, "read": 100, "suspect": 0, "bad": 0}
    assert image["disc"]["fingerprint"] == "aaaa"


def test_show_of_nothing_is_a_sentence(ask: Ask) -> None:
    result = ask("show", "nix")
    assert result.exit_code == 2
    assert result.stderr == (
        "imagerctl: No image is called 'nix'; `imagerctl list` shows what there is.\n"
    )


def test_errors_lists_ranges_and_says_so_in_its_exit_code(ask: Ask) -> None:
    result = ask("errors", "HURT_2")
    assert result.exit_code == 1
    assert "10–11" in result.stdout
    assert "03/11/05" in result.stdout
    assert "6 bad sectors." in result.stdout
    assert "700" not in result.stdout
    good = ask("errors", "GOOD_1")
    assert (good.exit_code, good.stdout) == (0, "GOOD_1\nNo bad sectors.\n")
    assert ask("errors", "2", "--quiet").stdout == ""


def test_errors_can_tell_what_was_bad_once(ask: Ask) -> None:
    result = ask("errors", "2", "--all")
    assert "proven (repaired)" in result.stdout
    ranges = told(ask("errors", "2", "--all", "--json"), 1)["ranges"]
    assert [(r["first"], r["last"], r["count"]) for r in ranges] == [
        (0, 1, 2),
        (10, 11, 2),
        (20, 21, 2),
        (700, 700, 1),
    ]
    assert ranges[0]["sense"] == "03/11/05"
    assert ranges[3]["repaired"] is True


def test_errors_of_a_job_at_work(ask: Ask, tmp_path: Path) -> None:
    with open_catalog(tmp_path) as catalog:
        (job,) = catalog.jobs.open()
    answer = told(ask("errors", job.id[:13], "--json"), 1)
    assert (answer["name"], answer["image"], answer["bad"]) == ("AT WORK", None, 2)
    assert ask("errors", "nix").exit_code == 2


def test_the_catalog_can_be_named(ask: Ask, tmp_path: Path) -> None:
    other = tmp_path / "other"
    open_catalog(other).close()
    path = str(other / "catalog.sqlite")
    assert told(ask("list", "--json", "--catalog", path))["images"] == []
    assert ask("list", "--catalog", path).stdout == "No image.\n"
    config = tmp_path / "imagerd.toml"
    config.write_text("[policy]\noutput = 'what'")
    result = ask("list", "--config", str(config))
    assert result.exit_code == 2
    assert "must be one of: auto, iso, cue" in result.stderr


def test_a_catalog_that_is_not_there_is_a_sentence(ask: Ask, tmp_path: Path) -> None:
    result = ask("list", "--catalog", str(tmp_path / "none.sqlite"))
    assert result.exit_code == 2
    assert result.stderr.startswith("imagerctl: There is no catalog at ")
    assert result.stderr.count("\n") == 1


def test_names_cannot_play_with_the_terminal(ask: Ask, tmp_path: Path) -> None:
    with open_catalog(tmp_path) as catalog:
        job = a_job(catalog, disc=a_disc(catalog, "dddd", EVIL))
        catalog.images.commit(job.id, replace(new_image("EVIL"), name=EVIL, notes=(EVIL,)))
    for verb in (["list"], ["show", "3"], ["errors", "3"]):
        result = ask(*verb)
        assert "\x1b" not in result.stdout
        assert "name\n" not in result.stdout


@pytest.mark.parametrize("verb", ["list", "show", "errors"])
def test_the_help_has_examples(ask: Ask, verb: str) -> None:
    result = ask(verb, "--help")
    assert result.exit_code == 0
    assert f"Examples:\n    imagerctl {verb}" in result.stdout
