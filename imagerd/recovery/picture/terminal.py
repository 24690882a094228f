# SPDX-License-Identifier: Apache-2.0
"""The picture on a terminal: half blocks, two pixels to a character, in 24-bit or 256 colours.

Where there are no colours, or no such blocks, each character of plain ASCII is the sign of the
worst cell in it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

import numpy as np
import numpy.typing as npt

from imagerd.base.harmless import clean
from imagerd.recovery.picture.marking import grouped
from imagerd.recovery.picture.raster import Canvas, on_disc, on_hub
from imagerd.recovery.picture.scheme import HUB, PLATE, Rgb
from imagerd.recovery.picture.surface import Disc, Picture

_GAP = 2
_BESIDE = 30  # columns that a legend beside the discs needs
_SMALLEST = 12  # pixels across a disc
_RESET = "\x1b[0m"
_LEVELS = (0, 95, 135, 175, 215, 255)  # of the 6 × 6 × 6 colours from number 16 on

Look = npt.NDArray[np.int64]


class Depth(Enum):
    """What a terminal can show."""

    PLAIN = 0  # ASCII
    INDEXED = 256
    TRUE = 1 << 24


@dataclass(frozen=True, slots=True)
class Terminal:
    """Its size in characters, and what it can show."""

    columns: int
    lines: int
    depth: Depth


def drawn(picture: Picture, terminal: Terminal) -> list[str]:
    """The lines of the picture, with its legend beside or below, in the room that there is."""
    title = [clean(picture.title)[: terminal.columns]] if picture.title else []
    legend = list(_legend(picture, terminal.depth))
    size, beside = fitting(picture, terminal)
    discs = [_disc_lines(picture, disc, size, terminal.depth) for disc in picture.discs]
    rows = [(" " * _GAP).join(row) for row in zip(*discs, strict=True)]
    if not beside:
        return [*title, *rows, *_flowed(legend, terminal.columns)]
    wide = len(discs) * (size + _GAP)
    remark = textwrap.wrap(picture.remark, terminal.columns - wide - 1)
    side = ["", *(text for text, _ in legend), *remark]
    side += [""] * (len(rows) - len(side))
    return [*title, *(row + " " * _GAP + text for row, text in zip(rows, side, strict=False))]


def fitting(picture: Picture, terminal: Terminal) -> tuple[int, bool]:
    """How many pixels across each disc fit, and whether the legend then stands beside them."""
    legend = _flowed(_legend(picture, terminal.depth), terminal.columns)
    room = terminal.lines - bool(picture.title) - any(disc.caption for disc in picture.discs)
    beside = _size(picture, terminal.columns - _BESIDE, room)
    below = _size(picture, terminal.columns, room - len(legend))
    return max(beside, below, _SMALLEST), beside >= max(below, _SMALLEST)


def _size(picture: Picture, columns: int, lines: int) -> int:
    """Pixels across each disc, an even number."""
    across = (columns + _GAP) // len(picture.discs) - _GAP
    return max(min(across, 2 * lines) // 2 * 2, 0)


def _disc_lines(picture: Picture, disc: Disc, size: int, depth: Depth) -> list[str]:
    canvas = Canvas(size)
    values, radii = canvas.values(picture, disc).astype(np.int64), canvas.radii()
    values[(values == 0) & on_disc(radii)] = -1
    values[(values <= 0) & on_hub(radii)] = -2
    pairs = values.reshape(size // 2, 2, size)
    plain = depth is Depth.PLAIN
    lines = [_plain(picture, pair) if plain else _blocks(picture, pair, depth) for pair in pairs]
    return [*lines, disc.caption[:size].center(size)] if disc.caption else lines


def _plain(picture: Picture, pair: Look) -> str:
    signs = {0: " ", -1: ".", -2: "."}
    worst = np.where(pair.max(axis=0) > 0, pair.max(axis=0), pair.min(axis=0))
    return "".join(
        signs[value] if value <= 0 else picture.scheme.tone(value).sign for value in worst.tolist()
    )


def _blocks(picture: Picture, pair: Look, depth: Depth) -> str:
    """Characters of the same colours in a row share one escape sequence."""
    parts = []
    for (above, below), run in groupby(zip(*pair.tolist(), strict=True)):
        count = len(list(run))
        top, bottom = (_colour(picture, value) for value in (above, below))
        if top is None and bottom is None:
            parts.append(" " * count)
        elif bottom is None:
            parts.append(_ink(top, depth) + "▀" * count + _RESET)
        elif top is None:
            parts.append(_ink(bottom, depth) + "▄" * count + _RESET)
        else:
            parts.append(_ink(top, depth) + _ink(bottom, depth, 48) + "▀" * count + _RESET)
    return "".join(parts)


def _colour(picture: Picture, value: int) -> Rgb | None:
    if value > 0:
        return picture.scheme.tone(value).colour
    return {0: None, -1: PLATE, -2: HUB}[value]


def _ink(colour: Rgb | None, depth: Depth, ground: int = 38) -> str:
    assert colour is not None
    if depth is Depth.TRUE:
        return "\x1b[{};2;{};{};{}m".format(ground, *colour)
    return f"\x1b[{ground};5;{indexed(colour)}m"


def indexed(colour: Rgb) -> int:
    """The nearest of the 240 colours of xterm that do not depend on its settings."""
    cube = [(16 + 36 * r + 6 * g + b, (_LEVELS[r], _LEVELS[g], _LEVELS[b]))
            for r in range(6) for g in range(6) for b in range(6)]  # fmt: skip
    greys = [(232 + n, (8 + 10 * n,) * 3) for n in range(24)]
    return min((*cube, *greys), key=lambda known: _apart(known[1], colour))[0]


def _apart(one: Sequence[int], other: Sequence[int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _legend(picture: Picture, depth: Depth) -> Iterator[tuple[str, int]]:
    """Entries, and the columns that each takes."""
    if picture.scheme.name != "state":
        yield f"{picture.scheme.name}:", len(picture.scheme.name) + 1
    for tone, count in zip(picture.scheme.tones, picture.counts, strict=True):
        if not count:
            continue
        number = f"{count:,}" if depth is Depth.PLAIN else grouped(count)
        name = tone.name.replace("–", "-") if depth is Depth.PLAIN else tone.name
        swatch = tone.sign if depth is Depth.PLAIN else f"{_ink(tone.colour, depth)}██{_RESET}"
        cells = (1 if depth is Depth.PLAIN else 2) + len(f" {name} {number}")
        yield f"{swatch} {name} {number}", cells


def _flowed(entries: Iterable[tuple[str, int]], columns: int) -> list[str]:
    """The entries in as few lines as they need."""
    lines: list[str] = []
    used = columns
    for text, cells in entries:
        if used + _GAP + cells > columns or not lines:
            lines.append(text)
            used = cells
        else:
            lines[-1] += " " * _GAP + text
            used += _GAP + cells
    return lines
