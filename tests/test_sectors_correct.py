# SPDX-License-Identifier: Apache-2.0
"""Correction: mends what parity can mend, and never makes data of what is none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.sectors.convert import to_raw
from imagerd.sectors.correct import correct, repair
from imagerd.sectors.verify import check_data
from tests.strategies_sectors import MODES, noise, raw_sectors

LBA = 5000


def one(mode: TrackMode, seed: int = 1) -> Bytes2D:
    return to_raw(noise(seed, 1, 2048), SectorFormat.USER, mode, LBA)


@settings(max_examples=60)
@given(raw_sectors(most=1), st.integers(0, 2351), st.integers(1, 255))
def test_any_single_byte_is_mended(
    made: tuple[Bytes2D, TrackMode, int], at: int, flip: int
) -> None:
    raw, mode, lba = made
    damaged = raw[0].copy()
    damaged[at] ^= flip
    found = correct(damaged, lba=lba, mode2=mode is TrackMode.MODE2)
    if mode is TrackMode.MODE2 and 12 <= at < 15:
        # its header is under no EDC: what names another valid address may well be that sector
        assert found is None or found.data == raw.tobytes()
    else:
        assert found is not None
        assert found.data == raw.tobytes()
        assert found.changed == (at,)
        assert found.parity_ok


@settings(max_examples=40)
@given(raw_sectors(most=1), st.integers(0, 2**32 - 1), st.integers(1, 25))
def test_scattered_errors_are_mended_or_given_up_never_made_up(
    made: tuple[Bytes2D, TrackMode, int], seed: int, errors: int
) -> None:
    raw, mode, lba = made
    rng = np.random.default_rng(seed)
    places = rng.choice(np.arange(16, 2352), errors, replace=False)
    damaged = raw[0].copy()
    damaged[places] ^= rng.integers(1, 256, errors, dtype=np.uint8)
    found = correct(damaged, lba=lba, mode2=mode is TrackMode.MODE2)
    if found is not None:
        assert found.data[:2068] == raw[0, :2068].tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_twenty_scattered_errors_are_almost_always_mended(mode: TrackMode) -> None:
    rng = np.random.default_rng(5)
    mended = 0
    for seed in range(50):
        raw = one(mode, seed)
        damaged = raw[0].copy()
        places = rng.choice(np.arange(16, 2352), 20, replace=False)
        damaged[places] ^= rng.integers(1, 256, 20, dtype=np.uint8)
        found = correct(damaged)
        mended += found is not None and found.data == raw.tobytes()
    assert mended >= 45


@pytest.mark.parametrize("seed", [4, 5, 44, 72])
def test_a_codeword_that_mends_the_wrong_symbol_is_not_believed_at_once(seed: int) -> None:
    """Fifty errors each, of which believing every codeword from the start makes more."""
    raw = one(TrackMode.MODE1)
    rng = np.random.default_rng(seed)
    damaged = raw[0].copy()
    places = rng.choice(np.arange(16, 2352), 50, replace=False)
    damaged[places] ^= rng.integers(1, 256, 50, dtype=np.uint8)
    found = correct(damaged)
    assert found is not None
    assert found.data == raw.tobytes()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("start", [16, 500, 1411, 1990])
def test_a_burst_of_one_row_is_always_mended(mode: TrackMode, start: int) -> None:
    """86 bytes in a row are one symbol in each P codeword."""
    raw = one(mode)
    damaged = raw[0].copy()
    damaged[start : start + 86] ^= 0xFF
    found = correct(damaged)
    assert found is not None
    assert found.data == raw.tobytes()
    assert found.changed == tuple(range(start, start + 86))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("columns", "diagonals"), [((3, 4), (0, 1)), ((0, 42), (5, 25)), ((20, 31), (7, 19))]
)
def test_four_errors_in_a_rectangle_of_p_and_q_are_mended(
    mode: TrackMode, columns: tuple[int, int], diagonals: tuple[int, int]
) -> None:
    """Each codeword that is hit is hit twice, so neither P nor Q can mend it alone."""
    raw = one(mode)
    damaged = raw[0].copy()
    for flip, (column, diagonal) in enumerate(itertools.product(columns, diagonals), 1):
        row = (diagonal + column) % 26
        damaged[12 + 2 * (43 * row + column)] ^= 37 * flip
    found = correct(damaged)
    assert found is not None
    assert found.data == raw.tobytes()
    assert len(found.changed) == 4


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("start", [24, 700, 1500])
def test_erasures_mend_twice_as_much(mode: TrackMode, start: int) -> None:
    raw = one(mode)
    damaged = raw[0].copy()
    damaged[start : start + 172] = noise(start, 1, 172)[0]
    erasures = np.zeros(2352, np.bool_)
    erasures[start : start + 172] = True
    assert correct(damaged) is None
    found = correct(damaged, erasures=erasures)
    assert found is not None
    assert found.data == raw.tobytes()
    assert set(found.changed) <= set(range(start, start + 172))


def test_wrong_erasures_do_not_hinder() -> None:
    raw = one(TrackMode.MODE1)
    damaged = raw[0].copy()
    damaged[[100, 900, 1800]] ^= 7
    erasures = np.zeros(2352, np.bool_)
    erasures[1000:1600] = True
    found = correct(damaged, erasures=erasures)
    assert found is not None
    assert found.changed == (100, 900, 1800)


@pytest.mark.parametrize("mode2", [False, True, None])
@pytest.mark.parametrize("fill", [0x00, 0x55, 0xFF])
@pytest.mark.parametrize("lba", [-150, 0, LBA])
def test_filling_never_becomes_data(fill: int, mode2: bool | None, lba: int) -> None:
    filling = np.full(2352, fill, np.uint8)
    erasures = np.ones(2352, np.bool_)
    assert correct(filling, lba=lba, mode2=mode2) is None
    assert correct(filling, lba=lba, mode2=mode2, erasures=erasures) is None


@pytest.mark.parametrize("mode", MODES)
def test_a_sector_that_was_not_read_to_its_end_is_given_up(mode: TrackMode) -> None:
    for fill in (0x00, 0x55):
        damaged = one(mode)[0]
        damaged[600:] = fill
        assert correct(damaged, lba=LBA) is None


def test_few_bytes_in_zeros_do_not_become_an_empty_sector() -> None:
    """All zeros are right by EDC and parity of form 1; that is no evidence."""
    damaged = one(TrackMode.MODE2)[0]
    damaged[16:] = 0
    damaged[1000] = 1
    assert correct(damaged, lba=LBA) is None


def test_a_neighbour_is_not_bent_to_the_address_wanted() -> None:
    for mode in MODES:
        assert correct(one(mode)[0], lba=LBA + 1) is None


@pytest.mark.parametrize("mode", MODES)
def test_sync_header_and_mode_come_back_where_the_address_is_known(mode: TrackMode) -> None:
    raw = one(mode)
    damaged = raw[0].copy()
    damaged[2:5] = 0
    damaged[12] = 0xEE
    damaged[15] = 0xEE
    found = correct(damaged, lba=LBA, mode2=mode is TrackMode.MODE2)
    assert found is not None
    assert found.data == raw.tobytes()
    assert found.changed == (2, 3, 4, 12, 15)


def test_a_right_sector_stays_as_it_is() -> None:
    found = correct(one(TrackMode.MODE1)[0])
    assert found is not None
    assert found.changed == ()
    assert found.parity_ok


def test_audio_is_refused() -> None:
    assert correct(noise(1, 1, 2352)[0], lba=LBA) is None
    with pytest.raises(ValueError, match="2352"):
        correct(np.zeros(2048, np.uint8))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_repair_tells_what_it_did_row_by_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = to_raw(noise(seed, 6, 2048), SectorFormat.USER, TrackMode.MODE1, LBA)
    read = raw.copy()
    read[1, rng.integers(16, 2064)] ^= 9
    read[4, 100:900] ^= 9
    rows = np.flatnonzero(check_data(read, LBA, parity=False).wrong).tolist()
    found = repair(read, rows, lba=LBA)
    assert list(found.corrected) == [1]
    assert found.failed == (4,)
    assert np.array_equal(found.data[:4], raw[:4])
    assert np.array_equal(found.data[4:], read[4:])
    assert len(found.corrected[1].changed) == 1
