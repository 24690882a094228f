# SPDX-License-Identifier: Apache-2.0
""".sbi: the frames of Q that are not what a player would expect, as emulators take them.

Four bytes ``SBI\\0``, then a record for each frame: its address as BCD minute, second, frame (LBA +
150); a type; and of type 1 the first ten bytes of Q, of type 2 the three of the relative, of type 3
the three of the absolute address. There is no CRC: all frames listed have a wrong one. We write
type 1 only, which loses nothing but that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from imagerd.base.errors import BadInput
from imagerd.disc.msf import PREGAP, Msf

MAGIC: Final = b"SBI\0"
_WHOLE: Final = 1
_SIZES: Final = {_WHOLE: 10, 2: 3, 3: 3}


def build_sbi(frames: Iterable[tuple[int, bytes]]) -> bytes:
    """A .sbi of (LBA, ten bytes of Q), in the order of their addresses.

    Raises `ValueError` for other than ten bytes, or an LBA that is on no CD.
    """
    out = bytearray(MAGIC)
    for lba, q in sorted(frames):
        if len(q) != _SIZES[_WHOLE]:
            raise ValueError(f"a frame of a .sbi has 10 bytes, not {len(q)}")
        out += Msf.from_frames(lba + PREGAP).to_bcd() + bytes((_WHOLE,)) + q
    return bytes(out)


def parse_sbi(data: bytes) -> tuple[tuple[int, int, bytes], ...]:
    """(LBA, type, bytes) of each record. Raises `BadInput` for what is no .sbi."""
    if data[:4] != MAGIC:
        raise BadInput("This is no .sbi: it does not begin with SBI.")
    found, at = [], 4
    while at < len(data):
        head = data[at : at + 4]
        size = _SIZES.get(head[3], 0) if len(head) == 4 else 0
        body = data[at + 4 : at + 4 + size]
        try:
            lba = Msf.from_bcd(head).program_lba
        except (ValueError, TypeError):
            size = 0
        if not size or len(body) < size:
            raise BadInput(f"This .sbi is damaged at byte {at}.")
        found.append((lba, head[3], body))
        at += 4 + size
    return tuple(found)
