# SPDX-License-Identifier: Apache-2.0
"""What a loader may ask a person, and what a person may answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Wish(StrEnum):
    """What the person is asked to do."""

    LOAD = "load"
    TAKE = "take"
    REJECT = "reject"
    CLEAR = "clear"


class Answer(StrEnum):
    """What the person says."""

    DONE = "done"
    WAIT = "wait"  # nothing said: watch the drive
    NONE_LEFT = "none left"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A wish in one sentence; `drive` is the drive that it is about."""

    wish: Wish
    sentence: str
    drive: str


Ask = Callable[[Prompt], Answer]
"""Shows a prompt. It may block until the person answers, or return WAIT at once; then it is called
again every few seconds, while the drive is watched, until the disc is there or the time is over."""
