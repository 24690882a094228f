# SPDX-License-Identifier: Apache-2.0
"""Stop and start, the two kinds of lock, seeks, VERIFY and READ HEADER, speeds and structures."""

from __future__ import annotations

import pytest

from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Medium, TrackMode
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.virtual_commands import (
    MUCH,
    data_of,
    drive_with,
    poll,
    read_10,
    read_cd,
    send,
    sense_of,
    tell,
)

STOP = [0x1B, 0, 0, 0, 0, 0]
START = [0x1B, 0, 0, 0, 1, 0]
START_AT_ONCE = [0x1B, 1, 0, 0, 1, 0]
EJECT = [0x1B, 0, 0, 0, 2, 0]
LOAD = [0x1B, 0, 0, 0, 3, 0]


def spun() -> VirtualDrive:
    """A drive that needs two seconds to spin up, and has; a sector of its disc is buffered."""
    drive = drive_with(memory_disc([data(600)]), spin_up=2.0)
    send(drive, read_cd(100, 1))
    return drive


def power(drive: VirtualDrive) -> int:
    return data_of(drive, [0x4A, 1, 0, 0, 0x04, 0, 0, 0, 8, 0])[5]


def test_a_stopped_drive_is_ready_and_the_next_reading_spins_it_up() -> None:
    drive = spun()
    usual = send(drive, read_cd(300, 1)).seconds
    assert tell(drive, STOP).ok
    assert power(drive) == 3
    assert poll(drive) == "ok"
    assert data_of(drive, [0x43, 0, 0, 0, 0, 0, 0, 1, 0, 0])
    assert power(drive) == 3
    late = send(drive, read_cd(500, 1))
    assert late.ok
    assert late.seconds > usual + 1.9
    assert power(drive) == 1
    assert send(drive, read_cd(300, 1)).seconds < 1


def test_a_play_and_a_seek_spin_the_disc_up_too() -> None:
    for cdb in ([0x45, 0, 0, 0, 0, 100, 0, 0, 100, 0], [0x2B, *[0] * 9]):
        drive = drive_with(memory_disc([audio(600)]), spin_up=2.0)
        tell(drive, STOP)
        assert tell(drive, cdb).seconds > 1.9
        assert tell(drive, cdb).seconds < 1


def test_what_is_in_the_buffer_needs_no_spinning_disc() -> None:
    drive = spun()
    tell(drive, STOP)
    assert send(drive, read_cd(100, 1)).seconds < 1
    assert power(drive) == 3


def test_a_start_takes_the_time_of_spinning_up_or_leaves_it_becoming_ready() -> None:
    drive = spun()
    assert tell(drive, START).seconds < 1  # it spins already
    tell(drive, STOP)
    assert tell(drive, START).seconds == pytest.approx(2.0)
    assert poll(drive) == "ok"
    tell(drive, STOP)
    assert tell(drive, START_AT_ONCE).seconds < 1
    assert poll(drive) == "02/04/01"
    assert sense_of(send(drive, read_cd(0, 1))) == "02/04/01"
    drive.clock.spend(2)
    assert poll(drive) == "ok"


def test_an_empty_drive_cannot_start_and_may_stop() -> None:
    drive = VirtualDrive()
    assert sense_of(tell(drive, START)) == "02/3A/01"
    assert tell(drive, STOP).ok
    drive.open_tray()
    assert sense_of(tell(drive, START)) == "02/3A/02"


@pytest.mark.parametrize(
    ("condition", "state"), [(2, 1), (3, 3), (5, 3), (1, None), (4, None), (7, None), (15, None)]
)
def test_power_conditions(condition: int, state: int | None) -> None:
    drive = spun()
    reply = tell(drive, [0x1B, 0, 0, 0, condition << 4, 0])
    assert sense_of(reply) == ("05/24/00" if state is None else "ok")
    assert power(drive) == (state or 1)


def test_no_disc_here_has_layers_of_two_formats() -> None:
    assert sense_of(tell(spun(), [0x1B, 0, 0, 1, 5, 0])) == "05/24/00"


