# SPDX-License-Identifier: Apache-2.0
"""`imagerctl surface` and `report`: of archived images, of jobs, of others' images with a map."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagerd.catalog.records import JobState
from imagerd.cli.main import cli
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.disc.source import SectorState
from imagerd.formats import open_image
from imagerd.recovery.evidence import Why
from imagerd.recovery.journal import Attempt
from imagerd.recovery.mapfile import Block, Status, write_mapfile
from imagerd.recovery.report import read_report
from imagerd.recovery.workspace import Workspace
from tests.iso9660 import write_iso
from tests.path_way import Archived, Way, way
from tests.sources import memory_blocks
from tests.strategies_recovery import data_disc, job_for

BAD = range(40, 43)
PLAN = FaultPlan(seed=1, sectors=(SectorFault(what=What.UNREADABLE, areas=(BAD,)),))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way(tmp_path_factory.mktemp("way")) as made:
        yield made


@pytest.fixture(scope="module")
def damaged(there: Way) -> Archived:
    """A volume with a file that three bad sectors hit."""
    folder = there.config.daemon.state.parent
    image = write_iso(folder / "a.iso", "HOLIDAY", {"FILM.BIN": bytes(300_000)}, sectors=400)
    with closing(open_image(image)) as source:
        return there.archive(source, PLAN)


@pytest.fixture(scope="module")
def layered(there: Way) -> Archived:
    return there.archive(memory_blocks(500, layers=(256,)))


@pytest.fixture
def ask(there: Way, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("IMAGERD_CATALOG", there.config.catalog.url)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return run


def counts(result: Result) -> dict[str, int]:
    assert result.exit_code == 0, result.output
    sectors: dict[str, int] = json.loads(result.stdout)["sectors"]
    return sectors


def test_the_archive_puts_a_page_beside_each_image(damaged: Archived, layered: Archived) -> None:
    for done in (damaged, layered):
        html = done.main.with_suffix(".html").read_bytes()
        sums = done.main.with_suffix(".sha256").read_text()
        assert f"{hashlib.sha256(html).hexdigest()}  {done.main.stem}.html\n" in sums
        assert done.main.with_suffix(".html").name in {file.path for file in done.image.files}
        ET.fromstring(html.partition(b"\n")[2])
        files = {
            file.name: file.sha256 for file in read_report(done.main.with_suffix(".json")).files
        }
        assert files[done.main.name] == hashlib.sha256(done.main.read_bytes()).hexdigest()
    assert "FILM.BIN" in damaged.main.with_suffix(".html").read_text()
    whole = layered.main.with_suffix(".html").read_text()
    assert "All 500\u202fsectors" in whole or "All 500 sectors" in whole
    assert "layer 1, read inward" in whole


def test_an_image_is_found_by_whatever_it_is_called(
    damaged: Archived, ask: Callable[..., Result]
) -> None:
    main = damaged.main
    names = (
        *(main, main.parent, main.with_suffix(".json"), main.with_suffix(".map")),
        *(damaged.image.id, damaged.image.name, damaged.image.job_id[:8]),
    )
    for name in names:
        assert counts(ask("surface", name, "--json"))["failed"] == 3, name
    drawn = ask("surface", main)
    assert drawn.exit_code == 0
    assert "X" in drawn.stdout
    assert "failed 3" in drawn.stdout
    tried = ask("surface", main, "--effort", "--json")
    assert sum(n for name, n in counts(tried).items() if name != "none") == 3


def test_pictures_are_written_and_never_overwritten_unasked(
    damaged: Archived, ask: Callable[..., Result], tmp_path: Path
) -> None:
    for name, begin in (("a.png", b"\x89PNG"), ("a.svg", b"<svg"), ("b.SVG", b"<svg")):
        target = tmp_path / name
        assert ask("surface", damaged.main, "-o", target).exit_code == 0
        assert target.read_bytes().startswith(begin)
        before = target.stat().st_ino
        assert ask("surface", damaged.main, "-o", target).exit_code == 2
        assert target.stat().st_ino == before
        assert ask("surface", damaged.main, "-o", target, "--overwrite").exit_code == 0
        assert target.stat().st_ino != before
    refused = ask("surface", damaged.main, "-o", tmp_path / "a.gif")
    assert refused.exit_code == 2
    assert not (tmp_path / "a.gif").exists()


def test_the_page_can_be_made_anew(
    damaged: Archived, ask: Callable[..., Result], tmp_path: Path
) -> None:
    target = tmp_path / "again.html"
    told = ask("report", damaged.image.id, "-o", target, "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["bad"] == 3
    again, first = target.read_text(), damaged.main.with_suffix(".html").read_text()
    for said in ("FILM.BIN", "40–42", "What to try next", "imagerctl merge"):
        assert said in again
        assert said in first
    assert ask("report", damaged.main, "-o", target).exit_code == 2
    assert target.read_text() == again


def test_another_programs_image_with_a_map_is_drawn(
    damaged: Archived, ask: Callable[..., Result], tmp_path: Path
) -> None:
    image = tmp_path / "rescued.iso"
    shutil.copy(damaged.main, image)
    nothing = ask("surface", image)
    assert nothing.exit_code == 2
    assert "no report and no map" in nothing.stderr
    size = image.stat().st_size
    blocks = [
        Block(0, 20_480, Status.FINISHED),
        Block(20_480, 2048, Status.NON_TRIED),
        Block(22_528, 1024, Status.NON_TRIMMED),  # half a sector is a bad sector
        Block(23_552, size - 23_552, Status.FINISHED),
    ]
    write_mapfile(image.with_suffix(".map"), blocks)
    image.with_suffix(".json").write_text('{"another": "program"}')
    found = counts(ask("surface", image, "--json"))
    assert (found["unread"], found["failed"]) == (1, 1)
    assert found["read"] == size // 2048 - 2
    refused = ask("report", image, "-o", tmp_path / "x.html")
    assert refused.exit_code == 2
    assert "imagerctl surface" in refused.stderr


def test_a_job_is_drawn_from_its_folder_and_by_its_id(
    there: Way, ask: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "job"
    with Workspace.create(folder, job_for(data_disc())) as work:  # it is at work: the lock is held
        work.commit(Attempt(0, 9, ((9, SectorState.FAILED),), 1.0, 0.5, Why.MEDIUM), None)
        found = counts(ask("surface", folder, "--json"))
        assert (found["failed"], found["unread"]) == (9, 391)
        job = there.catalog.jobs.create(policy={}, workspace=str(folder))
        there.catalog.jobs.set_state(job.id, JobState.IDENTIFYING)
        assert counts(ask("surface", job.id[:8], "--json")) == found
        target = tmp_path / "so-far.html"
        assert ask("report", job.id[:8], "-o", target).exit_code == 0
        assert "Let the job come to its end" in target.read_text()
    there.catalog.jobs.set_state(job.id, JobState.CANCELLED)


def test_what_nobody_knows_is_told_in_a_sentence(
    ask: Callable[..., Result], tmp_path: Path
) -> None:
    for name in ("no-such-thing", tmp_path, tmp_path / "none.iso"):
        for words in (("surface", name), ("report", name, "-o", tmp_path / "x.html")):
            failed = ask(*words)
            assert failed.exit_code == 2, failed.output
            assert failed.stderr.startswith("imagerctl: ")
    assert ask("surface", tmp_path, "--live").exit_code == 2
    assert ask("surface", tmp_path, "--live", "-o", "x.png").exit_code == 2


# -- live --------------------------------------------------------------------------------------


class Watching:
    """`imagerctl surface --live` on a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "90", "LINES": "30"}
        for name in ("NO_COLOR", "COLORTERM"):
            environment.pop(name, None)
        words = [sys.executable, "-m", "imagerd.cli.main", "surface", str(folder), "--live"]
        environment["PYTHONIOENCODING"] = "utf-8"
        self._child = subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        self.seen = ""

    def until(self, pattern: str) -> None:
        """Read on until it was seen, or the end."""
        deadline = time.monotonic() + 30
        while not re.search(pattern, self.seen) and time.monotonic() < deadline:
            try:
                self.seen += os.read(self._ours, 1 << 16).decode(errors="replace")
            except OSError:  # the other end is closed
                break
        assert re.search(pattern, self.seen), self.seen[-2000:]

    def interrupt(self) -> None:
        self._child.send_signal(signal.SIGINT)

    def code(self) -> int:
        """How it ended; the cursor must be back."""
        code = self._child.wait(30)
        os.set_blocking(self._ours, False)
        with suppress(OSError):
            self.seen += os.read(self._ours, 1 << 16).decode(errors="replace")
        os.close(self._ours)
        assert self.seen.rfind("\x1b[?25h") > self.seen.rfind("\x1b[?25l")
        return code


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[tuple[Workspace, int]]:
    """A job, and the descriptor of the claim that says somebody works on it."""
    with Workspace.create(tmp_path / "job", job_for(data_disc())) as work:
        claim = os.open(tmp_path / "job" / "claim", os.O_RDWR | os.O_CREAT)
        fcntl.flock(claim, fcntl.LOCK_EX)
        yield work, claim


def test_a_job_is_followed_until_nobody_works_on_it(at_work: tuple[Workspace, int]) -> None:
    work, claim = at_work
    watching = Watching(work.folder)
    watching.until(r"unread.*400")
    assert "\x1b[38;5;" in watching.seen
    work.commit(Attempt(0, 9, ((9, SectorState.FAILED),), 1.0, 0.5, Why.MEDIUM), None)
    watching.until(r"failed.*9")
    work.commit(Attempt(9, 2, ((2, SectorState.FAILED),), 1.0, 0.5, Why.MEDIUM), None)
    os.close(claim)
    watching.until(r"failed.*11")
    watching.until("Nobody works on the job any more")
    assert watching.code() == 0


def test_an_interrupt_ends_the_watching_and_gives_the_terminal_back(
    at_work: tuple[Workspace, int],
) -> None:
    work, claim = at_work
    watching = Watching(work.folder)
    watching.until(r"unread.*400")
    watching.interrupt()
    watching.until("Interrupted")
    assert watching.code() == 130
    os.close(claim)
