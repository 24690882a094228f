# SPDX-License-Identifier: Apache-2.0
"""One look at a drive: what it says, and that no news is told twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import DriveLost
from imagerd.devices.presence import Presence, Seen
from imagerd.devices.probing import look, probe_drive
from imagerd.devices.scsi import CHECK_CONDITION, DID_NO_CONNECT, Command, Reply, Sense
from imagerd.devices.virtual.target import VirtualDrive
from tests.sources import MemorySource, data, memory_disc

PREVENT = Command(bytes((0x1E, 0, 0, 0, 1, 0)))
NOTHING = Presence(Seen.NONE)
MEDIUM = Presence(Seen.MEDIUM)


def disc() -> MemorySource:
    return memory_disc([data(20)])


def do(drive: VirtualDrive, action: str) -> None:
    match action:
        case "insert":
            drive.insert(disc())
        case "remove":
            drive.remove()
        case "open":
            drive.open_tray()
        case "close":
            drive.close_tray()
        case _:
            look(drive, events=True)


class Scripted:
    """A transport that gives these replies, then the last one for ever."""

    name = "/dev/sr0"
    max_transfer = 65536

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.opcodes: list[int] = []

    def execute(self, command: Command) -> Reply:
        self.opcodes.append(command.cdb[0])
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def close(self) -> None:
        pass


def check(key: int, asc: int, ascq: int) -> Reply:
    return Reply(CHECK_CONDITION, sense=Sense(key, asc, ascq))


def test_a_virtual_drive_is_seen_through_a_whole_life() -> None:
    drive = VirtualDrive()
    assert look(drive, events=True) == NOTHING
    drive.insert(disc())
    assert look(drive, events=True) == Presence(Seen.MEDIUM, new=True)
    assert look(drive, events=True) == MEDIUM
    drive.execute(PREVENT)
    drive.press_eject()
    assert look(drive, events=True) == Presence(Seen.MEDIUM, eject_request=True)
    assert look(drive, events=True) == MEDIUM
    drive.open_tray()
    assert look(drive, events=True).seen is Seen.NONE
    drive.close_tray()
    assert look(drive, events=True) == Presence(Seen.MEDIUM, new=True)
    drive.close()


def test_a_press_of_the_button_is_about_the_disc_that_was_in_then() -> None:
    drive = VirtualDrive()
    drive.insert(disc())
    look(drive, events=True)
    drive.execute(PREVENT)
    drive.press_eject()
    drive.open_tray()  # as the job's end does, for whatever reason
    assert look(drive, events=True) == NOTHING
    drive.insert(disc())
    drive.execute(PREVENT)
    drive.press_eject()
    drive.open_tray()
    drive.insert(disc())
    assert look(drive, events=True) == Presence(Seen.MEDIUM, new=True)
    drive.execute(PREVENT)
    drive.press_eject()
    assert look(drive, events=True) == Presence(Seen.MEDIUM, eject_request=True)
    drive.close()


def test_a_swap_between_two_looks_is_told() -> None:
    drive = VirtualDrive()
    drive.insert(disc())
    look(drive, events=True)
    drive.remove()
    drive.insert(disc())
    assert look(drive, events=True) == Presence(Seen.MEDIUM, new=True)
    assert look(drive, events=True) == MEDIUM
    drive.close()


@given(st.lists(st.sampled_from(["insert", "remove", "open", "close", "look"]), max_size=12))
@settings(max_examples=100, deadline=None)
def test_after_one_look_nothing_is_new(actions: list[str]) -> None:
    drive = VirtualDrive()
    for action in actions:
        do(drive, action)
    first = look(drive, events=True)
    assert look(drive, events=True) == Presence(first.seen)
    drive.close()


def test_a_kernel_drive_is_asked_by_test_unit_ready_alone() -> None:
    drive = Scripted(check(6, 0x28, 0), check(6, 0x29, 0), Reply())
    assert look(drive, events=False) == Presence(Seen.MEDIUM, new=True)
    assert drive.opcodes == [0, 0, 0]


def test_a_reset_is_no_new_medium() -> None:
    assert look(Scripted(check(6, 0x29, 0), Reply()), events=False) == MEDIUM


def test_a_disc_that_cannot_be_read_is_a_medium_nevertheless() -> None:
    assert look(Scripted(check(2, 0x30, 0)), events=False) == MEDIUM
    assert look(Scripted(check(3, 0x02, 0)), events=False) == MEDIUM


def test_a_drive_that_is_becoming_ready_is_not_sure_and_says_why() -> None:
    found = look(Scripted(check(2, 4, 1)), events=False)
    assert found == Presence(Seen.UNSURE, note="02/04/01, becoming ready")


def test_a_drive_that_waits_to_be_started_is_started() -> None:
    drive = Scripted(check(2, 4, 2), Reply())
    assert look(drive, events=False).seen is Seen.UNSURE
    assert drive.opcodes == [0, 0x1B]


def test_a_drive_without_media_events_is_still_looked_at() -> None:
    refused = check(5, 0x20, 0)
    assert look(Scripted(Reply(), refused), events=True) == MEDIUM


def test_what_is_not_there_is_gone_and_never_an_exception(tmp_path: Path) -> None:
    assert probe_drive(f"virtual:{tmp_path}/none.sock") == Presence(Seen.GONE)
    found = probe_drive(str(tmp_path / "sr0"))
    assert found.seen is Seen.UNSURE
    assert "There is no" in found.note
    with pytest.raises(DriveLost, match="no longer answers"):
        look(Scripted(Reply(host_status=DID_NO_CONNECT)), events=False)
