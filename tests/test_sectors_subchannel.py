# SPDX-License-Identifier: Apache-2.0
"""Q as discs hold it, decoded and made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.msf import LBA_MAX, LBA_MIN, Msf
from imagerd.disc.source import Bytes2D
from imagerd.sectors.subchannel import (
    LEAD_OUT,
    QIsrc,
    QLeadIn,
    QMcn,
    QOther,
    QPosition,
    build_q_isrc,
    build_q_lead_in,
    build_q_mcn,
    build_q_position,
    deinterleave,
    interleave,
    p_of,
    parse_q,
    q_crc,
    q_crc_ok,
    q_of,
    seal,
    with_p_q,
)
from imagerd.sectors.subgen import Subchannel, build_sub
from tests.strategies_sectors import noise

MCN, ISRC = "0724384260958", "GBAYE0000351"
msfs = st.builds(Msf, st.integers(0, 99), st.integers(0, 59), st.integers(0, 74))
controls = st.sampled_from([Control(value) for value in range(16)])
LAYOUT = Layout(
    Medium.CD,
    (
        Session(
            1,
            (
                Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 600, control=Control.DATA),
                Track(
                    2,
                    1,
                    TrackMode.AUDIO,
                    (Index(0, 600), Index(1, 750), Index(2, 900)),
                    1000,
                    isrc=ISRC,
                ),
            ),
            1000,
        ),
        Session(
            2,
            (Track(3, 2, TrackMode.MODE2, (Index(1, 12400),), 13000, control=Control.DATA),),
            13000,
        ),
    ),
    DiscType.XA,
    mcn=MCN,
)


@pytest.mark.parametrize(
    ("q", "crc"), [("41010106377200063972", "02c5"), ("01040102242600451831", "8708")]
)
def test_crc_of_q_of_real_discs(q: str, crc: str) -> None:
    assert q_crc(bytes.fromhex(q)).hex() == crc
    row = np.frombuffer(bytes.fromhex(q + crc), np.uint8)[None]
    assert q_crc_ok(row).tolist() == [True]
    for bit in range(96):
        damaged = row.copy()
        damaged[0, bit // 8] ^= 0x80 >> bit % 8
        assert not q_crc_ok(damaged)[0]


def test_q_of_a_real_disc_is_understood() -> None:
    assert parse_q(bytes.fromhex("4101010637720006397202c5")) == QPosition(
        Control.DATA, 1, 1, Msf(6, 37, 72), Msf(6, 39, 72)
    )


def test_zeros_and_filling_are_no_q() -> None:
    for fill in (0x00, 0xFF, 0x55):
        assert not q_crc_ok(np.full((1, 12), fill, np.uint8))[0]


@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_interleaving_goes_both_ways(seed: int, rows: int) -> None:
    sub = noise(seed, rows, 96)
    channels = deinterleave(sub)
    assert np.array_equal(interleave(channels), sub)
    assert np.array_equal(deinterleave(interleave(sub)), sub)
    assert np.array_equal(channels[:, :12], p_of(sub))
    assert np.array_equal(channels[:, 12:24], q_of(sub))


def test_p_is_bit_7_and_w_is_bit_0_of_every_byte() -> None:
    for channel in range(8):
        sub = np.zeros((1, 96), np.uint8)
        sub[0, 3] = 0x80 >> channel
        expected = np.zeros((8, 12), np.uint8)
        expected[channel, 0] = 0x10  # the fourth bit, first bit first
        assert np.array_equal(deinterleave(sub).reshape(8, 12), expected)


@given(st.integers(0, 2**32 - 1), st.lists(st.booleans(), min_size=1, max_size=5))
def test_p_and_q_come_out_as_they_went_in(seed: int, pauses: list[bool]) -> None:
    q = noise(seed, len(pauses), 12)
    seal(q)
    sub = with_p_q(np.array(pauses), q)
    assert np.array_equal(q_of(sub), q)
    assert q_crc_ok(q_of(sub)).all()
    assert p_of(sub).tolist() == [[255 if pause else 0] * 12 for pause in pauses]
    assert not (sub & 0x3F).any()


@given(controls, st.integers(1, 99) | st.just(LEAD_OUT), st.integers(0, 99), msfs, msfs)
def test_positions_survive(
    control: Control, track: int, index: int, relative: Msf, absolute: Msf
) -> None:
    entry = QPosition(control, track, index, relative, absolute)
    assert parse_q(build_q_position(entry)) == entry
    assert entry.lba == absolute.program_lba


@given(controls, st.from_regex(r"[0-9]{13}", fullmatch=True), st.integers(0, 74))
def test_catalogue_numbers_survive(control: Control, mcn: str, frame: int) -> None:
    assert parse_q(build_q_mcn(QMcn(control, mcn, frame))) == QMcn(control, mcn, frame)


@given(controls, st.from_regex(r"[A-Z0-9]{5}[0-9]{7}", fullmatch=True), st.integers(0, 74))
def test_isrcs_survive(control: Control, isrc: str, frame: int) -> None:
    assert parse_q(build_q_isrc(QIsrc(control, isrc, frame))) == QIsrc(control, isrc, frame)


@given(controls, st.sampled_from((1, 5)), st.binary(min_size=7, max_size=7))
def test_lead_in_entries_survive(control: Control, adr: int, data: bytes) -> None:
    entry = QLeadIn(control, adr, data[0], data[1:4], data[4:7])
    assert parse_q(build_q_lead_in(entry)) == entry


@given(st.binary(min_size=12, max_size=12))
def test_any_bytes_are_something(q: bytes) -> None:
    entry = parse_q(q)
    assert entry.control == q[0] >> 4
    if isinstance(entry, QOther):
        assert entry.data == q[1:10]


def test_what_is_no_number_is_refused() -> None:
    for mcn in ("123", "123456789012x", "١" * 13):
        with pytest.raises(ValueError, match="13 digits"):
            build_q_mcn(QMcn(Control.NONE, mcn, 0))
    for isrc in ("GBAYE000035", "gbaye0000351", "GB-YE0000351", "GBAYE00003x1"):
        with pytest.raises(ValueError, match="ISRC"):
            build_q_isrc(QIsrc(Control.NONE, isrc, 0))


def positions(sub: Bytes2D) -> list[QPosition | None]:
    entries = [parse_q(row.tobytes()) for row in q_of(sub)]
    return [entry if isinstance(entry, QPosition) else None for entry in entries]


@pytest.mark.parametrize(
    ("lba", "track", "index", "relative"),
    [
        (-150, 1, 0, 149),
        (-1, 1, 0, 0),  # a pause counts down to zero
        (0, 1, 1, 0),
        (599, 1, 1, 599),
        (600, 2, 0, 149),
        (749, 2, 0, 0),
        (750, 2, 1, 0),
        (900, 2, 2, 150),  # further indexes go on counting
        (1000, LEAD_OUT, 1, 0),
        (7749, LEAD_OUT, 1, 6749),
        (12250, 3, 0, 149),
        (12399, 3, 0, 0),
        (12400, 3, 1, 0),
        (13000, LEAD_OUT, 1, 0),
        (13500, LEAD_OUT, 1, 500),
    ],
)
def test_made_q_says_where_it_is(lba: int, track: int, index: int, relative: int) -> None:
    sub = build_sub(LAYOUT, lba, 1)
    expected = track if track != LEAD_OUT else (2 if lba < 12000 else 3)
    control = next(t.control for t in LAYOUT.tracks if t.number == expected)
    absolute = Msf.from_lba(lba)
    entry = QPosition(control, track, index, Msf.from_frames(relative), absolute)
    assert positions(sub) == [entry]
    assert p_of(sub)[0].all() == (index == 0)


@given(st.integers(-150, 14_000), st.integers(1, 300))
def test_made_q_is_right_everywhere(lba: int, count: int) -> None:
    sub = build_sub(LAYOUT, lba, count)
    assert sub.shape == (count, 96)
    assert q_crc_ok(q_of(sub)).all()
    for at, entry in enumerate(positions(sub), lba):
        track = LAYOUT.track_at(at)
        if entry is not None and track is not None:
            assert (entry.track, entry.index) == (track.number, track.index_at(at))
            assert entry.lba == at


def test_catalogue_number_and_isrc_come_once_in_a_hundred_sectors() -> None:
    entries = [parse_q(row.tobytes()) for row in q_of(build_sub(LAYOUT, 0, 1000))]
    mcn = [at for at, entry in enumerate(entries) if isinstance(entry, QMcn)]
    isrc = [at for at, entry in enumerate(entries) if isinstance(entry, QIsrc)]
    assert mcn == list(range(40, 1000, 100))
    assert isrc == [780, 880, 980]
    assert {e.mcn for e in entries if isinstance(e, QMcn)} == {MCN}
    assert {e.isrc for e in entries if isinstance(e, QIsrc)} == {ISRC}
    assert [e.frame for e in entries if isinstance(e, QIsrc)] == [(a + 150) % 75 for a in isrc]


def test_the_lead_in_holds_the_table_of_contents() -> None:
    rows = q_of(build_sub(LAYOUT, -180, 30))
    entries = [parse_q(row.tobytes()) for row in rows]
    assert q_crc_ok(rows).all()
    found = {e.point: e.pointer for e in entries if isinstance(e, QLeadIn)}
    assert found == {
        0x01: Msf.from_lba(0).to_bcd(),
        0x02: Msf.from_lba(750).to_bcd(),
        0xA0: bytes((0x01, 0x20, 0)),
        0xA1: bytes((0x02, 0, 0)),
        0xA2: Msf.from_lba(1000).to_bcd(),
    }
    second = [parse_q(row.tobytes()) for row in q_of(build_sub(LAYOUT, 12000, 15))]
    assert {e.point for e in second if isinstance(e, QLeadIn)} == {0x03, 0xA0, 0xA1, 0xA2}


@given(st.lists(st.tuples(st.integers(-400, 2000), st.integers(1, 40)), max_size=8))
def test_kept_chunks_are_what_would_be_made_anew(reads: list[tuple[int, int]]) -> None:
    kept = Subchannel(LAYOUT)
    for lba, count in reads:
        assert np.array_equal(kept.read(lba, count), build_sub(LAYOUT, lba, count))


def test_the_whole_range_of_addresses_can_be_made_and_nothing_else() -> None:
    kept = Subchannel(LAYOUT)
    for lba in (LBA_MIN, LBA_MAX - 4):
        assert q_crc_ok(q_of(kept.read(lba, 5))).all()
    for lba in (LBA_MIN - 1, LBA_MAX - 3):
        with pytest.raises(ValueError, match="on no CD"):
            kept.read(lba, 5)
