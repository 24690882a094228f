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
_MOST = 1 << 20  # entries: with the finest resolution in use, 50 sectors, more than a DVD has
_HEAD = struct.Struct("<III")


class Density(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measurement: `angles`, in 1/256 turns from `start` on, one for each `resolution` sectors.

    `number` is that of the block in the .mds.
    """

    start: _Word
    resolution: _Word
    angles: tuple[_Word, ...]
    number: _Word = 1

    @property
    def sectors(self) -> int:
        """How many sectors were measured."""
        return self.resolution * len(self.angles)


def read_density(fields: Fields, at: int, number: int = 1) -> Density:
    """Start, resolution, count, then the angles: little-endian words from byte `at` on.

    Raises `BadInput` (no file name in it) for more than a disc can have.
    """
    start, resolution, count = fields.unpack("<III", at)
    if count > _MOST:
        raise BadInput(f"it tells {count} densities")
    return Density(start, resolution, fields.unpack(f"<{count}I", at + _HEAD.size), number)


def render_density(density: Density) -> bytes:
    """The bytes that `read_density` reads."""
    count = len(density.angles)
    head = _HEAD.pack(density.start, density.resolution, count)
    return head + struct.pack(f"<{count}I", *density.angles)
