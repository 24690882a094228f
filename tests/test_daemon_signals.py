# SPDX-License-Identifier: Apache-2.0
"""Signals, dying workers, a hung drive: what a station lives through, and how it goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imagerd.daemon.listener import listening
from tests.iso9660 import write_iso
from tests.killing import frozen
from tests.station import Station, station

_SLOW = 2.0  # real seconds for each of the drive's


def disc(folder: Path, label: str = "ONE", sectors: int = 2000) -> Path:
    """A data disc; another label is another disc."""
    rng = np.random.default_rng(sum(label.encode()))
    files = {"NOISE.BIN": rng.integers(0, 256, 1 << 20, np.uint8).tobytes()}
    return write_iso(folder / f"{label}.iso", label, files, sectors=sectors)


def reading(here: Station, drive: str = "demo") -> None:
    """Wait until the job in that drive reads."""

    def reads() -> bool:
        views = {view.name: view.job for view in here.client.drives()}
        job = views.get(drive)
        return job is not None and job.progress is not None and job.progress.done > 100

    here.until(reads, "the job to read")


def test_sigterm_leaves_the_job_paused_and_the_next_daemon_goes_on() -> None:
    with station(start=False) as here:
        trace = here.folder / "trace"
        host = here.foreign_drive("demo", trace, time_scale=_SLOW)
        here.start()
        host.control.insert(disc(here.folder))
        reading(here)
        assert here.stop(signal.SIGTERM) == 0
        assert here.workers() == []
        paused = here.ctl("jobs", "--all", ok=(0, 2))
        assert not here.config.daemon.socket.exists(), paused
        here.start()
        job = here.job()
        assert (job.state, here.states()) == ("done", ["done"])
        lines = [line.split() for line in trace.read_text().splitlines()]
        whole = [fields[2] for fields in lines if fields[3] == "23"]
        assert len(whole) == len(set(whole)), "a sector was read twice"
        here.tidy()


def test_sigterm_says_in_the_catalog_that_the_job_is_paused() -> None:
    with station(start=False) as here:
        host = here.foreign_drive("demo", time_scale=_SLOW)
        here.start()
        host.control.insert(disc(here.folder))
        reading(here)
        here.stop(signal.SIGTERM)
        host.stop()
        here.start()
        (job,) = here.jobs()
        assert job.state == "paused"
        assert job.sentence.startswith("Stopped after a checkpoint")


def test_a_worker_whose_daemon_died_stops_by_itself_and_its_job_is_found_again() -> None:
    with station(start=False) as here:
        host = here.foreign_drive("demo", time_scale=_SLOW)
        here.start()
        host.control.insert(disc(here.folder))
        reading(here)
        (worker,) = here.workers()
        here.stop(signal.SIGKILL)
        with frozen(worker):  # it cannot even hear of it until the next daemon is there
            here.start()
        here.job()
        assert here.states() == ["done"]
        here.tidy()


def test_a_new_configuration_holds_from_the_next_job_on_and_a_wrong_one_changes_nothing() -> None:
    with station() as here:
        here.drive()
        here.configure('output = "cue"\nduplicates = "again"')
        here.reload()
        here.insert(disc(here.folder))
        assert here.image_of(here.job(1)).suffix == ".cue"
        here.config_file.write_text("[policy]\noutput = 7\n")
        here.reload()
        here.insert(disc(here.folder))
        assert here.image_of(here.job(2)).suffix == ".cue"
        assert "the configuration stays as it was" in here.log.read_text()
        here.configure('duplicates = "again"')
        here.reload()
        here.insert(disc(here.folder))
        assert here.image_of(here.job(3)).suffix == ".iso"


def test_a_running_daemon_stays_where_it_lives_whatever_the_new_file_says() -> None:
    with station() as here:
        here.drive()
        client = here.client
        here.configure(state='"elsewhere"', runtime='"other"')
        here.reload()
        here.until(lambda: [d.name for d in client.drives()] == ["demo"], "the drive")
        assert "until imagerd is started anew" in here.log.read_text()
        here.configure()
        here.insert(disc(here.folder))
        assert here.job().state == "done"
        assert not (here.folder / "elsewhere").exists()


def test_a_disabled_drive_is_left_alone_until_it_is_enabled_again() -> None:
    off = "[drives.demo]\nenabled = false\n"
    with station(extra=off) as here:
        here.drive()
        here.insert(disc(here.folder))
        here.until(lambda: bool(here.client.drives()), "the drive")
        assert here.client.drives()[0].state == "off"
        here.configure()
        here.reload()
        assert here.job().state == "done"


def test_a_drive_is_disabled_by_its_serial_number_too_and_keeps_its_disc() -> None:
    off = '[drives."IMAGERD00001-demo"]\nenabled = false\n'
    with station(extra=off) as here:
        here.drive()
        here.insert(disc(here.folder))
        here.until(
            lambda: [drive.state for drive in here.client.drives()] == ["off"],
            "the drive to be off",
        )
        here.until(lambda: not here.workers(), "the worker to leave it alone")
        assert here.jobs() == []
        assert not here.client.virtual()[0].tray_open
        here.configure()
        here.reload()
        assert here.job().state == "done"


@pytest.mark.slow
def test_a_job_whose_workers_die_in_a_loop_ends_paused_with_a_sentence() -> None:
    with station(start=False) as here:
        host = here.foreign_drive("demo", time_scale=_SLOW)
        here.start()
        host.control.insert(disc(here.folder))
        here.until(lambda: bool(here.jobs()), "a job")
        killed: set[int] = set()

        def paused() -> bool:
            for pid in here.workers():
                if pid not in killed:
                    killed.add(pid)
                    os.kill(pid, signal.SIGKILL)
            return here.jobs()[0].state == "paused" and not here.workers()

        here.until(paused, "the daemon to give up")
        here.until(lambda: here.client.drives()[0].state == "loaded", "the drive to be left alone")
        assert 5 <= len(killed) <= 8
        assert "died several times" in here.jobs()[0].sentence
        view = here.client.drives()[0]
        assert "died several times" in view.sentence
        here.client.retry(here.jobs()[0].id)
        assert here.job().state == "done"
        here.tidy()


def test_a_worker_that_says_nothing_is_ended_and_its_job_goes_on() -> None:
    with station(start=False) as here:
        here.configure(extra="", poll_seconds="0.5\nwatchdog_seconds = 1.5")
        here.know_drive()  # trying it out would be silent for longer
        host = here.foreign_drive("demo", time_scale=_SLOW)
        here.start()
        host.control.insert(disc(here.folder))
        reading(here)
        (worker,) = here.workers()
        os.kill(worker, signal.SIGSTOP)
        assert here.job().state == "done"
        assert "was silent for too long" in here.log.read_text()
        here.tidy()


def test_a_second_daemon_is_refused_with_one_sentence() -> None:
    with station() as here:
        second = subprocess.run(
            [sys.executable, "-m", "imagerd.daemon.main", "--config", str(here.config_file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert second.returncode == 2
        assert second.stderr.count("\n") == 1
        assert "runs already" in second.stderr
        assert here.client.status().drives == ()


def test_a_stale_socket_is_replaced_and_the_new_one_is_for_user_and_group() -> None:
    with station() as here:
        here.stop(signal.SIGKILL)
        socket = here.config.daemon.socket
        assert socket.is_socket()
        here.start()
        assert socket.stat().st_mode & 0o7777 == 0o660
        assert here.stop() == 0
        assert not socket.exists()


def test_a_daemon_that_cannot_write_its_archive_says_so_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = tmp_path / "imagerd.toml"
    config.write_text(
        '[archive]\nfolder = "file/archive"\n[daemon]\nstate = "state"\nruntime = "run"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "imagerd.daemon.main", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("imagerd: Cannot make the folder")
    assert done.stderr.count("\n") == 1


def test_the_log_is_about_discs_not_about_libraries() -> None:
    with station() as here:
        here.drive()
        here.insert(disc(here.folder))
        here.job()
        here.stop()
        log = here.log.read_text()
        for word in ("alembic", "setup plugin", "Uvicorn", "server process", "Traceback"):
            assert word not in log


def test_a_client_that_comes_before_the_api_accepts_waits_and_is_not_refused(
    tmp_path: Path,
) -> None:
    """systemd starts what needs us as soon as we say READY."""
    path = tmp_path / "d.sock"
    with listening(path, None), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
