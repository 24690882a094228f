# SPDX-License-Identifier: Apache-2.0
"""What a cell of the map can say, and the colours that say it.

The colours differ in lightness or along blue and yellow, not only along red and green, so they
stay apart for every kind of colour blindness (the tests simulate them), and on paper without
colours. They are those of the disc itself and do not depend on the page or terminal around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

Rgb = tuple[int, int, int]

PLATE: Rgb = (196, 199, 205)  # the disc where nothing is recorded
HUB: Rgb = (222, 224, 229)  # its inner part


class Mark(IntEnum):
    """The state of a cell; where sectors of several share one, the highest is shown."""

    NOTHING = 0  # no sector lies here
    PROVEN = 1
    READ = 2
    REPAIRED = 3
    SUSPECT = 4
    UNREAD = 5
    FAILED = 6


class Effort(IntEnum):
    """How many attempts failed on the sector of a cell that had the most; 0 as in `Mark`."""

    NOTHING = 0
    NONE = 1
    ONE = 2
    FEW = 3
    SOME = 4
    MANY = 5
    MOST = 6

    @property
    def least(self) -> int:
        """Failed attempts from which on it is this."""
        return _LEAST[self]


_LEAST = (0, 0, 1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class Tone:
    """How a value is shown: its name in the legend, its colour, its sign where there is none."""

    name: str
    colour: Rgb
    sign: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """A legend. `tones` of the values from 1 on; those up to `calm` are the ground of the disc,
    the others stand out from it.
    """

    name: str
    tones: tuple[Tone, ...]
    calm: int

    def tone(self, value: int) -> Tone:
        """Of a value, which is not 0."""
        return self.tones[value - 1]


STATES = Scheme(
    "state",
    (
        Tone("proven", (0, 90, 156), "="),
        Tone("read", (92, 172, 224), "-"),
        Tone("repaired", (255, 255, 255), "*"),
        Tone("suspect", (244, 222, 60), "?"),
        Tone("unread", (24, 24, 27), "o"),
        Tone("failed", (213, 74, 0), "X"),
    ),
    Mark.READ,
)
EFFORTS = Scheme(
    "failed attempts",
    (
        Tone("none", (24, 42, 68), "-"),
        Tone("1", (122, 66, 138), "1"),
        Tone("2–3", (188, 66, 100), "2"),
        Tone("4–7", (242, 132, 52), "4"),
        Tone("8–15", (252, 190, 60), "8"),
        Tone("16 or more", (255, 246, 190), "#"),
    ),
    Effort.NONE,
)
