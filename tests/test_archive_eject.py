# SPDX-License-Identifier: Apache-2.0
"""The tray when a job has ended: it opens on the job's disc, and on no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagerd.archive.eject import at_the_end
from imagerd.archive.stages import Outcome
from imagerd.base.config import Eject
from imagerd.base.errors import UnreadableDisc
from imagerd.catalog.records import JobState
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from tests.sources import MemorySource, data, memory_blocks, memory_disc

START_STOP = 0x1B
DONE = Outcome(JobState.DONE, "")
FAILED = Outcome(JobState.FAILED, "")
PAUSED = Outcome(JobState.PAUSED, "")


def one() -> MemorySource:
    return memory_disc([data(300)], seed=1)


def other() -> MemorySource:
    return memory_disc([data(300)], seed=2)


class Meddler:
    """A drive in which something happens just before its tray is told to open."""

    name, max_transfer = "virtual:meddler", 65536

    def __init__(self, virtual: VirtualDrive) -> None:
        self.virtual = virtual
        self.happens: Callable[[], None] = lambda: None

    def execute(self, command: Command) -> Reply:
        if command.cdb[0] == START_STOP:
            happens, self.happens = self.happens, lambda: None
            happens()
        return self.virtual.execute(command)

    def close(self) -> None:
        self.virtual.close()


def drive_with(
    disc: MemorySource, profile: DriveProfile | None = None
) -> tuple[OpticalDrive, Meddler]:
    virtual = VirtualDrive(profile)
    virtual.insert(disc)
    meddler = Meddler(virtual)
    clock = virtual.clock
    return OpticalDrive(meddler, sleep=clock.spend, clock=lambda: clock.now), meddler


def test_the_tray_opens_on_the_disc_that_is_done() -> None:
    drive, meddler = drive_with(one())
    drive.read(0, 10)
    assert at_the_end(drive, Eject.ALWAYS, DONE) == (DONE, True)
    assert meddler.virtual.state.tray_open


@pytest.mark.parametrize(
    ("policy", "spin_up"), [(Eject.ALWAYS, 0.0), (Eject.ALWAYS, 3.0), (Eject.NEVER, 0.0)]
)
def test_a_disc_that_has_taken_its_place_stays_and_is_looked_at(
    policy: Eject, spin_up: float
) -> None:
    drive, meddler = drive_with(one(), DriveProfile(spin_up=spin_up))
    drive.read(0, 10)
    meddler.virtual.insert(other())  # while the image of the first was written, say
    outcome, opened = at_the_end(drive, policy, DONE)
    assert (outcome.lost, opened) == (True, False)
    assert not meddler.virtual.state.tray_open


def test_not_even_at_the_last_moment_does_another_disc_come_out_unread() -> None:
    drive, meddler = drive_with(one())
    drive.read(0, 10)
    meddler.happens = lambda: meddler.virtual.insert(other())
    outcome, opened = at_the_end(drive, Eject.ALWAYS, DONE)
    assert (outcome.lost, opened) == (True, False)
    assert not meddler.virtual.state.tray_open


def test_a_disc_that_cannot_be_read_comes_out_and_its_successor_does_not() -> None:
    for exchanged in (False, True):
        drive, meddler = drive_with(memory_blocks(300), DriveProfile(media=("cd",)))
        with pytest.raises(UnreadableDisc):
            drive.identify()
        if exchanged:
            meddler.virtual.insert(other())
        outcome, opened = at_the_end(drive, Eject.ALWAYS, FAILED)
        assert (outcome.lost, opened) == (exchanged, not exchanged)


@pytest.mark.parametrize("outcome", [DONE, PAUSED])
def test_a_drive_that_is_unplugged_at_the_end_is_looked_at_anew(outcome: Outcome) -> None:
    drive, meddler = drive_with(one())
    drive.read(0, 10)
    meddler.virtual.unplug()
    ended, opened = at_the_end(drive, Eject.ALWAYS, outcome)
    assert (ended.lost, ended.state, opened) == (True, outcome.state, False)


def test_a_disc_that_stays_is_not_lost() -> None:
    drive, _ = drive_with(one())
    drive.read(0, 10)
    for policy, outcome in ((Eject.NEVER, DONE), (Eject.ALWAYS, PAUSED), (Eject.SUCCESS, FAILED)):
        assert at_the_end(drive, policy, outcome) == (outcome, False)
