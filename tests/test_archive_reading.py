# SPDX-License-Identifier: Apache-2.0
"""What the catalog learns of the reading of a disc: by which drive each pass was."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, Outcome, Stop, follow
from imagerd.archive.world import Order, World
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import SectorSource
from tests.path_way import Way, way
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
