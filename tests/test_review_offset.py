# SPDX-License-Identifier: Apache-2.0
"""Correcting a read offset never touches what carries its own address."""

from __future__ import annotations

import numpy as np
import pytest

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.source import SectorState
from imagerd.sectors.blocks import read_all
from imagerd.sectors.convert import to_raw
from imagerd.sectors.offset import OffsetView
from tests.sources import MemorySource, audio, data, memory_disc

FIRST_DATA = 250  # the pause of the data track, which the table of contents gives to the audio


def _audio_then_data() -> MemorySource:
    """Audio, then data, as the table of contents shows it: the data's pause belongs to track 1."""
    disc = memory_disc([audio(400), data(300)])
    user = np.random.default_rng(3).integers(0, 256, (150, 2048), np.uint8)
    disc.raw[1][FIRST_DATA:] = to_raw(user, SectorFormat.USER, TrackMode.MODE1, FIRST_DATA)
    return disc


@pytest.mark.parametrize("offset", [6, -6, 667, -1176])
def test_data_in_the_pause_after_audio_stays_where_it_is(offset: int) -> None:
    disc = _audio_then_data()
    view = OffsetView(disc, offset)
    moved = read_all(view, 0, 700).data
    assert np.array_equal(moved[FIRST_DATA:], read_all(disc, 0, 700).data[FIRST_DATA:])
    samples = disc.raw[1][:FIRST_DATA].reshape(-1)
    inside = np.zeros_like(samples)
    shift = offset * 4
    if offset > 0:
        inside[:-shift] = samples[shift:]
    else:
        inside[-shift:] = samples[:shift]
    assert np.array_equal(moved[:FIRST_DATA].reshape(-1), inside)


def test_a_pause_of_data_that_cannot_be_read_ends_the_audio_where_data_begins_for_sure() -> None:
    disc = _audio_then_data()
    disc.bad = frozenset(range(FIRST_DATA, FIRST_DATA + 10))
    block = read_all(OffsetView(disc, 6), 240, 30)
    assert (block.states[10:19] == SectorState.FAILED).all()
    assert np.array_equal(block.data[20:], disc.raw[1][260:270])
