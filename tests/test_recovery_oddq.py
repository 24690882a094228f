# SPDX-License-Identifier: Apache-2.0
"""Frames of Q made wrong on purpose: all of them are found, and damage never is one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.devices.scsi import Command, Reply
from imagerd.disc.layout import SectorFormat, TrackMode, single_track
from imagerd.disc.source import Bytes2D, SectorState
from imagerd.formats.sbi import build_sbi, parse_sbi
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.extras import read_extras
from imagerd.recovery.job import Job, LayoutRecord, ReadFeatures
from imagerd.recovery.oddq import BadQ, Made, intentional, odd_frames
from imagerd.recovery.protection.recognise import odd_q, recognise_in
from imagerd.recovery.protection.subchannel import _MINUTE_3
from imagerd.recovery.rereadq import confirmed, reread_q
from imagerd.recovery.structure import made_wrong_in, repaired_sub
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.subchannel import q_crc_ok, q_of, with_p_q
from imagerd.sectors.subgen import build_sub
from tests.drives import Altered, drive_with
from tests.protected_discs import kept_q, right_q, turned_q
from tests.sources import MemorySource, data, memory_disc
from tests.strategies_recovery import FastClock

XA = single_track(16_500, TrackMode.MODE2)
TRUE = build_sub(XA, 0, XA.end)
SET = (0, 2, 3, 7, 9, 10, 12, 15)
PAIRS = sorted(_MINUTE_3[bit] + echo for bit in SET for echo in (0, 5))
SINGLES = [1000 + 37 * number for number in range(10)]


def with_frames(sub: Bytes2D, frames: Iterable[tuple[int, bytes]]) -> Bytes2D:
    rows = sub.copy()
    for lba, q in frames:
        rows[lba] = with_p_q(np.zeros(1, np.bool_), np.frombuffer(q, np.uint8)[np.newaxis])[0]
    return rows


def found_in(sub: Bytes2D, named: frozenset[int] = frozenset()) -> tuple[BadQ, ...]:
    def read(lba: int, count: int) -> Bytes2D:
        return sub[lba : lba + count]

    def states(lba: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        return np.full(count, SectorState.READ, np.uint8)

    return intentional(odd_frames(XA, read, states), XA, named)


def damaged(sub: Bytes2D, seed: int, share: float, most: int, spare: Iterable[int] = ()) -> Bytes2D:
    """With up to `most` bits of Q turned in `share` of the frames; near `spare` none."""
    rng = np.random.default_rng(seed)
    rows = sub.copy()
    hit = rng.random(len(rows)) < share
    for lba in spare:
        hit[lba - 1 : lba + 2] = False
    for row in np.flatnonzero(hit):
        rows[row, rng.choice(96, rng.integers(1, most + 1), replace=False)] ^= 0x40
    return rows


@pytest.mark.parametrize("make", [kept_q, turned_q])
@given(seed=st.integers(0, 2**32), share=st.floats(0, 0.02))
@settings(max_examples=10, deadline=None)
def test_pairs_are_found_among_damage(
    make: Callable[[int], bytes], seed: int, share: float
) -> None:
    rows = with_frames(TRUE, [(lba, make(lba)) for lba in PAIRS])
    found = found_in(damaged(rows, seed, share, 6, PAIRS))
    assert [frame.lba for frame in found] == PAIRS
    assert [frame.q + frame.crc for frame in found] == [make(lba) for lba in PAIRS]
    assert {frame.made for frame in found} == {Made.KEPT if make is kept_q else Made.TURNED}


def test_single_frames_with_two_bits_turned_are_found_and_seven_are_too_few() -> None:
    rows = with_frames(TRUE, [(lba, kept_q(lba)) for lba in SINGLES])
    assert [frame.lba for frame in found_in(rows)] == SINGLES
    assert found_in(with_frames(TRUE, [(lba, kept_q(lba)) for lba in SINGLES[:7]])) == ()


def test_rows_from_elsewhere_are_found_with_the_frame_that_ends_each() -> None:
    frames = []
    for start in range(2000, 2000 + 10 * 500, 500):
        frames += [(start + at, right_q(start + at + 30, control=4)) for at in range(8)]
        frames.append((start + 8, turned_q(start + 8)))
    found = found_in(with_frames(TRUE, frames))
    assert [frame.lba for frame in found] == [lba for lba, _ in frames]
    assert sum(frame.made is Made.ELSEWHERE for frame in found) == 80


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1) | st.floats(0, 0.1), st.integers(1, 30))
def test_random_damage_is_never_intentional(seed: int, share: float, most: int) -> None:
    assert found_in(damaged(TRUE, seed, share, most)) == ()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(5, 39), st.integers(1, 9), st.integers(1, 3))
def test_a_scratch_is_never_intentional(seed: int, turn: int, width: int, most: int) -> None:
    """Sectors of each turn, five apart or not, with few bits turned: as near to it as can be."""
    rng = np.random.default_rng(seed)
    rows = TRUE.copy()
    for start in range(rng.integers(0, 5000), 15_000, turn):
        for row in range(start, start + width):
            rows[row, rng.choice(96, most, replace=False)] ^= 0x40
    assert found_in(rows) == ()


def test_a_drive_that_slips_is_not_a_row_from_elsewhere() -> None:
    rows = TRUE.copy()
    for start in range(3000, 15_000, 1000):
        rows[start : start + 8] = TRUE[start - 3 : start + 5]
    assert found_in(rows) == ()


def test_what_a_recogniser_names_counts_however_few_there_are() -> None:
    rows = with_frames(TRUE, [(lba, kept_q(lba)) for lba in SINGLES[:3]])
    named = frozenset(SINGLES[:2])
    assert [frame.lba for frame in found_in(rows, named)] == SINGLES[:2]


def test_frames_beside_sectors_that_did_not_come_do_not_stand_alone() -> None:
    rows = with_frames(TRUE, [(lba, kept_q(lba)) for lba in SINGLES])
    rows[[lba + 1 for lba in SINGLES]] = 0
    assert found_in(rows) == ()


# -- .sbi --------------------------------------------------------------------------------------


def test_an_sbi_holds_what_emulators_expect() -> None:
    """The first frame of LibCrypt at 03:08:05, byte by byte."""
    q = bytes.fromhex("41010107060500230805")
    assert build_sbi([(13_955, q)]) == b"SBI\0" + bytes.fromhex("03080501") + q


@given(
    st.dictionaries(st.integers(-150, 404_849), st.binary(min_size=10, max_size=10), max_size=50)
)
def test_an_sbi_comes_back(frames: dict[int, bytes]) -> None:
    assert parse_sbi(build_sbi(frames.items())) == tuple(
        (lba, 1, frames[lba]) for lba in sorted(frames)
    )


@given(st.binary(max_size=60))
def test_any_bytes_are_an_sbi_or_refused(data: bytes) -> None:
    for raw in (data, b"SBI\0" + data):
        try:
            for lba, kind, body in parse_sbi(raw):
                assert lba >= -150
                assert len(body) == (10 if kind == 1 else 3)
        except BadInput:
            pass


def test_a_frame_of_an_sbi_has_ten_bytes() -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        build_sbi([(0, bytes(12))])


# -- through a drive ---------------------------------------------------------------------------


def protected(lbas: list[int], sectors: int = 2000) -> MemorySource:
    layout = single_track(sectors, TrackMode.MODE1, stored=SectorFormat.RAW_SUB)
    sub = build_sub(single_track(sectors, TrackMode.MODE1), 0, sectors)
    sub = with_frames(sub, [(lba, kept_q(lba)) for lba in lbas])
    raw = memory_disc([data(sectors)]).raw[1]
    return MemorySource(layout, {1: np.concatenate([raw, sub], axis=1)})


def read_whole(folder: Path, disc: MemorySource) -> tuple[Workspace, object, Altered]:
    drive, _, between = drive_with(disc)
    layout = LayoutRecord.of(drive.layout)
    work = Workspace.create(folder / "job", Job("disc", layout, features=ReadFeatures(sub=True)))
    run(recover(drive, work, Budget(), clock=FastClock().clock()))
    return work, drive, between


def test_frames_read_again_are_confirmed_and_each_is_read_twice(tmp_path: Path) -> None:
    work, drive, between = read_whole(tmp_path, protected(SINGLES))
    with work:
        frames = intentional(odd_q(work), work.layout)
        assert [frame.lba for frame in frames] == SINGLES
        before = between.count(0xBE)
        told = run(reread_q(drive, work, frames))  # type: ignore[arg-type]
        assert told.frames == [(lba, 2, 2) for lba in SINGLES]
        assert between.count(0xBE) - before == 2 * len(SINGLES)
        assert [frame.rereads for frame in confirmed(frames, work)] == [2] * 10
    with Workspace.open(tmp_path / "job") as again:
        assert [frame.rereads for frame in made_wrong_in(again, odd_q(again))] == [2] * 10
        assert [found.name for found in recognise_in(again)] == ["SecuROM 4"]


def test_frames_that_come_out_right_when_read_again_were_damage(tmp_path: Path) -> None:
    work, _, _ = read_whole(tmp_path, protected(SINGLES))
    clean, _, _ = drive_with(memory_disc([data(2000)]))
    clean.identify()
    with work:
        frames = intentional(odd_q(work), work.layout)
        run(reread_q(clean, work, frames))
        assert confirmed(frames, work) == ()
        assert made_wrong_in(work, odd_q(work), recognise_in(work)) == ()


def test_the_repaired_copy_keeps_what_was_made_wrong(tmp_path: Path) -> None:
    disc = protected(SINGLES)
    disc.raw[1][500, 2352 + 9] ^= 0x40
    work, _, _ = read_whole(tmp_path, disc)
    with work:
        read = repaired_sub(work, made_wrong_in(work, odd_q(work)))
        rows = np.concatenate([read(lba, 500) for lba in range(0, 2000, 500)])
        assert not q_crc_ok(q_of(work.read_sub(500, 1)))[0], "what was read stays"
        assert np.flatnonzero(~q_crc_ok(q_of(rows))).tolist() == SINGLES


def test_the_frame_before_the_disc_is_one_of_them_where_it_was_read(tmp_path: Path) -> None:
    """SecuROM 3 and 4 make that of LBA -1 wrong, too: other tools count one more."""
    true = build_sub(single_track(2000, TrackMode.MODE1), -1, 1)
    q = bytearray(q_of(true)[0].tobytes())
    q[4] ^= 1
    q[10:12] = (int.from_bytes(q[10:], "big") ^ 0x8001).to_bytes(2, "big")
    made = with_p_q(np.ones(1, np.bool_), np.frombuffer(bytes(q), np.uint8)[np.newaxis])

    def alter(command: Command, reply: Reply) -> Reply:
        first = int.from_bytes(command.cdb[2:6], "big", signed=True)
        count = int.from_bytes(command.cdb[6:9], "big")
        if command.cdb[0] != 0xBE or not first < 0 <= first + count or not reply.ok:
            return reply
        rows = np.frombuffer(reply.data, np.uint8).reshape(count, -1).copy()
        rows[-1 - first, -96:] = made[0]
        return replace(reply, data=rows.tobytes())

    work, drive, between = read_whole(tmp_path, protected(SINGLES))
    with work:
        assert [frame.lba for frame in made_wrong_in(work, odd_q(work))] == SINGLES
        between.alter = alter
        run(read_extras(drive, work, work.job.drive))  # type: ignore[arg-type]
        found = made_wrong_in(work, odd_q(work), recognise_in(work))
        assert [frame.lba for frame in found] == [-1, *SINGLES]
        assert found[0].q + found[0].crc == bytes(q)
        assert recognise_in(work)[0].name == "SecuROM 4"
