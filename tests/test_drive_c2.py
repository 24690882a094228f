# SPDX-License-Identifier: Apache-2.0
"""C2 pointers are judged by what they said of sectors that prove themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.devices.knowledge.c2 import C2Counts, C2Verdict, judge
from imagerd.disc.source import SectorState
from imagerd.recovery.c2tally import C2Tally
from imagerd.recovery.sectormap import SectorMap
from tests.sources import data, memory_disc

_DISC = memory_disc([data(1400)])


@given(st.lists(st.tuples(*[st.booleans()] * 4), max_size=60), st.integers(0, 900))
def test_sectors_are_counted_by_edc_and_c2_and_only_wrong_ones_that_came_right(
    rows: list[tuple[bool, bool, bool, bool]], lba: int
) -> None:
    """Rows are (wrong, marked, without EDC, came right in the end)."""
    wrong, marked, silent, mended = np.array(rows, np.bool_).reshape(-1, 4).T
    tally, sectors = C2Tally(_DISC.layout), SectorMap(_DISC.layout.ranges())
    c2 = np.zeros((len(rows), 294), np.uint8)
    c2[:, 7] = marked * 16
    tally.add(lba, ~wrong & ~silent, wrong & ~silent, None)  # read without C2
    tally.add(lba, ~wrong & ~silent, wrong & ~silent, c2)
    tally.add(lba, ~wrong, wrong & False, np.zeros_like(c2))  # again: only what has not counted
    for row in np.flatnonzero(mended | ~wrong).tolist():
        sectors.raise_to(lba + row, SectorState.PROVEN)
    again = silent & ~wrong
    assert tally.counts(sectors) == C2Counts(
        wrong_silent=int((wrong & ~marked & ~silent & mended).sum()),
        wrong_marked=int((wrong & marked & ~silent & mended).sum()),
        right_marked=int((~wrong & marked & ~silent).sum()),
        right_silent=int((~wrong & ~marked & ~silent).sum() + again.sum()),
    )


@pytest.mark.parametrize(
    ("counts", "trust"),
    [
        (C2Counts(), C2Verdict.UNKNOWN),
        (C2Counts(right_silent=10**9), C2Verdict.UNKNOWN),  # good discs tell nothing
        (C2Counts(wrong_marked=99), C2Verdict.UNKNOWN),
        (C2Counts(wrong_marked=100), C2Verdict.TRUSTED),
        (C2Counts(wrong_silent=1, wrong_marked=100), C2Verdict.TRUSTED),
        (C2Counts(wrong_silent=2, wrong_marked=100), C2Verdict.UNKNOWN),
        (C2Counts(wrong_silent=3, wrong_marked=100), C2Verdict.UNTRUSTED),
        (C2Counts(wrong_silent=3), C2Verdict.UNTRUSTED),
        (C2Counts(wrong_silent=100, wrong_marked=10_000), C2Verdict.TRUSTED),
        (C2Counts(wrong_marked=200, right_marked=1000), C2Verdict.TRUSTED),
        (C2Counts(wrong_marked=4, right_marked=96), C2Verdict.UNTRUSTED),
        (C2Counts(wrong_marked=5, right_marked=95), C2Verdict.UNKNOWN),
        (C2Counts(right_marked=99), C2Verdict.UNKNOWN),
    ],
)
def test_c2_is_judged_by_what_was_marked(counts: C2Counts, trust: C2Verdict) -> None:
    assert judge(counts) is trust


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_one_more_unmarked_error_never_makes_c2_better(
    silent: int, marked: int, right: int
) -> None:
    order = [C2Verdict.UNTRUSTED, C2Verdict.UNKNOWN, C2Verdict.TRUSTED]
    one = judge(C2Counts(silent, marked, right))
    more = judge(C2Counts(silent + 1, marked, right))
    assert order.index(more) <= order.index(one)
