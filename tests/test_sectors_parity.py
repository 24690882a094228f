# SPDX-License-Identifier: Apache-2.0
"""EDC, P, Q and scrambler against slow definitions written down from ECMA-130."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.sectors import parity
from imagerd.sectors.convert import to_raw
from imagerd.sectors.edc import (
    FORM1_RANGE,
    FORM2_RANGE,
    MODE1_RANGE,
    edc,
    edc_ok,
    form1_edc_ok,
    form2_edc_ok,
    mode1_edc_ok,
    write_edc,
)
from imagerd.sectors.scramble import scramble, stream
from tests.strategies_sectors import noise, raw_sectors, user_blocks


def slow_edc(data: bytes) -> int:
    """ECMA-130, 14.3: (x^16 + x^15 + x^2 + 1)(x^16 + x^2 + x + 1), bit by bit."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xD8018001 if register & 1 else 0)
    return register


def slow_times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


def slow_power(exponent: int) -> int:
    value = 1
    for _ in range(exponent):
        value = slow_times(value, 2)
    return value


def slow_codewords(sector: bytes) -> tuple[list[list[int]], list[list[int]]]:
    """Annex A: the P and Q vectors by their index formulas, both byte planes."""
    body = sector[12:]
    p = [[body[2 * (43 * m + n) + b] for m in range(26)] for n in range(43) for b in (0, 1)]
    q = [
        [body[2 * ((44 * m + 43 * n) % 1118) + b] for m in range(43)]
        + [body[2 * (1118 + n) + b], body[2 * (1118 + 26 + n) + b]]
        for n in range(26)
        for b in (0, 1)
    ]
    return p, q


def slow_ok(codewords: list[list[int]]) -> bool:
    weights = [slow_power(i) for i in range(45)]
    for word in codewords:
        plain = weighed = 0
        for i, symbol in enumerate(reversed(word)):
            plain ^= symbol
            weighed ^= slow_times(symbol, weights[i])
        if plain or weighed:
            return False
    return True


def test_edc_has_the_published_check_value() -> None:
    assert edc(b"123456789") == 0x6EC2EDC4 == slow_edc(b"123456789")


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_edc_is_the_polynomial_of_the_standard(head: bytes, tail: bytes) -> None:
    assert edc(head + tail) == slow_edc(head + tail) == edc(tail, edc(head))


@given(user_blocks(most=3), st.integers(0, 2**32 - 1))
def test_edc_ok_is_true_of_written_edc_only(data: Bytes2D, seed: int) -> None:
    raw = noise(seed, len(data), 2352)
    raw[:, 24:2072] = data
    for covered, ok in (
        (MODE1_RANGE, mode1_edc_ok),
        (FORM1_RANGE, form1_edc_ok),
        (FORM2_RANGE, form2_edc_ok),
    ):
        write_edc(raw, covered)
        assert ok(raw).all()
        stored = raw[:, covered[1] : covered[1] + 4].copy().view("<u4")[:, 0]
        assert [slow_edc(row[slice(*covered)].tobytes()) for row in raw] == stored.tolist()
        at = covered[0] + seed % (covered[1] + 4 - covered[0])
        raw[-1, at] ^= 1 + seed % 255
        assert ok(raw).tolist() == [True] * (len(raw) - 1) + [False]
        assert edc_ok(raw, covered, [len(raw) - 1]).tolist() == [False]


@settings(max_examples=12)
@given(raw_sectors(most=2))
def test_generated_parity_satisfies_the_definition(made: tuple[Bytes2D, TrackMode, int]) -> None:
    raw, mode, _ = made
    body = raw.copy()
    if mode is TrackMode.MODE2:
        body[:, 12:16] = 0
    for row in body:
        p, q = slow_codewords(row.tobytes())
        assert slow_ok(p)
        assert slow_ok(q)
    assert all(ok.all() for ok in parity.p_q_ok(raw, mode2=mode is TrackMode.MODE2))


@settings(max_examples=15)
@given(raw_sectors(most=1), st.integers(12, 2351), st.integers(1, 255))
def test_p_and_q_agree_with_the_definition_on_damage(
    made: tuple[Bytes2D, TrackMode, int], at: int, flip: int
) -> None:
    raw = made[0].copy()
    raw[0, at] ^= flip
    p, q = slow_codewords(raw[0].tobytes())
    p_ok, q_ok = parity.p_q_ok(raw)
    assert bool(p_ok[0]) is slow_ok(p)
    assert bool(q_ok[0]) is slow_ok(q)


@pytest.mark.parametrize("mode", [TrackMode.MODE1, TrackMode.MODE2])
def test_no_damaged_byte_goes_unnoticed(mode: TrackMode) -> None:
    """Every single byte of 2340, each in a sector of its own: P sees its own, Q all."""
    mode2 = mode is TrackMode.MODE2
    raw = np.repeat(to_raw(noise(1, 1, 2048), SectorFormat.USER, mode, 77), 2340, axis=0)
    places = np.arange(12, 2352)
    raw[np.arange(2340), places] ^= 0x40
    p_ok, q_ok = parity.p_q_ok(raw, mode2=mode2)
    counted = places >= (16 if mode2 else 12)
    assert np.array_equal(~p_ok, counted & (places < 2248))
    assert np.array_equal(~q_ok, counted)


@pytest.mark.parametrize("rows", [0, 1, 2, 63, 65, 1023, 1024, 1025, 2050])
def test_batches_of_every_size_find_the_same(rows: int) -> None:
    raw = noise(rows, rows, 2352)
    raw[:, 2076:] = 0
    parity.generate(raw)
    bad = set(range(0, rows, 7))
    for row in bad:
        raw[row, 12 + row % 2340] ^= 1
    _, q_ok = parity.p_q_ok(raw)
    assert set(np.flatnonzero(~q_ok).tolist()) == bad


def test_modes_may_be_mixed_in_a_batch() -> None:
    one = to_raw(noise(1, 5, 2048), SectorFormat.USER, TrackMode.MODE1, 5)
    two = to_raw(noise(2, 5, 2048), SectorFormat.USER, TrackMode.MODE2, 10)
    raw = np.concatenate((one, two))[[0, 5, 1, 6, 7, 2]]
    mode2 = np.array([False, True, False, True, True, False])
    for ok in parity.p_q_ok(raw, mode2=mode2):
        assert ok.all()
    for ok in parity.p_q_ok(raw, mode2=~mode2):
        assert not ok.any()


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="2352"):
        parity.p_q_ok(np.zeros((2, 2048), np.uint8))
    with pytest.raises(ValueError, match="in place"):
        parity.generate(np.zeros((4, 2352), np.uint8)[::2])
    with pytest.raises(ValueError, match="in place"):
        write_edc(np.zeros((2, 2048), np.uint8), MODE1_RANGE)


def test_scrambler_begins_as_the_standard_has_it() -> None:
    """Annex B, and the same sixteen bytes that drives show for zeros read as audio."""
    assert stream()[:12].tobytes() == bytes(12)
    assert stream()[12:28].tobytes().hex() == "018000600028001e80086006a802fe81"


@given(raw_sectors(most=3))
def test_scrambling_twice_is_nothing(made: tuple[Bytes2D, TrackMode, int]) -> None:
    raw = made[0]
    scrambled = scramble(raw)
    assert np.array_equal(scrambled[:, :12], raw[:, :12])
    assert not np.array_equal(scrambled, raw)
    assert np.array_equal(scramble(scrambled), raw)
