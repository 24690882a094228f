# SPDX-License-Identifier: Apache-2.0
"""Kill -9 at random moments: every job goes on and ends right, and nothing is read twice.

Each station lives through a few moments one after another; together there are fifty.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

import pytest

from tests.killing import Killer, frozen, killer

_MOMENTS = 5
_DISCS = ("whole", "scratched", "whole", "scratched", "whole")


def _kill_worker(doomed: Killer) -> tuple[float, frozenset[int]]:
    """Kill it; the daemon is kept from starting another until the journal was looked at."""
    assert doomed.here.daemon is not None
    with frozen(doomed.here.daemon.pid):
        for pid in doomed.here.workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        doomed.here.until(lambda: not _alive(doomed), "the worker to be gone")
        killed = time.time()
        good = doomed.journalled()
    return killed, good


def _alive(doomed: Killer) -> bool:
    return bool(doomed.here.workers())


@pytest.mark.parametrize("seed", range(5))
def test_a_job_whose_worker_is_killed_goes_on_and_ends_with_the_right_image(seed: int) -> None:
    rng = random.Random(seed)
    with killer(_DISCS[seed]) as doomed:
        for _ in range(_MOMENTS):
            began = doomed.insert()
            doomed.moment(rng)
            killed, good = _kill_worker(doomed)
            doomed.judge(began, killed, good)


@pytest.mark.parametrize("seed", range(5))
def test_a_job_whose_daemon_is_killed_goes_on_and_ends_with_the_right_image(seed: int) -> None:
    rng = random.Random(100 + seed)
    with killer(_DISCS[seed]) as doomed:
        for _ in range(_MOMENTS):
            began = doomed.insert()
            doomed.moment(rng)
            doomed.here.stop(signal.SIGKILL)
            doomed.here.until(lambda: not _alive(doomed), "the worker to stop by itself")
            killed = time.time()
            good = doomed.journalled()
            doomed.here.start()
            doomed.judge(began, killed, good)
