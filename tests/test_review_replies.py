# SPDX-License-Identifier: Apache-2.0
"""Replies that look good and are not."""

from __future__ import annotations

from imagerd.devices.reading import ReadRequest, good_records
from imagerd.devices.scsi import CHECK_CONDITION, Command, Reply, Sense
from imagerd.disc.source import FaultKind
from tests.drives import drive_with
from tests.sources import audio, memory_disc

DEFERRED = Sense(1, 0x17, 1, deferred=True)


def test_a_deferred_recovered_error_says_nothing_good_of_this_command() -> None:
    reply = Reply(CHECK_CONDITION, bytes(20), DEFERRED)
    assert not reply.ok
    assert good_records(reply, 2, 0, 10) == 0


def test_sectors_of_a_command_that_a_deferred_error_kept_from_running_are_not_taken() -> None:
    def alter(command: Command, reply: Reply) -> Reply:
        if command.cdb[0] != 0xBE:
            return reply
        return Reply(CHECK_CONDITION, bytes(command.length), DEFERRED)

    drive, _, _ = drive_with(memory_disc([audio(400)]), alter=alter)
    result = drive.attempt(ReadRequest(100, 5))
    assert result.sectors is None
    assert result.fault is not None
    assert result.fault.kind is FaultKind.TRANSPORT
