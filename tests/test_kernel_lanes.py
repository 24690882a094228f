# SPDX-License-Identifier: Apache-2.0
"""No test of the guest is forgotten, and none runs where it must not."""

from __future__ import annotations

from tests.kernel.__main__ import BY_HAND, INSIDE, LANES
from tests.kernel.guest import ROOT


def test_every_file_of_the_guests_tests_runs_in_one_lane() -> None:
    there = sorted(path.name for path in (ROOT / INSIDE).glob("test_*.py"))
    assert sorted(f"test_{name}.py" for lane in (*LANES, BY_HAND) for name in lane) == there
