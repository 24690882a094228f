# SPDX-License-Identifier: Apache-2.0
"""What a sector is, and which sectors must never pass for right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.sectors import parity
from imagerd.sectors.convert import to_raw
from imagerd.sectors.edc import MODE1_RANGE, write_edc
from imagerd.sectors.scramble import scramble
from imagerd.sectors.verify import (
    EdcState,
    SectorKind,
    check,
    check_data,
    classify,
    edc_check,
    regenerable,
)
from tests.strategies_sectors import noise, program_lbas, raw_sectors, user_blocks

LBA = 1234


def mode1(rows: int = 4, lba: int = LBA) -> Bytes2D:
    return to_raw(noise(7, rows, 2048), SectorFormat.USER, TrackMode.MODE1, lba)


def form1(rows: int = 4, lba: int = LBA) -> Bytes2D:
    return to_raw(noise(8, rows, 2048), SectorFormat.USER, TrackMode.MODE2, lba)


def form2(rows: int = 4, lba: int = LBA) -> Bytes2D:
    return to_raw(noise(9, rows, 2324), SectorFormat.FORM2, TrackMode.MODE2, lba)


@given(raw_sectors())
def test_generated_sectors_are_proven(made: tuple[Bytes2D, TrackMode, int]) -> None:
    raw, mode, lba = made
    for found in (check(raw, lba), check_data(raw, lba), check_data(raw, lba, parity=False)):
        expected = SectorKind.MODE1 if mode is TrackMode.MODE1 else SectorKind.MODE2_FORM1
        assert (found.kind == expected).all()
        assert found.proven.all()
        assert found.data_ok.all()
        assert not found.wrong.any()
        assert not found.parity_wrong.any()
    assert regenerable(raw, lba).tolist() == [mode is TrackMode.MODE1] * len(raw)


@pytest.mark.parametrize("fill", [0x00, 0x55, 0xFF, 0xAA])
def test_filling_is_never_data(fill: int) -> None:
    raw = np.full((3, 2352), fill, np.uint8)
    for lba in (None, -150, 0, LBA):
        assert (check(raw, lba).kind == SectorKind.AUDIO).all()
        assert not check(raw, lba).proven.any()
        found = check_data(raw, lba)
        assert found.wrong.all()
        assert not found.proven.any()
        assert not found.regenerable.any()
        assert not found.data_ok.any()


def test_zeros_have_a_right_edc_and_only_the_sync_tells() -> None:
    raw = np.zeros((1, 2352), np.uint8)
    assert all(ok.all() for ok in parity.p_q_ok(raw))
    assert check_data(raw).kind[0] == SectorKind.NO_SYNC
    raw[0, :16] = form1(1)[0, :16]
    assert check_data(raw, LBA).proven[0]  # an empty form 1 sector, as between tracks


def test_noise_is_audio_and_never_wrong() -> None:
    found = check(noise(3, 100, 2352), LBA)
    assert (found.kind == SectorKind.AUDIO).all()
    assert not found.wrong.any()
    assert not found.proven.any()
    assert (found.edc == EdcState.NOT_APPLICABLE).all()


def test_scrambled_data_is_not_right() -> None:
    assert check_data(scramble(mode1()), LBA).wrong.all()


def test_kinds_may_be_mixed_in_a_batch() -> None:
    raw = np.concatenate((mode1(2), form1(2), form2(2), noise(1, 2, 2352)))
    raw[0, 100] ^= 1
    raw[2, 100] ^= 1
    raw[4, 100] ^= 1
    raw[5, 2348:] = 0
    found = check(raw)
    kinds = [SectorKind.MODE1] * 2 + [SectorKind.MODE2_FORM1] * 2 + [SectorKind.MODE2_FORM2] * 2
    assert found.kind.tolist() == [*kinds, SectorKind.AUDIO, SectorKind.AUDIO]
    good, wrong, none = EdcState.GOOD, EdcState.WRONG, EdcState.NOT_APPLICABLE
    states = [wrong, good, wrong, good, wrong, EdcState.NOT_COMPUTED, none, none]
    assert found.edc.tolist() == states
    assert edc_check(raw).tolist() == states
    assert found.p_ok.tolist() == found.q_ok.tolist() == [False, True] * 2 + [True] * 4


def test_a_form2_edc_of_zero_is_not_computed_and_not_wrong() -> None:
    raw = form2()
    raw[:, 2348:] = 0
    found = check_data(raw, LBA)
    assert (found.edc == EdcState.NOT_COMPUTED).all()
    assert not found.wrong.any()
    assert not found.proven.any()


def test_wrong_parity_under_a_good_edc_is_a_finding_not_an_error() -> None:
    raw = mode1()
    raw[1, 2100] ^= 1
    raw[2, 2300] ^= 1
    found = check_data(raw, LBA)
    assert (found.edc == EdcState.GOOD).all()
    assert not found.wrong.any()
    assert found.parity_wrong.tolist() == [False, True, True, False]
    assert found.p_ok.tolist() == [True, False, True, True]
    assert found.regenerable.tolist() == [True, False, False, True]


def test_parity_is_looked_at_where_the_edc_fails_when_not_asked_for() -> None:
    raw = mode1()
    raw[1, 700] ^= 1
    raw[2, 2300] ^= 1
    found = check_data(raw, LBA, parity=False)
    assert found.parity_checked.tolist() == [False, True, False, False]
    assert found.parity_wrong.tolist() == [False, True, False, False]
    assert not found.regenerable.any()


@given(st.integers(0, 2351), st.integers(1, 255))
def test_no_changed_byte_is_regenerable(at: int, flip: int) -> None:
    raw = mode1(2)
    raw[1, at] ^= flip
    assert regenerable(raw, LBA).tolist() == [True, False]


@given(user_blocks(most=2), program_lbas, st.integers(0, 2**32 - 1))
def test_regenerable_is_what_to_raw_gives_back(data: Bytes2D, lba: int, seed: int) -> None:
    lba = min(lba, 449_849 - len(data) + 1)
    raw = to_raw(data, SectorFormat.USER, TrackMode.MODE1, lba)
    rng = np.random.default_rng(seed)
    if seed % 2:
        raw[0, 2068 + rng.integers(8)] ^= 1  # consistent, but not what is generated
        parity.generate(raw)
    again = to_raw(raw[:, 16:2064].copy(), SectorFormat.USER, TrackMode.MODE1, lba)
    assert np.array_equal(regenerable(raw, lba), (raw == again).all(axis=1))


def test_a_sector_of_another_address_is_wrong_though_its_edc_is_good() -> None:
    found = check_data(mode1(lba=LBA + 1), LBA)
    assert not found.header_ok.any()
    assert found.wrong.all()
    assert not found.proven.any()
    assert found.data_ok.all()


@pytest.mark.parametrize("lba", [-150, -1, 0, 404_849, 404_850, 449_846])
def test_addresses_of_pregaps_and_overlong_discs_are_right(lba: int) -> None:
    """From 90:00:00 on the address of a program sector could also name the lead-in."""
    found = check(mode1(4, lba), lba)
    assert found.proven.all()
    assert found.regenerable.all()


@pytest.mark.parametrize("address", ["99:60:00", "00:00:75", "0a:00:00", "00:00:0f", "a0:00:00"])
def test_an_address_that_is_no_bcd_time_is_wrong(address: str) -> None:
    raw = form1(1)
    raw[0, 12:15] = np.frombuffer(bytes.fromhex(address.replace(":", "")), np.uint8)
    found = check_data(raw)
    assert not found.header_ok[0]
    assert found.wrong[0]


@pytest.mark.parametrize(
    ("byte", "kind"),
    [
        (0x00, SectorKind.MODE0),
        (0x01, SectorKind.MODE1),
        (0x61, SectorKind.MODE1),  # a run-in block of packet writing
        (0x02, SectorKind.MODE2_FORM1),
        (0x03, SectorKind.INVALID_MODE),
        (0x04, SectorKind.INVALID_MODE),
        (0x10, SectorKind.INVALID_MODE),
    ],
)
def test_the_mode_byte_decides(byte: int, kind: SectorKind) -> None:
    raw = np.zeros((1, 2352), np.uint8)
    raw[0, :16] = mode1(1)[0, :16]
    raw[0, 15] = byte
    assert classify(raw)[0] == kind
    assert check_data(raw, LBA).wrong[0] == (kind in (SectorKind.INVALID_MODE, SectorKind.MODE1))


def test_a_link_block_is_good_data_but_not_regenerable() -> None:
    raw = mode1(1)
    raw[0, 15] = 0x61
    write_edc(raw, MODE1_RANGE)
    parity.generate(raw)
    found = check_data(raw, LBA)
    assert found.proven[0]
    assert not found.regenerable[0]


def test_mode_0_is_zeros_or_wrong() -> None:
    raw = np.zeros((2, 2352), np.uint8)
    raw[:, :15] = mode1(2)[:, :15]
    raw[1, 2351] = 1
    found = check_data(raw, LBA)
    assert found.proven.tolist() == [True, False]
    assert found.wrong.tolist() == [False, True]


def test_mode_2_without_subheader_is_formless() -> None:
    raw = noise(5, 20, 2352)
    raw[:, :16] = form1(20)[:, :16]
    assert (classify(raw) == SectorKind.MODE2).all()
    found = check_data(raw, LBA)
    assert not found.wrong.any()
    assert not found.proven.any()


@pytest.mark.parametrize("at", [16, 18, 20, 22])
def test_a_damaged_subheader_does_not_hide_the_form(at: int) -> None:
    one, two = form1(1), form2(1)
    one[0, at] ^= 0x20
    two[0, at] ^= 0x20
    assert check_data(one).edc[0] == EdcState.WRONG
    assert check_data(two).edc[0] == EdcState.WRONG
    one[0, at] ^= 0x20
    one[0, 16 + (at - 12) % 8] = 0x5A  # the EDC of a form is the judge where copies differ
    two[0, at] ^= 0x20
    assert check_data(two).kind[0] == SectorKind.MODE2_FORM2
    assert check_data(one).kind[0] in (SectorKind.MODE2_FORM1, SectorKind.MODE2)


def test_a_slightly_damaged_sync_is_still_data_where_data_is_due() -> None:
    raw = form1(3)
    raw[1, 5:9] = 0  # 8 of 12 are right
    raw[2, 5:10] = 0
    found = check_data(raw, LBA)
    kinds = [SectorKind.MODE2_FORM1, SectorKind.MODE2_FORM1, SectorKind.NO_SYNC]
    assert found.kind.tolist() == kinds
    assert found.wrong.tolist() == [False, True, True]
    assert found.data_ok.tolist() == [True, True, False]


def test_rows_of_a_larger_array_can_be_checked() -> None:
    wide = np.zeros((4, 2448), np.uint8)
    wide[:, :2352] = mode1()
    assert check(wide[:, :2352], LBA).regenerable.all()
    assert check(wide[::2, :2352]).proven.all()


def test_an_empty_batch_is_no_error() -> None:
    assert len(check(np.empty((0, 2352), np.uint8), 0)) == 0
