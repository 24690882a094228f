# SPDX-License-Identifier: Apache-2.0
"""PLAY AUDIO and its kin: where a play is by the clock, what is said of it, what ends it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.devices.virtual.target import VirtualDrive
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.virtual_commands import MUCH, data_of, drive_with, read_10, read_cd, send, sense_of, tell

PLAYING, PAUSED, COMPLETED, FAILED, NOTHING = range(0x11, 0x16)


def songs() -> MemorySource:
    """Data 0–299, audio 300–899, audio 900–1499, data 1500–1699 in the same session."""
    return memory_disc([data(300), audio(600, pregap=100), audio(600), data(200)])


def extra() -> MemorySource:
    """Audio 0–499, then data in a second session from 11900 on."""
    return memory_disc([audio(500), data(100, session=2)])


def play(lba: int, count: int) -> list[int]:
    return [0x45, 0, *lba.to_bytes(4, "big", signed=True), 0, *count.to_bytes(2, "big"), 0]


def play_12(lba: int, count: int) -> list[int]:
    place = lba.to_bytes(4, "big", signed=True)
    return [0xA5, 0, *place, *count.to_bytes(4, "big"), 0, 0]


def play_msf(start: tuple[int, int, int], end: tuple[int, int, int]) -> list[int]:
    return [0x47, 0, 0, *start, *end, 0]


def pause(resume: bool = False) -> list[int]:
    return [0x4B, 0, 0, 0, 0, 0, 0, 0, int(resume), 0]


def scan(field: tuple[int, int, int, int], form: int = 0, reverse: bool = False) -> list[int]:
    return [0xBA, 0x10 if reverse else 0, *field, 0, 0, 0, form << 6, 0, 0]


STOP = [0x4E, *[0] * 9]


def status(drive: VirtualDrive) -> int:
    """The audio status alone: nothing else is asked for, and no time passes for that."""
    return data_of(drive, [0x42, 0, 0, 0, 0, 0, 0, 0, 4, 0])[1]


def now(drive: VirtualDrive) -> tuple[int, int]:
    """Status and absolute address."""
    reply = data_of(drive, [0x42, 0, 0x40, 1, 0, 0, 0, 0, 16, 0])
    return reply[1], int.from_bytes(reply[8:12], "big", signed=True)


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(300, 1400),
    count=st.integers(1, 800),
    waits=st.lists(st.floats(0, 6), min_size=1, max_size=5),
)
def test_a_play_moves_75_sectors_a_second_and_ends_once(
    start: int, count: int, waits: list[float]
) -> None:
    drive = drive_with(songs(), seek=0.0, command=0.0)
    assert tell(drive, play(start, count)).ok
    began = drive.clock.now
    end, told = min(start + count, 1500), []
    for wait in [*waits, 1000]:
        drive.clock.spend(wait)
        place = start + int((drive.clock.now - began) * 75 + 1e-5)
        said = now(drive)
        if place < end:
            assert said == (PLAYING, place)
        else:
            assert said[1] == end - 1
            told.append(said[0])
    told.append(status(drive))
    assert told[0] == (COMPLETED if start + count <= 1500 else FAILED)
    assert set(told[1:]) == {NOTHING}


def test_the_position_has_track_index_and_the_time_in_the_track() -> None:
    drive = drive_with(songs())
    tell(drive, play(390, 100))
    drive.clock.spend(10 / 75 + 0.2)
    reply = data_of(drive, [0x42, 0, 0x40, 1, 0, 0, 0, 0, 16, 0])
    place = int.from_bytes(reply[8:12], "big")
    assert 400 <= place < 425
    assert reply[4:8] == bytes((1, 0x10, 2, 1))
    assert int.from_bytes(reply[12:16], "big") == place - 400
    tell(drive, play(310, 10))
    reply = data_of(drive, [0x42, 0, 0x40, 1, 0, 0, 0, 0, 16, 0])
    place = int.from_bytes(reply[8:12], "big")
    assert reply[6:8] == bytes((2, 0))  # INDEX 00: the time in the track is negative
    assert int.from_bytes(reply[12:16], "big", signed=True) == place - 400


def test_all_three_forms_play_the_same() -> None:
    # LBA 900 is 00:14:00, LBA 975 is 00:15:00
    forms = (play(900, 75), play_12(900, 75), play_msf((0, 14, 0), (0, 15, 0)))
    for form in forms:
        drive = drive_with(songs(), seek=0.0)
        assert tell(drive, form).ok
        assert now(drive) == (PLAYING, 900)
        drive.clock.spend(2)
        assert now(drive) == (COMPLETED, 974)


def test_a_length_of_nothing_plays_nothing_and_is_no_error() -> None:
    drive = drive_with(songs())
    for form in (play(900, 0), play_12(900, 0), play_msf((0, 14, 0), (0, 14, 0)), play(0, 0)):
        assert tell(drive, form).ok
        assert status(drive) == NOTHING


@pytest.mark.parametrize(
    ("cdb", "sense"),
    [
        (play(100, 10), "05/64/00"),  # data
        (play(1500, 10), "05/64/00"),
        (play_12(1699, 1), "05/64/00"),
        (play(1700, 10), "05/21/00"),  # the lead-out
        (play(90000, 10), "05/21/00"),
        (play_msf((0, 15, 0), (0, 14, 0)), "05/24/00"),  # ends before it begins
        (play_msf((0, 60, 0), (1, 0, 0)), "05/24/00"),
        (play_msf((0, 3, 0), (0, 4, 0)), "05/64/00"),
        (scan((0, 0, 0, 0)), "05/64/00"),
        (scan((0, 0, 0, 9), form=2), "05/24/00"),  # no track 9
        (scan((0, 0, 0, 2), form=3), "05/24/00"),
    ],
)
def test_what_is_no_audio_is_not_played(cdb: list[int], sense: str) -> None:
    drive = drive_with(songs())
    assert sense_of(tell(drive, cdb)) == sense
    assert status(drive) == NOTHING


def test_the_gap_between_sessions_and_a_dvd_cannot_be_played() -> None:
    drive = drive_with(extra())
    assert sense_of(tell(drive, play(600, 10))) == "05/63/00"
    assert sense_of(tell(drive_with(memory_blocks(100)), play(0, 10))) == "05/64/00"


def test_a_play_that_meets_data_or_the_lead_out_of_a_session_has_failed() -> None:
    for source, start, last in ((songs(), 1450, 1499), (extra(), 450, 499)):
        drive = drive_with(source)
        assert tell(drive, play(start, 200)).ok
        drive.clock.spend(60)
        assert now(drive) == (FAILED, last)
        assert status(drive) == NOTHING


def test_a_play_beyond_the_last_track_ends_with_it() -> None:
    drive = drive_with(memory_disc([audio(500)]))
    assert tell(drive, play_12(400, 90000)).ok
    drive.clock.spend(60)
    assert now(drive) == (COMPLETED, 499)


def test_pause_and_resume() -> None:
    drive = drive_with(songs())
    assert sense_of(tell(drive, pause())) == "05/2C/00"
    assert sense_of(tell(drive, pause(resume=True))) == "05/2C/00"
    tell(drive, play(900, 300))
    drive.clock.spend(1)
    assert tell(drive, pause(resume=True)).ok  # it plays already
    assert tell(drive, pause()).ok
    assert tell(drive, pause()).ok
    held = now(drive)
    assert held[0] == PAUSED
    drive.clock.spend(100)
    assert now(drive) == held
    assert tell(drive, pause(resume=True)).ok
    drive.clock.spend(1)
    assert now(drive) == (PLAYING, held[1] + 75)
    drive.clock.spend(100)
    assert sense_of(tell(drive, pause())) == "05/2C/00"


def test_a_play_goes_on_from_where_the_head_is() -> None:
    drive = drive_with(songs(), command=0.0, seek=0.0)
    tell(drive, play(900, 300))
    drive.clock.spend(1)
    tell(drive, pause())
    everywhere = (0xFF, 0xFF, 0xFF)
    assert tell(drive, play_msf(everywhere, (0, 20, 0))).ok
    assert now(drive) == (PLAYING, 975)
    tell(drive, STOP)
    assert tell(drive, play(-1, 10)).ok
    assert now(drive)[1] in range(975, 1000)


def test_stopping_is_never_an_error_and_leaves_nothing_to_tell() -> None:
    drive = drive_with(songs())
    assert tell(drive, STOP).ok
    tell(drive, play(900, 300))
    drive.clock.spend(2)
    assert tell(drive, STOP).ok
    said, place = now(drive)
    assert said == NOTHING
    assert place in range(1040, 1060)
    drive.clock.spend(5)
    assert now(drive) == (NOTHING, place)


@pytest.mark.parametrize("cdb", [read_10(20, 1), read_cd(950, 1), [0x2B, *[0] * 9]])
def test_reading_or_seeking_ends_a_play(cdb: list[int]) -> None:
    drive = drive_with(songs())
    send(drive, cdb, MUCH)  # now it is in the buffer, too
    tell(drive, play(900, 300))
    assert status(drive) == PLAYING
    assert send(drive, cdb, MUCH).ok
    assert status(drive) == NOTHING


def test_asking_what_the_disc_is_does_not_end_a_play() -> None:
    drive = drive_with(songs())
    tell(drive, play(900, 300))
    for cdb in ([0x43], [0x51], [0x25], [0x12], [0x46], [0x00]):
        assert send(drive, cdb + [0] * 8 + [0]).ok
    assert status(drive) == PLAYING


def test_ejecting_stopping_and_a_reset_end_a_play() -> None:
    drive = drive_with(songs())
    tell(drive, play(900, 300))
    tell(drive, [0x1B, 0, 0, 0, 0, 0])  # stop the disc
    assert status(drive) == NOTHING
    tell(drive, play(900, 300))
    drive.open_tray()
    drive.close_tray()
    assert [sense_of(tell(drive, [0] * 6)) for _ in range(2)] == ["06/28/00", "ok"]
    assert now(drive) == (NOTHING, 0)
    tell(drive, play(900, 300))
    drive.unplug()
    drive.replug()
    tell(drive, [0] * 6)
    assert status(drive) == NOTHING


def test_scanning_is_fast_and_goes_both_ways() -> None:
    drive = drive_with(songs(), seek=0.0, command=0.0)
    mechanism = [0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0]
    assert tell(drive, scan((0, 0, 0, 2), form=2)).ok  # track 2 begins at 400
    assert data_of(drive, mechanism)[1] >> 5 == 2
    drive.clock.spend(0.5)
    assert now(drive) == (PLAYING, 700)
    assert tell(drive, scan((0, 0, 12, 0), form=1, reverse=True)).ok  # LBA 750
    drive.clock.spend(0.5)
    assert now(drive) == (PLAYING, 450)
    drive.clock.spend(10)
    assert now(drive) == (FAILED, 300)  # data lies before it
    assert tell(drive, scan((0, 0, 0x05, 0x78))).ok  # LBA 1400
    tell(drive, pause())
    tell(drive, pause(resume=True))
    assert data_of(drive, mechanism)[1] >> 5 == 1  # it plays on
    drive.clock.spend(10)
    assert now(drive) == (FAILED, 1499)
    assert data_of(drive, mechanism)[1] >> 5 == 0


def test_a_play_can_be_told_to_end_with_its_track() -> None:
    drive = drive_with(songs())
    page = bytes((0x0E, 0x0E, 0x06, 0, 0, 0, 0, 75, 1, 255, 2, 255, 0, 0, 0, 0))
    assert tell(drive, [0x15, 0x10, 0, 0, 4 + len(page), 0], bytes(4) + page).ok
    tell(drive, play(850, 300))
    drive.clock.spend(60)
    assert now(drive) == (COMPLETED, 899)


def test_request_sense_tells_the_audio_status() -> None:
    drive = drive_with(songs())

    def sense() -> tuple[int, int, int]:
        reply = data_of(drive, [0x03, 0, 0, 0, 18, 0])
        return reply[2], reply[12], reply[13]

    assert sense() == (0, 0, 0)
    tell(drive, play(900, 300))
    assert sense() == (0, 0, PLAYING)
    tell(drive, pause())
    assert sense() == (0, 0, PAUSED)


def test_a_status_that_does_not_fit_is_not_used_up() -> None:
    drive = drive_with(songs())
    tell(drive, play(900, 10))
    drive.clock.spend(10)
    assert send(drive, [0x42, *[0] * 9]).ok
    assert status(drive) == COMPLETED


def test_whoever_polls_a_simulated_drive_comes_to_the_end() -> None:
    drive = drive_with(songs())
    tell(drive, play(400, 1100))
    looks = 0
    while status(drive) == PLAYING:
        looks += 1
    assert 50 < looks < 70  # 14.7 seconds, four looks a second


def test_a_play_in_real_time_goes_on_by_itself() -> None:
    drive = VirtualDrive(time_scale=0.001)
    drive.insert(memory_disc([audio(7500)]))
    while not tell(drive, [0] * 6).ok:
        pass
    assert tell(drive, play(0, 7500)).ok
    while status(drive) == PLAYING:
        pass
    assert now(drive)[1] == 7499
