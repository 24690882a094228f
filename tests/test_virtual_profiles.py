# SPDX-License-Identifier: Apache-2.0
"""Each built-in profile is the drive that its comment promises."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.profile import DriveProfile, profile_names
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Medium
from imagerd.disc.source import SectorSource
from tests.sources import audio, data, memory_blocks, memory_disc
from tests.virtual_commands import MUCH, RAW, data_of, poll, read_10, read_cd, send, sense_of


def drive_of(name: str, source: SectorSource, plan: str = "", medium: str = "") -> VirtualDrive:
    drive = VirtualDrive(DriveProfile.load(name))
    drive.insert(source, FaultPlan.parse(plan), medium=medium)
    while poll(drive) != "ok":
        pass
    return drive


def c2_sizes(drive: VirtualDrive) -> tuple[int, ...]:
    """The sizes of C2 that come, of those that can be asked for."""
    replies = [send(drive, read_cd(10, 1, RAW | field)) for field in (2, 4)]
    return tuple(len(reply.data) - 2352 for reply in replies if reply.ok)


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_begins_with_a_comment_and_claims_c2_where_it_comes(name: str) -> None:
    text = (resources.files("imagerd.devices.virtual") / "profiles" / f"{name}.toml").read_text()
    assert text.startswith("# ")
    drive = drive_of(name, memory_disc([audio(100)]))
    sizes = c2_sizes(drive)
    assert sizes == DriveProfile.load(name).c2_sizes
    feature = data_of(drive, [0x46, 2, 0, 0x1E, 0, 0, 0, 1, 0, 0])
    page = data_of(drive, [0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0, 0])
    assert bool(feature[12] & 0x02) is bool(page[8 + 5] & 0x10) is bool(sizes)


def test_plain_has_both_sizes_of_c2_and_no_quirks() -> None:
    source = memory_disc([data(50), audio(100)])
    drive = drive_of("plain", source)
    assert c2_sizes(drive) == (294, 296)
    assert data_of(drive, read_cd(60, 10), MUCH) == source.raw[2][10:20].tobytes()
    assert sense_of(send(drive, read_cd(10, 1, kind=1))) == "05/64/00"
    assert sense_of(send(drive, [0xD8, *[0] * 11])) == "05/20/00"


def test_plextor_reads_anything_as_audio_and_beyond_the_end() -> None:
    source = memory_disc([data(50), audio(100)])
    drive = drive_of("plextor", source)
    assert c2_sizes(drive) == (294,)
    assert len(data_of(drive, [0xD8, 0, 0, 0, 0, 10, 0, 0, 0, 2, 8, 0], MUCH)) == 2 * 2742
    assert len(data_of(drive, read_cd(10, 1, kind=1))) == 2352
    assert send(drive, read_cd(249, 1)).ok
    assert sense_of(send(drive, read_cd(250, 1))) == "05/21/00"
    songs = memory_disc([audio(100)])
    late = np.frombuffer(data_of(drive_of("plextor", songs), read_cd(20, 1)), np.uint32)
    flat = songs.raw[1].reshape(-1).view(np.uint32)
    assert np.array_equal(late, flat[20 * 588 - 30 : 21 * 588 - 30])
    blu_ray = VirtualDrive(DriveProfile.load("plextor"))
    blu_ray.insert(memory_blocks(10, medium=Medium.BD))
    assert [poll(blu_ray), poll(blu_ray)] == ["06/28/00", "02/30/00"]


def test_no_c2_gives_q_in_binary_and_takes_every_disc_for_a_pressed_one() -> None:
    drive = drive_of("no-c2", memory_disc([audio(400)]), medium="cd-r")
    assert c2_sizes(drive) == ()
    q = data_of(drive, read_cd(310, 1, 0, sub=2))
    assert q[:12] == bytes((1, 1, 1, 0, 4, 10, 0, 0, 6, 10, 0, 0))
    assert sense_of(send(drive, read_cd(310, 1, 0, sub=1))) == "05/24/00"
    assert sense_of(send(drive, read_cd(-1, 1))) == "05/21/00"
    assert data_of(drive, [0x46, 0, 0, 0, 0, 0, 0, 0, 8, 0])[7] == 0x08


def test_swapped_puts_the_subchannel_first() -> None:
    source = memory_disc([data(50)])
    both = data_of(drive_of("swapped", source), read_cd(10, 1, RAW | 2, sub=1))
    usual = data_of(drive_of("plain", source), read_cd(10, 1, RAW | 2, sub=1))
    assert both[2352:2448] == usual[2646:]
    assert both[2448:] == usual[2352:2646]


def test_liar_answers_from_its_buffer_whatever_it_is_told() -> None:
    bad = "[[sectors]]\nwhat = 'unreadable'\nlba = 40\n"
    drive = drive_of("liar", memory_disc([data(100)]), bad)
    quick = DriveProfile().command
    send(drive, read_10(10, 10), MUCH)
    assert send(drive, read_10(10, 10, fua=True), MUCH).seconds <= quick
    send(drive, [0xA8, 8, *[0] * 10])  # the idiom that empties other buffers
    assert send(drive, read_10(10, 10), MUCH).seconds <= quick
    failed = send(drive, read_10(35, 10), MUCH)
    assert sense_of(failed) == "03/11/05"
    assert len(failed.data) == 0
    slow = VirtualDrive(DriveProfile.load("liar"))
    slow.insert(memory_disc([data(10)]))
    assert poll(slow) == "02/04/01"
