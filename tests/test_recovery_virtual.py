# SPDX-License-Identifier: Apache-2.0
"""From the virtual drive to an image: any fault plan, the right bytes or the truth about them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import DriveLost, WrongDisc
from imagerd.base.progress import run
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.faults import (
    DriveFault,
    DriveTrouble,
    FaultPlan,
    SectorFault,
    What,
)
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import DiscType
from imagerd.disc.source import SectorState
from imagerd.recovery.budget import Budget, End
from imagerd.recovery.effort import Reader
from imagerd.recovery.engine import RecoveryResult, recover
from imagerd.recovery.job import Job, LayoutRecord, ReadFeatures
from imagerd.recovery.subq import refine
from imagerd.recovery.workspace import Workspace
from tests.sources import MemorySource, TrackPlan, audio, data, memory_blocks, memory_disc
from tests.strategies_recovery import FastClock, original, seeks_the_shift, worth_reading
from tests.strategies_virtual import fault_plans

GENEROUS = Budget(attempts=14, rounds_without_gain=8)
MODE2 = data(1).mode.MODE2
DISCS = {
    "data": memory_disc([data(400)]),
    "mixed": memory_disc([data(400), audio(330, pregap=150), audio(120, indexes=(40,))]),
    "xa": memory_disc([TrackPlan(MODE2, 400, form2=3)], disc_type=DiscType.XA),
    "dvd": memory_blocks(500),
}
RIGHT = {name: original(disc) for name, disc in DISCS.items()}
PROFILES = ("plain", "c2-294", "c2-296", "swapped", "no-c2")


class Watched:
    """An optical drive of which every attempt is checked against the map: nothing good again.

    But for what lies between two bad sectors less than a turn apart.
    """

    def __init__(self, drive: OpticalDrive) -> None:
        self.drive = drive
        self.work: Workspace | None = None
        self.identity = drive.identity
        self.layout, self.max_sectors = drive.layout, drive.max_sectors
        self.set_speed, self.flush_cache = drive.set_speed, drive.flush_cache
        self.set_recovery = drive.set_recovery
        self.attempts = 0
        # Audio is read twice near damage, and all of it by drives that tell of no C2 errors.
        self.confirms = any(not track.is_data for track in drive.layout.tracks)

    @property
    def media_generation(self) -> int:
        return self.drive.media_generation

    def attempt(self, request: ReadRequest) -> ReadResult:
        assert self.work is not None
        states = self.work.map.states(request.lba, request.count)
        most = SectorState.READ if self.confirms else SectorState.SUSPECT
        forgets = request.count == 1 and not request.c2  # to drive something out of the cache
        allowed = forgets or seeks_the_shift(request) or worth_reading(states <= most, request.lba)
        assert allowed, f"{request} was read before"
        self.attempts += 1
        return self.drive.attempt(request)


def _drive(source: MemorySource, plan: FaultPlan, profile: str = "plain") -> OpticalDrive:
    # Correcting the offset of audio is not the reader's business.
    virtual = VirtualDrive(replace(DriveProfile.load(profile), read_offset=0))
    virtual.insert(source, plan)
    clock = FastClock()
    drive = OpticalDrive(virtual, sleep=clock.sleep, clock=clock)
    drive.identify()
    return drive


def _workspace(folder: Path, drive: OpticalDrive) -> Workspace:
    features = drive.probe_read_features()
    job = Job(
        "disc",
        LayoutRecord.of(drive.layout),
        features=ReadFeatures(features.c2, features.raw_sub),
    )
    return Workspace.create(folder / os.urandom(6).hex(), job)


def _recover(drive: OpticalDrive, work: Workspace, budget: Budget = GENEROUS) -> RecoveryResult:
    watched = Watched(drive)
    watched.work = work
    reader: Reader = watched
    return run(recover(reader, work, budget, clock=FastClock().clock()))


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda fd: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


def _unprovable(disc: str, lba: int) -> bool:
    """Whether a sector has nothing of its own to tell wrong bytes by."""
    track = DISCS[disc].layout.track_at(lba)
    return disc == "dvd" or track is None or not track.is_data


def _expected(disc: str, lba: int, faults: list[SectorFault]) -> tuple[bool, bool]:
    """Whether the sector must become good, and whether it may be wrong without a word."""
    lies = any(
        f.what is What.WRONG or (f.what is What.C2 and (f.missed > 0 or disc == "dvd"))
        for f in faults
    )
    must = all(f.what is What.SLOW or f.times is not None for f in faults)
    return must, lies and _unprovable(disc, lba)


@pytest.mark.parametrize("disc", list(DISCS))
def test_a_sound_disc_comes_out_as_it_is(folder: Path, disc: str) -> None:
    drive = _drive(DISCS[disc], FaultPlan())
    with _workspace(folder, drive) as work:
        assert _recover(drive, work).end is End.COMPLETE
        for lba, row in RIGHT[disc].items():
            assert np.array_equal(work.read_rows(lba, 1)[0], row)
        proven = {"data": 400, "mixed": 400, "xa": 400, "dvd": 0}[disc]
        assert work.map.count(SectorState.PROVEN) == proven


@settings(max_examples=100, deadline=None)
@given(
    disc=st.sampled_from(list(DISCS)),
    profile=st.sampled_from(PROFILES),
    plan=fault_plans(330),
)
def test_any_fault_plan_gives_the_right_image_or_the_truth(
    folder: Path, disc: str, profile: str, plan: FaultPlan
) -> None:
    c2_known = profile != "no-c2"
    drive = _drive(DISCS[disc], plan, profile)
    with _workspace(folder, drive) as work:
        result = _recover(drive, work)
        for lba, row in RIGHT[disc].items():
            faults = [fault for fault in plan.sectors if fault.hits(lba)]
            must, may_lie = _expected(disc, lba, faults)
            may_lie |= not c2_known and _unprovable(disc, lba) and bool(faults)
            state, same = work.map.state(lba), np.array_equal(work.read_rows(lba, 1)[0], row)
            told = f"LBA {lba} {state.name}: {faults}"
            assert state is not SectorState.UNREAD, told
            assert state is not SectorState.PROVEN or same, told
            assert state is not SectorState.READ or same or may_lie, told
            assert not must or state >= SectorState.READ, told
            if any(fault.final for fault in faults):
                assert state < SectorState.READ, told
        assert result.complete == all(
            state >= SectorState.READ for state in work.map.states(0, len(RIGHT[disc]))
        )


def test_the_layout_of_a_mixed_disc_is_refined_by_its_subchannel(folder: Path) -> None:
    drive = _drive(DISCS["mixed"], FaultPlan())
    with _workspace(folder, drive) as work:
        _recover(drive, work)
        found = refine(work)
    assert [t.indexes for t in found.layout.tracks] == [
        t.indexes for t in DISCS["mixed"].layout.tracks
    ]
    assert found.findings == ()


def test_a_drive_that_transfers_nothing_on_errors_and_never_forgets_is_coped_with(
    folder: Path,
) -> None:
    plan = FaultPlan(
        (
            SectorFault(what=What.UNREADABLE, areas=(range(100, 130),)),
            SectorFault(what=What.UNREADABLE, areas=(range(200, 203),), times=4),
        )
    )
    drive = _drive(DISCS["data"], plan, "liar")
    with _workspace(folder, drive) as work:
        _recover(drive, work)
        assert work.map.count(SectorState.PROVEN) == 370
        assert list(work.map.ranges((SectorState.FAILED,))) == [range(100, 130)]
        story = work.map.errors.at(100)
        assert story is not None
        assert story.sense == (3, 0x11, 5)


def test_a_subchannel_that_always_lags_makes_nothing_suspect(folder: Path) -> None:
    spot = SectorFault(what=What.UNREADABLE, areas=(range(400, 402),), times=2)
    drive = _drive(DISCS["mixed"], FaultPlan((spot,)), "liar")
    with _workspace(folder, drive) as work:
        assert _recover(drive, work).complete
        assert work.has_sub


def test_a_lost_drive_ends_the_run_and_the_job_goes_on_with_another(folder: Path) -> None:
    trouble = DriveFault(what=DriveTrouble.LOST, lba=200)
    drive = _drive(DISCS["data"], FaultPlan(drive=(trouble,)))
    with _workspace(folder, drive) as work:
        where = work.folder
        with pytest.raises(DriveLost):
            _recover(drive, work)
    drive = _drive(DISCS["data"], FaultPlan())
    with Workspace.open(where, "disc", boot=b"after a power cut") as work:
        assert work.map.count(SectorState.PROVEN) > 150
        assert _recover(drive, work).complete


@pytest.mark.parametrize("what", [DriveTrouble.TIMEOUT, DriveTrouble.RESET, DriveTrouble.HANG])
def test_a_drive_in_trouble_once_spoils_nothing(folder: Path, what: DriveTrouble) -> None:
    trouble = DriveFault(what=what, lba=200, seconds=40.0, times=2)
    drive = _drive(DISCS["data"], FaultPlan(drive=(trouble,)))
    with _workspace(folder, drive) as work:
        assert _recover(drive, work).complete


def test_a_changed_disc_is_noticed_at_once(folder: Path) -> None:
    virtual = VirtualDrive()
    virtual.insert(DISCS["data"])
    drive = OpticalDrive(virtual, sleep=lambda _: None)
    drive.identify()
    with _workspace(folder, drive) as work:
        task = recover(drive, work, GENEROUS, clock=FastClock().clock())
        next(task)
        virtual.remove()
        virtual.insert(DISCS["mixed"])
        with pytest.raises(WrongDisc):
            run(task)
        good = work.map.count(SectorState.PROVEN)
        assert good == 23
        for lba in range(good):
            assert np.array_equal(work.read_rows(lba, 1)[0], RIGHT["data"][lba])


def test_a_drive_that_gives_data_as_scrambled_audio_helps(folder: Path) -> None:
    fault = SectorFault(
        what=What.UNREADABLE, areas=(range(50, 52),), times=3, sense=Sense(3, 0x11, 5)
    )
    profile = DriveProfile(audio_on_data="scrambled")
    virtual = VirtualDrive(profile)
    virtual.insert(DISCS["data"], FaultPlan((fault,)))
    drive = OpticalDrive(virtual, sleep=lambda _: None)
    drive.identify()
    with _workspace(folder, drive) as work:
        assert _recover(drive, work, Budget(attempts=5, retry_speeds=())).complete
