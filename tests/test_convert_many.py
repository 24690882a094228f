# SPDX-License-Identifier: Apache-2.0
"""`convert` of many: each in a process of its own, ended or killed at any moment, and continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagerd.base.files import AtomicFile
from imagerd.base.progress import Progress, run
from imagerd.cli.main import cli
from imagerd.toolkit.batch import Conversion, Converted, convert_all
from imagerd.toolkit.crew import Pulse, each
from tests.sources import data, memory_disc
from tests.toolkit_images import volume, write_cue, write_iso


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def many(folder: Path) -> list[Path]:
    good = write_cue(folder, memory_disc([data(60)]), "good")
    hurt = memory_disc([data(60)])
    hurt.raw[1][9, 100:1500] = 0x55
    return [good, write_cue(folder, hurt, "hurt"), write_iso(folder, volume(40), "plain")]


def test_many_are_converted_and_the_worst_decides(tmp_path: Path) -> None:
    sources = many(tmp_path)
    broken = tmp_path / "broken.cue"
    broken.write_text("nothing")
    out = tmp_path / "out"
    result = imagerctl("convert", *sources[:2], "--to", "iso", "--into", out, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [one["code"] for one in told["conversions"]] == ["ok", "finding"]
    assert (told["converted"], told["kept"], told["failed"]) == (2, 0, 0)
    again = imagerctl("convert", *sources[:2], broken, "--to", "iso", "--into", out, "--continue")
    assert again.exit_code == 2
    assert "2 there already" in again.stdout and "1 failed" in again.stdout
    assert "broken.cue" in again.stdout
    assert not (out / "broken.iso").exists()


def test_two_sources_of_one_target_are_refused_before_anything(tmp_path: Path) -> None:
    a = write_cue(tmp_path, memory_disc([data(20)]), "a")
    (tmp_path / "sub").mkdir()
    b = write_cue(tmp_path / "sub", memory_disc([data(20)]), "a")
    result = imagerctl("convert", a, b, "--to", "iso", "--into", tmp_path / "out")
    assert result.exit_code == 2 and "both become" in result.stderr
    assert not (tmp_path / "out").exists()


def _die(job: Conversion, pulse: Pulse) -> Converted:
    if job.source == "die":
        signal.raise_signal(signal.SIGKILL)
    raise MemoryError(job.source)


def test_a_process_that_dies_harms_only_its_own_conversion() -> None:
    jobs = [Conversion("die", Path("a")), Conversion("other", Path("b"))]
    batch = run(convert_all(jobs, _die, 2))
    assert batch.failed == 2
    sentences = [one.error or "" for one in batch.conversions]
    assert "ended before its work was done" in sentences[0]
    assert "MemoryError" in sentences[1]


def test_ending_early_leaves_no_process_and_no_part_file(tmp_path: Path) -> None:
    begun = time.monotonic()
    results = each(_either, [str(tmp_path), ""], 2)
    assert next(results) == (1, "done")
    results.close()
    assert time.monotonic() - begun < 30
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def _either(folder: str, pulse: Pulse) -> str:
    if not folder:
        time.sleep(0.5)
        return "done"
    with AtomicFile(Path(folder) / "x"):
        while True:
            pulse(Progress(0, 0))
            time.sleep(0.01)


def test_a_call_that_was_killed_is_continued(tmp_path: Path) -> None:
    """kill -9 in the middle: nothing half written bears a name, and --continue does the rest."""
    sources = [write_cue(tmp_path, memory_disc([data(3000)], seed=n), f"disc{n}") for n in range(4)]
    out = tmp_path / "out"
    words = [*map(str, sources), "--to", "iso", "--into", str(out)]
    command = [sys.executable, "-m", "imagerd.cli.main", "convert", *words, "--processes", "1"]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 20
    while not list(out.glob("*.iso")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for made in out.glob("*.iso"):
        assert made.stat().st_size == 3000 * 2048
    result = imagerctl("convert", *words, "--continue", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["kept"] >= 1 and told["kept"] + told["converted"] == 4
    for sheet in sources:
        assert imagerctl("compare", sheet, out / f"{sheet.stem}.iso").exit_code == 0


def test_many_are_converted_where_processes_cannot_be_forked(tmp_path: Path) -> None:
    """With a second thread in the process, workers are spawned: all that they get is pickled."""
    sources = many(tmp_path)
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        words = ("--to", "cue", "--into", tmp_path / "out", "--json")
        result = imagerctl("convert", sources[0], sources[2], *words)
    finally:
        stop.set()
        other.join()
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["converted"] == 2


def test_ctrl_c_ends_all_of_many_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    sources = [write_cue(tmp_path, memory_disc([data(4000)], seed=n), f"d{n}") for n in range(3)]
    out = tmp_path / "out"
    words = [*map(str, sources), "--to", "chd", "--into", str(out), "--processes", "2"]
    command = [sys.executable, "-m", "imagerd.cli.main", "convert", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 20
    while not list(out.glob(".*.part")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130, told
    assert told.decode().strip() == "imagerctl: Interrupted."
    assert [path.name for path in out.iterdir() if path.name.endswith(".part")] == []
    with pytest.raises(ProcessLookupError):  # nobody is left of the group
        os.killpg(process.pid, 0)
