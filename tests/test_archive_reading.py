# SPDX-License-Identifier: Apache-2.0
"""What the catalog learns of the reading of a disc: who read it, what the drive's C2 is worth."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, Outcome, Stop, follow
from imagerd.archive.world import Order, World
from imagerd.catalog.records import DriveModel
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.knowledge.c2 import C2Counts, C2Verdict
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import DiscType, TrackMode
from imagerd.disc.source import SectorSource
from tests.path_way import Way, way
from tests.sources import TrackPlan, memory_disc
from tests.strategies_recovery import FastClock, data_disc


def _go(there: Way, disc: SectorSource, serial: str, *, stop_after: int | None = None) -> Outcome:
    virtual = VirtualDrive(replace(DriveProfile.load("plain"), serial=serial))
    clock, asked = FastClock(), 0
    virtual.insert(disc)

    def stop() -> Stop:
        nonlocal asked
        asked += 1
        return Stop.PAUSE if stop_after is not None and asked > stop_after else Stop.NO

    with closing(OpticalDrive(virtual, sleep=clock.sleep, clock=clock)) as drive:
        world = World(there.config, there.catalog)
        return follow(archive_disc(drive, world, Order(), Control(stop)), lambda _: None)


def test_each_pass_is_by_the_drive_in_which_it_was(tmp_path: Path) -> None:
    disc = data_disc(2000)
    with way(tmp_path) as there:
        begun = _go(there, disc, "S1", stop_after=12)
        done = _go(there, disc, "S2")
        assert done.job == begun.job
        assert begun.job is not None
        serials = {drive.id: drive.serial for drive in there.catalog.drives.list()}
        passes = there.catalog.jobs.passes(begun.job)
        assert [serials[p.drive_id] for p in passes if p.drive_id] == ["S1", "S2"]


XA = memory_disc([TrackPlan(TrackMode.MODE2, 900)], disc_type=DiscType.XA)
HURT = range(300, 450)


@pytest.mark.parametrize(
    ("missed", "verdict"), [(0.0, C2Verdict.TRUSTED), (1.0, C2Verdict.UNTRUSTED)]
)
def test_what_c2_said_of_sectors_that_came_right_later_is_learned(
    tmp_path: Path, missed: float, verdict: C2Verdict
) -> None:
    model = _learned(tmp_path, SectorFault(what=What.C2, areas=(HURT,), times=1, missed=missed))
    counts = model.c2
    wrong, none = counts.wrong_marked, counts.wrong_silent
    if missed:
        wrong, none = none, wrong
    assert 100 < wrong <= len(HURT), "some heal while the drive's manners are found out"
    assert none == counts.right_marked == 0
    assert wrong + counts.right_silent == XA.layout.sectors, "each sector counts once"
    assert model.trust is verdict


def test_sectors_that_are_wrong_for_good_speak_against_no_drive(tmp_path: Path) -> None:
    """Some protections master a wrong EDC: no C2 pointer is set, and rightly so."""
    fault = SectorFault(what=What.WRONG, areas=(HURT,), bytes=700, stable=True)
    model = _learned(tmp_path, fault)
    assert model.c2.right_silent
    assert model.c2 == C2Counts(right_silent=model.c2.right_silent)


def _learned(folder: Path, fault: SectorFault) -> DriveModel:
    with way(folder) as there:
        there.go(XA, FaultPlan(sectors=(fault,)))
        (model,) = there.catalog.models.list()
        return model
