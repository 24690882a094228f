# SPDX-License-Identifier: Apache-2.0
"""Long work as generators: they yield `Progress` and return a typed result.

``result = run(task)`` drives one to its end; ``run(task, show)`` tells `show` on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is. `done` and `total` count `unit`s; `total` 0 means that it is unknown."""

    done: int
    total: int
    unit: str = "sectors"
    what: str = ""


Task = Generator[Progress, None, R]


def run(task: Task[R], show: Callable[[Progress], None] | None = None) -> R:
    """Drive `task` to its end and return its result; closing it on any exception."""
    try:
        while True:
            progress = next(task)
            if show is not None:
                show(progress)
    except StopIteration as stop:
        result: R = stop.value
        return result
    finally:
        task.close()
