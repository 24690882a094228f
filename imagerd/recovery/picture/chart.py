# SPDX-License-Identifier: Apache-2.0
"""The timeline of a job as SVG: how fast sectors came, and how many commands failed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from imagerd.recovery.history import Timeline
from imagerd.recovery.picture.marking import grouped, marked
from imagerd.recovery.picture.scheme import STATES, Mark
from imagerd.recovery.picture.svg import hexed

_WIDTH, _SPEED, _ERRORS = 1000, 170, 70  # of the whole, and heights of the two parts
_LEFT, _TOP, _GAP, _FOOT = 84, 26, 40, 34
_TICKS = 6
_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def chart(timeline: Timeline, size: int) -> str:
    """The timeline as an element of a page; `size`: bytes of a sector."""
    height = _TOP + _SPEED + _GAP + _ERRORS + _FOOT
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="imagerd chart" role="img" fill="none"'
        f' viewBox="0 0 {_WIDTH} {height}">',
        "<title>Speed and failed commands over the time at work</title>",
        "<style>.chart text{font:14px system-ui,sans-serif;fill:currentColor}"
        ".chart .grid{stroke:currentColor;stroke-opacity:.25}</style>",
    ]
    speeds = [count * size / timeline.step / 1e6 for count in timeline.good]
    parts += _part("read, MB/s", speeds, _TOP, _SPEED, hexed(STATES.tone(Mark.READ).colour))
    counts = [float(count) for count in timeline.failed]
    below = _TOP + _SPEED + _GAP
    name = f"commands that failed, in each {_clock(timeline.step)}"
    parts += _part(name, counts, below, _ERRORS, hexed(STATES.tone(Mark.FAILED).colour))
    parts += _times(timeline, below + _ERRORS)
    for run in timeline.runs[1:]:
        x = _x(run, len(timeline.good))
        parts.append(
            f'<path class="grid" stroke-dasharray="4 4" d="M{x:.1f} {_TOP}V{below + _ERRORS}"/>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(step: float, steps: int) -> float:
    return _LEFT + (_WIDTH - _LEFT) * step / max(steps, 1)


def _part(name: str, values: list[float], top: int, height: int, colour: str) -> Iterator[str]:
    """Columns without gaps, over a scale of round numbers."""
    yield f'<text x="{_LEFT}" y="{top - 8}">{marked(name)}</text>'
    most = _round_up(max(values, default=0.0))
    bottom = top + height
    for part in (0.0, 0.5, 1.0) if (most / 2).is_integer() else (0.0, 1.0):
        y = bottom - height * part
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH}"/>'
        label = grouped(round(most * part)) if most >= 10 else f"{most * part:g}"
        yield f'<text x="{_LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{label}</text>'
    outline = [f"M{_LEFT} {bottom}"]
    for step, value in enumerate(values):
        # A single failed command among thousands is seen, too.
        y = bottom - max(height * value / most, 2.0 if value else 0.0)
        outline.append(f"V{y:.1f}H{_x(step + 1, len(values)):.1f}")
    yield f'<path fill="{colour}" d="{"".join(outline)}V{bottom}Z"/>'


def _times(timeline: Timeline, bottom: int) -> Iterator[str]:
    total = timeline.seconds
    every = next((time for time in _TIMES if total / time <= _TICKS), _TIMES[-1])
    for time in range(0, math.floor(total) + 1, every):
        x = _x(time / timeline.step, len(timeline.good))
        anchor = "start" if time == 0 else "end" if x > _WIDTH - 30 else "middle"
        yield (
            f'<path class="grid" d="M{x:.1f} {bottom}v6"/>'
            f'<text x="{x:.1f}" y="{bottom + 22}" text-anchor="{anchor}">{_clock(time)}</text>'
        )


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, … that is not less."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= value)


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minute:02} h"
    return f"{minutes}:{second:02} min"
