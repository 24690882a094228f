# SPDX-License-Identifier: Apache-2.0
"""What the way of a disc into the archive tells on the way, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeAlias, TypeVar

from imagerd.base.errors import ExitCode
from imagerd.base.progress import Progress, Task
from imagerd.catalog.records import JobState

T = TypeVar("T")


class Stop(Enum):
    """Why work is to stop."""

    NO = "no"
    PAUSE = "pause"  # checkpoint; the job stays open
    SPACE = "space"  # as PAUSE, until there is room again
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Stage:
    """A moment on the way. `state` is the job's, None before there is one.

    `bad`, `suspect` count sectors; `budget_left` is seconds that damage may still cost.
    """

    state: JobState | None
    progress: Progress
    job: str | None = None
    name: str = ""
    medium: str = ""
    bad: int = 0
    suspect: int = 0
    budget_left: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: `image` is the main file, `bad` the sectors that are filling or doubtful.

    `lost`: the disc or the drive went away under the work, so what is there now must be looked at
    anew. `needs_space`: it goes on when so many bytes more than the configured minimum are free in
    the archive; None if it does not wait for space.
    """

    state: JobState
    sentence: str
    job: str | None = None
    name: str = ""
    image: Path | None = None
    bad: int = 0
    exit_code: ExitCode = ExitCode.OK
    notes: tuple[str, ...] = ()
    lost: bool = False
    needs_space: int | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """How the world outside reaches a running job. `stop` is asked often and must be quick."""

    stop: Callable[[], Stop] = field(default=lambda: Stop.NO)

    def wants_to_stop(self) -> bool:
        """Whether there is any reason to stop."""
        return self.stop() is not Stop.NO

    def check(self) -> None:
        """Raise `Interrupted` if there is."""
        if (stop := self.stop()) is not Stop.NO:
            raise Interrupted(stop)


Way: TypeAlias = Generator[Stage, None, T]


def staged(
    task: Task[T], stage: Callable[[Progress], Stage], control: Control | None = None
) -> Way[T]:
    """A plain task as part of the way: each `Progress` becomes a `Stage`.

    With a `control`, raises `Interrupted` as soon as that wants to stop.
    """
    try:
        while True:
            if control is not None:
                control.check()
            yield stage(next(task))
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        task.close()


def follow(way: Way[T], show: Callable[[Stage], None]) -> T:
    """Go the whole way, showing each stage; closes it on any exception."""
    try:
        while True:
            show(next(way))
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        way.close()


class Interrupted(Exception):  # not an error: control flow within this room
    """Raised between two steps when `Control` says stop; `needs_space` as in `Outcome`."""

    def __init__(self, stop: Stop, needs_space: int = 0) -> None:
        super().__init__(stop.value)
        self.stop = stop
        self.needs_space = needs_space
