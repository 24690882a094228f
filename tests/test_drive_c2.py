# SPDX-License-Identifier: Apache-2.0
"""C2 pointers are judged by what they said of sectors that prove themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.devices.knowledge.c2 import C2Counts, C2Trust, count, judge
from imagerd.devices.reading import ReadRequest
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.sectors.verify import check_data
from tests.drives import drive_with
from tests.sources import data, memory_disc


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_sectors_are_counted_by_edc_and_c2(rows: list[tuple[bool, bool]]) -> None:
    wrong = np.array([row[0] for row in rows], np.bool_)
    c2 = np.zeros((len(rows), 294), np.uint8)
    c2[:, 7] = [row[1] * 16 for row in rows]
    counts = count(~wrong, wrong, c2)
    assert counts == C2Counts(
        rows.count((True, False)),
        rows.count((True, True)),
        rows.count((False, True)),
        rows.count((False, False)),
    )
    assert count(~wrong, wrong, None) == C2Counts()
    assert counts + counts == count(np.tile(~wrong, 2), np.tile(wrong, 2), np.concatenate((c2, c2)))


@pytest.mark.parametrize(
    ("counts", "trust"),
    [
        (C2Counts(), C2Trust.UNKNOWN),
        (C2Counts(right_silent=10**9), C2Trust.UNKNOWN),  # good discs tell nothing
        (C2Counts(wrong_marked=99), C2Trust.UNKNOWN),
        (C2Counts(wrong_marked=100), C2Trust.TRUSTED),
        (C2Counts(wrong_silent=1, wrong_marked=100), C2Trust.TRUSTED),
        (C2Counts(wrong_silent=2, wrong_marked=100), C2Trust.UNKNOWN),
        (C2Counts(wrong_silent=3, wrong_marked=100), C2Trust.UNTRUSTED),
        (C2Counts(wrong_silent=3), C2Trust.UNTRUSTED),
        (C2Counts(wrong_silent=100, wrong_marked=10_000), C2Trust.TRUSTED),
        (C2Counts(wrong_marked=200, right_marked=1000), C2Trust.TRUSTED),
        (C2Counts(wrong_marked=4, right_marked=96), C2Trust.UNTRUSTED),
        (C2Counts(wrong_marked=5, right_marked=95), C2Trust.UNKNOWN),
        (C2Counts(right_marked=99), C2Trust.UNKNOWN),
    ],
)
def test_c2_is_judged_by_what_was_marked(counts: C2Counts, trust: C2Trust) -> None:
    assert judge(counts) is trust


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_one_more_unmarked_error_never_makes_c2_better(
    silent: int, marked: int, right: int
) -> None:
    order = [C2Trust.UNTRUSTED, C2Trust.UNKNOWN, C2Trust.TRUSTED]
    one = judge(C2Counts(silent, marked, right))
    more = judge(C2Counts(silent + 1, marked, right))
    assert order.index(more) <= order.index(one)


def test_a_drive_that_marks_nothing_is_found_blind() -> None:
    """The counts of a real reading: the virtual drive damages sectors without telling by C2."""
    for what, trust in ((What.WRONG, C2Trust.UNTRUSTED), (What.C2, C2Trust.TRUSTED)):
        plan = FaultPlan(sectors=(SectorFault(what=what, areas=(range(1000, 1200),)),))
        assert judge(_evidence(plan)) is trust


def _evidence(plan: FaultPlan) -> C2Counts:
    drive, _, _ = drive_with(memory_disc([data(1400)]), plan)
    total = C2Counts()
    for lba in range(900, 1300, 20):
        block = drive.attempt(ReadRequest(lba, 20, c2=True)).sectors
        assert block is not None
        found = check_data(block.data, lba, parity=False)
        total += count(found.proven, found.wrong, block.c2)
    return total
