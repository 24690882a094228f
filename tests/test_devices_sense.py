# SPDX-License-Identifier: Apache-2.0
"""What complaints mean, and what a link remembers of unit attentions."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.errors import DriveLost, NoMedium, UnreadableDisc
from imagerd.devices.link import CommandFailed, Link
from imagerd.devices.mmc import Inquiry, ReadCapacity, TestUnitReady
from imagerd.devices.scsi import (
    BUSY,
    CHECK_CONDITION,
    DID_NO_CONNECT,
    DID_TIME_OUT,
    Command,
    Reply,
    Sense,
)
from imagerd.devices.sense import (
    DriveStatus,
    describe,
    explain,
    fault_kind,
    needs_start,
    status_of,
)
from imagerd.disc.source import FaultKind


def check(key: int, asc: int, ascq: int = 0) -> Reply:
    return Reply(CHECK_CONDITION, b"", Sense(key, asc, ascq))


class Script:
    """Answers with one reply after another; the last one for ever."""

    name = "script"
    max_transfer = 65536

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.replies = list(replies)
        self.sent = 0

    def execute(self, command: Command) -> Reply:
        self.sent += 1
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(), DriveStatus.READY),
        (check(1, 0x17), DriveStatus.READY),
        (check(2, 0x3A, 0), DriveStatus.EMPTY),
        (check(2, 0x3A, 1), DriveStatus.EMPTY),
        (check(2, 0x3A, 2), DriveStatus.TRAY_OPEN),
        (check(2, 0x04, 0), DriveStatus.BECOMING_READY),
        (check(2, 0x04, 1), DriveStatus.BECOMING_READY),
        (check(2, 0x30, 0), DriveStatus.UNREADABLE),
        (check(2, 0x06, 0), DriveStatus.UNREADABLE),
        (check(3, 0x57, 0), DriveStatus.UNREADABLE),
        (check(3, 0x02, 0), DriveStatus.UNREADABLE),
        (check(4, 0x09, 2), DriveStatus.UNREADABLE),
        (check(5, 0x30, 0), DriveStatus.UNREADABLE),
        (check(6, 0x29, 0), DriveStatus.BECOMING_READY),
        (check(0xB, 0x00), DriveStatus.BECOMING_READY),
        (Reply(BUSY), DriveStatus.BECOMING_READY),
        (Reply(host_status=DID_TIME_OUT), DriveStatus.BECOMING_READY),
    ],
)
def test_the_state_of_a_drive(reply: Reply, status: DriveStatus) -> None:
    assert status_of(reply) is status


@given(st.integers(0, 15), st.integers(0, 255), st.integers(0, 255), st.booleans())
def test_every_sense_has_a_state_a_kind_and_words(
    key: int, asc: int, ascq: int, deferred: bool
) -> None:
    reply = Reply(CHECK_CONDITION, b"", Sense(key, asc, ascq, None, deferred))
    assert status_of(reply) in DriveStatus
    assert fault_kind(reply) in FaultKind
    assert describe(Sense(key, asc, ascq)).startswith(f"{key:02X}/{asc:02X}/{ascq:02X}")


def test_words() -> None:
    assert explain(check(3, 0x11, 5)) == "03/11/05, uncorrectable by L-EC"
    assert explain(check(3, 0x11, 9)) == "03/11/09, unrecovered read error"
    assert explain(check(9, 0x80)) == "09/80/00"
    assert explain(Reply(host_status=DID_TIME_OUT)) == "the drive did not answer in time"
    assert explain(Reply(host_status=7)) == "the bus failed (host status 0x07)"
    assert explain(Reply(BUSY)) == "the drive is busy"


def test_a_drive_that_waits_to_be_started() -> None:
    assert needs_start(check(2, 4, 2))
    assert not needs_start(check(2, 4, 1))


class TestLink:
    def test_unit_attentions_that_queue_up_are_all_noticed(self) -> None:
        script = Script([check(6, 0x29), check(6, 0x28), check(6, 0x2A), Reply()])
        link = Link(script)
        assert link.execute(TestUnitReady().command()).ok
        assert script.sent == 4
        assert link.media_generation == 1
        assert link.doubtful
        assert link.settings_lost

    def test_a_drive_that_never_tires_of_them_does_not_hang_us(self) -> None:
        script = Script([check(6, 0x28)])
        reply = Link(script).execute(TestUnitReady().command())
        assert not reply.ok
        assert script.sent == 5

    def test_send_is_one_command(self) -> None:
        script = Script([check(6, 0x2A), Reply()])
        link = Link(script)
        assert not link.send(TestUnitReady().command()).ok
        assert script.sent == 1
        assert link.settings_lost
        assert link.media_generation == 0
        assert not link.doubtful

    def test_a_medium_that_goes_counts_once(self) -> None:
        link = Link(Script([check(2, 0x3A, 1)]))
        link.send(TestUnitReady().command())
        assert link.media_generation == 0
        link.medium_seen()
        link.send(TestUnitReady().command())
        link.send(TestUnitReady().command())
        assert link.media_generation == 1
        assert not link.holds_medium

    def test_failures_are_told_apart(self) -> None:
        for reply, error in (
            (check(2, 0x3A, 2), NoMedium),
            (check(2, 0x30), UnreadableDisc),
            (check(5, 0x20), CommandFailed),
            (Reply(host_status=DID_TIME_OUT), CommandFailed),
        ):
            with pytest.raises(error):
                Link(Script([reply])).ask(ReadCapacity())
            assert Link(Script([reply])).try_ask(ReadCapacity()) is None

    def test_a_failure_says_what_and_why(self) -> None:
        with pytest.raises(
            CommandFailed, match=r"script failed the command ReadCapacity: 05/20"
        ) as e:
            Link(Script([check(5, 0x20)])).ask(ReadCapacity())
        assert e.value.sense == Sense(5, 0x20, 0)

    def test_a_reply_that_is_cut_short_is_none(self) -> None:
        assert Link(Script([Reply(data=b"\5")])).try_ask(Inquiry()) is None

    def test_a_drive_that_no_longer_connects_is_lost(self) -> None:
        with pytest.raises(DriveLost, match="script no longer answers"):
            Link(Script([Reply(host_status=DID_NO_CONNECT)])).send(TestUnitReady().command())
