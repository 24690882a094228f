# SPDX-License-Identifier: Apache-2.0
"""Wrong sectors that look right to a judge who is too kind."""

from __future__ import annotations

import numpy as np
import pytest

from imagerd.disc.layout import DiscType
from imagerd.disc.source import Sectors, SectorState
from imagerd.recovery.evidence import Why
from imagerd.recovery.judge import Judge, Verdict
from imagerd.sectors.subgen import build_sub
from tests.sources import MemorySource, audio, data, memory_disc

AUDIO = memory_disc([audio(4000)])
BATCH = 26


def _verdict(judge: Judge, source: MemorySource, lba: int, count: int, slip: int = 0) -> Verdict:
    """The verdict on sectors read at `lba` that really come from `slip` sectors behind."""
    rows = source.read(lba + slip, count).data
    sub = build_sub(source.layout, lba + slip, count)
    states = np.full(count, SectorState.READ, np.uint8)
    return judge.judge(Sectors(lba, source.layout.tracks[0].stored, rows, states, sub))


@pytest.mark.parametrize("slip", [-3, -1, 1, 2, 4])
def test_one_slip_of_a_drive_that_was_exact_is_not_taken_for_its_manner(slip: int) -> None:
    judge = Judge(AUDIO.layout)
    for at in range(10, 10 + 40 * BATCH, BATCH):
        assert _verdict(judge, AUDIO, at, BATCH).plain
    slipped = _verdict(judge, AUDIO, 1500, BATCH, slip)
    assert (slipped.why == Why.ADDRESS).all()
    assert _verdict(judge, AUDIO, 1600, BATCH).plain
    assert (_verdict(judge, AUDIO, 1500, 1, slip).why == Why.ADDRESS).all()


def test_a_slip_of_the_very_first_command_does_not_become_the_measure() -> None:
    judge = Judge(AUDIO.layout)
    _verdict(judge, AUDIO, 0, BATCH, 2)
    verdicts = [_verdict(judge, AUDIO, at, BATCH) for at in range(BATCH, 40 * BATCH, BATCH)]
    assert all(verdict.plain for verdict in verdicts[2:])
    assert (_verdict(judge, AUDIO, 1500, BATCH, 2).why == Why.ADDRESS).all()


def test_a_drive_whose_q_is_often_out_of_step_is_got_used_to() -> None:
    judge = Judge(AUDIO.layout)
    verdicts = [
        _verdict(judge, AUDIO, at, BATCH, number % 3)
        for number, at in enumerate(range(0, 100 * BATCH, BATCH))
    ]
    assert all(verdict.plain for verdict in verdicts[20:])


def test_data_with_a_damaged_sync_is_not_audio_where_either_may_be() -> None:
    source = memory_disc([data(400), audio(300)])
    judge = Judge(source.layout)
    block = source.read(300, 3)  # within 225 sectors of the change: a pause may begin there
    rows = block.data.copy()
    rows[0, 3] ^= 0x10  # of the sync
    rows[1, 0:12] = 0x5A
    rows[2, 5] ^= 0x01
    rows[2, 1000] ^= 0xFF
    block = Sectors(300, block.format, rows, block.states)
    verdict = judge.judge(block)
    assert (verdict.states == SectorState.SUSPECT).all()
    assert (verdict.why == Why.EDC).all()


def test_silence_and_samples_are_audio_where_either_may_be() -> None:
    source = memory_disc([data(400), audio(300)])
    judge = Judge(source.layout)
    rows = np.random.default_rng(1).integers(0, 256, (4, 2352), np.uint8)
    rows[0] = 0
    rows[1] = 255
    block = Sectors(300, source.layout.tracks[0].stored, rows, np.full(4, 3, np.uint8))
    assert (judge.judge(block).states == SectorState.READ).all()


def test_the_kinds_of_discs_are_as_they_were() -> None:
    source = memory_disc([data(60, data(1).mode.MODE2, form2=3)], disc_type=DiscType.XA)
    verdict = Judge(source.layout).judge(source.read(0, 60))
    assert (verdict.states == SectorState.PROVEN).all()
