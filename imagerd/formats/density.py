# SPDX-License-Identifier: Apache-2.0
"""Data position measurement (DPM): how densely a pressing is written, from its hub to its edge.

The angle at which a sector lies depends on the density of the spiral, and copies are not pressed
from the same glass master: protections ask a drive how long it takes from one sector to another.
Alcohol 120% and BlindWrite measure it, and keep what they measured in the .mds and the .b6t.
"""

from __future__ import annotations

import struct
from typing import Annotated

import msgspec
from msgspec import Meta

from imagerd.base.errors import BadInput
from imagerd.formats.binary import Fields

_Word = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
_MOST = 1 << 18  # angles of all measurements of a disc: one for each 50 sectors of a CD is 9000
_HEAD = struct.Struct("<III")


class Density(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measurement: how far the disc turned from the sector `start` on, 256 being a whole turn,
    after each `resolution` sectors. `number`: what the .mds calls it.
    """

    start: _Word
    resolution: _Word
    angles: Annotated[tuple[_Word, ...], Meta(max_length=_MOST)]
    number: _Word = 1

    @property
    def sectors(self) -> int:
        """How many sectors were measured."""
        return self.resolution * len(self.angles)


def read_density(fields: Fields, at: int, number: int = 1) -> Density:
    """Start, resolution, count, then the angles: little-endian words from byte `at` on.

    Raises `BadInput` (no file name in it) for more than a disc has, or where there are fewer.
    """
    start, resolution, count = fields.unpack("<III", at)
    if count > _MOST:
        raise BadInput(f"it tells {count} densities, more than a disc has")
    return Density(start, resolution, fields.unpack(f"<{count}I", at + _HEAD.size), number)


def bounded(densities: tuple[Density, ...]) -> tuple[Density, ...]:
    """All of them. Raises `BadInput` as above: they may lie over each other in a file."""
    if sum(len(one.angles) for one in densities) > _MOST:
        raise BadInput("it tells more densities than a disc has")
    return densities


def render_density(density: Density) -> bytes:
    """The bytes that `read_density` reads."""
    count = len(density.angles)
    head = _HEAD.pack(density.start, density.resolution, count)
    return head + struct.pack(f"<{count}I", *density.angles)
