# SPDX-License-Identifier: Apache-2.0
"""The scrambler of data sectors (ECMA-130, annex B): x^15 + x + 1, preset to 1, LSB first.

Bytes 12–2351 are XORed with a fixed stream, so scrambling twice gives back the sector. Data read
as if it were audio comes scrambled.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import Bytes2D
from imagerd.sectors.geometry import HEADER, RAW, as_raw

_WORDS: Final = RAW // 4


@cache
def stream() -> npt.NDArray[np.uint8]:
    """(2352,): twelve zeros for the sync, then the scrambler's bytes 01 80 00 60 …; read-only."""
    register, out = 1, bytearray(HEADER)
    while len(out) < RAW:
        byte = 0
        for bit in range(8):
            byte |= (register & 1) << bit
            feedback = (register ^ register >> 1) & 1
            register = register >> 1 | feedback << 14
        out.append(byte)
    table = np.frombuffer(bytes(out), np.uint8)
    table.flags.writeable = False
    return table


def scramble(raw: Bytes2D) -> Bytes2D:
    """`raw` scrambled, or unscrambled if it was scrambled: the same operation. A new array."""
    raw = as_raw(raw)
    return np.bitwise_xor(raw.view(np.uint32), stream().view(np.uint32)).view(np.uint8)