# -- locks ------------------------------------------------------------------------------------


def prevent(drive: VirtualDrive, bits: int) -> None:
    assert tell(drive, [0x1E, 0, 0, 0, bits, 0]).ok


def event(drive: VirtualDrive) -> int:
    return data_of(drive, [0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8, 0])[4]


def lock_bit(drive: VirtualDrive) -> bool:
    return bool(data_of(drive, [0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0, 0])[8 + 6] & 0x02)


def test_the_persistent_lock_stops_the_button_and_lets_the_host_eject() -> None:
    drive = drive_with(memory_disc([data(10)]))
    event(drive)
    prevent(drive, 3)
    assert lock_bit(drive)
    assert drive.press_eject() is False
    assert event(drive) == 1
    assert data_of(drive, [0x4A, 1, 0, 0, 0x02, 0, 0, 0, 8, 0])[5] & 0x80
    assert tell(drive, EJECT).ok
    assert drive.state.tray_open


def test_the_persistent_lock_holds_the_next_disc_too_until_it_is_ended() -> None:
    drive = drive_with(memory_disc([data(10)]))
    prevent(drive, 3)
    drive.insert(memory_blocks(10))
    assert [poll(drive), drive.press_eject()] == ["06/28/00", False]
    prevent(drive, 0)  # ends the other one
    assert drive.press_eject() is False
    prevent(drive, 2)
    assert not lock_bit(drive)
    assert drive.press_eject() is True


def test_the_plain_lock_stops_both_and_goes_with_the_disc() -> None:
    drive = drive_with(memory_disc([data(10)]))
    prevent(drive, 1)
    prevent(drive, 2)  # ends the other one
    assert sense_of(tell(drive, EJECT)) == "05/53/02"
    assert drive.press_eject() is False
    drive.remove()
    drive.insert(memory_blocks(10))
    assert drive.press_eject() is True


def test_a_reset_ends_both_locks() -> None:
    drive = drive_with(memory_disc([data(10)]))
    prevent(drive, 1)
    prevent(drive, 3)
    drive.unplug()
    drive.replug()
    assert poll(drive) == "06/29/00"
    assert not lock_bit(drive)
    assert drive.press_eject() is True


def test_an_open_tray_closes_by_button_whatever_the_lock() -> None:
    drive = VirtualDrive()
    drive.open_tray()
    prevent(drive, 3)
    assert drive.press_eject() is True
    assert not drive.state.tray_open


# -- seeks and what reads without a transfer --------------------------------------------------


def head(drive: VirtualDrive) -> int:
    status = data_of(drive, [0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0])
    return int.from_bytes(status[2:5], "big")


def test_all_seeks_move_the_head() -> None:
    drive = drive_with(memory_disc([data(3000)]))
    assert tell(drive, [0x2B, 0, 0, 0, 0x07, 0xD0, 0, 0, 0, 0]).ok
    assert head(drive) == 2000
    assert tell(drive, [0x0B, 0, 0x03, 0xE8, 0, 0]).ok
    assert head(drive) == 1000
    assert tell(drive, [0x01, 0, 0, 0, 0, 0]).ok
    assert head(drive) == 0
    assert sense_of(tell(drive, [0x0B, 0x1F, 0xFF, 0xFF, 0, 0])) == "05/21/00"


BAD = "[[sectors]]\nwhat = 'unreadable'\nlba = 40"


def test_verify_reads_the_medium_and_transfers_nothing() -> None:
    drive = drive_with(memory_disc([data(100), audio(100)]), BAD)
    good = send(drive, [0x2F, 0, 0, 0, 0, 10, 0, 0, 20, 0])
    assert good.ok
    assert len(good.data) == 0
    again = send(drive, [0x2F, 0, 0, 0, 0, 10, 0, 0, 20, 0])
    assert again.seconds > send(drive, read_10(10, 20), MUCH).seconds  # which is buffered
    bad = send(drive, [0x2F, 0, 0, 0, 0, 35, 0, 0, 20, 0])
    assert sense_of(bad) == "03/11/05"
    assert bad.sense is not None and bad.sense.information == 40
    assert len(bad.data) == 0
    assert sense_of(send(drive, [0x2F, 0, 0, 0, 0, 150, 0, 0, 1, 0])) == "05/64/00"
    assert sense_of(send(drive, [0x2F, 2, 0, 0, 0, 10, 0, 0, 1, 0])) == "05/24/00"
    assert sense_of(send(drive, [0x2F, 0, 0, 0, 0, 199, 0, 0, 2, 0])) == "05/21/00"


