# SPDX-License-Identifier: Apache-2.0
"""What may be cleared away, and what may be asked of a drive."""

from __future__ import annotations

from pathlib import Path

from imagerd.archive.speed import SpeedLimit
from imagerd.archive.sweep import sweep
from imagerd.archive.world import World
from imagerd.recovery.workspace import Workspace
from tests.path_way import way
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
    assert drive.speeds == [1411]
    limited.set_speed(None)
    limited.set_speed(10_000)
    limited.set_speed(706)
    assert drive.speeds == [1411, 1411, 1411, 706]
