# SPDX-License-Identifier: Apache-2.0
"""What may be cleared away, and what may be asked of a drive."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerd.archive.speed import SpeedLimit
from imagerd.archive.sweep import sweep
from imagerd.archive.world import World
from imagerd.disc.layout import Medium, TrackMode, single_track
from imagerd.recovery.geometry import Geometry
from imagerd.recovery.workspace import Workspace
from tests.path_way import way
from tests.sources import MemorySource
from tests.strategies_recovery import ScriptedDrive, data_disc, job_for


def test_sectors_whose_job_file_is_gone_are_not_swept_away(tmp_path: Path) -> None:
    with way(tmp_path) as there:
        world = World(there.config, there.catalog)
        folder = world.workspaces / "one"
        Workspace.create(folder, job_for(data_disc())).close()
        (folder / "sectors.bin").write_bytes(b"what was read")
        (folder / "job.json").unlink()
        assert sweep(world) == ()
        assert (folder / "sectors.bin").read_bytes() == b"what was read"


def test_a_folder_in_which_nothing_was_begun_is_swept_away(tmp_path: Path) -> None:
    with way(tmp_path) as there:
        world = World(there.config, there.catalog)
        (world.workspaces / "one").mkdir(parents=True)
        assert sweep(world) == (world.workspaces / "one",)


def test_the_limit_of_a_drives_speed_holds_from_the_first_command_on() -> None:
    drive = ScriptedDrive(data_disc())
    limited = SpeedLimit(drive, 8)
    assert drive.speeds == [1412]
    limited.set_speed(None)
    limited.set_speed(10_000)
    limited.set_speed(706)
    assert drive.speeds == [1412, 1412, 1412, 706]


@pytest.mark.parametrize(
    ("medium", "kb_s"), [(Medium.DVD, 5540), (Medium.BD, 17_982), (Medium.HDDVD, 18_272)]
)
def test_a_limit_is_the_speed_that_recovery_means_by_the_same_number(
    medium: Medium, kb_s: int
) -> None:
    layout = single_track(10_000, TrackMode.BLOCKS, medium=medium)
    drive = ScriptedDrive(MemorySource(layout, {}))
    SpeedLimit(drive, 4).set_speed(Geometry(layout).kb_s(4))
    assert drive.speeds == [kb_s, kb_s]
