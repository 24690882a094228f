# SPDX-License-Identifier: Apache-2.0
"""From a protected disc in the virtual drive to findings: before any retry, from the job alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.progress import run
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.scsi import Command, Reply, Transport
from imagerd.devices.virtual.faults import NO_FAULTS, FaultPlan, SectorFault, What
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Medium, SectorFormat, TrackMode, single_track
from imagerd.disc.source import SectorSource, SectorState
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import SCHEDULE, recover
from imagerd.recovery.extras import read_extras
from imagerd.recovery.job import Job, LayoutRecord, ReadFeatures
from imagerd.recovery.journal import Attempt
from imagerd.recovery.protection.facts import Confidence
from imagerd.recovery.protection.recognise import expected, facts_of, recognise, recognise_in
from imagerd.recovery.protection.twins import noted_twins, probe_twins
from imagerd.recovery.reader import drive_record
from imagerd.recovery.report import ProtectionReport, build_report, read_report, write_report
from imagerd.recovery.rounds import Retry
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.convert import to_raw
from imagerd.sectors.subchannel import with_p_q
from tests.drives import Altered
from tests.protected_discs import kept_q, placed_iso, program, right_q, scratch, strewn
from tests.sources import MemorySource
from tests.strategies_recovery import FastClock
from tests.test_recovery_protection import DVD
from tests.test_recovery_protection import MADE as ISLANDS

BEFORE_RETRYING = SCHEDULE[: [type(step) for step in SCHEDULE].index(Retry)]
TOTAL = 4000
GAP = range(201, 1701)
IMAGE = placed_iso({"00000001.LT1": (200, 1), "GAME.EXE": (1800, 2000)}, TOTAL)
MADE = strewn(GAP, 0.1)
HURT = [range(2500, 2540), *scratch(range(3000, 3200), 12, 2)]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)


def rom(image: bytes) -> MemorySource:
    """A CD of mode 1 sectors with that volume."""
    user = np.frombuffer(image, np.uint8).reshape(-1, 2048)
    layout = single_track(len(user), TrackMode.MODE1)
    return MemorySource(layout, {1: to_raw(user, SectorFormat.USER, TrackMode.MODE1, 0)})


def unreadable(areas: list[range]) -> FaultPlan:
    return FaultPlan((SectorFault(what=What.UNREADABLE, areas=tuple(areas)),))


def read(folder: Path, source: SectorSource, plan: FaultPlan = NO_FAULTS) -> Iterator[Workspace]:
    """A job read up to the point where retries would begin."""
    virtual = VirtualDrive(replace(DriveProfile.load("plain"), read_offset=0))
    virtual.insert(source, plan)
    clock = FastClock()
    drive = OpticalDrive(virtual, sleep=clock.sleep, clock=clock)
    drive.identify()
    features = drive.probe_read_features()
    record = LayoutRecord.of(drive.layout)
    job = Job("disc", record, features=ReadFeatures(features.c2, features.raw_sub))
    with Workspace.create(folder / "job", job) as work:
        run(recover(drive, work, Budget(), schedule=BEFORE_RETRYING, clock=clock.clock()))
        yield work


TWINS = range(700, 960)
DRIVERS = {"HWPSGT.SYS": (500, 2), "LEMSGT.SYS": (510, 2)}


def twin_disc(files: dict[str, tuple[int, int]], *, spoilt: bool = False) -> Transport:
    """A drive with a disc on which TWINS lie twice in a row; if spoilt the second copies are wrong.

    A head in the second copy or behind it finds that, one in the first or before it the first.
    """
    disc = rom(placed_iso(files, TOTAL))
    user = np.random.default_rng(3).integers(0, 256, (len(TWINS), 2048), np.uint8)
    seconds = to_raw(user, SectorFormat.USER, TrackMode.MODE1, TWINS.start)
    seconds[:, 100] ^= spoilt
    head = 0  # where it is on the spiral, in sectors

    def alter(command: Command, reply: Reply) -> Reply:
        nonlocal head
        lba, count = (int.from_bytes(command.cdb[a:b], "big") for a, b in ((2, 6), (6, 9)))
        if command.cdb[0] != 0xBE or not reply.ok or not count or lba >= TOTAL:
            return reply
        second = lba in TWINS and head >= TWINS.stop
        last = lba + count - 1
        head = last + len(TWINS) if second or last >= TWINS.stop else last
        if not second:
            return reply
        rows = np.frombuffer(reply.data, np.uint8).reshape(count, -1).copy()
        for row in range(count):
            if lba + row in TWINS:
                rows[row, :2352] = seconds[lba + row - TWINS.start]
        return replace(reply, data=rows.tobytes())

    virtual = VirtualDrive(replace(DriveProfile.load("plain"), read_offset=0))
    virtual.insert(disc)
    return Altered(virtual, alter)


@pytest.mark.parametrize("spoilt", [False, True])
def test_twin_sectors_show_when_the_head_comes_from_behind_and_damage_is_none(
    tmp_path: Path, spoilt: bool
) -> None:
    clock = FastClock()
    between = twin_disc(DRIVERS, spoilt=spoilt)
    drive = OpticalDrive(between, sleep=clock.sleep, clock=clock)
    job = Job("disc", LayoutRecord.of(drive.layout))
    with Workspace.create(tmp_path / "job", job) as work:
        assert run(recover(drive, work, Budget(), clock=clock.clock())).complete
        before = work.read_rows(0, TOTAL).copy()
        (found,) = recognise_in(work)
        assert (found.name, found.confidence) == ("Tages", Confidence.LIKELY)
        run(read_extras(drive, work, drive_record(drive)))
        (found,) = recognise_in(work)
        assert (found.name, found.expected) == ("Tages", ())
        noted = noted_twins(work)
        assert noted is not None
        if spoilt:
            assert found.confidence is Confidence.LIKELY
            assert noted.twins == []
        else:
            assert found.confidence is Confidence.CERTAIN
            assert noted.twins == list(range(704, TWINS.stop)), "704 is the first place in them"
            assert "256 sectors, the first at LBA 704" in found.evidence[0]
        assert (work.read_rows(0, TOTAL) == before).all(), "the image keeps what was read upward"
        assert run(probe_twins(drive, work)) is None, "once for a job"


def test_a_disc_without_such_files_is_not_read_from_behind(tmp_path: Path) -> None:
    clock = FastClock()
    between = twin_disc({"HWPSGT.SYS": (500, 2)})
    drive = OpticalDrive(between, sleep=clock.sleep, clock=clock)
    with Workspace.create(tmp_path / "job", Job("disc", LayoutRecord.of(drive.layout))) as work:
        run(recover(drive, work, Budget(), clock=clock.clock()))
        assert isinstance(between, Altered)
        sent = len(between.sent)
        assert run(probe_twins(drive, work)) is None
        assert len(between.sent) == sent
        assert recognise_in(work) == ()


@pytest.mark.parametrize("form", ["unreadable", "wrong EDC"])
def test_safedisc_is_known_before_a_retry_and_a_scratch_stays_damage(
    tmp_path: Path, form: str
) -> None:
    disc = rom(IMAGE)
    if form == "wrong EDC":  # as the sectors really are: sync and address right, the rest is not
        for area in MADE:
            disc.raw[1][area.start : area.stop, 2064:] ^= 0x55
        plan = unreadable(HURT)
    else:
        plan = unreadable([*MADE, *HURT])
    for work in read(tmp_path, disc, plan):
        findings = recognise_in(work)
        assert [(found.name, found.confidence) for found in findings] == [
            ("SafeDisc Lite", Confidence.CERTAIN)
        ]
        assert list(findings[0].expected) == MADE
        in_vain = expected(findings)
        bad = {lba for run in work.map.ranges((SectorState.FAILED, SectorState.SUSPECT))
               for lba in run}  # fmt: skip
        left = {lba for lba in bad if lba not in in_vain}
        assert left == {lba for area in HURT for lba in area}
        report = build_report(work, protection=findings)
        write_report(tmp_path / "report.json", report)
        again = read_report(tmp_path / "report.json")
        assert again == report
        assert again.protection == [
            ProtectionReport(
                "SafeDisc Lite",
                "certain",
                list(findings[0].evidence),
                findings[0].basis,
                [(area.start, len(area)) for area in MADE],
            )
        ]
        assert sum(b.count for b in again.bad) == len(bad), "what is expected is still told as bad"


def test_the_same_damage_without_the_file_is_damage(tmp_path: Path) -> None:
    plain = placed_iso({"GAME.EXE": (1800, 2000)}, TOTAL)
    for work in read(tmp_path, rom(plain), unreadable([*MADE, *HURT])):
        assert recognise_in(work) == ()
        assert build_report(work).protection == []


def test_a_disc_whose_volume_cannot_be_read_has_no_findings(tmp_path: Path) -> None:
    for work in read(tmp_path, rom(IMAGE), unreadable([range(16, 25), *MADE])):
        facts = facts_of(work)
        assert facts.files.entries == ()
        assert recognise(facts) == ()


def test_a_disc_of_which_nothing_was_read_has_no_findings(tmp_path: Path) -> None:
    job = Job("disc", LayoutRecord.of(single_track(TOTAL, TrackMode.MODE1)))
    with Workspace.create(tmp_path / "job", job) as work:
        assert recognise_in(work) == ()


def test_programs_tell_by_their_sections(tmp_path: Path) -> None:
    name = {"GAME.EXE": (1800, 20)}
    image = placed_iso(name, 2000, contents={"GAME.EXE": program("CODE", ".vob.pcd")})
    for work in read(tmp_path, rom(image)):
        assert facts_of(work).programs == (("GAME.EXE", ("CODE", ".vob.pcd")),)
        assert [found.name for found in recognise_in(work)] == ["ProtectCD-VOB"]


@pytest.mark.parametrize("lag", [0, 2])
def test_securom_is_known_by_q_whatever_the_drives_lag(tmp_path: Path, lag: int) -> None:
    made = [100 + 31 * number for number in range(10)]
    rows = [kept_q(lba) if lba in made else right_q(lba) for lba in range(2000)]
    rows[700] = rows[700][:8] + b"\xff" + rows[700][9:]  # reads badly
    q = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 12)
    job = Job("disc", LayoutRecord.of(single_track(2000, TrackMode.MODE1)))
    with Workspace.create(tmp_path / "job", job) as work:
        attempt = Attempt(0, 2000, ((2000, SectorState.READ),), 0.0)
        sub = with_p_q(np.zeros(2000, np.bool_), np.roll(q, -lag, axis=0))
        work.commit(attempt, np.zeros((2000, 2352), np.uint8), sub)
        found = recognise_in(work)[0]
        assert (found.name, found.confidence) == ("SecuROM 4", Confidence.CERTAIN)
        assert [area.start for area in found.expected] == made
        assert 700 in [odd.lba for odd in facts_of(work).odd_q]


def test_q_of_a_protected_disc_comes_through_the_drive(tmp_path: Path) -> None:
    made = [100 + 31 * number for number in range(10)]
    disc = rom(placed_iso({"GAME.EXE": (1000, 100)}, 2000))
    rows = [kept_q(lba) if lba in made else right_q(lba) for lba in range(2000)]
    sub = with_p_q(np.zeros(2000, np.bool_), np.frombuffer(b"".join(rows), np.uint8)
                   .reshape(-1, 12))  # fmt: skip
    layout = single_track(2000, TrackMode.MODE1, stored=SectorFormat.RAW_SUB)
    with_sub = MemorySource(layout, {1: np.concatenate([disc.raw[1], sub], axis=1)})
    for work in read(tmp_path, with_sub):
        assert [found.name for found in recognise_in(work)] == ["SecuROM 4"]


def test_islands_on_a_dvd_are_found_in_the_job(tmp_path: Path) -> None:
    blocks = np.frombuffer(DVD, np.uint8).reshape(-1, 2048)
    layout = single_track(
        len(blocks), TrackMode.BLOCKS, medium=Medium.DVD, stored=SectorFormat.USER
    )
    for work in read(tmp_path, MemorySource(layout, {1: blocks}), unreadable(ISLANDS)):
        findings = recognise_in(work)
        assert [found.name for found in findings] == ["ARccOS or alike"]
        assert list(findings[0].expected) == ISLANDS