def test_the_header_of_a_sector_has_its_mode_and_address() -> None:
    drive = drive_with(memory_disc([data(100), data(50, TrackMode.MODE2), audio(50)]), BAD)

    def header(lba: int, msf: bool = False) -> list[int]:
        return [0x44, 2 if msf else 0, *lba.to_bytes(4, "big"), 0, 0, 8, 0]

    assert data_of(drive, header(20)) == bytes((1, 0, 0, 0, 0, 0, 0, 20))
    assert data_of(drive, header(20, msf=True)) == bytes((1, 0, 0, 0, 0, 0, 2, 20))
    assert data_of(drive, header(120))[0] == 2
    assert sense_of(send(drive, header(160))) == "05/64/00"
    assert sense_of(send(drive, header(200))) == "05/21/00"
    assert sense_of(send(drive, header(40))) == "03/11/05"
    assert sense_of(send(drive_with(memory_blocks(10)), header(1))) == "05/30/02"


@pytest.mark.parametrize("code", [0x35, 0x88, 0x9E, 0xA1, 0xA6, 0x2A, 0xAA, 0x48, 0x04])
def test_what_a_reader_does_not_have_is_unknown_to_it(code: int) -> None:
    # SYNCHRONIZE CACHE, READ(16), READ CAPACITY(16), BLANK, LOAD/UNLOAD, two writes, PLAY AUDIO
    # TRACK INDEX, FORMAT UNIT
    drive = drive_with(memory_disc([audio(10)]))
    assert sense_of(send(drive, [code] + [0] * 15)) == "05/20/00"


# -- settings and facts -----------------------------------------------------------------------


def test_volume_and_channels_are_kept_as_they_were_set() -> None:
    drive = VirtualDrive()
    page = bytes((0x0E, 0x0E, 0x04, 0, 0, 0, 0, 75, 2, 10, 1, 200, 0, 0, 0, 0))
    body = bytes(8) + page
    assert tell(drive, [0x55, 0x10, 0, 0, 0, 0, 0, 0, len(body), 0], body).ok
    assert data_of(drive, [0x5A, 0, 0x0E, 0, 0, 0, 0, 0, 64, 0])[8:] == page
    mask = data_of(drive, [0x5A, 0, 0x4E, 0, 0, 0, 0, 0, 64, 0])[8:]
    assert (mask[9], mask[11]) == (0xFF, 0xFF)  # what an ioctl for the volume looks at
    default = data_of(drive, [0x5A, 0, 0x8E, 0, 0, 0, 0, 0, 64, 0])[8:]
    assert (default[9], default[11]) == (255, 255)


def performance(flags: int = 0x10, lba: int = 0, most: int = 4, kind: int = 0) -> list[int]:
    return [0xAC, flags, *lba.to_bytes(4, "big"), 0, 0, 0, most, kind, 0]


def test_performance_is_of_reading_and_without_exceptions() -> None:
    drive = drive_with(memory_blocks(1000))
    plain = data_of(drive, performance())
    assert plain[:8] == bytes((0, 0, 0, 20, 0, 0, 0, 0))
    assert len(plain) == 24
    for tolerance in (0x00, 0x08, 0x18):
        assert data_of(drive, performance(tolerance)) == plain
    assert data_of(drive, performance(0x14)) == bytes((0, 0, 0, 4, 2, 0, 0, 0))
    assert data_of(drive, performance(0x12)) == bytes((0, 0, 0, 4, 1, 0, 0, 0))
    assert data_of(drive, performance(most=0)) == plain[:8]
    assert data_of(drive, performance(kind=3)) == bytes((0, 0, 0, 4, 0, 0, 0, 0))
    assert sense_of(send(drive, performance(lba=1000))) == "05/21/00"
    for kind in (1, 2, 4, 5):
        assert sense_of(send(drive, performance(kind=kind))) == "05/24/00"
    assert data_of(VirtualDrive(), performance()) == bytes((0, 0, 0, 4, 0, 0, 0, 0))


