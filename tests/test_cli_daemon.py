# SPDX-License-Identifier: Apache-2.0
"""The verbs that talk to the daemon, against a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagerd.base.progress import run
from imagerd.formats import WriteOptions, write_image
from tests.sources import audio, data, memory_disc
from tests.station import Station, station


@pytest.fixture(scope="module")
def here() -> Iterator[Station]:
    with station() as made:
        made.drive("left")
        yield made


@pytest.fixture(scope="module")
def game(here: Station) -> Path:
    """A small mixed-mode disc."""
    target = here.folder / "game.cue"
    run(write_image(memory_disc([data(600), audio(500, 150)]), target, WriteOptions(hash=False)))
    return target


def _ask(here: Station, *words: str | Path, ok: tuple[int, ...] = (0,)) -> object:
    answer: object = json.loads(here.ctl(*words, "--json", ok=ok))
    return answer


def test_status_tells_the_daemon_and_each_drive(here: Station) -> None:
    here.until(lambda: bool(here.client.drives()), "the drive to be watched")
    status = _ask(here, "status")
    assert isinstance(status, dict)
    assert here.daemon is not None
    assert status["pid"] == here.daemon.pid
    assert [drive["name"] for drive in status["drives"]] == ["left"]
    text = here.ctl("status")
    assert str(here.archive) in text
    assert "left" in text


def test_watch_once_shows_a_job_to_its_end_and_exits_by_how_it_ended(
    here: Station, game: Path
) -> None:
    command = [sys.executable, "-m", "imagerd.cli.main", "watch", "--once", "--json"]
    with subprocess.Popen(
        command, env=here.environment(), stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout is not None
        first = json.loads(watcher.stdout.readline())
        assert first["kind"] == "status"
        here.ctl("virtual", "insert", "left", game)
        notices = [json.loads(line) for line in watcher.stdout]
        assert watcher.wait(60) == 0
    jobs = [notice["job"] for notice in notices if notice["kind"] == "job"]
    assert jobs[-1]["state"] == "done"
    assert {"progress", "drive", "job"} <= {notice["kind"] for notice in notices}
    listed = _ask(here, "jobs", "--all")
    assert isinstance(listed, list)
    assert [job["id"] for job in listed] == [jobs[-1]["id"]]
    assert _ask(here, "jobs") == []
    assert jobs[-1]["id"][:8] in here.ctl("jobs", "--all")


def test_what_is_done_can_neither_be_cancelled_nor_tried_again(here: Station, game: Path) -> None:
    if not here.jobs():  # this may be the first test of its process
        here.insert(game, name="left")
    job = here.job()
    for verb in ("cancel", "retry"):
        done = subprocess.run(
            [sys.executable, "-m", "imagerd.cli.main", verb, job.id],
            env=here.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("imagerctl: Job ")
        assert done.stderr.count("\n") == 1


def test_a_virtual_drive_comes_and_goes(here: Station, game: Path) -> None:
    here.ctl("virtual", "add", "right", "--profile", "plextor")
    views = _ask(here, "virtual", "list")
    assert isinstance(views, list)
    assert [view["name"] for view in views] == ["left", "right"]
    here.until(lambda: len(here.client.drives()) == 2, "both drives to be watched")
    opened = _ask(here, "virtual", "eject", "right")
    assert isinstance(opened, dict)
    assert opened["tray_open"] is True
    here.ctl("virtual", "remove", "right")
    here.until(lambda: len(here.client.drives()) == 1, "the drive to be forgotten")


def test_eject_opens_the_tray_of_an_idle_drive(here: Station) -> None:
    here.ctl("eject", "left")
    here.until(lambda: here.client.virtual()[0].tray_open, "the tray to open")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("virtual", "insert", "nowhere", "{game}"), "no virtual drive nowhere"),
        (("virtual", "add", "left"), "already"),
        (("virtual", "add", "../x"), "cannot name"),
        (("eject", "nowhere"), "no drive nowhere"),
        (("cancel", "zzzz"), "No job"),
        (("retry", "zzzz"), "No job"),
        (("loader", "run", "arm"), "no loader arm"),
    ],
)
def test_a_wrong_name_is_one_sentence_and_exit_code_2(
    here: Station, game: Path, words: tuple[str, ...], said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imagerd.cli.main", *(w.format(game=game) for w in words)],
        env=here.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["status", "jobs", "watch"])
def test_without_a_daemon_the_sentence_says_so(verb: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imagerd.cli.main", verb, "--socket", str(tmp_path / "no.sock")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "No imagerd answers" in done.stderr
