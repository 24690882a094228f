# SPDX-License-Identifier: Apache-2.0
"""Hurt surfaces: where the damage falls, what a read gives, and what it costs the drive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.devices.scsi import Command, Direction, Reply
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.surface import Hurt, SurfaceFault, wear_of
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Medium
from imagerd.disc.spiral import SPIRALS
from tests.sources import audio, data, memory_blocks, memory_disc
from tests.virtual_commands import MUCH, drive_with, poll, read_10, read_cd, send, sense_of, tell

SECTORS = 3000
DISC = memory_disc([data(SECTORS)])
AUDIO = memory_disc([audio(SECTORS)])
TRUTH = DISC.raw[1]
SCRATCH = SurfaceFault(what=Hurt.SCRATCH, angle=0.25, inner=25, outer=26, width=4.0, strength=5)
WEAK = SurfaceFault(what=Hurt.WEAK, strength=12)
PRINT = SurfaceFault(what=Hurt.PRINT, angle=0.1, inner=25.2, size=6, strength=300)


@st.composite
def hurts(draw: st.DrawFn) -> FaultPlan:
    inner = draw(st.floats(24.8, 25.5))
    fault = SurfaceFault(
        what=draw(st.sampled_from(Hurt)),
        angle=draw(st.floats(0, 1)),
        inner=inner,
        outer=inner + draw(st.floats(0, 1)),
        width=draw(st.floats(0, 10)),
        arc=draw(st.floats(0.01, 1)),
        slant=draw(st.floats(-0.1, 0.1)),
        size=draw(st.floats(0.05, 5)),
        strength=draw(st.floats(0, 400)),
        trip=draw(st.floats(0, 1)),
    )
    return FaultPlan(seed=draw(st.integers(0, 1 << 40)), surface=(fault,))


def select_recovery(drive: VirtualDrive, flags: int, retries: int) -> None:
    page = bytes((0x01, 0x0A, flags, retries)) + bytes(8)
    assert tell(drive, [0x55, 0x10, 0, 0, 0, 0, 0, 0, 20, 0], bytes(8) + page).ok


def rows_of(reply: Reply, size: int = 2352) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    whole = len(reply.data) // size * size
    return np.frombuffer(bytes(reply.data)[:whole], np.uint8).reshape(-1, size)


def single_reads(
    drive: VirtualDrive, lbas: range, parts: int = 0xF8
) -> Iterator[tuple[int, Reply]]:
    for lba in lbas:
        yield lba, send(drive, read_cd(lba, 1, parts))


@settings(max_examples=25, deadline=None)
@given(hurts(), st.sampled_from([DISC, AUDIO]))
def test_the_same_commands_give_the_same_answers_in_the_same_time(
    plan: FaultPlan, disc: object
) -> None:
    lives = []
    for _ in range(2):
        drive = drive_with(disc, plan)  # type: ignore[arg-type]
        replies = [send(drive, read_cd(lba, 20, 0xFA), MUCH) for lba in (0, 900, 40, 0, 2500, 41)]
        lives.append([(sense_of(r), bytes(r.data), r.seconds) for r in replies])
    assert lives[0] == lives[1]


@settings(max_examples=25, deadline=None)
@given(hurts())
def test_what_the_drive_corrects_is_right_and_else_an_error(plan: FaultPlan) -> None:
    drive = drive_with(DISC, plan)
    for lba in range(0, SECTORS - 25, 300):
        reply = send(drive, read_cd(lba, 25), MUCH)
        rows = rows_of(reply)
        assert np.array_equal(rows, TRUTH[lba : lba + len(rows)])
        assert reply.ok is (len(rows) == 25)


@settings(max_examples=25, deadline=None)
@given(hurts())
def test_exact_c2_flags_every_wrong_byte_of_audio(plan: FaultPlan) -> None:
    drive = drive_with(AUDIO, plan, c2_missed=0.0)
    for lba in range(0, SECTORS - 10, 500):
        records = rows_of(send(drive, read_cd(lba, 10, 0xFA), MUCH), 2352 + 294)
        wrong = records[:, :2352] != AUDIO.raw[1][lba : lba + len(records)]
        flagged = np.unpackbits(records[:, 2352:], axis=1).astype(bool)
        assert not (wrong & ~flagged).any()


def test_a_scratch_lies_at_its_angle_in_every_turn() -> None:
    wear = wear_of((SCRATCH,), DISC.layout, 3)
    turns = SPIRALS[Medium.CD].turns(np.flatnonzero(wear.core >= 1))
    assert len(turns) > 300
    # A burst reaches into the next sector; sectors are a ninth of a turn here.
    off = (turns - 0.25 + 0.5) % 1 - 0.5
    assert np.abs(off).max() < 2 / 9
    assert np.all(np.bincount(np.floor(turns - 0.05).astype(int)) <= 3)


def test_slowly_a_weak_pressing_reads_better() -> None:
    failures = []
    for speed in (8467, 706):
        drive = drive_with(DISC, FaultPlan(seed=1, surface=(WEAK,)), tries=0)
        tell(drive, [0xBB, 0, *speed.to_bytes(2, "big"), 0xFF, 0xFF] + [0] * 6)
        failures.append(sum(not reply.ok for _, reply in single_reads(drive, range(600))))
    assert failures[0] > 100
    assert failures[1] < failures[0] / 4


def test_every_try_of_the_drive_takes_a_turn_and_the_host_can_forbid_them() -> None:
    plan = FaultPlan(seed=1, surface=(SurfaceFault(what=Hurt.RING, inner=25, outer=26, width=17),))
    costs = []
    for retries, heeds in ((20, True), (0, True), (0, False)):
        drive = drive_with(DISC, plan, tries=10, heeds_retries=heeds)
        send(drive, read_cd(100, 1))
        select_recovery(drive, 0, retries)
        costs.append(send(drive, read_cd(101, 1)).seconds)
    turn = 9.1 / (48 * 75)
    assert costs[0] > costs[1] + 9 * turn
    assert costs[2] == pytest.approx(costs[0])


def test_disabled_correction_gives_the_sector_with_its_errors_and_their_c2() -> None:
    drive = drive_with(DISC, FaultPlan(seed=1, surface=(PRINT,)), tries=0)
    failed = [lba for lba, reply in single_reads(drive, range(400)) if not reply.ok]
    assert failed
    select_recovery(drive, 0x01, 0)
    for lba in failed:
        record = rows_of(send(drive, read_cd(lba, 1, 0xFA)), 2352 + 294)[0]
        wrong = record[:2352] != TRUTH[lba]
        assert wrong.any()
        assert np.array_equal(wrong, np.unpackbits(record[2352:]).astype(bool))


def test_data_as_audio_comes_uncorrected_and_user_data_of_a_buffered_sector_corrected() -> None:
    light = SurfaceFault(what=Hurt.WEAK, strength=2)
    profile = DriveProfile(audio_on_data="scrambled")
    drive = VirtualDrive(profile)
    drive.insert(DISC, FaultPlan(seed=2, surface=(light,)))
    while poll(drive) != "ok":
        pass
    flagged = 0
    for lba in range(300):
        record = rows_of(send(drive, read_cd(lba, 1, 0xFA, kind=1)), 2352 + 294)
        if len(record) and record[0, 2352:].any():
            flagged += 1
            reply = send(drive, read_10(lba, 1))
            assert not reply.ok or bytes(reply.data) == TRUTH[lba, 16:2064].tobytes()
    assert flagged > 20


def test_a_drive_that_lies_passes_wrong_sectors_and_others_never() -> None:
    for lies in (0.0, 0.5):
        drive = drive_with(DISC, FaultPlan(seed=1, surface=(PRINT,)), tries=1, lies=lies)
        wrong = 0
        for lba, reply in single_reads(drive, range(400)):
            wrong += reply.ok and bytes(reply.data) != TRUTH[lba].tobytes()
        assert (wrong > 0) is (lies > 0)


def test_the_blocks_of_a_dvd_fail_as_they_are_corrected_together() -> None:
    disc = memory_blocks(4000)
    hurt = SurfaceFault(what=Hurt.SCRATCH, angle=0.5, inner=24, outer=25, width=9, strength=400)
    drive = drive_with(disc, FaultPlan(seed=1, surface=(hurt,)), tries=0)
    bad = np.array([not send(drive, read_10(lba, 1)).ok for lba in range(1600)])
    blocks = bad.reshape(-1, 16)
    assert blocks.any()
    assert not blocks.all()
    wear = wear_of((hurt,), disc.layout, 1)
    assert np.all(wear.core.reshape(-1, 16) == wear.core.reshape(-1, 16)[:, :1])


def test_a_new_reading_of_the_same_sector_waits_for_it_to_come_by() -> None:
    drive = drive_with(DISC, command=0.0)
    first = Command(bytes([0xA8, 8, 0, 0, 0, 50, 0, 0, 0, 1, 0, 0]), Direction.IN, 2048)
    drive.execute(first)
    again, streamed = drive.execute(first).seconds, send(drive, read_10(51, 1, fua=True)).seconds
    assert again > 8 * streamed
