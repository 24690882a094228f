# SPDX-License-Identifier: Apache-2.0
"""Another disc that looks like the one that was begun."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, Outcome, Stop, follow
from imagerd.archive.world import Order, World
from imagerd.base.progress import run
from imagerd.catalog.records import JobState
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import SectorSource
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.fitting import fits
from imagerd.recovery.workspace import Workspace
from tests.path_way import Way, way
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.strategies_recovery import FastClock, ScriptedDrive, Spot, job_for

DISCS: dict[str, Callable[[int], MemorySource]] = {
    "audio": lambda seed: memory_disc([audio(600)], seed=seed),
    "data": lambda seed: memory_disc([data(600)], seed=seed),
    "mixed": lambda seed: memory_disc([data(300), audio(300)], seed=seed),
    "dvd": lambda seed: memory_blocks(600, seed=seed),
}


def _begun(folder: Path, disc: MemorySource) -> Workspace:
    drive = ScriptedDrive(disc)
    work = Workspace.create(folder, job_for(disc))
    stop = iter([False] * 18)
    task = recover(
        drive, work, Budget(), should_stop=lambda: next(stop, True), clock=FastClock().clock()
    )
    run(task)
    return work


@pytest.mark.parametrize("kind", list(DISCS))
def test_another_disc_of_the_same_shape_does_not_fit(tmp_path: Path, kind: str) -> None:
    with _begun(tmp_path / "job", DISCS[kind](1)) as work:
        assert fits(ScriptedDrive(DISCS[kind](1)), work)
        assert not fits(ScriptedDrive(DISCS[kind](2)), work)


def test_audio_a_few_samples_aside_does_not_fit(tmp_path: Path) -> None:
    disc, pressing = DISCS["mixed"](1), DISCS["mixed"](1)
    pressing.raw[2] = np.roll(pressing.raw[2].reshape(-1), 24).reshape(-1, 2352)
    with _begun(tmp_path / "job", disc) as work:
        assert not fits(ScriptedDrive(pressing), work)


def test_a_disc_that_has_got_worse_still_fits(tmp_path: Path) -> None:
    disc = DISCS["audio"](1)
    with _begun(tmp_path / "job", disc) as work:
        ruined = {lba: Spot(spoils="edc") for lba in range(400)} | {5: Spot(), 6: Spot()}
        del ruined[0]
        assert fits(ScriptedDrive(disc, ruined), work)
        assert fits(ScriptedDrive(disc, {lba: Spot() for lba in range(600)}), work)


def test_silence_tells_nothing(tmp_path: Path) -> None:
    disc = DISCS["audio"](1)
    disc.raw[1][:] = 0
    with _begun(tmp_path / "job", disc) as work:
        assert fits(ScriptedDrive(DISCS["audio"](2)), work)


def _go(there: Way, disc: SectorSource, stop_after: int | None = None) -> Outcome:
    virtual, clock, asked = VirtualDrive(), FastClock(), 0
    virtual.insert(disc)

    def stop() -> Stop:
        nonlocal asked
        asked += 1
        return Stop.PAUSE if stop_after is not None and asked > stop_after else Stop.NO

    with closing(OpticalDrive(virtual, sleep=clock.sleep, clock=clock)) as drive:
        drive.identify()
        world = World(there.config, there.catalog)
        return follow(archive_disc(drive, world, Order(), Control(stop)), lambda _: None)


def test_a_job_does_not_go_on_with_another_pressing(tmp_path: Path) -> None:
    disc, pressing = DISCS["audio"](1), DISCS["audio"](1)
    pressing.raw[1] = np.roll(pressing.raw[1].reshape(-1), 24).reshape(-1, 2352)
    with way(tmp_path) as there:
        begun = _go(there, disc, stop_after=12)
        assert begun.state is JobState.PAUSED
        other = _go(there, pressing)
        assert other.job == begun.job
        assert other.state is JobState.PAUSED
        assert "differ" in other.sentence
        assert _go(there, disc).state is JobState.DONE
