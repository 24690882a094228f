# SPDX-License-Identifier: Apache-2.0
"""Byte 9 of READ CD: which parts of a sector are asked for (MMC-6, 6.15.2, tables 350 and 351).

Parts must follow one another in the sector; a subheader that a sector does not have counts as
there if the header is asked for as well.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from imagerd.devices.virtual.disc import Kind

SYNC: Final = 0x80
SUBHEADER: Final = 0x40
HEADER: Final = 0x20
USER: Final = 0x10
EDC: Final = 0x08
MAIN: Final = SYNC | SUBHEADER | HEADER | USER | EDC

_ILLEGAL: Final = frozenset(
    (0x08, 0x28, 0x48, 0x68, 0x88, 0x90, 0x98, 0xA8, 0xC0, 0xC8, 0xD0, 0xD8, 0xE8)
)
# Header and user data, with a subheader between them that was left out.
_ILLEGAL_XA: Final = frozenset((0x30, 0x38, 0xB0, 0xB8))

# Where each part begins and ends, in the order of the sector.
_PARTS: Final = {
    Kind.MODE1: ((SYNC, 0, 12), (HEADER, 12, 16), (USER, 16, 2064), (EDC, 2064, 2352)),
    Kind.FORMLESS: ((SYNC, 0, 12), (HEADER, 12, 16), (USER, 16, 2352)),
    Kind.MODE0: ((SYNC, 0, 12), (HEADER, 12, 16), (USER, 16, 2352)),
    Kind.FORM1: (
        (SYNC, 0, 12),
        (HEADER, 12, 16),
        (SUBHEADER, 16, 24),
        (USER, 24, 2072),
        (EDC, 2072, 2352),
    ),
    Kind.FORM2: ((SYNC, 0, 12), (HEADER, 12, 16), (SUBHEADER, 16, 24), (USER, 24, 2352)),
}


@cache
def selected(kind: int, flags: int) -> slice | None:
    """The bytes of a raw sector of this kind that `flags` select; None if that is illegal.

    Of audio everything selects all 2352 bytes. `flags` 0 selects nothing: an empty slice.
    """
    flags &= MAIN
    if flags == 0:
        return slice(0, 0)
    if kind == Kind.CDDA:
        return slice(0, 2352)
    if flags in _ILLEGAL or (kind in (Kind.FORM1, Kind.FORM2) and flags in _ILLEGAL_XA):
        return None
    chosen = [(start, end) for part, start, end in _PARTS[Kind(kind)] if flags & part]
    if not chosen:
        return slice(0, 0)  # a subheader alone, where there is none
    return slice(chosen[0][0], chosen[-1][1])
