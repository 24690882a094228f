# SPDX-License-Identifier: Apache-2.0
"""Replies that look good and are not."""

from __future__ import annotations

import numpy as np

from imagerd.devices.reading import ReadRequest, good_records
from imagerd.devices.scsi import CHECK_CONDITION, Command, Reply, Sense
from imagerd.disc.source import FaultKind, SectorState
from imagerd.sectors.scramble import scramble
from tests.drives import drive_with, refused
from tests.sources import audio, data, memory_disc

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


def test_data_had_as_audio_is_doubtful_unless_it_proves_itself() -> None:
    """A drive that gives up a damaged data sector, but hands it out as samples."""
    source = memory_disc([data(800), audio(400)])
    drive, _, between = drive_with(source)
    assert drive.layout

    def alter(command: Command, reply: Reply) -> Reply:
        cdb = command.cdb
        lba, count = int.from_bytes(cdb[2:6], "big"), int.from_bytes(cdb[6:9], "big")
        if cdb[0] != 0xBE or lba >= 800:
            return reply
        if cdb[1] >> 2 & 7 != 1:
            return refused(5, 0x64, 0)
        rows = scramble(source.raw[1][lba : lba + count])
        if lba % 3 == 1:
            rows[:, 500] ^= 1  # damaged
        if lba % 3 == 2 or lba >= 700:
            rows = np.roll(rows, 100)  # as far from where it should be as a drive's read offset
        return Reply(data=rows.tobytes())

    between.alter = alter
    states = drive.read(0, 6).states.tolist()
    assert states == [SectorState.READ, SectorState.SUSPECT, SectorState.SUSPECT] * 2
    assert (drive.read(700, 5).states == SectorState.READ).all()  # there samples may be meant
