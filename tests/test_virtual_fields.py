# SPDX-License-Identifier: Apache-2.0
"""READ CD in all combinations of its fields, against an oracle that knows nothing of the drive."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import TrackMode
from tests.read_cd_oracle import Asked, Oracle
from tests.sources import MemorySource, audio, data, memory_disc
from tests.virtual_commands import MUCH, drive_with, send, sense_of

# Every type of sector, and where one meets another: LBA 30, 54, 74, 84 (a pause), 114; a session.
MODE1, XA, FORMLESS, SONG, LATER = 0, 30, 54, 74, 11514


def every_type() -> MemorySource:
    source = memory_disc(
        [
            data(30),
            data(24, TrackMode.MODE2, form2=3),
            data(20, TrackMode.MODE2),
            audio(40, pregap=10),
            data(16, session=2),
        ]
    )
    source.raw[3][:, 16:20] = 7  # no copy of a subheader follows: formless
    return source


SOURCE = every_type()


def read_cd(asked: Asked) -> list[int]:
    place = asked.lba.to_bytes(4, "big", signed=True)
    parts = asked.parts | asked.error << 1
    return [0xBE, asked.kind << 2, *place, *asked.count.to_bytes(3, "big"), parts, asked.sub, 0]


def check(drive: VirtualDrive, oracle: Oracle, asked: Asked) -> None:
    sense, expected = oracle.answer(asked)
    reply = send(drive, read_cd(asked), MUCH)
    assert (sense_of(reply), len(reply.data)) == (sense, len(expected)), asked
    assert bytes(reply.data) == expected, asked


@pytest.mark.parametrize("sizes", [(294, 296), (294,), (296,), ()])
def test_every_combination_of_fields_on_every_type_of_sector(sizes: tuple[int, ...]) -> None:
    drive, oracle = drive_with(SOURCE, c2_sizes=sizes), Oracle(SOURCE, sizes)
    places = (MODE1 + 3, XA, XA + 3, FORMLESS + 1, SONG + 2, SONG + 12, LATER)
    for lba, kind, parts, error, sub in product(
        places, range(6), range(0, 256, 8), range(4), (0, 1, 2, 3, 4)
    ):
        check(drive, oracle, Asked(lba, 1, kind, parts, error, sub))


@settings(max_examples=600, deadline=None)
@given(
    st.builds(
        Asked,
        lba=st.one_of(st.integers(0, 130), st.integers(11500, 11540), st.just(5000)),
        count=st.integers(0, 60),
        kind=st.sampled_from((0, 0, 0, 1, 2, 3, 4, 5, 6, 7)),
        parts=st.sampled_from((0x00, 0x10, 0x20, 0x40, 0x60, 0x78, 0xF8, 0xF8, 0x58, 0xB8)),
        error=st.sampled_from((0, 0, 1, 2, 3)),
        sub=st.sampled_from((0, 0, 1, 2, 4, 5)),
    )
)
def test_any_range_ends_where_it_must_with_all_before_it(asked: Asked) -> None:
    check(drive_with(SOURCE), Oracle(SOURCE, (294, 296)), asked)


@settings(max_examples=100, deadline=None)
@given(
    lba=st.integers(0, 120),
    count=st.integers(0, 40),
    kind=st.integers(0, 5),
    parts=st.sampled_from((0x10, 0x60, 0xF8)),
    sub=st.sampled_from((0, 1, 2, 4)),
)
def test_an_address_in_minutes_reads_the_same(
    lba: int, count: int, kind: int, parts: int, sub: int
) -> None:
    drive = drive_with(SOURCE)
    plain = send(drive, read_cd(Asked(lba, count, kind, parts, 0, sub)), MUCH)
    times = [(at + 150) // unit % base for at in (lba, lba + count) for unit, base in _UNITS]
    other = send(drive, [0xB9, kind << 2, 0, *times, parts, sub, 0], MUCH)
    assert sense_of(other) == sense_of(plain)
    assert bytes(other.data) == bytes(plain.data)


_UNITS = ((4500, 100), (75, 60), (1, 75))


def test_the_oracle_and_the_disc_agree_on_what_its_sectors_are() -> None:
    oracle = Oracle(SOURCE, ())
    kinds = [oracle.kind(lba) for lba in (MODE1, XA, XA + 3, FORMLESS, SONG, LATER - 1, LATER)]
    assert kinds == [2, 5, 4, 3, 1, None, 2]
