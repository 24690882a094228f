# SPDX-License-Identifier: Apache-2.0
"""How fast something goes, and when it will be done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW_SECONDS = 10.0


class Rate:
    """Rate over the last ten seconds of one activity; another activity starts anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._activity = ""
        self._marks: deque[tuple[float, int]] = deque()

    def of(self, activity: str, done: int, total: int) -> tuple[float, float | None]:
        """(units a second, seconds left or None while unknown), `done` of `total` being done."""
        now = self._clock()
        if activity != self._activity or (self._marks and done < self._marks[-1][1]):
            self._activity = activity
            self._marks.clear()
        self._marks.append((now, done))
        while now - self._marks[0][0] > _WINDOW_SECONDS and len(self._marks) > 2:
            self._marks.popleft()
        began, first = self._marks[0]
        if now <= began or done <= first:
            return 0.0, None
        rate = (done - first) / (now - began)
        return rate, (total - done) / rate if total > done else None
