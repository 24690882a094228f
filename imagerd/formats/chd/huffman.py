# SPDX-License-Identifier: Apache-2.0
"""MAME's canonical Huffman codes: of the map (16 symbols, 8 bits) and of the codec "huff".

Codes are given out from the longest to the shortest, so that the longest are the smallest numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from imagerd.formats.chd.bits import BitReader, BitWriter, Corrupt

_SMALL = 24  # symbols of the tree that describes the tree of "huff"
_BYTES = 256
_BYTE_BITS = 16


def canonical(lengths: Sequence[int]) -> list[int]:
    """The code of each symbol; 0 also for symbols without one (length 0).

    Raises `Corrupt` where the lengths make no prefix code.
    """
    counts = [0] * 34
    for length in lengths:
        counts[length] += 1
    start, starts = 0, [0] * 34
    for length in range(32, 0, -1):
        total = start + counts[length]
        if length != 1 and total % 2:
            raise Corrupt("the code lengths of a Huffman tree do not fit")
        starts[length], start = start, total >> 1
    codes = [0] * len(lengths)
    for symbol, length in enumerate(lengths):
        if length:
            codes[symbol] = starts[length]
            starts[length] += 1
            if codes[symbol] >> length:
                raise Corrupt("a Huffman tree has too many codes")
    return codes


class Decoder:
    """Decodes symbols whose codes have the given lengths, none above `bits`."""

    def __init__(self, lengths: Sequence[int], bits: int) -> None:
        self.bits = bits
        # An entry is symbol << 5 | length; 0 is no code.
        self.table = [0] * (1 << bits)
        for symbol, (length, code) in enumerate(zip(lengths, canonical(lengths), strict=True)):
            if length > bits:
                raise Corrupt("a Huffman code is too long")
            if length:
                span = 1 << (bits - length)
                self.table[code * span : (code + 1) * span] = [symbol << 5 | length] * span

    def one(self, bits: BitReader) -> int:
        """The next symbol."""
        entry = self.table[bits.peek(self.bits)]
        if not entry:
            raise Corrupt("a Huffman stream holds no code")
        bits.position += entry & 31
        return entry >> 5


def read_map_tree(bits: BitReader) -> Decoder:
    """The tree of a map: lengths of 4 bits each, 1 as an escape for repetitions."""
    lengths: list[int] = []
    while len(lengths) < 16:
        length = bits.read(4)
        if length != 1:
            lengths.append(length)
            continue
        length = bits.read(4)
        lengths += [length] * (1 if length == 1 else bits.read(4) + 3)
    if len(lengths) > 16 or bits.overrun:
        raise Corrupt("the tree of the map is damaged")
    return Decoder(lengths, 8)


def write_map_tree(bits: BitWriter, lengths: Sequence[int]) -> None:
    """The inverse of `read_map_tree`, for 16 lengths of at most 8 bits."""
    at = 0
    while at < len(lengths):
        length, run = lengths[at], 1
        while at + run < len(lengths) and lengths[at + run] == length and run < 18:
            run += 1
        if length == 1:
            run = 1
            bits.write(1, 4)
            bits.write(1, 4)
        elif run < 3:
            run = 1
            bits.write(length, 4)
        else:
            bits.write(1, 4)
            bits.write(length, 4)
            bits.write(run - 3, 4)
        at += run


def lengths_of(counts: Sequence[int], longest: int) -> list[int]:
    """Code lengths for symbols that occur so often, none above `longest`.

    Where the best code has longer ones, the rare symbols are taken for less rare until it fits.
    """
    floor = 0
    while True:
        lengths = _best([max(count, floor) if count else 0 for count in counts])
        if max(lengths) <= longest:
            return lengths
        floor = floor * 2 or 1


def _best(counts: Sequence[int]) -> list[int]:
    heap: list[tuple[int, int, tuple[int, ...]]] = [
        (count, symbol, (symbol,)) for symbol, count in enumerate(counts) if count
    ]
    lengths = [0] * len(counts)
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    heapify(heap)
    while len(heap) > 1:
        (one, first, left), (two, _, right) = heappop(heap), heappop(heap)
        for symbol in left + right:
            lengths[symbol] += 1
        heappush(heap, (one + two, first, left + right))
    return lengths


def decode_bytes(data: bytes, size: int) -> bytes:
    """`size` bytes of the codec "huff". Raises `Corrupt`."""
    bits = BitReader(data)
    decoder = _read_byte_tree(bits)
    out = bytearray()
    while len(out) < size:
        out.append(decoder.one(bits))
        if bits.overrun:
            raise Corrupt("a Huffman hunk ends too early")
    return bytes(out)


def _read_byte_tree(bits: BitReader) -> Decoder:
    small = _read_small_tree(bits)
    full = (_BYTES - 9).bit_length()  # bits of a long repetition
    lengths: list[int] = []
    last = 0
    while len(lengths) < _BYTES:
        value = small.one(bits)
        if value:
            last = value - 1
            lengths.append(last)
            continue
        count = bits.read(3) + 2
        if count == 9:
            count += bits.read(full)
        lengths += [last] * min(count, _BYTES - len(lengths))
    if bits.overrun:
        raise Corrupt("a Huffman tree ends too early")
    return Decoder(lengths, _BYTE_BITS)


def _read_small_tree(bits: BitReader) -> Decoder:
    lengths = [0] * _SMALL
    lengths[0] = bits.read(3)
    start = bits.read(3) + 1
    count = 0
    for index in range(start, _SMALL):
        if count == 7:
            break
        count = bits.read(3)
        lengths[index] = 0 if count == 7 else count
    return Decoder(lengths, 6)
