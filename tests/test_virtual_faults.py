# SPDX-License-Identifier: Apache-2.0
"""Fault plans: what each kind does to commands, and that nothing but the plan decides it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput, DriveLost, NotAvailable
from imagerd.devices.virtual.faultbook import FaultBook, approach_of
from imagerd.devices.virtual.faults import Approach, FaultPlan
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import Sectors
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.strategies_virtual import fault_plans
from tests.virtual_commands import (
    MUCH,
    RAW,
    data_of,
    drive_with,
    poll,
    read_10,
    read_cd,
    send,
    sense_of,
    tell,
)

C2 = RAW | 2
RECORD = 2352 + 294


def test_a_multi_sector_read_stops_at_the_first_bad_sector_and_blames_it() -> None:
    source = memory_disc([data(100)])
    plan = "[[sectors]]\nwhat = 'unreadable'\nlba = 30\nsense = '03/02/00'\nseconds = 2.5"
    reply = send(drive_with(source, plan), read_cd(20, 26), MUCH)
    assert sense_of(reply) == "03/02/00"
    assert reply.sense is not None
    assert reply.sense.information == 30
    assert bytes(reply.data) == source.raw[1][20:30].tobytes()
    assert reply.seconds > 2.5
    mute = drive_with(memory_disc([data(100)]), plan, transfers_before_error=False)
    silent = send(mute, read_cd(20, 26), MUCH)
    assert (sense_of(silent), len(silent.data)) == ("03/02/00", 0)


def test_a_scratch_hits_the_first_sectors_of_each_turn() -> None:
    text = "[[sectors]]\nwhat = 'unreadable'\nlba = 10\ncount = 30\nevery = 10\nwidth = 2"
    plan = FaultPlan.parse(text)
    assert plan.unreadable() == {10, 11, 20, 21, 30, 31}
    drive = drive_with(memory_disc([data(60)]), plan)
    bad = {lba for lba in range(60) if not send(drive, read_cd(lba, 1)).ok}
    assert bad == plan.unreadable()


def test_the_first_attempts_only_may_fail() -> None:
    text = "[[sectors]]\nwhat = 'unreadable'\nlba = [5, 7]\ntimes = 3"
    plan = FaultPlan.parse(text)
    drive = drive_with(memory_blocks(50), plan)
    assert plan.unreadable() == frozenset()
    assert [send(drive, read_10(5, 1)).ok for _ in range(5)] == [False] * 3 + [True] * 2
    assert not send(drive, read_10(7, 1)).ok


def test_what_the_buffer_answers_is_no_attempt() -> None:
    plan = FaultPlan.parse("[[sectors]]\nwhat = 'flaky'\nlba = 5\np = 1.0")
    drive = drive_with(memory_blocks(50), plan)
    loaded = drive.state.loaded
    assert loaded is not None
    for _ in range(4):
        assert send(drive, read_10(5, 1)).ok
    assert loaded.book.attempts(5) == 1
    assert send(drive, read_10(5, 1, fua=True)).ok
    assert loaded.book.attempts(5) == 2


def outcomes(plan: FaultPlan, tries: int, speed: int = 8467) -> list[bool]:
    """Whether attempts on LBA 5 and 6 succeed."""
    book = FaultBook(plan, 1.0)
    return [
        book.attempt(lba, speed, Approach.FORWARD).sense is None
        for _ in range(tries)
        for lba in (5, 6)
    ]


def test_flaky_sectors_read_with_their_probability() -> None:
    text = "seed = {}\n[[sectors]]\nwhat = 'flaky'\nlba = [5, 6]\np = 0.3"
    found = outcomes(FaultPlan.parse(text.format(1)), 2000)
    assert 0.26 < sum(found) / len(found) < 0.34
    assert found == outcomes(FaultPlan.parse(text.format(1)), 2000)
    assert found != outcomes(FaultPlan.parse(text.format(2)), 2000)
    assert found[::2] != found[1::2]


def test_a_slower_speed_or_another_approach_may_read_better() -> None:
    text = """
        [[sectors]]
        what = "flaky"
        lba = [5, 6]
        p = 0.0
        better = [{ max_speed = 706, p = 1.0 }, { approach = "backward", p = 1.0 }]
    """
    plan = FaultPlan.parse(text)
    assert plan.unreadable() == frozenset()
    assert not any(outcomes(plan, 50, speed=1411))
    assert all(outcomes(plan, 50, speed=706))
    drive = drive_with(memory_blocks(400), plan)
    assert not send(drive, read_10(5, 1)).ok
    send(drive, read_10(20, 1))
    assert send(drive, read_10(5, 1)).ok
    impossible = FaultPlan.parse("[[sectors]]\nwhat = 'flaky'\nlba = 9\np = 0.0")
    assert impossible.unreadable() == {9}


def test_approaches() -> None:
    assert approach_of(100, 100) is Approach.AGAIN
    assert approach_of(100, 101) is Approach.FORWARD
    assert approach_of(100, 99) is Approach.BACKWARD
    assert approach_of(100, 5000) is approach_of(5000, 100) is Approach.SEEK


def test_slow_sectors_are_read_late() -> None:
    source = memory_blocks(50)
    drive = drive_with(source, "[[sectors]]\nwhat = 'slow'\nlba = 5\ncount = 3\nseconds = 4.0")
    reply = send(drive, read_10(4, 8), MUCH)
    assert bytes(reply.data) == source.raw[1][4:12].tobytes()
    assert 12.0 < reply.seconds < 13.0


def test_wrong_sectors_come_without_a_word() -> None:
    source = memory_disc([data(50)])
    plan = FaultPlan.parse("[[sectors]]\nwhat = 'wrong'\nlba = 5\nbytes = 9\nstable = true")
    drive = drive_with(source, plan)
    read = np.frombuffer(data_of(drive, read_cd(4, 3, C2), MUCH), np.uint8).reshape(3, RECORD)
    differing = (read[:, :2352] != source.raw[1][4:7]).sum(axis=1)
    assert differing.tolist() == [0, 9, 0]
    assert not read[:, 2352:].any()
    assert plan.never_right() == plan.corrupting() == {5}
    assert plan.unreadable() == frozenset()
    user = np.frombuffer(data_of(drive, read_10(5, 1)), np.uint8)
    assert (user != source.raw[1][5, 16:2064]).sum() >= 8


def test_c2_bits_mark_the_corrupted_bytes() -> None:
    source = memory_disc([audio(50)])
    drive = drive_with(source, "[[sectors]]\nwhat = 'c2'\nlba = 5\nbytes = 20")
    read = np.frombuffer(data_of(drive, read_cd(5, 1, C2)), np.uint8)
    wrong = np.flatnonzero(read[:2352] != source.raw[1][5])
    flagged = np.flatnonzero(np.unpackbits(read[2352:]))
    assert len(wrong) in (19, 20)
    assert np.array_equal(wrong, flagged)
    block = drive_with(memory_disc([audio(50)]), "[[sectors]]\nwhat = 'c2'\nlba = 5")
    with_error_byte = np.frombuffer(data_of(block, read_cd(4, 2, RAW | 4)), np.uint8)
    with_error_byte = with_error_byte.reshape(2, 2352 + 296)
    pointers = with_error_byte[1, 2354:]
    assert with_error_byte[1, 2352] == np.bitwise_or.reduce(pointers) != 0
    assert not with_error_byte[0, 2352:].any()


def test_a_drive_may_miss_a_share_of_its_errors() -> None:
    source = memory_disc([audio(50)])
    plan = "[[sectors]]\nwhat = 'c2'\nlba = 5\nbytes = 200\nmissed = 0.5"
    read = np.frombuffer(data_of(drive_with(source, plan), read_cd(5, 1, C2)), np.uint8)
    wrong = set(np.flatnonzero(read[:2352] != source.raw[1][5]).tolist())
    flagged = set(np.flatnonzero(np.unpackbits(read[2352:])).tolist())
    assert flagged < wrong
    assert 50 < len(flagged) < 150


def test_c2_sectors_of_data_fail_as_blocks_and_come_damaged_raw() -> None:
    source = memory_disc([data(50)])
    plan = FaultPlan.parse("[[sectors]]\nwhat = 'c2'\nlba = 5")
    drive = drive_with(source, plan)
    assert sense_of(send(drive, read_10(5, 1))) == "03/11/05"
    assert sense_of(send(drive, read_cd(5, 1, 0x10))) == "03/11/05"
    raw = np.frombuffer(data_of(drive, read_cd(5, 1)), np.uint8)
    covered = slice(16, 2064)
    assert (raw[covered] != source.raw[1][5, covered]).any()
    assert np.array_equal(raw[:16], source.raw[1][5, :16])
    assert sense_of(send(drive, read_10(5, 1))) == "03/11/05"  # out of the buffer as well
    refusing = FaultPlan.parse("[[sectors]]\nwhat = 'c2'\nlba = 5\nrefused = true")
    assert refusing.unreadable() == {5}
    assert not send(drive_with(memory_disc([data(50)]), refusing), read_cd(5, 1)).ok


def test_error_recovery_page_delivers_blocks_without_correction_or_after_failing() -> None:
    plan = "[[sectors]]\nwhat = 'c2'\nlba = 5"
    for flags, expected in ((0x01, ("ok", 4)), (0x20, ("03/11/05", 2)), (0, ("03/11/05", 1))):
        drive = drive_with(memory_disc([data(50)]), plan)
        body = bytes(8) + bytes((0x01, 0x0A, flags, 0x20)) + bytes(8)
        assert tell(drive, [0x55, 0x10, 0, 0, 0, 0, 0, 0, len(body), 0], body).ok
        reply = send(drive, read_10(4, 4), MUCH)
        assert (sense_of(reply), len(reply.data) // 2048) == expected
        assert reply.sense is None or reply.sense.information == 5


def test_stable_damage_is_the_same_again_and_other_damage_is_not() -> None:
    text = "[[sectors]]\nwhat = 'c2'\nlba = 5\nstable = {}"
    for stable in (True, False):
        drive = drive_with(memory_disc([audio(50)]), text.format(str(stable).lower()))
        first = data_of(drive, read_cd(5, 1, C2))
        assert data_of(drive, read_cd(5, 1, C2)) == first  # from the buffer
        send(drive, [0xA8, 8] + [0] * 10)
        assert (data_of(drive, read_cd(5, 1, C2)) == first) is stable


# -- trouble with the drive -------------------------------------------------------------------


def test_a_hang_is_an_answer_a_timeout_or_an_error() -> None:
    text = "[[sectors]]\nwhat = 'hang'\nlba = 5\nseconds = 20.0\nthen = '{}'\ntimes = 1"
    source = memory_blocks(50)
    late = send(drive_with(source, text.format("answer")), read_10(5, 1), timeout=30.0)
    assert late.ok
    assert late.seconds > 20
    for then in ("answer", "timeout"):
        drive = drive_with(memory_blocks(50), text.format(then))
        reply = send(drive, read_10(5, 1), timeout=10.0)
        assert reply.timed_out
        assert not reply.ok
        assert reply.seconds == 10.0
        assert len(reply.data) == 0
        assert send(drive, read_10(5, 1)).ok
    failing = send(drive_with(memory_blocks(50), text.format("error")), read_10(5, 1))
    assert sense_of(failing) == "03/11/05"
    for_good = text.format("timeout").replace("times = 1", "")
    assert FaultPlan.parse(for_good).unreadable() == {5}


def test_the_drive_times_out_at_the_nth_command() -> None:
    drive = VirtualDrive()
    drive.insert(memory_blocks(50), FaultPlan.parse("[[drive]]\nwhat = 'timeout'\ncommand = 3"))
    assert [poll(drive), poll(drive)] == ["06/28/00", "ok"]
    assert send(drive, [0] * 6, timeout=7.0).timed_out
    assert poll(drive) == "ok"


def test_a_reset_is_a_unit_attention_and_forgets_speed_and_pages() -> None:
    drive = drive_with(memory_blocks(50), "[[drive]]\nwhat = 'reset'\nlba = 9")
    body = bytes(8) + bytes((0x01, 0x0A, 0x01, 0x05)) + bytes(8)
    tell(drive, [0x55, 0x10, 0, 0, 0, 0, 0, 0, len(body), 0], body)
    tell(drive, [0x1E, 0, 0, 0, 1, 0])
    assert send(drive, read_10(0, 9)).ok
    assert sense_of(send(drive, read_10(0, 10))) == "06/29/00"
    assert send(drive, read_10(0, 10), MUCH).ok
    assert data_of(drive, [0x1A, 0, 0x01, 0, 255, 0])[7] == 0x20
    assert drive.press_eject() is True  # no longer locked


def test_a_drive_is_lost_at_the_nth_read_and_comes_back() -> None:
    drive = drive_with(memory_blocks(50), "[[drive]]\nwhat = 'lost'\nread = 2")
    assert send(drive, read_10(0, 1)).ok
    for _ in range(2):
        with pytest.raises(DriveLost):
            send(drive, read_10(1, 1))
    drive.replug()
    assert poll(drive) == "06/29/00"
    assert send(drive, read_10(1, 1)).ok


def test_a_hanging_drive_answers_late() -> None:
    text = "[[drive]]\nwhat = 'hang'\nread = 1\nseconds = 12.0\ntimes = 2"
    drive = drive_with(memory_blocks(50), text)
    assert send(drive, read_10(0, 1)).seconds > 12.0
    assert send(drive, read_10(0, 1), timeout=5.0).timed_out
    assert send(drive, read_10(0, 1)).seconds < 1.0


def test_sectors_that_the_image_lacks_are_unreadable() -> None:
    source = memory_disc([data(100)], bad=frozenset((40, 41)))
    drive = drive_with(source)
    for _ in range(3):
        reply = send(drive, read_cd(30, 26), MUCH)
        assert sense_of(reply) == "03/11/05"
        assert reply.sense is not None
        assert reply.sense.information == 40
        assert len(reply.data) == 10 * 2352


def test_an_image_whose_file_fails_is_a_hardware_error(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = drive_with(memory_blocks(50))
    assert send(drive, read_10(0, 1)).ok

    def failing(*_: object) -> Sectors:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(MemorySource, "read", failing)
    assert sense_of(send(drive, read_10(9, 1))) == "04/44/00"
    assert poll(drive) == "ok"


# -- the files --------------------------------------------------------------------------------


def test_a_plan_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "scratch.toml"
    path.write_text("seed = 3\n[[sectors]]\nwhat = 'unreadable'\nlba = 7\n", encoding="utf-8")
    assert FaultPlan.load(path).unreadable() == {7}
    with pytest.raises(NotAvailable, match="nowhere"):
        FaultPlan.load(tmp_path / "nowhere.toml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"scratch\.toml"):
        FaultPlan.load(path)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[[sectors]]\nwhat = 'unreadable'", "lba"),
        ("[[sectors]]\nwhat = 'broken'\nlba = 1", "broken"),
        ("[[sectors]]\nwhat = 'flaky'\nlba = 1", "needs p"),
        ("[[sectors]]\nwhat = 'flaky'\nlba = 1\np = 1.5", "probability"),
        ("[[sectors]]\nwhat = 'slow'\nlba = 1", "seconds"),
        ("[[sectors]]\nwhat = 'unreadable'\nlba = 1\ncount = 0", "count"),
        ("[[sectors]]\nwhat = 'unreadable'\nlba = []", "empty"),
        ("[[sectors]]\nwhat = 'unreadable'\nlba = 1\nevery = 2\nwidth = 3", "width"),
        ("[[sectors]]\nwhat = 'unreadable'\nlba = 1\nsense = 'bad'", "03/11/05"),
        ("[[sectors]]\nwhat = 'unreadable'\nlba = 1\nsense = '33/11/05'", "range"),
        ("[[sectors]]\nwhat = 'c2'\nlba = 1\nbytes = 0", "bytes"),
        ("[[drive]]\nwhat = 'lost'", "one of command"),
        ("[[drive]]\nwhat = 'lost'\nread = 1\nlba = 2", "one of command"),
        ("[[disc]]\nwhat = 'lost'", "disc"),
        ("seed = 'x'", "seed"),
        ("[[[", "plan"),
    ],
)
def test_a_wrong_plan_is_refused_in_one_sentence(text: str, word: str) -> None:
    with pytest.raises(BadInput, match=word) as caught:
        FaultPlan.parse(text, "plan.toml")
    assert str(caught.value).startswith("plan.toml")
    assert "\n" not in str(caught.value)


# -- any plan ---------------------------------------------------------------------------------

END = 60
DISC = memory_disc([data(30), audio(30)])
READS = st.lists(st.tuples(st.integers(0, END - 1), st.integers(1, 26)), min_size=1, max_size=25)


def truth(source: MemorySource, lba: int, count: int) -> bytes:
    whole = np.concatenate((source.raw[1], source.raw[2]))
    return whole[lba : lba + count].tobytes()


def replies(plan: FaultPlan, reads: list[tuple[int, int]]) -> list[tuple[str, bytes, float]]:
    drive = drive_with(DISC, plan)
    found = []
    for lba, count in reads:
        reply = send(drive, read_cd(lba, min(count, END - lba)), MUCH, timeout=1000.0)
        found.append((sense_of(reply), bytes(reply.data), reply.seconds))
    return found


@settings(max_examples=60, deadline=None)
@given(plan=fault_plans(END), reads=READS)
def test_the_same_commands_meet_the_same_outcomes(
    plan: FaultPlan, reads: list[tuple[int, int]]
) -> None:
    assert replies(plan, reads) == replies(plan, reads)


@settings(max_examples=150, deadline=None)
@given(plan=fault_plans(END), reads=READS)
def test_every_reply_is_honest_about_what_it_holds(
    plan: FaultPlan, reads: list[tuple[int, int]]
) -> None:
    """Right bytes but where the plan corrupts; on an error, all sectors before the one blamed."""
    drive = drive_with(DISC, plan)
    corrupting, unreadable = plan.corrupting(), plan.unreadable()
    for lba, wanted in reads:
        count = min(wanted, (30 if lba < 30 else END) - lba)
        reply = send(drive, read_cd(lba, count), MUCH, timeout=1000.0)
        got, rest = divmod(len(reply.data), 2352)
        assert rest == 0
        if reply.ok:
            assert got == count
        else:
            assert reply.sense is not None
            assert reply.sense.information == lba + got
            assert reply.sense.key in (3, 4)
        for number in range(got):
            at = lba + number
            assert at not in unreadable
            sector = bytes(reply.data[number * 2352 : (number + 1) * 2352])
            assert sector == truth(DISC, at, 1) or at in corrupting


@settings(max_examples=60, deadline=None)
@given(plan=fault_plans(END), speed=st.sampled_from((176, 706, 8467)))
def test_outcomes_depend_on_sector_and_attempt_only_not_on_the_order(
    plan: FaultPlan, speed: int
) -> None:
    def run(order: list[int]) -> dict[tuple[int, int], tuple[object, float, bytes]]:
        book = FaultBook(plan, 1.0)
        found = {}
        for lba in order:
            outcome = book.attempt(lba, speed, Approach.SEEK)
            damage = b"" if outcome.damage is None else outcome.damage.xor.tobytes()
            found[lba, book.attempts(lba)] = (outcome.sense, outcome.seconds, damage)
        return found

    forward = [lba for lba in range(END) for _ in range(3)]
    backward = [lba for _ in range(3) for lba in reversed(range(END))]
    assert run(forward) == run(backward)
