# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.disc.msf import (
    LBA_MAX,
    LBA_MIN,
    Msf,
    format_duration,
    from_bcd,
    parse_duration,
    to_bcd,
)


@pytest.mark.parametrize(
    ("msf", "lba"),
    [
        ((0, 2, 0), 0),
        ((0, 0, 0), -150),
        ((0, 1, 74), -1),
        ((99, 59, 74), -151),
        ((90, 0, 0), -45150),
        ((89, 59, 74), 404849),
        ((74, 0, 0), 332850),
    ],
)
def test_known_addresses_of_mmc(msf: tuple[int, int, int], lba: int) -> None:
    assert Msf(*msf).lba == lba
    assert Msf.from_lba(lba) == Msf(*msf)


@given(st.integers(LBA_MIN, 404849))
def test_every_lba_below_ninety_minutes_comes_back_from_its_msf(lba: int) -> None:
    assert Msf.from_lba(lba).lba == lba


@given(st.integers(404850, LBA_MAX))
def test_an_overlong_disc_comes_back_as_a_program_address(lba: int) -> None:
    assert Msf.from_lba(lba).program_lba == lba
    assert Msf.from_lba(lba).lba < 0


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 74))
def test_bcd_is_the_decimal_digits(minute: int, second: int, frame: int) -> None:
    msf = Msf(minute, second, frame)
    assert msf.to_bcd().hex() == f"{minute:02}{second:02}{frame:02}"
    assert Msf.from_bcd(msf.to_bcd()) == msf


@pytest.mark.parametrize("wrong", [(0, 60, 0), (0, 0, 75), (100, 0, 0), (-1, 0, 0)])
def test_times_that_do_not_exist_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no such MSF"):
        Msf(*wrong)


@pytest.mark.parametrize("lba", [LBA_MIN - 1, LBA_MAX + 1])
def test_addresses_beyond_the_two_digits_have_no_msf(lba: int) -> None:
    with pytest.raises(ValueError, match="no MSF"):
        Msf.from_lba(lba)


@given(st.integers(0, 2_000_000))
def test_a_duration_comes_back_from_its_text_also_beyond_99_minutes(frames: int) -> None:
    assert parse_duration(format_duration(frames)) == frames


def test_a_duration_is_read_forgivingly_but_not_anything() -> None:
    assert parse_duration(" 0:2:80 ") == 230
    for text in ("", "1:2", "a:b:c", "-1:00:00", "00:00:00:00"):
        with pytest.raises(ValueError, match="not a time"):
            parse_duration(text)


@given(st.integers(0, 255))
def test_a_byte_is_bcd_exactly_if_both_digits_are(value: int) -> None:
    digits = f"{value:02x}"
    if digits.isdecimal():
        assert from_bcd(value) == int(digits)
        assert to_bcd(int(digits)) == value
    else:
        with pytest.raises(ValueError, match="not BCD"):
            from_bcd(value)
