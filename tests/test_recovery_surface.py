# SPDX-License-Identifier: Apache-2.0
"""Hurt surfaces read by the whole engine: what is called good is right, and evidence says the same
again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import SectorState
from imagerd.recovery.budget import Budget, Clock
from imagerd.recovery.engine import recover
from imagerd.recovery.job import Job, LayoutRecord, ReadFeatures
from imagerd.recovery.recomputing import recompute
from imagerd.recovery.workspace import Workspace
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.strategies_recovery import FastClock
from tests.test_virtual_surface import hurts

DISCS = {
    "data": memory_disc([data(1200)]),
    "audio": memory_disc([audio(1200)]),
    "dvd": memory_blocks(1200),
}
# `cheat` misses every fourth wrong byte: nobody can vouch for its audio, nor for what it passes.
DRIVES = ("workshop", "office", "tired")


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda fd: None)
        yield


def read(folder: Path, disc: MemorySource, plan: FaultPlan, profile: str) -> Workspace:
    virtual = VirtualDrive(DriveProfile.load(profile))
    virtual.insert(disc, plan)
    clock = FastClock()
    drive = OpticalDrive(virtual, sleep=clock.sleep, clock=clock)
    drive.wait_ready(60)
    drive.identify()
    features = drive.probe_read_features()
    job = Job("disc", LayoutRecord.of(drive.layout), features=ReadFeatures(features.c2, False))
    work = Workspace.create(folder / os.urandom(6).hex(), job)
    spent = Clock(lambda: virtual.clock.now, lambda: 1e9 + virtual.clock.now, virtual.clock.spend)
    run(recover(drive, work, Budget(seconds=40, attempts=6), clock=spent))
    return work


def wrong(work: Workspace, disc: MemorySource) -> list[int]:
    """Sectors that are called good and are not."""
    rows = work.read_rows(0, len(disc.raw[1]))
    states = work.map.states(0, len(rows))
    differs = (rows != disc.raw[1]).any(axis=1) & (states >= SectorState.READ)
    return [int(lba) for lba in np.flatnonzero(differs)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(DISCS)), st.sampled_from(DRIVES), hurts())
def test_whatever_the_surface_no_sector_is_called_better_than_it_is(
    tmp_path_factory: pytest.TempPathFactory, name: str, drive: str, plan: FaultPlan
) -> None:
    with read(tmp_path_factory.mktemp("job"), DISCS[name], plan, drive) as work:
        assert wrong(work, DISCS[name]) == []
        bad = len(work.map) - work.map.count(SectorState.READ, SectorState.PROVEN)
        states, folder = work.map.states(0, len(work.map)).tobytes(), work.folder
        assert work.evidence.size < 10 * 2352 * (bad + len(work.map.repaired) + 400)
    with Workspace.open(folder) as again:
        assert again.map.states(0, len(again.map)).tobytes() == states
        run(recompute(again))
        assert again.map.states(0, len(again.map)).tobytes() == states


PRINT = FaultPlan.parse(
    'seed = 3\n[[surface]]\nwhat = "print"\nangle = 0.2\ninner = 25.1\nsize = 4\nstrength = 300'
)


def test_what_the_drive_gives_up_is_put_together_from_its_raw_readings(tmp_path: Path) -> None:
    with read(tmp_path, DISCS["data"], PRINT, "workshop") as work:
        assert len(work.map.repaired) > 50
        assert work.map.count(SectorState.PROVEN) == 1200
        assert wrong(work, DISCS["data"]) == []


DEAR = FaultPlan.parse(
    'seed = 3\n[[surface]]\nwhat = "print"\nangle = 0.2\ninner = 25.1\nsize = 9\nstrength = 260'
)


def test_where_errors_cost_a_second_each_all_is_had_within_a_minute_uncorrected(
    tmp_path: Path,
) -> None:
    with read(tmp_path, DISCS["data"], DEAR, "office") as work:
        assert work.map.count(SectorState.PROVEN) == 1200
        assert wrong(work, DISCS["data"]) == []


WORN = FaultPlan.parse('seed = 5\n[[surface]]\nwhat = "weak"\nstrength = 40')


def test_audio_that_never_comes_whole_is_put_together_by_what_c2_leaves(tmp_path: Path) -> None:
    disc = memory_disc([audio(400)])
    with read(tmp_path, disc, WORN, "workshop") as work:
        assert work.map.count(SectorState.READ) > 370
        assert len(work.map.repaired) > 100
        assert wrong(work, disc) == []


def test_a_good_disc_leaves_no_evidence(tmp_path: Path) -> None:
    with read(tmp_path, DISCS["data"], FaultPlan(), "workshop") as work:
        assert work.evidence.size < 0.01 * 1200 * 2352
        assert list(work.evidence.sectors()) == []


def test_old_evidence_is_judged_anew_by_the_command(tmp_path: Path) -> None:
    with read(tmp_path, DISCS["data"], PRINT, "workshop") as work:
        folder, known = work.folder, set(work.evidence.sectors())
    # As if an imagerd without the rules had read it: no sector was ever concluded.
    (folder / "evidence").rename(tmp_path / "evidence")
    fresh = Workspace.create(tmp_path / "old", work.job)
    fresh.close()
    (tmp_path / "evidence").replace(tmp_path / "old" / "evidence")
    done = CliRunner().invoke(cli, ["recover", str(tmp_path / "old"), "--recompute", "--json"])
    assert done.exit_code == 0, done.output
    with Workspace.open(tmp_path / "old") as judged:
        assert judged.map.count(SectorState.PROVEN) > len(known) * 0.9
        assert wrong(judged, DISCS["data"]) == []
