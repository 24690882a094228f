# SPDX-License-Identifier: Apache-2.0
"""Sectors outside the sessions: kept for what they are, and never at the job's cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.progress import run
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.scsi import DID_TIME_OUT, Command, Reply
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.disc.layout import SectorFormat
from imagerd.disc.source import Sectors
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.extras import read_extras
from imagerd.recovery.job import DriveRecord, Job, LayoutRecord, ReadFeatures
from imagerd.recovery.outside import OverreadRecord, read_record, sound_edges
from imagerd.recovery.overread import overread
from imagerd.recovery.worksource import WorkSource
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.blocks import read_all
from imagerd.sectors.offset import OffsetView
from imagerd.sectors.subgen import build_sub
from tests.drives import Alter, Altered, drive_with, refused
from tests.path_way import sectors_of, way
from tests.sources import MemorySource, audio, data, memory_disc
from tests.strategies_recovery import FastClock

PLEXTOR = DriveProfile.load("plextor")
WHO = DriveRecord("V", "P")


def loud(disc: MemorySource) -> MemorySource:
    """With samples in the pauses as well: nothing passes for silence."""
    for number, rows in disc.raw.items():
        if disc.layout.tracks[number - 1].is_data is False:
            rows[:] = np.random.default_rng(number).integers(1, 256, rows.shape, np.uint8)
    return disc


@contextmanager
def job(
    folder: Path,
    disc: MemorySource,
    profile: DriveProfile = PLEXTOR,
    *,
    plan: str | FaultPlan = "",
    alter: Alter | None = None,
    sub: bool = True,
) -> Iterator[tuple[Workspace, OpticalDrive, Altered]]:
    """A job whose main area was read; `alter` works only from then on."""
    faults = FaultPlan.parse(plan) if isinstance(plan, str) else plan
    drive, _, between = drive_with(disc, faults, profile=profile)
    record = LayoutRecord.of(drive.layout)
    features = ReadFeatures(c2=True, sub=sub)
    with Workspace.create(folder / "job", Job("disc", record, features=features)) as work:
        run(recover(drive, work, Budget(), clock=FastClock().clock()))
        between.alter = alter
        between.sent.clear()
        yield work, drive, between


def outside_reads(between: Altered) -> list[range]:
    found = []
    for cdb in between.sent:
        if cdb[0] == 0xBE:
            lba = int.from_bytes(cdb[2:6], "big", signed=True)
            found.append(range(lba, lba + int.from_bytes(cdb[6:9], "big")))
    return found


@pytest.mark.parametrize(("before", "behind"), [(150, 100), (150, 0), (75, 30), (0, 0), (135, 1)])
def test_what_the_drive_reaches_is_kept_and_nothing_is_read_twice(
    tmp_path: Path, before: int, behind: int
) -> None:
    profile = replace(PLEXTOR, overread_before=before, overread_after=behind)
    disc = loud(memory_disc([audio(400), audio(300, 75)]))
    with job(tmp_path, disc, profile) as (work, drive, between):
        record = run(overread(drive, work, WHO))
        assert record is not None
        reached = {edge.where: (edge.lba, sum(n for n, _ in edge.runs)) for edge in record.edges}
        wanted = {"lead-in": (-before, before), "lead-out": (700, behind)}
        assert reached == {where: at for where, at in wanted.items() if at[1]}
        assert all(edge.checked and edge.runs[0][1] == "read" for edge in record.edges)
        good = [a for a in outside_reads(between) if -before <= a.start and a.stop <= 700 + behind]
        lbas = [lba for area in good for lba in area]
        assert len(lbas) == len(set(lbas))
        assert len(outside_reads(between)) <= 30
        silence = np.zeros((151, 2352), np.uint8)
        flat = np.concatenate([silence, disc.raw[1], disc.raw[2], silence]).reshape(-1)
        for edge in record.edges:
            lba, count = reached[edge.where]
            first = (lba + 151) * 2352 - 4 * profile.read_offset  # it delivers so much late
            wanted_rows = flat[first : first + count * 2352].reshape(count, 2352)
            rows = np.fromfile(work.folder / f"{edge.name}.bin", np.uint8).reshape(-1, 2352)
            assert np.array_equal(rows, wanted_rows)
            sub = np.fromfile(work.folder / f"{edge.name}.sub", np.uint8).reshape(-1, 96)
            assert np.array_equal(sub, build_sub(disc.layout, lba, count))
        assert read_record(work.folder) == record
        assert run(overread(drive, work, WHO)) is None, "once for a job"


@settings(max_examples=25, deadline=None)
@given(
    offset=st.integers(-1800, 1800) | st.sampled_from([30, -30, 588, -588, 0, 667]),
    seed=st.integers(0, 3),
)
def test_audio_at_a_read_offset_is_the_discs_to_the_last_sample(
    tmp_path_factory: pytest.TempPathFactory, offset: int, seed: int
) -> None:
    disc = loud(memory_disc([audio(300), audio(200, 60)], seed=seed))
    profile = replace(PLEXTOR, read_offset=offset)
    with job(tmp_path_factory.mktemp("job"), disc, profile) as (work, drive, _):
        run(read_extras(drive, work, WHO))
        view = OffsetView(WorkSource(work), offset, sound_edges(work.folder))
        assert view.padded == ()
        true = np.concatenate([disc.raw[1], disc.raw[2]])
        assert np.array_equal(read_all(view, 0, 500).data, true)
        for lba in (0, 1, 250, 498, 499):
            assert np.array_equal(view.read(lba, 1).data[0], true[lba])


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(-3000, 3000).filter(bool),
    before=st.integers(0, 6),
    behind=st.integers(0, 6),
    lba=st.integers(0, 39),
    count=st.integers(1, 40),
)
def test_padded_names_what_the_blocks_beyond_do_not_reach(
    samples: int, before: int, behind: int, lba: int, count: int
) -> None:
    rng = np.random.default_rng(7)
    whole = rng.integers(1, 256, (before + 40 + behind, 2352), np.uint8)
    disc = memory_disc([audio(40)])
    disc.raw[1] = whole[before : before + 40]
    beyond = [
        Sectors.good(-before, whole[:before], SectorFormat.RAW),
        Sectors.good(40, whole[before + 40 :], SectorFormat.RAW),
    ]
    view = OffsetView(disc, samples, beyond)
    flat = np.pad(whole.reshape(-1), 4 * 3000 + 2352 * 6)  # zeros where nothing was read
    start = 4 * 3000 + 2352 * (6 + before) + 4 * samples
    wanted = flat[start : start + 40 * 2352].reshape(40, 2352)
    count = min(count, 40 - lba)
    assert np.array_equal(read_all(view, lba, count).data, wanted[lba : lba + count])
    zeros = np.flatnonzero((wanted == 0).any(axis=1)).tolist()
    assert [at for edge in view.padded for at in edge] == zeros


# -- never at the job's cost -------------------------------------------------------------------


def state_of(work: Workspace) -> tuple[bytes, bytes]:
    area = work.map.end - work.map.start
    return work.map.states(work.map.start, area).tobytes(), work.read_rows(0, area).tobytes()


def always(reply: Reply) -> Alter:
    return lambda command, real: reply if command.cdb[0] == 0xBE else real


@pytest.mark.parametrize(
    "reply",
    [
        refused(5, 0x21, 0),
        refused(3, 0x11, 5),
        refused(4, 0x09, 1),
        refused(2, 0x04, 1),
        refused(6, 0x29, 0),
        refused(6, 0x28, 0),
        refused(11, 0, 0),
        Reply(0, b"", host_status=DID_TIME_OUT),
        Reply(0, b"short"),
    ],
    ids=lambda reply: f"{reply.sense}",
)
def test_a_drive_that_refuses_costs_a_few_commands_and_nothing_else(
    tmp_path: Path, reply: Reply
) -> None:
    disc = loud(memory_disc([audio(400)]))
    with job(tmp_path, disc, alter=always(reply)) as (work, drive, between):
        before = state_of(work)
        run(read_extras(drive, work, WHO))
        assert state_of(work) == before
        assert sound_edges(work.folder) == ()
        assert between.count(0xBE) <= 16


def test_a_drive_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))
    plan = '[[drive]]\nwhat = "lost"\nlba = 420'
    with job(tmp_path, disc, plan=plan) as (work, drive, _):
        before = state_of(work)
        run(read_extras(drive, work, WHO))
        assert state_of(work) == before
        record = read_record(work.folder)
        assert record is not None
        assert [edge.where for edge in record.edges] in ([], ["lead-out"])


def test_a_slow_drive_is_asked_no_more_at_that_end(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))

    def slow(command: Command, reply: Reply) -> Reply:
        return replace(reply, seconds=5.0) if command.cdb[0] == 0xBE else reply

    with job(tmp_path, disc, alter=slow) as (work, drive, between):
        record = run(overread(drive, work, WHO))
        assert record is not None
        assert [edge.ended for edge in record.edges] == ["slow", "slow"]
        assert between.count(0xBE) == 2
        assert all(sum(n for n, _ in edge.runs) > 1 for edge in record.edges), "what came is kept"


def test_a_full_folder_costs_nothing(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))
    with job(tmp_path, disc) as (work, drive, _):
        (work.folder / "leadout.bin").mkdir()  # nothing can take its name
        before = state_of(work)
        run(read_extras(drive, work, WHO))
        assert state_of(work) == before
        assert sound_edges(work.folder) == ()


def lying(between: Altered, make: str) -> Alter:
    """A drive that claims to read beyond LBA 410, and gives its last sector again, or zeros."""
    last: list[bytes] = []

    def alter(command: Command, reply: Reply) -> Reply:
        if command.cdb[0] != 0xBE or not reply.ok:
            return reply
        lba = int.from_bytes(command.cdb[2:6], "big", signed=True)
        count = int.from_bytes(command.cdb[6:9], "big")
        size = len(reply.data) // max(count, 1)
        records = [bytes(reply.data[n * size : (n + 1) * size]) for n in range(count)]
        for number in range(count):
            if lba + number == 409:
                last[:] = [records[number]]
            if lba + number >= 410:
                records[number] = last[0] if make == "again" else bytes(size)
        return replace(reply, data=b"".join(records))

    return alter


@pytest.mark.parametrize("make", ["again", "zeros"])
def test_sectors_that_a_drive_makes_up_are_not_believed(tmp_path: Path, make: str) -> None:
    disc = loud(memory_disc([audio(400)]))
    with job(tmp_path, disc) as (work, drive, between):
        between.alter = lying(between, make)
        record = run(overread(drive, work, WHO))
        assert record is not None
        behind = next(block for block in sound_edges(work.folder) if block.lba == 400)
        assert len(behind) == 10
        edge = record.edges[0]
        assert edge.runs[0] == (10, "read")
        assert {state for _, state in edge.runs[1:]} <= {"suspect"}


@pytest.mark.parametrize("shift", [2, -2])
def test_a_drive_whose_subchannel_lags_is_understood(tmp_path: Path, shift: int) -> None:
    disc = loud(memory_disc([audio(400)]))
    with job(tmp_path, disc, replace(PLEXTOR, sub_shift=shift)) as (work, drive, _):
        run(overread(drive, work, WHO))
        # Ahead of LBA -150 Q is of the lead-in, which has no address.
        wanted = {-150 + max(shift, 0): 150 - max(shift, 0), 400: 100}
        assert {block.lba: len(block) for block in sound_edges(work.folder)} == wanted


def test_it_can_be_stopped_between_any_two_commands(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))
    with job(tmp_path, disc) as (work, drive, between):
        for number, _ in enumerate(overread(drive, work, WHO)):
            assert between.count(0xBE) == number
            if number == 3:
                break
        assert read_record(work.folder) is None
        run(overread(drive, work, WHO))
        assert len(sound_edges(work.folder)) == 2


def test_without_any_q_outside_nothing_there_is_sound(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))

    def mute(command: Command, reply: Reply) -> Reply:
        lba = int.from_bytes(command.cdb[2:6], "big", signed=True)
        if command.cdb[0] != 0xBE or not (lba < 0 or lba >= 400) or not reply.ok:
            return reply
        rows = np.frombuffer(reply.data, np.uint8).reshape(
            int.from_bytes(command.cdb[6:9], "big"), -1
        )
        rows = rows.copy()
        rows[:, -96:] = 0
        return replace(reply, data=rows.tobytes())

    with job(tmp_path, disc, alter=mute) as (work, drive, _):
        record = run(overread(drive, work, WHO))
        assert record is not None
        assert not any(edge.checked for edge in record.edges)
        assert sound_edges(work.folder) == ()


def test_sectors_flagged_by_c2_are_kept_as_suspect_and_not_used(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))
    plan = '[[sectors]]\nwhat = "c2"\nlba = [403]\nstable = true'
    with job(tmp_path, disc, plan=plan) as (work, drive, _):
        record = run(overread(drive, work, WHO))
        assert record is not None
        assert record.edges[0].runs == [(3, "read"), (1, "suspect"), (96, "read")]
        behind = next(block for block in sound_edges(work.folder) if block.lba == 400)
        assert len(behind) == 3


@settings(max_examples=40, deadline=None)
@given(
    hurt=st.lists(
        st.tuples(
            st.sampled_from(["unreadable", "c2", "hang", "slow"]),
            st.integers(-150, -1) | st.integers(400, 499),
            st.integers(1, 40),
        ),
        max_size=6,
    ),
    offset=st.integers(-700, 700),
)
def test_whatever_is_planned_there_what_counts_as_sound_is_right(
    tmp_path_factory: pytest.TempPathFactory, hurt: list[tuple[str, int, int]], offset: int
) -> None:
    """The plan is the judge: nothing that it spoils is used, and each end reaches up to that."""
    disc = loud(memory_disc([audio(400)]))
    faults = tuple(
        SectorFault(
            what=What(what), areas=(range(lba, lba + count),), stable=True, seconds=1.0,
            then="error",
        )
        for what, lba, count in hurt
    )  # fmt: skip
    profile = replace(PLEXTOR, read_offset=offset)
    with job(tmp_path_factory.mktemp("job"), disc, profile, plan=FaultPlan(faults)) as (
        work, drive, between,
    ):  # fmt: skip
        before = state_of(work)
        run(overread(drive, work, WHO))
        assert state_of(work) == before
        assert between.count(0xBE) <= 48
        silence = np.zeros((160, 2352), np.uint8)
        flat = np.concatenate([silence, disc.raw[1], silence]).reshape(-1)
        bad = {lba for what, lba, n in hurt if what != "slow" for lba in range(lba, lba + n)}
        sound = {block.lba >= 0: block for block in sound_edges(work.folder)}
        for behind in (True, False):
            block = sound.get(behind)
            outward = range(400, 500) if behind else range(-1, -151, -1)
            reach = next((n for n, lba in enumerate(outward) if lba in bad), len(outward))
            if block is None:
                assert reach == 0 or any(what == "slow" for what, _, _ in hurt)
                continue
            assert not bad.intersection(range(block.lba, block.end))
            assert len(block) <= reach
            if not any(what == "slow" for what, _, _ in hurt):
                assert len(block) == reach
            first = (block.lba + 160) * 2352 - 4 * offset
            right = flat[first : first + len(block) * 2352].reshape(-1, 2352)
            assert np.array_equal(block.data, right)


@pytest.mark.parametrize("name", ["leadout.bin", "overread.json"])
def test_damaged_files_are_as_good_as_none(tmp_path: Path, name: str) -> None:
    disc = loud(memory_disc([audio(400)]))
    with job(tmp_path, disc) as (work, drive, _):
        run(overread(drive, work, WHO))
        path = work.folder / name
        path.write_bytes(path.read_bytes()[:-7])
        assert all(block.lba < 0 for block in sound_edges(work.folder))


def test_a_drive_that_gave_nothing_leaves_it_to_another(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))
    mute = replace(PLEXTOR, overread_before=0, overread_after=0)
    with job(tmp_path, disc, mute) as (work, drive, _):
        first = run(overread(drive, work, WHO))
        assert isinstance(first, OverreadRecord)
        assert first.edges == []
        assert run(overread(drive, work, WHO)) is None
        other, _, _ = drive_with(disc, profile=PLEXTOR)
        other.identify()
        run(read_extras(other, work, DriveRecord("W", "Q"), sure=False))
        assert len(sound_edges(work.folder)) == 2


def test_another_pressing_is_not_taken_for_the_disc(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))
    with job(tmp_path, disc) as (work, _, _):
        pressing = loud(memory_disc([audio(400)]))
        pressing.raw[1] = np.roll(pressing.raw[1].reshape(-1), 48).reshape(-1, 2352)
        other, _, _ = drive_with(pressing, profile=PLEXTOR)
        other.identify()
        run(read_extras(other, work, WHO, sure=False))
        assert read_record(work.folder) is None


# -- the whole way -----------------------------------------------------------------------------

OFFSET = '[drives."virtual:virtual"]\nread_offset = {}\n'


@pytest.mark.parametrize("offset", [30, -30, 700])
def test_a_hidden_track_and_the_last_samples_come_into_the_archive(
    tmp_path: Path, offset: int
) -> None:
    disc = loud(memory_disc([audio(700, 300), audio(200, 75)]))
    with way(tmp_path, extra=OFFSET.format(offset)) as there:
        done = there.archive(disc, profile="plextor", read_offset=offset)
    assert not any("silence" in note for note in done.image.notes)
    assert "INDEX 00 00:00:00" in done.main.read_text()
    assert "INDEX 01 00:04:00" in done.main.read_text()
    with done.opened() as image:
        found, right = sectors_of(image), sectors_of(disc)
    assert all(np.array_equal(found[lba], right[lba]) for lba in right)
    structure = done.report.structure
    assert structure is not None
    hidden, start, *_ = structure.indexes
    assert (hidden.index, hidden.toc, hidden.q, hidden.used) == (0, 0, 0, 0)
    assert (start.index, start.toc, start.q, start.used) == (1, 300, 300, 300)
    assert [(edge.where, edge.lba) for edge in structure.outside] == [
        ("lead-out", 900),
        ("lead-in", -150),
    ]


def test_a_drive_that_must_not_overread_does_not(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(400)]))
    extra = OFFSET.format(30) + "overread = false"
    with way(tmp_path, extra=extra) as there:
        done = there.archive(disc, profile="plextor", read_offset=30)
    assert any("silence" in note for note in done.image.notes)
    assert done.report.structure is not None
    assert done.report.structure.outside == []


def test_audio_before_a_session_of_data_has_its_edges(tmp_path: Path) -> None:
    disc = loud(memory_disc([audio(330), data(300, session=2)]))
    with job(tmp_path, disc) as (work, drive, _):
        record = run(overread(drive, work, WHO))
        assert record is not None
        assert [(edge.where, edge.session) for edge in record.edges] == [
            ("lead-in", 1),
            ("lead-out", 2),
        ], "between sessions this drive reads nothing"
