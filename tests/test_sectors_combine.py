# SPDX-License-Identifier: Apache-2.0
"""Readings of one sector combined: nothing but the sector itself ever counts as proven."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import DiscType, TrackMode
from imagerd.sectors.combine import COMPUTED, How, combine, majority, vote
from imagerd.sectors.edc import edc
from tests.sources import TrackPlan, data, memory_disc

LBA = 20


def _sector(mode2: bool) -> np.ndarray:
    if mode2:
        plan = TrackPlan(TrackMode.MODE2, 30, form2=0)
        source = memory_disc([plan], disc_type=DiscType.XA, seed=8)
    else:
        source = memory_disc([data(30)], seed=7)
    return source.read(LBA, 1).data[0]


def _damaged(sector: np.ndarray, rng: np.random.Generator, count: int, low: int = 16) -> np.ndarray:
    found = sector.copy()
    at = rng.choice(np.arange(low, len(sector)), count, replace=False)
    found[at] ^= rng.integers(1, 256, count, dtype=np.uint8)
    return found


@pytest.mark.parametrize("mode2", [False, True])
def test_a_reading_that_proves_itself_is_taken_before_any_vote(mode2: bool) -> None:
    right, rng = _sector(mode2), np.random.default_rng(1)
    wrong = _damaged(right, rng, 500)
    found = combine(np.stack([wrong, wrong, right]), lba=LBA, mode2=mode2)
    assert found is not None
    assert (found.how, found.data.tobytes()) == (How.READ, right.tobytes())
    assert set(found.origins) == {2}


@pytest.mark.parametrize("mode2", [False, True])
def test_three_readings_none_of_which_can_be_mended_alone_give_the_sector(mode2: bool) -> None:
    right, rng = _sector(mode2), np.random.default_rng(2)
    readings = np.stack([_damaged(right, rng, 350) for _ in range(3)])
    for one in readings:
        assert combine(one[np.newaxis], lba=LBA, mode2=mode2) is None
    found = combine(readings, lba=LBA, mode2=mode2)
    assert found is not None
    assert found.data.tobytes() == right.tobytes()
    known = found.origins != COMPUTED
    at = np.flatnonzero(known)
    assert (readings[found.origins[at], at] == right[at]).all()


def test_two_readings_give_the_sector_as_where_they_disagree_its_parity_has_erasures() -> None:
    right, rng = _sector(False), np.random.default_rng(3)
    # More errors than the parity finds by itself, not more than it fills where it is told of them.
    readings = np.stack([_damaged(right, rng, 85), _damaged(right, rng, 85)])
    assert all(combine(one[np.newaxis], lba=LBA, mode2=False) is None for one in readings)
    found = combine(readings, lba=LBA, mode2=False)
    assert found is not None
    assert (found.how, found.data.tobytes()) == (How.MENDED, right.tobytes())


def test_a_sector_of_another_place_is_never_taken() -> None:
    elsewhere = memory_disc([data(30)], seed=7).read(LBA + 1, 1).data
    assert combine(elsewhere, lba=LBA, mode2=False) is None
    of_mode_2 = _sector(True)[np.newaxis]
    assert combine(of_mode_2, lba=LBA, mode2=False) is None


def test_of_proven_readings_one_with_right_parity_is_taken() -> None:
    right = _sector(False)
    scratched = right.copy()
    scratched[2300] ^= 1
    found = combine(np.stack([scratched, right]), lba=LBA, mode2=False)
    assert found is not None
    assert found.data.tobytes() == right.tobytes()


def test_bytes_that_the_edc_does_not_cover_come_right_where_another_reading_disputes_them() -> None:
    right, rng = _sector(False), np.random.default_rng(5)
    dented = right.copy()
    dented[2070] = 0xE8
    found = combine(np.stack([dented, _damaged(right, rng, 1500)]), lba=LBA, mode2=False)
    assert found is not None
    assert found.data.tobytes() in (right.tobytes(), dented.tobytes())
    alone = combine(dented[np.newaxis], lba=LBA, mode2=False)
    assert alone is not None
    assert alone.data.tobytes() == dented.tobytes()  # nobody says otherwise


def test_flagged_bytes_count_half() -> None:
    readings = np.array([[1], [1], [2]], np.uint8)
    assert vote(readings)[0][0] == 1
    flags = np.array([[True], [True], [False]])
    assert vote(readings, flags)[0][0] == 1  # a tie: the first
    assert vote(readings[1:], flags[1:])[0][0] == 2
    voted, doubtful = vote(readings[:2], flags[:2])
    assert (voted[0], doubtful[0]) == (1, True)


@pytest.mark.parametrize(
    ("values", "winner"),
    [([1, 2], None), ([1], None), ([2, 1, 1], 1), ([1, 1, 2, 2], None), ([1, 1], 0)],
)
def test_a_majority_is_more_than_half_and_two_at_least(
    values: list[int], winner: int | None
) -> None:
    readings = np.repeat(np.array(values, np.uint8)[:, np.newaxis], 4, axis=1)
    assert majority(readings) == winner


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.lists(st.integers(0, 1200), min_size=1, max_size=5),
    mode2=st.booleans(),
)
def test_whatever_the_damage_only_the_sector_itself_is_ever_proven(
    seed: int, counts: list[int], mode2: bool
) -> None:
    right, rng = _sector(mode2), np.random.default_rng(seed)
    readings = np.stack([_damaged(right, rng, count) for count in counts])
    flags = rng.random(readings.shape) < 0.1
    found = combine(readings, lba=LBA, mode2=mode2, c2=flags if seed % 2 else None)
    if 0 in counts:
        assert found is not None
    if found is not None:
        head = 2076 if mode2 else 2068  # what the EDC covers
        assert found.data[:head].tobytes() == right[:head].tobytes()


def test_an_edc_that_matches_by_chance_proves_nothing_that_parity_contradicts() -> None:
    """Of a hopeless sector thousands of ways are tried: one EDC in 2^32 matches what is wrong."""
    right, rng = _sector(False), np.random.default_rng(6)
    forged = right.copy()
    forged[16:2064] = rng.integers(0, 256, 2048, np.uint8)
    matching = edc(forged[:2064].tobytes()).to_bytes(4, "little")
    forged[2064:2068] = np.frombuffer(matching, np.uint8)
    assert combine(forged[np.newaxis], lba=LBA, mode2=False) is not None, "nothing was mended"
    damaged = np.stack([right, forged])
    damaged[:, 13] ^= 1  # that much of a header is known, and mended
    assert combine(damaged[:1], lba=LBA, mode2=False) is not None
    assert combine(damaged[1:], lba=LBA, mode2=False) is None
