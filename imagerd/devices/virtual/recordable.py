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


@dataclass(frozen=True, slots=True)
class Recordable:
    """A kind of recordable disc. `room`: sectors of a whole one, which its lead-in tells.

    `profile` is the current profile (MMC-6, table 93), `book` the first byte of a DVD's physical
    format information.
    """

    name: str
    medium: Medium
    layers: int
    profile: int
    room: int
    book: int = 0
    rewritable: bool = False


_KINDS: Final = (
    Recordable("cd-r", Medium.CD, 1, 0x09, 359_849),
    Recordable("cd-rw", Medium.CD, 1, 0x0A, 359_849, rewritable=True),
    Recordable("dvd-r", Medium.DVD, 1, 0x11, 2_298_496, 0x25),
    Recordable("dvd-r", Medium.DVD, 2, 0x15, 4_171_712, 0x26),
    Recordable("dvd-rw", Medium.DVD, 1, 0x14, 2_298_496, 0x32, rewritable=True),
    Recordable("dvd+r", Medium.DVD, 1, 0x1B, 2_295_104, 0xA1),
    Recordable("dvd+r", Medium.DVD, 2, 0x2B, 4_173_824, 0xE1),
    Recordable("dvd+rw", Medium.DVD, 1, 0x1A, 2_295_104, 0x92, rewritable=True),
    Recordable("bd-r", Medium.BD, 1, 0x41, 12_219_392),
    Recordable("bd-r", Medium.BD, 2, 0x41, 24_438_784),
    Recordable("bd-re", Medium.BD, 1, 0x43, 12_219_392, rewritable=True),
    Recordable("bd-re", Medium.BD, 2, 0x43, 24_438_784, rewritable=True),
)
# The families of discs that each name belongs to.
RECORDABLE: Final[Mapping[str, Medium]] = MappingProxyType({k.name: k.medium for k in _KINDS})


def profiles_of(medium: Medium) -> frozenset[int]:
    """The profiles of all recordable discs of one family."""
    return frozenset(kind.profile for kind in _KINDS if kind.medium is medium)


def recordable(name: str, layout: Layout) -> Recordable | None:
    """The kind called `name` that holds a disc of this layout; None for no name: a pressed disc.

    Raises `BadInput` if there is no such kind, or the disc is none.
    """
    if not name:
        return None
    if name not in RECORDABLE:
        known = ", ".join(RECORDABLE)
        raise BadInput(f"No recordable disc is called {name!r}; there are: {known}.")
    wanted = (name, layout.medium, len(layout.layers) + 1)
    for kind in _KINDS:
        if (kind.name, kind.medium, kind.layers) == wanted:
            return kind
    layers = f" of {wanted[2]} layers" if layout.layers else ""
    raise BadInput(f"An image of a {layout.medium.upper()}{layers} cannot be on a {name}.")


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
