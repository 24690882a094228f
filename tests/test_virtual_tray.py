# SPDX-License-Identifier: Apache-2.0
"""Tray, lock, media change and the events a host hears of them; speeds and time."""

from __future__ import annotations

import pytest

from imagerd.base.errors import DriveLost
from imagerd.devices.virtual.clock import Clock
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from tests.sources import audio, data, memory_blocks, memory_disc
from tests.virtual_commands import (
    MUCH,
    data_of,
    drive_with,
    poll,
    read_cd,
    send,
    sense_of,
    tell,
)

MEDIA = 0x10
EJECT = [0x1B, 0, 0, 0, 2, 0]
LOAD = [0x1B, 0, 0, 0, 3, 0]
PREVENT = [0x1E, 0, 0, 0, 1, 0]
ALLOW = [0x1E, 0, 0, 0, 0, 0]


def event(drive: VirtualDrive, classes: int = MEDIA) -> bytes:
    return data_of(drive, [0x4A, 1, 0, 0, classes, 0, 0, 0, 8, 0])


def media_event(drive: VirtualDrive) -> tuple[int, int]:
    """Event code, and media status: 1 door open, 2 medium present."""
    reply = event(drive)
    assert reply[:4] == bytes((0, 6, 4, 0x56))
    return reply[4] & 15, reply[5]


def test_an_empty_drive_says_whether_its_tray_is_open() -> None:
    drive = VirtualDrive()
    assert poll(drive) == "02/3A/01"
    drive.open_tray()
    assert poll(drive) == "02/3A/02"
    assert sense_of(send(drive, read_cd(0, 1))) == "02/3A/02"
    drive.close_tray()
    assert poll(drive) == "02/3A/01"


def test_a_new_medium_is_one_unit_attention_and_one_event() -> None:
    drive = VirtualDrive()
    drive.insert(memory_disc([data(10)]))
    assert media_event(drive) == (2, 2)
    assert media_event(drive) == (0, 2)
    assert [poll(drive), poll(drive)] == ["06/28/00", "ok"]


def test_the_event_of_a_new_medium_waits_until_it_has_spun_up() -> None:
    drive = VirtualDrive(DriveProfile(spin_up=2.0))
    drive.insert(memory_disc([data(10)]))
    heard = [media_event(drive)[0] for _ in range(12)]
    assert heard[0] == 0
    assert heard.count(2) == 1
    assert [poll(drive), poll(drive)] == ["06/28/00", "ok"]


def test_inquiry_configuration_and_events_are_answered_before_a_unit_attention() -> None:
    drive = VirtualDrive()
    drive.insert(memory_disc([data(10)]))
    assert send(drive, [0x12, 0, 0, 0, 96, 0]).ok
    assert send(drive, [0x46, 0, 0, 0, 0, 0, 0, 1, 0, 0]).ok
    assert media_event(drive) == (2, 2)
    assert sense_of(send(drive, [0x43, 0, 0, 0, 0, 0, 0, 1, 0, 0])) == "06/28/00"
    assert send(drive, [0x43, 0, 0, 0, 0, 0, 0, 1, 0, 0]).ok


def test_request_sense_fetches_a_unit_attention() -> None:
    drive = VirtualDrive()
    drive.insert(memory_disc([data(10)]))
    sense = data_of(drive, [0x03, 0, 0, 0, 18, 0])
    assert (sense[0], sense[2], sense[12], sense[13]) == (0x70, 0x06, 0x28, 0x00)
    assert poll(drive) == "ok"
    assert data_of(drive, [0x03, 0, 0, 0, 18, 0])[2] == 0


def test_becoming_ready_comes_before_the_news_of_the_medium() -> None:
    drive = VirtualDrive(DriveProfile(spin_up=0.6))
    drive.insert(memory_disc([data(10)]))
    assert [poll(drive) for _ in range(5)] == [
        "02/04/01",
        "02/04/01",
        "02/04/01",
        "06/28/00",
        "ok",
    ]
    drive.open_tray()
    drive.close_tray()
    assert poll(drive) == "02/04/01"


