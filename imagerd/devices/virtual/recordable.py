# SPDX-License-Identifier: Apache-2.0
"""Discs that were written by a drive: what tells them from pressed ones, once they are finished.

An image says nothing of the disc that it was on; whoever inserts it may. Such a disc is complete
here, all of its sessions closed: this is a drive that reads.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Layout, Medium
from imagerd.disc.msf import LBA_MAX, Msf

# Where the lead-in of a recordable CD begins; the minute is 97, second and frame name a maker, and
# these none (Orange Book).
LEAD_IN: Final = Msf(97, 0, 0)
_POSITION, _DISC_ID = 0x10, 0x20  # ADR of the PMA's entries, in the high nibble


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordable:
    """A kind of recordable disc. `room`: sectors of a whole one, which its lead-in tells.

    `profile` is the current profile (MMC-6, table 93), `book` the first byte of a DVD's physical
    format information. `two_layers`: the kind that it is if the image has two layers.
    """

    name: str
    medium: Medium
    profile: int
    room: int
    rewritable: bool = False
    book: int = 0
    two_layers: Recordable | None = None


_DVD_R_DL: Final = Recordable(
    name="dvd-r", medium=Medium.DVD, profile=0x15, room=4_171_712, book=0x26
)
_DVD_PLUS_R_DL: Final = Recordable(
    name="dvd+r", medium=Medium.DVD, profile=0x2B, room=4_173_824, book=0xE1
)
_BD_R_DL: Final = Recordable(name="bd-r", medium=Medium.BD, profile=0x41, room=24_438_784)
_BD_RE_DL: Final = Recordable(
    name="bd-re", medium=Medium.BD, profile=0x43, room=24_438_784, rewritable=True
)
_KINDS: Final = (
    Recordable(name="cd-r", medium=Medium.CD, profile=0x09, room=359_849),
    Recordable(name="cd-rw", medium=Medium.CD, profile=0x0A, room=359_849, rewritable=True),
    Recordable(
        name="dvd-r",
        medium=Medium.DVD,
        profile=0x11,
        room=2_298_496,
        book=0x25,
        two_layers=_DVD_R_DL,
    ),
    Recordable(
        name="dvd-rw", medium=Medium.DVD, profile=0x14, room=2_298_496, rewritable=True, book=0x32
    ),
    Recordable(
        name="dvd+r",
        medium=Medium.DVD,
        profile=0x1B,
        room=2_295_104,
        book=0xA1,
        two_layers=_DVD_PLUS_R_DL,
    ),
    Recordable(
        name="dvd+rw", medium=Medium.DVD, profile=0x1A, room=2_295_104, rewritable=True, book=0x92
    ),
    Recordable(name="bd-r", medium=Medium.BD, profile=0x41, room=12_219_392, two_layers=_BD_R_DL),
    Recordable(
        name="bd-re",
        medium=Medium.BD,
        profile=0x43,
        room=12_219_392,
        rewritable=True,
        two_layers=_BD_RE_DL,
    ),
)
RECORDABLE: Final[Mapping[str, Recordable]] = MappingProxyType({k.name: k for k in _KINDS})


def profiles_of(medium: Medium) -> tuple[int, ...]:
    """The profiles of all recordable discs of one family."""
    kinds = [kind for kind in _KINDS if kind.medium is medium]
    kinds += [kind.two_layers for kind in kinds if kind.two_layers is not None]
    return tuple({kind.profile for kind in kinds})


def recordable(name: str, layout: Layout) -> Recordable | None:
    """The kind called `name` that holds a disc of this layout; None for no name: a pressed disc.

    Raises `BadInput` if there is no such kind, or the disc is none.
    """
    if not name:
        return None
    kind = RECORDABLE.get(name)
    if kind is None:
        known = ", ".join(RECORDABLE)
        raise BadInput(f"No recordable disc is called {name!r}; there are: {known}.")
    if layout.layers:
        kind = kind.two_layers
    if kind is None or kind.medium is not layout.medium or len(layout.layers) > 1:
        layers = f" of {len(layout.layers) + 1} layers" if layout.layers else ""
        raise BadInput(f"An image of a {layout.medium.upper()}{layers} cannot be on a {name}.")
    return kind


def disc_id(layout: Layout) -> int:
    """The number of six digits that a CD recorder has written into the PMA."""
    places = ",".join(str(track.index1) for track in layout.tracks)
    return zlib.crc32(f"{places},{layout.end}".encode()) % 1_000_000


def atip(kind: Recordable, layout: Layout) -> bytes:
    """What the groove of a recordable CD tells (MMC-6, 6.25, format 4), without the header."""
    room = min(max(kind.room, layout.end), LBA_MAX)
    out = Msf.from_lba(room)
    disc_type = 0x80 | (0x40 if kind.rewritable else 0)
    head = bytes((0x80, 0, disc_type, 0))  # no writing power is recommended: it is not written
    lead_in = bytes((LEAD_IN.minute, LEAD_IN.second, LEAD_IN.frame, 0))
    return head + lead_in + bytes((out.minute, out.second, out.frame, 0)) + bytes(12)


def pma(layout: Layout) -> bytes:
    """The program memory area (format 3), without the header: the disc's number, then its tracks.

    A track's entry has its end as the time and its start as the pointer (Orange Book).
    """
    digits = f"{disc_id(layout):06}"
    time = bytes(int(digits[at : at + 2], 16) for at in (0, 2, 4))  # BCD
    first = layout.tracks[0].control
    entries = [bytes((0, _DISC_ID | first, 0, 0)) + time + bytes((0, 0, 0, layout.disc_type.value))]
    for track in layout.tracks:
        start, end = (Msf.from_lba(min(lba, LBA_MAX)) for lba in (track.index1, track.end))
        entries.append(
            bytes((0, _POSITION | track.control, 0, track.number))
            + bytes((end.minute, end.second, end.frame, 0))
            + bytes((start.minute, start.second, start.frame))
        )
    return b"".join(entries)
