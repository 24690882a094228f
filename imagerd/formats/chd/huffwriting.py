# SPDX-License-Identifier: Apache-2.0
"""The codec "huff": a code for the bytes of each hunk, with its tree before it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imagerd.formats.chd.bits import BitWriter
from imagerd.formats.chd.huffman import canonical, lengths_of

_BYTES, _BYTE_BITS = 256, 16
_SMALL, _SMALL_BITS = 24, 6  # symbols of the tree that describes the tree, and their longest code
_FULL = (_BYTES - 9).bit_length()  # bits of a long repetition
_LATEST = 8  # where the small tree may begin at the latest
_END = 7  # of the small tree's lengths

_Symbol = tuple[int, int]  # 0 and how often the length before is repeated, or a length plus 1


def encode_bytes(data: bytes) -> bytes:
    """`data`, not empty, as `huffman.decode_bytes` reads them."""
    values = np.frombuffer(data, np.uint8)
    lengths = lengths_of(np.bincount(values, minlength=_BYTES).tolist(), _BYTE_BITS)
    bits = BitWriter()
    _write_tree(bits, lengths)
    codes = canonical(lengths)
    return _joined(bits, np.array(codes)[values], np.array(lengths)[values])


def _joined(bits: BitWriter, codes: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> bytes:
    """What `bits` has, and `codes` of so many bits behind it."""
    head, used = bits.data(), bits.count
    ends = np.cumsum(lengths)
    stream = np.zeros(used + int(ends[-1]), np.uint8)
    stream[:used] = np.unpackbits(np.frombuffer(head, np.uint8), count=used)
    starts = used + ends - lengths
    for place in range(_BYTE_BITS):
        there = lengths > place
        stream[starts[there] + place] = codes[there] >> (lengths[there] - 1 - place) & 1
    return np.packbits(stream).tobytes()


def _write_tree(bits: BitWriter, lengths: list[int]) -> None:
    """The lengths of all codes, those that are repeated told by a count, in a code of their own."""
    symbols = list(_runs(lengths))
    counts = [0] * _SMALL
    for symbol, _ in symbols:
        counts[symbol] += 1
    small = lengths_of(counts, _SMALL_BITS)
    _write_small_tree(bits, small)
    codes = canonical(small)
    for symbol, repeated in symbols:
        bits.write(codes[symbol], small[symbol])
        if symbol == 0:
            bits.write(min(repeated - 2, 7), 3)
            if repeated >= 9:
                bits.write(repeated - 9, _FULL)


def _runs(lengths: list[int]) -> Iterator[_Symbol]:
    at = 0
    while at < len(lengths):
        length, run = lengths[at], 1
        while at + run < len(lengths) and lengths[at + run] == length:
            run += 1
        yield length + 1, 1
        if run == 2:
            yield length + 1, 1
        elif run > 2:
            yield 0, run - 1
        at += run


def _write_small_tree(bits: BitWriter, lengths: list[int]) -> None:
    used = [symbol for symbol in range(1, _SMALL) if lengths[symbol]]
    first, last = min(used[0], _LATEST), used[-1]
    bits.write(lengths[0], 3)
    bits.write(first - 1, 3)
    for symbol in range(first, last + 1):
        bits.write(lengths[symbol], 3)
    if last + 1 < _SMALL:
        bits.write(_END, 3)
