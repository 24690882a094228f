# SPDX-License-Identifier: Apache-2.0
"""CRC-32 of many pieces of one stream, without reading each of them.

A CRC is linear: that of a piece follows from those of the two prefixes of the stream that end where
it begins and ends, crc(b–a) = P(b) ^ P(a)·x^(8·(b–a)) mod the polynomial (zlib's crc32_combine,
turned round). So all positions of a window of fixed length cost one reading of the stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from fastcrc import crc32

Crcs: TypeAlias = npt.NDArray[np.uint32]

_POLYNOMIAL: Final = 0xEDB88320  # reflected, of IEEE 802.3
_ONE: Final = 1 << 31  # x^0: the highest bit is the lowest power
_X8: Final = 1 << 23


def multiply(a: int, b: int) -> int:
    """a·b modulo the polynomial."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def zeros(count: int) -> int:
    """x^(8·count): the factor that `count` bytes behind bring to a CRC."""
    power, factor = _ONE, _X8
    while count:
        if count & 1:
            power = multiply(power, factor)
        factor = multiply(factor, factor)
        count >>= 1
    return power


def without(prefix: int, whole: int, length: int) -> int:
    """The CRC of the last `length` bytes of a stream of CRC `whole`, `prefix` that before them."""
    return multiply(zeros(length), prefix) ^ whole


def blank(length: int) -> int:
    """The CRC of `length` zeros."""
    return multiply(zeros(length), 0xFFFFFFFF) ^ 0xFFFFFFFF


def with_zeros(whole: int, count: int) -> int:
    """The CRC of a stream of CRC `whole` with `count` zeros behind it."""
    return multiply(zeros(count), whole) ^ blank(count)


def pieces(prefixes: Crcs, ends: Crcs, length: int) -> Crcs:
    """As `without`, of many pieces of the same length at once."""
    factor = zeros(length)
    result = ends.copy()
    for bit in range(32):
        column = np.uint32(multiply(factor, 1 << bit))
        result ^= np.where(prefixes >> np.uint32(bit) & np.uint32(1), column, np.uint32(0))
    return result


def at_positions(stream: Iterable[memoryview], positions: Sequence[int]) -> Crcs:
    """The CRC of each prefix of `stream` whose length is in `positions`.

    They ascend, and none lies behind the stream's end.
    """
    found = np.zeros(len(positions), np.uint32)
    at = crc = done = 0
    for chunk in stream:
        begin = 0
        while done < len(positions) and positions[done] <= at + len(chunk):
            end = positions[done] - at
            crc = crc32.iso_hdlc(chunk[begin:end], crc)
            found[done] = crc
            begin, done = end, done + 1
        if done == len(positions):
            break
        crc = crc32.iso_hdlc(chunk[begin:], crc)
        at += len(chunk)
    return found
