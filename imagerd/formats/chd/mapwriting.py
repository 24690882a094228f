# SPDX-License-Identifier: Apache-2.0
"""The compressed map of version 5, from one entry for each hunk."""

from __future__ import annotations

import numpy as np

from imagerd.formats.chd.bits import BitWriter
from imagerd.formats.chd.huffman import canonical, lengths_of, write_map_tree
from imagerd.formats.chd.hunkmap import CHUNK, MAP_HEAD, Code, Entries, Kind, map_crc


def write_map(entries: Entries, first: int) -> bytes:
    """The map of `entries` (kinds of codecs, PLAIN and SELF), whose data begin at `first`."""
    kinds = _shortened(entries)
    symbols = _repeated(kinds)
    counts = [0] * 16
    for symbol in symbols:
        counts[symbol] += 1
    lengths = lengths_of(counts, 8)
    codes = canonical(lengths)
    own = entries["kind"] == Kind.SELF
    packed = entries["kind"] <= Kind.CODEC3
    length_bits = int(entries["length"][packed].max(initial=0)).bit_length()
    self_bits = int(entries["offset"][own].max(initial=0)).bit_length()
    bits = BitWriter()
    write_map_tree(bits, lengths)
    for symbol in symbols:
        bits.write(codes[symbol], lengths[symbol])
    for start in range(0, len(entries), CHUNK):
        part = entries[start : start + CHUNK]
        columns = (part[name].tolist() for name in ("length", "offset", "check"))
        for kind, *numbers in zip(kinds[start : start + CHUNK], *columns, strict=True):
            _write_numbers(bits, kind, numbers, (length_bits, self_bits))
    body = bits.data()
    crc = map_crc(entries)
    head = MAP_HEAD.pack(len(body), first.to_bytes(6, "big"), crc, length_bits, self_bits, 0, 0)
    return head + body


def _write_numbers(bits: BitWriter, kind: int, row: list[int], widths: tuple[int, int]) -> None:
    """What follows from a hunk's kind: length and CRC, the CRC alone, or the hunk referred to."""
    length, offset, check = row
    if kind <= Kind.CODEC3:
        bits.write(length, widths[0])
    if kind <= Kind.PLAIN:
        bits.write(check, 16)
    elif kind == Kind.SELF:
        bits.write(offset, widths[1])


def _shortened(entries: Entries) -> bytearray:
    """The kinds, with references that follow from the one before told apart."""
    kinds = entries["kind"].copy()
    rows = np.flatnonzero(kinds == Kind.SELF)
    targets = entries["offset"][rows].astype(np.int64)
    steps = np.diff(targets, prepend=0)
    kinds[rows[steps == 0]] = Code.SELF_SAME
    kinds[rows[steps == 1]] = Code.SELF_NEXT
    return bytearray(kinds.tobytes())


_SHORT, _LONG = 3, 19  # the fewest kinds that each form of repetition stands for
_MOST = _LONG + 255


def _repeated(kinds: bytearray) -> bytearray:
    """The kinds as symbols: runs of one that came before as a count of 4 or twice 4 bits."""
    symbols = bytearray()
    last, at = 0, 0
    while at < len(kinds):
        kind, run = kinds[at], 1
        while at + run < len(kinds) and kinds[at + run] == kind and run <= _MOST:
            run += 1
        if kind != last:
            symbols.append(kind)
            last = kind
            at += 1
            continue
        run = min(run, _MOST)
        if run < _SHORT:
            symbols += bytes((kind,)) * run
        elif run < _LONG:
            symbols += bytes((Code.RLE_SHORT, run - _SHORT))
        else:
            symbols += bytes((Code.RLE_LONG, (run - _LONG) >> 4, (run - _LONG) & 15))
        at += run
    return symbols
