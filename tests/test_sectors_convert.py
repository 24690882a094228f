# SPDX-License-Identifier: Apache-2.0
"""Every stored form becomes raw and comes back the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.msf import LBA_MAX, LBA_MIN, Msf
from imagerd.disc.source import Bytes2D
from imagerd.sectors.convert import from_raw, stored_offset, to_raw, user_data
from imagerd.sectors.geometry import lba_msf
from imagerd.sectors.verify import EdcState, SectorKind, check_data
from tests.strategies_sectors import lbas, noise, user_blocks

S, M = SectorFormat, TrackMode
SHORT = [
    (S.USER, M.MODE1),
    (S.USER, M.MODE2),
    (S.FORM2, M.MODE2),
    (S.XA_USER, M.MODE2),
    (S.MODE2, M.MODE2),
    (S.MODE2, M.MODE1),
]


@pytest.mark.parametrize(("stored", "mode"), SHORT)
@given(st.integers(0, 2**32 - 1), lbas)
def test_what_is_stored_survives_the_way_through_raw(
    stored: SectorFormat, mode: TrackMode, seed: int, lba: int
) -> None:
    data = noise(seed, 3, stored.size)
    if stored is S.XA_USER:
        data[:, 4:8] = data[:, :4]
        data[:, 2] = data[:, 6] = 0x20 | data[:, 2]
    raw = to_raw(data, stored, mode, lba)
    assert raw.shape == (3, 2352)
    assert np.array_equal(from_raw(raw, stored, mode), data)
    addresses = [Msf.from_bcd(row[12:15].tobytes()).program_lba for row in raw]
    assert addresses == [lba, lba + 1, lba + 2]
    if stored is not S.MODE2:
        found = check_data(raw, lba)
        assert found.proven.all()
        assert not found.parity_wrong.any()


@given(user_blocks(), lbas)
def test_user_data_of_raw_is_what_raw_was_made_of(data: Bytes2D, lba: int) -> None:
    for mode in (M.MODE1, M.MODE2):
        raw = to_raw(data, S.USER, mode, lba)
        assert np.array_equal(user_data(raw, mode), data)
        out = np.empty_like(data)
        assert user_data(raw, mode, out) is out
        assert np.array_equal(out, data)


@given(st.integers(0, 2**32 - 1), lbas)
def test_2332_bytes_keep_the_form_that_their_subheader_names(seed: int, lba: int) -> None:
    data = noise(seed, 4, 2332)
    data[:, 4:8] = data[:, :4]
    form2 = data[:, 2] & 0x20 != 0
    raw = to_raw(data, S.XA_USER, M.MODE2, lba)
    found = check_data(raw, lba)
    assert np.array_equal(found.kind == SectorKind.MODE2_FORM2, form2)
    assert (found.edc == EdcState.GOOD).all()
    assert found.proven.all()
    assert np.array_equal(raw[:, 16:2072], data[:, :2056])
    assert np.array_equal(raw[form2, 16:2348], data[form2])


def test_2336_bytes_are_kept_as_they_are_even_if_wrong() -> None:
    data = noise(1, 2, 2336)
    raw = to_raw(data, S.MODE2, M.MODE2, 10)
    assert np.array_equal(raw[:, 16:], data)
    empty = to_raw(np.zeros((2, 2336), np.uint8), S.MODE2, M.MODE0, 10)
    assert (check_data(empty, 10).kind == SectorKind.MODE0).all()
    assert check_data(empty, 10).proven.all()


def test_subchannel_goes_with_the_forms_that_store_it() -> None:
    sub = noise(2, 3, 96)
    raw = to_raw(noise(1, 3, 2048), S.USER, M.MODE1, 0)
    wide = from_raw(raw, S.RAW_SUB, M.MODE1, sub)
    assert wide.shape == (3, 2448)
    assert np.array_equal(wide[:, 2352:], sub)
    assert np.array_equal(to_raw(wide, S.RAW_SUB, M.MODE1, 0), raw)
    cooked = from_raw(raw, S.USER_SUB, M.MODE1, sub)
    assert cooked.shape == (3, 2144)
    assert np.array_equal(to_raw(cooked, S.USER_SUB, M.MODE1, 0), raw)
    with pytest.raises(ValueError, match="subchannel"):
        from_raw(raw, S.RAW_SUB, M.MODE1)


def test_raw_is_not_copied() -> None:
    raw = noise(1, 2, 2352)
    assert to_raw(raw, S.RAW, M.AUDIO, 0) is raw
    assert from_raw(raw, S.RAW, M.AUDIO) is raw


def test_what_has_no_raw_form_is_refused() -> None:
    for mode in (M.AUDIO, M.BLOCKS):
        with pytest.raises(ValueError, match="no raw form"):
            to_raw(np.zeros((1, 2048), np.uint8), S.USER, mode, 0)
    with pytest.raises(ValueError, match="audio"):
        from_raw(np.zeros((1, 2352), np.uint8), S.USER, M.AUDIO)
    with pytest.raises(ValueError, match="2048"):
        to_raw(np.zeros((1, 2352), np.uint8), S.USER, M.MODE1, 0)


@given(st.integers(LBA_MIN, LBA_MAX - 3), st.integers(0, 3))
def test_addresses_are_those_of_msf(lba: int, count: int) -> None:
    expected = [Msf.from_lba(at).to_bcd() for at in range(lba, lba + count)]
    assert [row.tobytes() for row in lba_msf(lba, count)] == expected


def test_addresses_beyond_a_cd_are_refused() -> None:
    for lba, count in ((LBA_MIN - 1, 1), (LBA_MAX, 2)):
        with pytest.raises(ValueError, match="no MSF"):
            lba_msf(lba, count)


def test_offsets_of_stored_forms() -> None:
    assert stored_offset(S.RAW, M.MODE1) == stored_offset(S.RAW_SUB, M.AUDIO) == 0
    assert stored_offset(S.USER, M.MODE1) == stored_offset(S.MODE2, M.MODE2) == 16
    assert stored_offset(S.USER, M.MODE2) == stored_offset(S.FORM2, M.MODE2) == 24