def test_the_host_opens_and_closes_the_tray() -> None:
    drive = drive_with(memory_disc([data(10)]))
    event(drive)
    assert tell(drive, EJECT).ok
    assert media_event(drive) == (3, 1)
    assert poll(drive) == "02/3A/02"
    assert tell(drive, LOAD).ok
    assert media_event(drive) == (2, 2)
    assert [poll(drive), poll(drive)] == ["06/28/00", "ok"]
    assert data_of(drive, read_cd(0, 1), MUCH)


def test_a_locked_drive_refuses_to_eject_and_turns_the_button_into_an_event() -> None:
    drive = drive_with(memory_disc([data(10)]))
    event(drive)
    assert tell(drive, PREVENT).ok
    assert sense_of(tell(drive, EJECT)) == "05/53/02"
    assert drive.press_eject() is False
    assert media_event(drive) == (1, 2)
    assert poll(drive) == "ok"
    assert tell(drive, ALLOW).ok
    assert drive.press_eject() is True
    assert media_event(drive) == (3, 1)
    assert drive.press_eject() is True  # the button closes an open tray
    assert media_event(drive) == (2, 2)


def test_a_swap_is_a_removal_and_a_new_medium() -> None:
    first, second = memory_disc([data(10)]), memory_blocks(50)
    drive = drive_with(first)
    event(drive)
    drive.insert(second)
    assert first.closed
    assert [media_event(drive)[0] for _ in range(3)] == [3, 2, 0]
    assert [poll(drive), poll(drive)] == ["06/28/00", "ok"]
    assert data_of(drive, [0x25] + [0] * 9)[:4] == (49).to_bytes(4, "big")
    drive.close()
    assert second.closed


def test_removal_by_hand_ignores_the_lock() -> None:
    source = memory_disc([data(10)])
    drive = drive_with(source)
    tell(drive, PREVENT)
    drive.remove()
    assert source.closed
    assert poll(drive) == "02/3A/02"


def test_events_of_the_classes_asked_for_only() -> None:
    drive = VirtualDrive()
    drive.insert(memory_disc([data(10)]))
    assert event(drive, 0x40) == bytes((0, 6, 6, 0x56, 0, 0, 0, 0))
    assert event(drive, 0x02) == bytes((0, 6, 1, 0x56, 2, 0, 0, 1))
    assert event(drive, 0x02)[4] == 0
    assert event(drive, 0x56)[2] == 4  # the only class with an event left
    assert event(drive, 0x04) == bytes((0, 6, 2, 0x56, 0, 1, 0, 0))  # power: active
    assert event(drive, 0x08) == bytes((0, 2, 0x80, 0x56))
    assert sense_of(send(drive, [0x4A, 0, 0, 0, MEDIA, 0, 0, 0, 8, 0])) == "05/24/00"
    drive.press_eject()
    assert data_of(drive, [0x4A, 1, 0, 0, MEDIA, 0, 0, 0, 4, 0]) == bytes((0, 6, 4, 0x56))
    assert media_event(drive)[0] == 3  # too little room had not consumed it


def test_an_unplugged_drive_is_lost_until_it_is_plugged_in_again() -> None:
    drive = drive_with(memory_disc([data(10)]))
    drive.unplug()
    for _ in range(2):
        with pytest.raises(DriveLost, match="plug"):
            poll(drive)
    drive.replug()
    assert [poll(drive), poll(drive)] == ["06/29/00", "ok"]
    assert data_of(drive, read_cd(0, 1), MUCH)


# -- speed, buffer, time ----------------------------------------------------------------------


def speed_page(drive: VirtualDrive) -> int:
    return int.from_bytes(data_of(drive, [0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0, 0])[22:24], "big")


def set_speed(drive: VirtualDrive, speed: int) -> None:
    assert tell(drive, [0xBB, 0, *speed.to_bytes(2, "big"), 0xFF, 0xFF, 0, 0, 0, 0, 0, 0]).ok


def test_the_drive_takes_the_nearest_speed_that_is_not_faster() -> None:
    drive = drive_with(memory_disc([data(200)]))
    for asked, taken in ((705, 706), (1500, 1411), (1, 176), (0xFFFF, 8467), (60000, 8467)):
        set_speed(drive, asked)
        assert speed_page(drive) == taken


