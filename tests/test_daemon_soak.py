# SPDX-License-Identifier: Apache-2.0
"""A soak test of half a minute: every kind of episode once, in two drives; `make soak` is long."""

from __future__ import annotations

import pytest

from tests.soak.kinds import KINDS
from tests.soak.run import Failed, Soak
from tests.soak.show import table, told

_CYCLES = 36
_SEED = 1


@pytest.mark.slow
def test_discs_and_drives_that_are_not_left_in_peace_lose_nothing() -> None:
    try:
        summary = Soak(_CYCLES, _SEED, lambda done: None).run()
    except Failed as failed:
        pytest.fail(told(failed, _CYCLES, _SEED))
    print(table(summary))
    assert summary.cycles.keys() == {kind.name for kind in KINDS}
