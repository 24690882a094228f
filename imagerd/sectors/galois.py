# SPDX-License-Identifier: Apache-2.0
"""GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 and α = 2 (ECMA-130, annex A): tables."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_POLYNOMIAL: Final = 0x11D


def _powers() -> tuple[int, ...]:
    value, powers = 1, []
    for _ in range(255):
        powers.append(value)
        value <<= 1
        if value & 0x100:
            value ^= _POLYNOMIAL
    return tuple(powers)


EXP: Final = _powers()  # α^0 … α^254
LOG: Final = tuple(EXP.index(value) if value else -1 for value in range(256))


def times(a: int, b: int) -> int:
    """a · b."""
    return EXP[(LOG[a] + LOG[b]) % 255] if a and b else 0


def over(a: int, b: int) -> int:
    """a / b; `ZeroDivisionError` for b = 0."""
    if b == 0:
        raise ZeroDivisionError("division by zero in GF(256)")
    return EXP[(LOG[a] - LOG[b]) % 255] if a else 0


# The table for every byte of a / (α + 1), used to solve for parity.
DIVIDE_BY_3: Final[npt.NDArray[np.uint8]] = np.array([over(a, 3) for a in range(256)], np.uint8)
DIVIDE_BY_3.flags.writeable = False
