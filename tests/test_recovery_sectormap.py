# SPDX-License-Identifier: Apache-2.0
"""The sector map: states only rise, counts and ranges agree with a plain list."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import ErrorBook, ErrorRange, Why
from imagerd.recovery.sectormap import BAD, RangeSet, SectorMap

AREAS = (range(-5, 60), range(100, 140))
changes = st.lists(
    st.tuples(st.integers(-5, 139), st.integers(1, 40), st.sampled_from(list(SectorState))),
    max_size=30,
)


def _applied(wanted: list[tuple[int, int, SectorState]]) -> tuple[SectorMap, dict[int, int]]:
    sectors = SectorMap(AREAS)
    plain = {lba: 0 for area in AREAS for lba in area}
    for lba, count, state in wanted:
        end = min(lba + count, 140)
        sectors.raise_to(lba, state, end - lba)
        for at in range(lba, end):
            if at in plain:
                plain[at] = max(plain[at], state)
    return sectors, plain


@given(changes)
def test_states_only_rise_and_counts_agree(wanted: list[tuple[int, int, SectorState]]) -> None:
    sectors, plain = _applied(wanted)
    assert {lba: int(sectors.state(lba)) for lba in plain} == plain
    for state, count in sectors.counts().items():
        assert count == sum(1 for value in plain.values() if value == state)
    assert len(sectors) == len(plain)


@given(changes, st.sets(st.sampled_from(list(SectorState)), min_size=1))
def test_ranges_hold_exactly_the_sectors_in_the_states(
    wanted: list[tuple[int, int, SectorState]], states: set[SectorState]
) -> None:
    sectors, plain = _applied(wanted)
    runs = list(sectors.ranges(states))
    found = [lba for run in runs for lba in run]
    assert found == [lba for lba in sorted(plain) if plain[lba] in states]
    assert all(a.stop < b.start for a, b in itertools.pairwise(runs))
    assert sectors.find(states, -5, 140) == (runs[0] if runs else None)


def test_ranges_cross_the_chunks_of_a_large_disc() -> None:
    sectors = SectorMap([range(3_000_000)])
    sectors.raise_to(5, SectorState.READ, 2_500_000)
    assert list(sectors.ranges([SectorState.READ])) == [range(5, 2_500_005)]
    assert list(sectors.ranges([SectorState.UNREAD])) == [
        range(5),
        range(2_500_005, 3_000_000),
    ]


def test_states_between_sessions_are_nobodys() -> None:
    sectors = SectorMap(AREAS)
    with pytest.raises(ValueError, match="255"):
        sectors.state(70)
    with pytest.raises(ValueError, match="outside the map"):
        sectors.states(130, 20)


def test_merging_takes_the_better_and_adds_the_attempts() -> None:
    a, b = SectorMap(AREAS), SectorMap(AREAS)
    a.raise_to(0, SectorState.READ, 10)
    b.raise_to(5, SectorState.PROVEN, 10)
    b.raise_to(0, SectorState.FAILED, 5)
    b.repaired.add(range(5, 6))
    for sectors in (a, b):
        sectors.errors.add(ErrorRange(2, 3, Why.MEDIUM, (3, 0x11, 5), 2, 1, 10.0, 20.0))
    a.merge(b)
    expected = [SectorState.READ] * 5 + [SectorState.PROVEN] * 10
    assert a.states(0, 15).tolist() == expected
    assert list(a.errors) == [ErrorRange(2, 3, Why.MEDIUM, (3, 0x11, 5), 4, 2, 10.0, 20.0)]
    assert list(a.repaired) == [range(5, 6)]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=30))
def test_a_range_set_is_a_set_of_integers(parts: list[tuple[int, int]]) -> None:
    ranges = RangeSet(range(lba, lba + count) for lba, count in parts)
    plain = {at for lba, count in parts for at in range(lba, lba + count)}
    assert {lba for part in ranges for lba in part} == plain
    assert len(ranges) == len(plain)
    assert [lba in ranges for lba in range(80)] == [lba in plain for lba in range(80)]
    joined = list(ranges)
    assert all(a.stop < b.start for a, b in itertools.pairwise(joined))


stories = st.builds(
    ErrorRange,
    lba=st.integers(0, 60),
    count=st.integers(1, 15),
    why=st.sampled_from([Why.MEDIUM, Why.EDC]),
    sense=st.sampled_from([None, (3, 0x11, 5)]),
    attempts=st.just(1),
    alone=st.integers(0, 1),
    first=st.just(0.0),
    last=st.just(0.0),
)


@given(st.lists(stories, max_size=25))
def test_the_error_book_counts_every_attempt_of_every_sector(told: list[ErrorRange]) -> None:
    book = ErrorBook()
    attempts, alone, latest = dict[int, int](), dict[int, int](), dict[int, ErrorRange]()
    for time, story in enumerate(told):
        at = ErrorRange(story.lba, story.count, story.why, story.sense, 1, story.alone, time, time)
        book.add(at)
        for lba in range(at.lba, at.end):
            attempts[lba] = attempts.get(lba, 0) + 1
            alone[lba] = alone.get(lba, 0) + at.alone
            latest[lba] = at
    for lba in range(80):
        entry = book.at(lba)
        if lba not in latest:
            assert entry is None
            continue
        assert entry is not None
        assert (entry.attempts, entry.alone) == (attempts[lba], alone[lba])
        assert (entry.why, entry.sense) == (latest[lba].why, latest[lba].sense)
        assert entry.first <= latest[lba].first <= entry.last
    entries = list(book)
    assert all(a.end <= b.lba for a, b in itertools.pairwise(entries))
    whole = [lba for entry in book.within(10, 30) for lba in range(entry.lba, entry.end)]
    assert whole == [lba for lba in sorted(latest) if 10 <= lba < 30]


def test_a_dead_zone_is_one_entry() -> None:
    book = ErrorBook()
    for lba in range(0, 5000, 26):
        book.add(ErrorRange(lba, 26, Why.MEDIUM, (3, 2, 0), 1, 0, float(lba), float(lba)))
    assert len(book) == 1


def test_memory_is_a_byte_a_sector() -> None:
    sectors = SectorMap([range(12_219_392)])  # a BD of 25 GB
    sectors.raise_to(0, np.full(1000, SectorState.PROVEN, np.uint8))
    assert sectors.count(*BAD) == 0
    assert sectors._states.nbytes == 12_219_392
