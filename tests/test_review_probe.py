# SPDX-License-Identifier: Apache-2.0
"""What is believed of drive and disc when little of it reads well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imagerd.devices.mmc_toc import FullToc, Toc, TocEntry, TocTrack
from imagerd.devices.reading import ReadRequest
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.toc import decode
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.disc.source import SectorState
from imagerd.recovery.job import Job, ReadFeatures
from imagerd.recovery.workspace import Workspace
from tests.drives import drive_with, refused
from tests.path_way import way
from tests.sources import audio, memory_disc

UNREADABLE = SectorFault(what=What.UNREADABLE, areas=(range(800),))
WORN = FaultPlan(sectors=(SectorFault(what=What.C2, areas=(range(800),)),))


def test_a_disc_worn_everywhere_is_still_read_with_c2() -> None:
    drive, _, _ = drive_with(memory_disc([audio(800)]), WORN)
    found = drive.probe_read_features()
    assert found.c2
    assert found.proven
    block = drive.attempt(ReadRequest(100, 5, c2=True, sub=True)).sectors
    assert block is not None
    assert block.c2 is not None
    assert (block.states == SectorState.SUSPECT).all()


def test_the_order_on_a_worn_disc_is_told_by_q_or_c2_comes_alone() -> None:
    for name in ("plain", "swapped", "c2-296"):
        drive, _, _ = drive_with(memory_disc([audio(800)]), WORN, profile=DriveProfile.load(name))
        found = drive.probe_read_features()
        assert found.c2
        assert found.sub_first == (name == "swapped")
        assert found.together


def _entry(point: int, start: tuple[int, int, int]) -> TocEntry:
    return TocEntry(1, 1, 0, 0, point, (0, 0, 0), 0, start)


def test_a_lead_out_that_only_the_short_toc_tells_is_believed() -> None:
    full = FullToc(1, 1, (_entry(1, (0, 2, 0)), _entry(2, (10, 2, 0))), b"")
    tracks = (TocTrack(1, 1, 0, 0), TocTrack(2, 1, 0, 45000), TocTrack(0xAA, 1, 0, 90000))
    found = decode(full, Toc(1, 2, tracks, b""), None)
    assert found.lead_outs == {1: 90000}
    assert found.end_of(found.tracks[1]) == 90000
    assert found.warnings


def test_a_lead_out_that_is_told_twice_is_the_full_tocs() -> None:
    full = FullToc(
        1, 1, (_entry(1, (0, 2, 0)), _entry(2, (10, 2, 0)), _entry(0xA2, (20, 2, 1))), b""
    )
    tracks = (TocTrack(1, 1, 0, 0), TocTrack(2, 1, 0, 45000), TocTrack(0xAA, 1, 0, 90000))
    assert decode(full, Toc(1, 2, tracks, b""), None).lead_outs == {1: 90001}


def test_a_place_that_fails_with_c2_alone_does_not_decide_against_c2() -> None:
    failing = iter([True] * 2)

    def alter(command: Command, reply: Reply) -> Reply:
        with_c2 = command.cdb[0] == 0xBE and command.cdb[9] & 6
        return refused(3, 0x11, 5) if with_c2 and next(failing, False) else reply

    drive, _, _ = drive_with(memory_disc([audio(800)]), alter=alter)
    assert drive.probe_read_features().c2


def test_a_drive_that_fails_oddly_with_c2_is_asked_once_for_a_disc() -> None:
    def alter(command: Command, reply: Reply) -> Reply:
        with_c2 = command.cdb[0] == 0xBE and command.cdb[9] & 6
        return refused(0xB, 0, 0) if with_c2 else reply

    drive, _, between = drive_with(memory_disc([audio(800)]), alter=alter)
    found = drive.probe_read_features()
    assert found.proven
    assert not found.c2
    assert found.raw_sub
    asked = len(between.sent)
    drive.probe_read_features()
    assert len(between.sent) == asked


def test_a_drive_that_could_not_be_tried_out_is_tried_again_now_and_then() -> None:
    drive, virtual, between = drive_with(
        memory_disc([audio(800)]), FaultPlan(sectors=(UNREADABLE,))
    )
    assert not drive.probe_read_features().proven
    asked = len(between.sent)
    for lba in range(60):
        drive.attempt(ReadRequest(lba, 1, c2=True, sub=True))
    assert len(between.sent) - asked < 70  # trying out costs dozens of commands
    virtual.insert(memory_disc([audio(800)]))
    drive.identify()
    assert drive.probe_read_features().proven


def test_a_disc_on_which_features_come_to_light_late_is_read_with_them() -> None:
    spoiled = True

    def alter(command: Command, reply: Reply) -> Reply:
        return refused(3, 0x11, 5) if spoiled and command.cdb[0] == 0xBE else reply

    drive, _, _ = drive_with(memory_disc([audio(4000)]), alter=alter)
    assert not drive.probe_read_features().proven
    spoiled = False
    results = [drive.attempt(ReadRequest(lba, 1, c2=True, sub=True)) for lba in range(200)]
    assert results[-1].sectors is not None
    assert results[-1].sectors.c2 is not None
    assert results[-1].sectors.sub is not None


def test_a_job_begun_before_features_are_known_asks_for_them_all_the_same(tmp_path: Path) -> None:
    plan = FaultPlan(sectors=(replace(UNREADABLE, times=1),))
    with way(tmp_path) as there:
        seen: list[ReadFeatures] = []
        real = Workspace.create

        def create(folder: Path, job: Job) -> Workspace:
            seen.append(job.features)
            return real(folder, job)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Workspace, "create", create)
            there.archive(memory_disc([audio(800)]), plan)
    assert seen == [ReadFeatures(c2=True, sub=True)]
