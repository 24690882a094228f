# SPDX-License-Identifier: Apache-2.0
"""Who has a job; and whoever only asks that is in nobody's way."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagerd.archive.hold import is_held, take_hold

_GLANCE = 0.02  # seconds; the real ones last some microseconds


@contextmanager
def asked_for(folder: Path) -> Iterator[None]:
    """Another process looks whether somebody has the job, just now."""
    fd = os.open(folder / "claim", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    timer = threading.Timer(_GLANCE, lambda: os.close(fd))
    timer.start()
    yield
    timer.join()


def test_a_job_can_be_taken_although_somebody_asks_who_has_it(tmp_path: Path) -> None:
    with asked_for(tmp_path):
        hold = take_hold(tmp_path)
        assert hold is not None, "a second job of the same disc would be begun now"
        hold.close()


def test_two_that_ask_do_not_take_each_other_for_work(tmp_path: Path) -> None:
    with asked_for(tmp_path):
        assert not is_held(tmp_path)


def test_a_job_that_somebody_has_is_refused_and_seen_to_be_at_work(tmp_path: Path) -> None:
    hold = take_hold(tmp_path)
    assert hold is not None
    with hold:
        assert take_hold(tmp_path) is None
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
