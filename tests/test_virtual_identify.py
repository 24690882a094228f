# SPDX-License-Identifier: Apache-2.0
"""INQUIRY, GET CONFIGURATION, mode pages: bytes against the tables of SPC-4 and MMC-6."""

from __future__ import annotations

import pytest

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.devices.virtual.commands import COMMANDS
from imagerd.devices.virtual.profile import DriveProfile, profile_names
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Medium
from tests.sources import audio, data, memory_blocks, memory_disc
from tests.virtual_commands import data_of, drive_with, send, sense_of, tell


def test_standard_inquiry_data_name_a_removable_cd_device() -> None:
    drive = VirtualDrive(DriveProfile(vendor="ACME", product="READER", revision="2.5"))
    reply = data_of(drive, [0x12, 0, 0, 0, 96, 0])
    assert reply[:8] == bytes((0x05, 0x80, 0x05, 0x02, 91, 0, 0, 0))
    assert reply[8:36] == b"ACME    READER          2.5 "
    assert len(reply) == 96
    assert data_of(drive, [0x12, 0, 0, 0, 5, 0]) == reply[:5]


def test_vital_product_data() -> None:
    drive = VirtualDrive(DriveProfile(vendor="ACME", product="READER", serial="S1"))
    assert data_of(drive, [0x12, 1, 0x00, 0, 255, 0]) == b"\x05\x00\x00\x03\x00\x80\x83"
    assert data_of(drive, [0x12, 1, 0x80, 0, 255, 0]) == b"\x05\x80\x00\x02S1"
    name = b"ACME    READER          S1"
    expected = b"\x05\x83\x00" + bytes((4 + len(name),)) + b"\x02\x01\x00" + bytes((len(name),))
    assert data_of(drive, [0x12, 1, 0x83, 0, 255, 0]) == expected + name
    assert sense_of(send(drive, [0x12, 1, 0xB0, 0, 255, 0])) == "05/24/00"
    assert sense_of(send(drive, [0x12, 0, 0x80, 0, 255, 0])) == "05/24/00"


def features(drive: VirtualDrive, kind: int = 0, start: int = 0) -> dict[int, tuple[int, bytes]]:
    reply = data_of(drive, [0x46, kind, start >> 8, start & 255, 0, 0, 0, 0x20, 0, 0])
    assert int.from_bytes(reply[:4], "big") == len(reply) - 4
    found, at = {}, 8
    while at < len(reply):
        code = int.from_bytes(reply[at : at + 2], "big")
        found[code] = reply[at + 2], reply[at + 4 : at + 4 + reply[at + 3]]
        assert len(found[code][1]) == reply[at + 3]
        assert len(found[code][1]) % 4 == 0
        at += 4 + reply[at + 3]
    return found


def current_profile(drive: VirtualDrive) -> int:
    reply = data_of(drive, [0x46, 0, 0, 0, 0, 0, 0, 0, 8, 0])
    return int.from_bytes(reply[6:8], "big")


def test_current_profile_is_that_of_the_medium() -> None:
    assert current_profile(VirtualDrive()) == 0
    assert current_profile(drive_with(memory_disc([data(10)]))) == 0x08
    assert current_profile(drive_with(memory_blocks(10))) == 0x10
    assert current_profile(drive_with(memory_blocks(10, medium=Medium.BD))) == 0x40


def test_features_tell_the_truth_about_c2_and_media() -> None:
    with_cd = features(drive_with(memory_disc([data(10)])))
    assert with_cd[0x001E] == (0x09, b"\x03\0\0\0")  # version 2, current; C2 and CD-Text
    assert with_cd[0x001F][0] & 1 == 0
    assert with_cd[0x0010] == (0x01, bytes((0, 0, 8, 0, 0, 1, 1, 0)))
    known = (0x43, 0x41, 0x40, 0x2B, 0x1B, 0x1A, 0x15, 0x14, 0x11, 0x10, 0x0A, 0x09, 0x08)
    assert with_cd[0x0000][1] == b"".join(bytes((0, n, n == 0x08, 0)) for n in known)
    assert with_cd[0x0108][1].rstrip() == b"IMAGERD00001"
    without = features(drive_with(memory_disc([data(10)]), c2_sizes=(), media=("cd",)))
    assert without[0x001E][1] == b"\x01\0\0\0"
    assert 0x001F not in without
    assert 0x0040 not in without
    assert 0x0106 not in with_cd  # no CSS is claimed


def test_features_can_be_asked_for_one_by_one_and_current_ones_only() -> None:
    drive = drive_with(memory_blocks(10))
    assert list(features(drive, kind=2, start=0x1F)) == [0x1F]
    assert features(drive, kind=2, start=0x555) == {}
    assert 0x001E not in features(drive, kind=1)
    assert min(features(drive, kind=0, start=0x100)) == 0x0100
    assert sense_of(send(drive, [0x46, 3, 0, 0, 0, 0, 0, 1, 0, 0])) == "05/24/00"


def test_mode_sense_in_both_sizes() -> None:
    drive = VirtualDrive()
    page = bytes((0x01, 0x0A, 0x00, 0x20)) + bytes(8)
    # medium type 70h: the tray is closed, and empty
    assert data_of(drive, [0x1A, 0, 0x01, 0, 255, 0]) == bytes((15, 0x70, 0, 0)) + page
    ten = data_of(drive, [0x5A, 0, 0x01, 0, 0, 0, 0, 1, 0, 0])
    assert ten == bytes((0, 18, 0x70, 0, 0, 0, 0, 0)) + page
    every = data_of(drive, [0x5A, 0, 0x3F, 0, 0, 0, 0, 1, 0, 0])
    assert int.from_bytes(every[:2], "big") == len(every) - 2
    codes, at = [], 8
    while at < len(every):
        codes.append(every[at])
        at += 2 + every[at + 1]
    assert codes == [0x01, 0x0D, 0x0E, 0x1A, 0x2A]
    assert sense_of(send(drive, [0x5A, 0, 0x05, 0, 0, 0, 0, 1, 0, 0])) == "05/24/00"
    assert sense_of(send(drive, [0x5A, 0, 0xC1, 0, 0, 0, 0, 1, 0, 0])) == "05/39/00"