def test_a_speed_that_must_be_exact_is_refused_if_it_is_too_fast() -> None:
    drive = drive_with(memory_blocks(1000))
    descriptor = bytearray(28)
    descriptor[12:20] = (90000).to_bytes(4, "big") + (1000).to_bytes(4, "big")
    cdb = [0xB6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 28, 0]
    assert tell(drive, cdb, bytes(descriptor)).ok
    descriptor[0] = 0x02
    assert sense_of(tell(drive, cdb, bytes(descriptor))) == "05/26/00"


@pytest.mark.parametrize("medium", [Medium.DVD, Medium.BD])
def test_the_capability_list_names_each_structure_and_its_length(medium: Medium) -> None:
    media = 1 if medium is Medium.BD else 0
    drive = drive_with(memory_blocks(1000, medium=medium))

    def structure(code: int) -> bytes:
        return data_of(drive, [0xAD, media, 0, 0, 0, 0, 0, code, 0x20, 0, 0, 0])

    listed = structure(0xFF)
    assert int.from_bytes(listed[:2], "big") == len(listed) - 2
    entries = [listed[at : at + 4] for at in range(4, len(listed), 4)]
    assert [entry[0] for entry in entries] == ([0] if media else [0, 1, 4])
    for entry in entries:
        assert entry[1] == 0x40
        assert int.from_bytes(entry[2:], "big") == len(structure(entry[0]))


def external_play(source: MemorySource) -> tuple[int, bytes]:
    reply = data_of(drive_with(source), [0x46, 2, 0x01, 0x03, 0, 0, 0, 1, 0, 0])
    return reply[10] & 1, reply[12:16]


def test_audio_play_is_a_feature_and_current_where_there_is_audio() -> None:
    assert external_play(memory_disc([data(10), audio(10)])) == (1, bytes((7, 0, 1, 0)))
    assert external_play(memory_disc([data(10)])) == (0, bytes((7, 0, 1, 0)))
    assert external_play(memory_blocks(10)) == (0, bytes((7, 0, 1, 0)))
    page = data_of(VirtualDrive(), [0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0, 0])[8:]
    assert page[4] & 1
    assert page[7] == 3
    assert page[10:12] == bytes((1, 0))


def test_the_time_before_a_track_begins_is_negative() -> None:
    drive = drive_with(memory_disc([audio(100)]), overread_after=5)
    position = [0x42, 0, 0x40, 1, 0, 0, 0, 0, 16, 0]
    send(drive, read_cd(-10, 1), MUCH)
    reply = data_of(drive, position)
    assert reply[6:8] == bytes((1, 0))
    assert [int.from_bytes(reply[at : at + 4], "big", signed=True) for at in (8, 12)] == [-10, -10]
    send(drive, read_cd(102, 1), MUCH)
    reply = data_of(drive, position)
    assert reply[6:8] == bytes((0xAA, 1))
    assert [int.from_bytes(reply[at : at + 4], "big") for at in (8, 12)] == [102, 2]
    position[1] = 2
    assert data_of(drive, position)[8:16] == bytes((0, 0, 3, 27, 0, 0, 0, 2))


def test_loading_an_open_tray_and_ejecting_twice_are_no_errors() -> None:
    drive = drive_with(memory_disc([data(10)]))
    for cdb in (EJECT, EJECT, LOAD):
        assert tell(drive, cdb).ok
    assert poll(drive) == "06/28/00"
    assert tell(drive, LOAD).ok
    assert poll(drive) == "ok"
