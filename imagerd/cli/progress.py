# SPDX-License-Identifier: Apache-2.0
"""One line of progress on stderr: how far, how fast, how long still. In a pipe: nothing."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType

import click

from imagerd.base.progress import Progress
from imagerd.cli import text

_FIRST_AFTER = 0.3  # seconds: what is quicker needs no progress
_EVERY = 0.1
_BAR = 24
_SMOOTH = 0.3  # weight of the newest rate
_ERASE = "\r\x1b[K"


def wanted() -> bool:
    """Whether stderr is a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class ProgressLine:
    """Shows `Progress` values; leaving the block clears the line.

    >>> with ProgressLine("verify") as line:      # doctest: +SKIP
    ...     run(task, line.show)
    """

    def __init__(self, verb: str, *, enabled: bool | None = None) -> None:
        self._verb = verb
        self._enabled = wanted() if enabled is None else enabled
        self._begin = time.monotonic()
        self._next = self._begin + _FIRST_AFTER
        self._last: tuple[float, int, str] | None = None
        self._rate = 0.0
        self._drawn = False

    def show(self, progress: Progress) -> None:
        """Draw, if it is time to."""
        now = time.monotonic()
        if not self._enabled or now < self._next:
            return
        import shutil  # with all its archive formats; only a terminal needs it

        self._next = now + _EVERY
        self._measure(progress, now)
        line = self.line(progress, shutil.get_terminal_size().columns)
        click.echo(_ERASE + line, nl=False, err=True)
        self._drawn = True

    def _measure(self, progress: Progress, now: float) -> None:
        """The rate, smoothed; a step back or a new phase begins afresh."""
        last, self._last = self._last, (now, progress.done, progress.what)
        if last is None or last[2] != progress.what or progress.done < last[1]:
            if last is None and now > self._begin:
                self._rate = progress.done / (now - self._begin)
            elif last is not None and progress.done < last[1]:
                self._rate = 0.0
            return
        newest = (progress.done - last[1]) / max(now - last[0], 1e-6)
        self._rate = newest if not self._rate else self._rate + _SMOOTH * (newest - self._rate)

    def line(self, progress: Progress, width: int) -> str:
        """The line for a terminal of `width` columns."""
        parts = [text.strong(self._verb)]
        if progress.total:
            part = min(1.0, progress.done / progress.total)
            parts += [_bar(part), f"{100 * part:3.0f} %"]
        if self._rate:
            parts.append(_rate(self._rate, progress.unit))
            if progress.total:
                left = (progress.total - progress.done) / self._rate
                parts.append(f"{text.clock(left)} left")
        line = "  ".join(parts)
        room = width - text.cells(line) - 3
        if progress.what and room > 8:
            line += "  " + text.faint(text.fit(text.clean(progress.what), room))
        return line

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._drawn:
            click.echo(_ERASE, nl=False, err=True)


def _bar(part: float) -> str:
    full = round(part * _BAR)
    return click.style("━" * full, fg="green") + click.style("━" * (_BAR - full), dim=True)


def _rate(rate: float, unit: str) -> str:
    return text.rate(rate) if unit == "bytes" else f"{text.grouped(round(rate))} {unit}/s"