def test_capabilities_page_shows_c2_lock_buffer_and_speeds() -> None:
    drive = VirtualDrive(DriveProfile(cache_kb=512))
    tell(drive, [0x1E, 0, 0, 0, 1, 0])
    tell(drive, [0xBB, 0, 0x02, 0xC2, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0])  # 706 kB/s
    page = data_of(drive, [0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0, 0])[8:]
    assert page[:2] == bytes((0x2A, 30))
    assert page[5] & 0x10
    assert page[6] == 0x20 | 0x08 | 0x02 | 0x01
    assert page[8:10] == (8467).to_bytes(2, "big")
    assert page[12:16] == (512).to_bytes(2, "big") + (706).to_bytes(2, "big")
    silent = VirtualDrive(DriveProfile(c2_sizes=()))
    assert not data_of(silent, [0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0, 0])[8 + 5] & 0x10


def select(page: bytes, flags: int = 0x10) -> tuple[list[int], bytes]:
    body = bytes(8) + page
    return [0x55, flags, 0, 0, 0, 0, 0, *len(body).to_bytes(2, "big"), 0], body


def test_mode_select_changes_what_may_be_changed_and_nothing_else() -> None:
    drive = VirtualDrive()
    page = bytes((0x01, 0x0A, 0x01, 0x05)) + bytes(8)
    assert sense_of(tell(drive, *select(page))) == "ok"
    assert data_of(drive, [0x5A, 0, 0x01, 0, 0, 0, 0, 1, 0, 0])[8:] == page
    default = data_of(drive, [0x5A, 0, 0x81, 0, 0, 0, 0, 1, 0, 0])[8:]
    assert default == bytes((0x01, 0x0A, 0x00, 0x20)) + bytes(8)
    wrong = bytes((0x01, 0x0A, 0x01, 0x05, 9)) + bytes(7)
    assert sense_of(tell(drive, *select(wrong))) == "05/26/00"
    assert sense_of(tell(drive, *select(bytes((0x2A, 2, 0, 0))))) == "05/26/00"
    assert sense_of(tell(drive, *select(page[:6]))) == "05/1A/00"
    assert sense_of(tell(drive, *select(page, flags=0x11))) == "05/24/00"
    assert sense_of(tell(drive, *select(page, flags=0x00))) == "05/24/00"
    six = bytes(4) + bytes((0x01, 0x0A, 0x00, 0x07)) + bytes(8)
    assert sense_of(tell(drive, [0x15, 0x10, 0, 0, len(six), 0], six)) == "ok"
    assert data_of(drive, [0x1A, 0, 0x01, 0, 255, 0])[4 + 3] == 7


def test_unknown_and_short_commands_are_refused() -> None:
    drive = drive_with(memory_disc([data(10)]))
    for code in set(range(256)) - set(COMMANDS):
        assert sense_of(send(drive, [code] + [0] * 15)) == "05/20/00"
    assert sense_of(send(drive, [0xBE, 0, 0])) == "05/20/00"
    assert sense_of(send(drive, [0xD8] + [0] * 11)) == "05/20/00"  # only by profile


def test_buffer_capacity_mechanism_and_performance() -> None:
    drive = drive_with(memory_disc([data(100), audio(50)]), cache_kb=1024)
    send(drive, [0x28, 0, 0, 0, 0, 20, 0, 0, 1, 0])
    capacity = data_of(drive, [0x5C, 0, 0, 0, 0, 0, 0, 0, 12, 0])
    assert capacity[:8] == bytes((0, 10, 0, 0)) + (1 << 20).to_bytes(4, "big")
    assert int.from_bytes(capacity[8:], "big") == (1 << 20) - 2352
    status = data_of(drive, [0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0])
    assert status == bytes((0, 0, 0, 0, 20, 0, 0, 0))
    performance = data_of(drive, [0xAC, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0])
    speed = (8467).to_bytes(4, "big")
    assert (
        performance
        == bytes((0, 0, 0, 20, 0, 0, 0, 0)) + bytes(4) + speed + bytes((0, 0, 0, 149)) + speed
    )
    assert sense_of(send(drive, [0xAC, 0, 0, 0, 0, 0, 0, 0, 0, 4, 9, 0])) == "05/24/00"


def test_every_built_in_profile_loads_and_says_what_it_is() -> None:
    assert set(profile_names()) >= {"plain", "plextor", "no-c2", "swapped", "c2-294", "c2-296"}
    for name in profile_names():
        profile = DriveProfile.load(name)
        drive = VirtualDrive(profile)
        assert profile.product.encode() in data_of(drive, [0x12, 0, 0, 0, 96, 0])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("speed = 3", "speed"),
        ("vendor = 'LONGER THAN EIGHT'", "LONGER"),
        ("c2_sizes = [295]", "295"),
        ("cache_kb = 'much'", "cache_kb"),
        ("cd_speeds = []", "speeds"),
        ("not toml", "profile"),
    ],
)
def test_a_wrong_profile_is_refused_in_one_sentence(text: str, word: str) -> None:
    with pytest.raises(BadInput, match=word):
        DriveProfile.parse(text)


def test_a_missing_profile_names_those_there_are() -> None:
    with pytest.raises(NotAvailable, match="plextor"):
        DriveProfile.load("no-such-profile")