def test_set_streaming_sets_the_speed_too() -> None:
    drive = drive_with(memory_disc([data(200)]))
    descriptor = bytearray(28)
    descriptor[12:20] = (1411).to_bytes(4, "big") + (1000).to_bytes(4, "big")
    cdb = [0xB6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 28, 0]
    assert tell(drive, cdb, bytes(descriptor)).ok
    assert speed_page(drive) == 1411
    descriptor[0] = 0x04  # back to the defaults
    assert tell(drive, cdb, bytes(descriptor)).ok
    assert speed_page(drive) == 8467
    assert sense_of(tell(drive, cdb, bytes(10))) == "05/1A/00"
    assert sense_of(tell(drive, cdb, bytes(28))) == "05/26/00"


def test_reading_takes_the_time_of_its_speed() -> None:
    drive = drive_with(memory_disc([audio(2000)]), cache_kb=64)
    send(drive, read_cd(0, 1))
    fast = send(drive, read_cd(1, 25), MUCH).seconds
    set_speed(drive, 176)
    slow = send(drive, read_cd(26, 25), MUCH).seconds
    assert slow == pytest.approx(25 * 2352 / 176_000, rel=0.01)
    assert slow > 30 * fast


def test_what_is_in_the_buffer_comes_quickly_unless_fua_reads_the_disc() -> None:
    source = memory_blocks(1000)
    drive = drive_with(source, command=0.0)
    plain, fua = [0x28, 0, 0, 0, 0, 10, 0, 0, 16, 0], [0x28, 8, 0, 0, 0, 10, 0, 0, 16, 0]
    first = send(drive, plain).seconds
    again = send(drive, plain)
    assert again.seconds < first / 5
    assert bytes(again.data) == source.raw[1][10:26].tobytes()
    assert send(drive, fua).seconds > again.seconds
    liar = drive_with(memory_blocks(1000), fua=False)
    send(liar, plain)
    assert send(liar, fua).seconds == send(liar, plain).seconds


@pytest.mark.parametrize("drops", [True, False])
def test_read_12_of_nothing_with_fua_empties_the_buffer_of_many_drives(drops: bool) -> None:
    drive = drive_with(memory_disc([data(100)]), fua_drops_cache=drops)
    send(drive, read_cd(10, 5))
    assert send(drive, [0xA8, 8] + [0] * 10).ok
    cached = send(drive, read_cd(10, 5)).seconds <= DriveProfile().command
    assert cached is not drops


def test_the_buffer_holds_no_more_than_its_size() -> None:
    drive = drive_with(memory_disc([data(400)]), cache_kb=235)  # 102 sectors
    for lba in range(0, 300, 20):
        send(drive, read_cd(lba, 20), MUCH)
    quick = DriveProfile().command
    assert send(drive, read_cd(210, 20), MUCH).seconds <= quick
    assert send(drive, read_cd(150, 20), MUCH).seconds > quick


def test_a_seek_over_the_disc_takes_longer_than_one_nearby() -> None:
    drive = drive_with(memory_disc([data(5000)]))

    def seek(lba: int) -> float:
        return send(drive, [0x2B, 0, *lba.to_bytes(4, "big"), 0, 0, 0, 0]).seconds

    seek(0)
    assert seek(4900) > seek(4890)
    assert sense_of(send(drive, [0x2B, 0, 0, 0, 0x20, 0, 0, 0, 0, 0])) == "05/21/00"


def test_a_scaled_clock_sleeps_and_wakes_at_once() -> None:
    clock = Clock(0.001)
    clock.spend(5.0)
    assert clock.now >= 5.0
    clock.wake()
    clock.spend(1e6)  # would be a quarter of an hour
    simulated = Clock()
    simulated.spend(3.0)
    simulated.idle(1.0)
    assert simulated.now == 4.0


def test_real_time_is_waited_for() -> None:
    drive = VirtualDrive(DriveProfile(spin_up=0.3), realtime=True)
    drive.insert(memory_disc([data(10)]))
    assert poll(drive) == "02/04/01"
    while (said := poll(drive)) == "02/04/01":
        pass
    assert said == "06/28/00"
