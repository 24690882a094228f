# SPDX-License-Identifier: Apache-2.0
"""A disc that is too large for one layer is on several, also where its image does not say so."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.devices.mmc_structure import ReadPhysicalFormat
from imagerd.devices.virtual.layers import with_layers
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Layout, Medium
from tests.sources import MemorySource, memory_blocks

SINGLE = {Medium.DVD: 2_298_496, Medium.BD: 12_219_392}  # sectors: DVD-5 (DVD-R), BD-25


def layout_of(medium: Medium, sectors: int, layers: tuple[int, ...] = ()) -> Layout:
    small = memory_blocks(1, medium=medium, layers=layers).layout
    session = small.sessions[0]
    track = dataclasses.replace(session.tracks[0], end=sectors)
    return dataclasses.replace(
        small, sessions=(dataclasses.replace(session, tracks=(track,), lead_out=sectors),)
    )


@pytest.mark.parametrize("medium", SINGLE)
def test_what_one_layer_holds_is_on_one_and_a_sector_more_on_two(medium: Medium) -> None:
    assert with_layers(layout_of(medium, SINGLE[medium])).layers == ()
    assert len(with_layers(layout_of(medium, SINGLE[medium] + 1)).layers) == 1


def test_an_image_that_tells_its_layers_is_believed() -> None:
    told = layout_of(Medium.DVD, 4_000_000, (2_086_912,))
    assert with_layers(told) is told


@given(st.sampled_from(sorted(SINGLE)), st.integers(1, 4), st.integers(-500_000, 0))
def test_layers_begin_at_ecc_blocks_hold_no_more_than_one_can_and_the_first_is_no_shorter(
    medium: Medium, count: int, less: int
) -> None:
    end = SINGLE[medium] * count + less
    borders = [0, *with_layers(layout_of(medium, end)).layers, end]
    lengths = [after - before for before, after in itertools.pairwise(borders)]
    assert len(lengths) == count
    assert all(0 < length <= SINGLE[medium] for length in lengths)
    assert all(border % 16 == 0 for border in borders[:-1])
    assert lengths[0] == max(lengths)


def test_a_host_is_told_the_two_layers_of_a_large_dvd() -> None:
    drive = VirtualDrive()
    drive.insert(MemorySource(layout_of(Medium.DVD, 2_500_000), {}))
    drive.execute(ReadPhysicalFormat().command())  # takes the unit attention
    asked = ReadPhysicalFormat()
    told = asked.parse(drive.execute(asked.command()).data)
    assert (told.layers, told.opposite) == (2, True)
    assert (told.sectors, told.layer0) == (2_500_000, 1_250_000)
