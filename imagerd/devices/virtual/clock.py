# SPDX-License-Identifier: Apache-2.0
"""The time of a virtual drive: simulated, real, or anything between."""

from __future__ import annotations

import threading
import time

_WORTH_SLEEPING = 0.002  # shorter debts are saved up: the kernel cannot sleep less exactly


class Clock:
    """Seconds that a drive has spent. `scale` of them pass in reality for each simulated one.

    0 (the default) never sleeps: replies only say how long they would have taken, and `now` is
    the sum of that. 1 is real time; then (and for any scale above 0) `now` also goes on by itself.
    `wake` ends a sleep at once, from any thread: the plug was pulled.
    """

    def __init__(self, scale: float = 0.0) -> None:
        self.scale = scale
        self._now = 0.0
        self._debt = 0.0
        self._began = time.monotonic()
        self._woken = threading.Event()

    @property
    def now(self) -> float:
        """Simulated seconds since the drive was made."""
        if self.scale > 0:
            return (time.monotonic() - self._began) / self.scale
        return self._now

    def idle(self, seconds: float) -> None:
        """Let simulated time go on while a host only asks whether something is done yet."""
        if self.scale <= 0:
            self._now += seconds

    def spend(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._now += seconds
        if self.scale <= 0:
            return
        self._debt += seconds * self.scale
        if self._debt >= _WORTH_SLEEPING:
            debt, self._debt = self._debt, 0.0
            self._woken.wait(debt)

    def wake(self) -> None:
        """End the present sleep and let all later ones be short, until `calm`."""
        self._woken.set()

    def calm(self) -> None:
        """Sleep again as before."""
        self._woken.clear()
