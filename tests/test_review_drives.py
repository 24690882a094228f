# SPDX-License-Identifier: Apache-2.0
"""A disc that is begun in one drive and ended in another."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, Outcome, Stop, follow
from imagerd.archive.world import Order, World
from imagerd.catalog.records import JobState
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import SectorSource
from tests.path_way import Archived, Way, sectors_of, way
from tests.sources import audio, data, memory_disc
from tests.strategies_recovery import FastClock

MUSIC = memory_disc([audio(900)])
USUAL = DriveProfile()
OTHER = DriveProfile(vendor="OTHER", product="DRIVE")


def _go(
    there: Way,
    disc: SectorSource,
    *,
    offset: int,
    stop_after: int | None = None,
    job: str | None = None,
    model: DriveProfile = USUAL,
) -> Outcome:
    """Archive in a drive with this read offset, up to so many stages of the way."""
    virtual = VirtualDrive(replace(model, read_offset=offset))
    virtual.insert(disc)
    clock, asked = FastClock(), 0

    def stop() -> Stop:
        nonlocal asked
        asked += 1
        return Stop.PAUSE if stop_after is not None and asked > stop_after else Stop.NO

    with closing(OpticalDrive(virtual, sleep=clock.sleep, clock=clock)) as drive:
        drive.identify()
        world = World(there.config, there.catalog)
        return follow(archive_disc(drive, world, Order(job), Control(stop)), lambda _: None)


def _whole(there: Way, outcome: Outcome) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    assert outcome.job is not None
    image = there.catalog.images.get(there.catalog.images.of_job(outcome.job)[0].id)
    with Archived(outcome, image, ()).opened() as opened:
        found = sectors_of(opened)
    return np.concatenate([found[lba] for lba in sorted(found)])


def test_audio_of_two_drives_with_different_read_offsets_is_never_mixed(tmp_path: Path) -> None:
    right = np.concatenate(list(sectors_of(MUSIC).values()))
    with way(tmp_path) as there:
        begun = _go(there, MUSIC, offset=6, stop_after=12)
        assert begun.state is JobState.PAUSED
        done = _go(there, MUSIC, offset=102, model=OTHER)
        assert done.state is JobState.DONE
        assert done.job != begun.job
        whole = _whole(there, done)
    shifted = np.concatenate((np.zeros(408, np.uint8), right[:-408]))
    assert np.array_equal(whole[408:], shifted[408:])


def test_an_ordered_job_of_another_kind_of_drive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with way(tmp_path) as there:
        begun = _go(there, MUSIC, offset=6, stop_after=12)
        refused = _go(there, MUSIC, offset=102, job=begun.job, model=OTHER)
        assert refused.state is not JobState.DONE
        assert "IMAGERD VIRTUAL DRIVE" in refused.sentence
        assert begun.job is not None
        assert there.catalog.jobs.get(begun.job).state is JobState.PAUSED
        assert _go(there, MUSIC, offset=6, job=begun.job).state is JobState.DONE


@pytest.mark.parametrize("same_model", [False, True])
def test_what_cannot_differ_goes_on_in_any_drive(tmp_path: Path, same_model: bool) -> None:
    disc, other = (MUSIC, USUAL) if same_model else (memory_disc([data(900)]), OTHER)
    with way(tmp_path) as there:
        begun = _go(there, disc, offset=6, stop_after=12)
        assert begun.state is JobState.PAUSED
        done = _go(there, disc, offset=6, model=other)
        assert done.state is JobState.DONE
        assert done.job == begun.job


def test_a_job_of_which_nothing_was_read_goes_on_in_any_drive(tmp_path: Path) -> None:
    with way(tmp_path) as there:
        begun = _go(there, MUSIC, offset=6, stop_after=1)
        done = _go(there, MUSIC, offset=102, model=OTHER)
        assert done.state is JobState.DONE
        assert begun.job in (None, done.job)
