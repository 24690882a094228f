# SPDX-License-Identifier: Apache-2.0
"""A job's folder on a disk that lies, fails or loses files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.errors import AlreadyThere, NotAvailable
from imagerd.base.progress import run
from imagerd.disc.source import SectorState
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.journal import Attempt
from imagerd.recovery.workspace import Workspace
from tests.sources import data, memory_disc
from tests.strategies_recovery import (
    FastClock,
    ScriptedDrive,
    data_disc,
    dvd,
    job_for,
    original,
)

DISC = data_disc(60)
RIGHT = original(DISC)
BOOT = b"this boot 123456"
PROVEN = SectorState.PROVEN


def _keep(work: Workspace, lba: int) -> None:
    work.commit(Attempt(lba, 1, ((1, PROVEN),), 1.0), RIGHT[lba].reshape(1, -1))


def _fail_once(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """As Linux does: a failed write-back is told once, and the pages then count as clean."""
    real, told = os.fdatasync, False

    def fdatasync(fd: int) -> None:
        nonlocal told
        if not told:
            told = True
            raise OSError(code, os.strerror(code))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_what_the_disk_failed_to_keep_is_never_behind_a_barrier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with Workspace.create(tmp_path / "job", job_for(DISC), boot=BOOT) as work:
        _keep(work, 1)
        work.checkpoint()
        _keep(work, 2)
        _fail_once(monkeypatch, code)
        with pytest.raises(NotAvailable):
            work.checkpoint()
        with pytest.raises(NotAvailable):  # a second try succeeds only in appearance
            work.checkpoint()
        with pytest.raises(NotAvailable):
            _keep(work, 3)
    monkeypatch.undo()
    for boot in (BOOT, b"a later boot 123"):
        with Workspace.open(tmp_path / "job", "disc", boot=boot) as work:
            states = work.map.states(1, 3).tolist()
            assert states == [PROVEN, SectorState.UNREAD, SectorState.UNREAD]


def test_a_failure_told_to_the_resuming_process_costs_all_since_the_last_barrier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workspace.create(tmp_path / "job", job_for(DISC), boot=BOOT) as work:
        _keep(work, 1)
        work.checkpoint()
        _keep(work, 2)
    _fail_once(monkeypatch, errno.EIO)
    with pytest.raises(NotAvailable):
        Workspace.open(tmp_path / "job", "disc", boot=BOOT)
    with Workspace.open(tmp_path / "job", "disc", boot=BOOT) as work:
        assert work.map.states(1, 2).tolist() == [PROVEN, SectorState.UNREAD]


def test_a_run_ends_when_the_disk_fails_to_keep_and_reads_that_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = ScriptedDrive(DISC, batch=8)
    with Workspace.create(tmp_path / "job", job_for(DISC), boot=BOOT) as work:
        _fail_once(monkeypatch, errno.EIO)
        with pytest.raises(NotAvailable):
            run(recover(drive, work, Budget(), clock=FastClock().clock()))
    with Workspace.open(tmp_path / "job", "disc", boot=BOOT) as work:
        assert work.map.count(PROVEN) == 0
        assert run(recover(drive, work, Budget(), clock=FastClock().clock())).complete


def test_sectors_that_the_file_lost_are_read_again(tmp_path: Path) -> None:
    drive = ScriptedDrive(DISC)
    with Workspace.create(tmp_path / "job", job_for(DISC)) as work:
        assert run(recover(drive, work, Budget(), clock=FastClock().clock())).complete
    os.truncate(tmp_path / "job" / "sectors.bin", 50 * 2352 + 100)
    with Workspace.open(tmp_path / "job") as work:
        assert work.map.count(PROVEN) == 50
        assert work.map.count(SectorState.UNREAD) == 10
        assert run(recover(drive, work, Budget(), clock=FastClock().clock())).complete
        assert np.array_equal(work.read_rows(0, 60), np.stack([RIGHT[lba] for lba in range(60)]))
    with Workspace.open(tmp_path / "job") as work:
        assert work.map.count(PROVEN) == 60


def test_sectors_without_their_job_file_are_not_cleared_away(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    with Workspace.create(folder, job_for(DISC)) as work:
        _keep(work, 1)
        work.checkpoint()
    before = (folder / "sectors.bin").read_bytes()
    (folder / "job.json").unlink()
    with pytest.raises(AlreadyThere, match=r"job\.json"):
        Workspace.create(folder, job_for(DISC))
    assert (folder / "sectors.bin").read_bytes() == before


def test_sectors_since_the_last_barrier_that_the_disk_lost_are_read_again(tmp_path: Path) -> None:
    """A disk that went away without a reboot: the journal came back whole, the image did not."""
    drive = ScriptedDrive(DISC)
    with Workspace.create(tmp_path / "job", job_for(DISC), boot=BOOT) as work:
        for lba in range(60):
            _keep(work, lba)
    file = tmp_path / "job" / "sectors.bin"
    with file.open("r+b") as stream:
        stream.seek(20 * 2352)
        stream.write(bytes(10 * 2352))
    with Workspace.open(tmp_path / "job", boot=BOOT) as work:
        assert list(work.map.ranges((SectorState.UNREAD,))) == [range(20, 30)]
        assert run(recover(drive, work, Budget(), clock=FastClock().clock())).complete
        assert np.array_equal(work.read_rows(0, 60), np.stack([RIGHT[lba] for lba in range(60)]))


def test_blocks_since_the_last_barrier_that_lie_in_a_hole_are_read_again(tmp_path: Path) -> None:
    disc = dvd(600)
    right = original(disc)
    with Workspace.create(tmp_path / "job", job_for(disc), boot=BOOT) as work:
        for lba in (*range(100), *range(300, 600)):
            attempt = Attempt(lba, 1, ((1, SectorState.READ),), 1.0)
            work.commit(attempt, right[lba].reshape(1, -1))
        work.commit(Attempt(100, 200, ((200, SectorState.READ),), 1.0), None)
    with Workspace.open(tmp_path / "job", boot=BOOT) as work:
        assert list(work.map.ranges((SectorState.UNREAD,))) == [range(100, 300)]


def test_what_the_file_lost_stays_lost_however_often_the_job_is_opened(tmp_path: Path) -> None:
    disc = memory_disc([data(60)])
    folder = tmp_path / "job"
    with Workspace.create(folder, job_for(disc)) as work:
        rows = disc.raw[1][:50]
        work.commit(Attempt(0, 50, ((50, SectorState.PROVEN),), 1.0), rows)
    (folder / "sectors.bin").write_bytes(bytes(50 * 2352))
    for _ in range(3):
        with Workspace.open(folder) as work:
            assert work.map.count(SectorState.PROVEN) == 0
            assert work.map.count(SectorState.UNREAD) == 60
