# SPDX-License-Identifier: Apache-2.0
"""What is asked of the drive, and what is kept of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.errors import DriveLost
from imagerd.base.progress import run
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import DiscType, TrackMode
from imagerd.disc.source import Fault, FaultKind, SectorState
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.evidence import Why
from imagerd.recovery.workspace import Workspace
from tests.sources import MemorySource, audio, data, memory_disc
from tests.strategies_recovery import FastClock, ScriptedDrive, Spot, job_for, original

BRIEF = Budget(attempts=1)


def _mode2_without_edc() -> MemorySource:
    """Form 2 throughout, its EDC left out as discs of films have it."""
    disc = memory_disc([data(200, TrackMode.MODE2, form2=8)], disc_type=DiscType.XA)
    disc.raw[1][:, 2348:] = 0
    return disc


def test_form_2_without_edc_that_the_drive_flags_is_suspect(tmp_path: Path) -> None:
    disc = _mode2_without_edc()
    drive = ScriptedDrive(disc, {100: Spot(spoils="c2")}, c2=True)
    with Workspace.create(tmp_path / "job", job_for(disc, c2=True)) as work:
        run(recover(drive, work, BRIEF, clock=FastClock().clock()))
        assert work.map.state(100) is SectorState.SUSPECT
        story = work.map.errors.at(100)
        assert story is not None
        assert story.why is Why.C2


def test_a_pause_at_the_end_of_data_is_read_with_c2(tmp_path: Path) -> None:
    disc = memory_disc([data(400), audio(300)])
    disc.raw[1][250:] = np.random.default_rng(5).integers(0, 256, (150, 2352), np.uint8)
    drive = ScriptedDrive(disc, {300: Spot(spoils="c2")}, c2=True)
    with Workspace.create(tmp_path / "job", job_for(disc, c2=True)) as work:
        run(recover(drive, work, BRIEF, clock=FastClock().clock()))
        assert work.map.state(300) is SectorState.SUSPECT
        assert work.map.state(301) is SectorState.READ


def test_mode_1_is_still_read_without_c2(tmp_path: Path) -> None:
    disc = memory_disc([data(400)])
    drive = ScriptedDrive(disc, c2=True)
    with Workspace.create(tmp_path / "job", job_for(disc, c2=True)) as work:
        run(recover(drive, work, BRIEF, clock=FastClock().clock()))
    assert not any(request.c2 for request in drive.trace)


@dataclass
class DyingDrive(ScriptedDrive):
    """Gives 20 sectors of the command at LBA 52, and from then on nothing at all."""

    gone: bool = False

    def attempt(self, request: ReadRequest) -> ReadResult:
        if self.gone:
            raise DriveLost("It died.")
        result = super().attempt(request)
        if request.lba != 52 or result.sectors is None:
            return result
        self.gone = True
        good = super().attempt(ReadRequest(52, 20)).sectors
        fault = Fault(72, request.count - 20, FaultKind.TRANSPORT)
        return ReadResult(52, request.count, good, fault, 0.01)


def test_sectors_before_a_bus_error_are_kept_though_the_command_is_sent_again(
    tmp_path: Path,
) -> None:
    disc = memory_disc([data(200)])
    right = original(disc)
    drive = DyingDrive(disc)
    with Workspace.create(tmp_path / "job", job_for(disc)) as work:
        with pytest.raises(DriveLost):
            run(recover(drive, work, BRIEF, clock=FastClock().clock()))
        assert work.map.count(SectorState.PROVEN) == 72
        rows = work.read_rows(0, 72)
    assert all(np.array_equal(rows[lba], right[lba]) for lba in range(72))
