# SPDX-License-Identifier: Apache-2.0
"""How much damage is worth: the limits of a run, and what stops it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagerd.base import settings


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one run. The first pass is never cut short: only work on damage is limited.

    `seconds` spent on damage: commands that fail, and all work after the first pass, which begins
    with what that had to skip. `attempts`
    for one sector alone. `rounds_without_gain` over the bad list, after every approach had its
    turn. `retry_speeds` are multiples of the medium's 1x, taken in turn by the rounds.
    """

    seconds: float | None = None
    attempts: int = 16
    rounds_without_gain: int = 2
    retry_speeds: tuple[int, ...] = (8, 4, 1)

    @classmethod
    def named(cls, effort: settings.Effort) -> Budget:
        """What goes by one word: quick, standard, thorough, until-told."""
        return _NAMED[effort]

    @classmethod
    def of(cls, chosen: settings.Budget) -> Budget:
        """The budget of a policy: what its word stands for, and what it says otherwise."""
        usual = cls.named(chosen.effort)
        return cls(
            usual.seconds if chosen.minutes is None else chosen.minutes * 60,
            usual.attempts if chosen.attempts is None else chosen.attempts,
            chosen.rounds_without_gain or usual.rounds_without_gain,
            usual.retry_speeds if chosen.retry_speeds is None else chosen.retry_speeds,
        )


_NAMED: Final[dict[settings.Effort, Budget]] = {
    "quick": Budget(5 * 60, 4, 1, (8,)),
    "standard": Budget(60 * 60, 16, 2, (8, 4, 1)),
    "thorough": Budget(8 * 3600, 64, 4, (16, 8, 4, 1)),
    "until-told": Budget(None, 1 << 30, 1 << 30, (16, 8, 4, 1)),
}


class End(StrEnum):
    """Why a run came to its end."""

    COMPLETE = "complete"  # every sector is read or proven
    ATTEMPTS = "attempts"  # every bad sector had all its attempts
    NO_GAIN = "no-gain"
    TIME = "time"
    STOPPED = "stopped"  # asked to


class Halt(Exception):  # not an error: control flow within this room
    """Raised by `Effort.read` when the run must end now."""

    def __init__(self, end: End) -> None:
        super().__init__(end.value)
        self.end = end


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, so that tests need not wait."""

    monotonic: Callable[[], float] = time.monotonic
    unix: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
