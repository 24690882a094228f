# SPDX-License-Identifier: Apache-2.0
"""No test of the guest is forgotten, and none runs where it must not."""

from __future__ import annotations

from tests.kernel.__main__ import LARGE
from tests.kernel.inside.lanes import AFTERWARDS, HERE, TOGETHER


def test_every_file_of_the_guests_tests_runs_in_one_lane_or_is_the_large_one() -> None:
    there = sorted(path.name for path in HERE.glob("test_*.py"))
    assert (
        sorted(f"test_{name}.py" for lane in (*TOGETHER, *AFTERWARDS, (LARGE,)) for name in lane)
        == there
    )
