# SPDX-License-Identifier: Apache-2.0
"""CSO version 1 and 2, and ZSO: an image in blocks of deflate or LZ4, each findable by an index.

The layout as it is commonly known; no file of another program was at hand to compare with. All
numbers are little-endian::

    0   4  "CISO", or "ZISO"
    4   4  size of this header; unreliable in version 1
    8   8  size of the image
    16  4  size of a block
    20  1  version: 0 or 1, or 2
    21  1  shift of the offsets in the index
    22  2  zeros
    24  4·(n+1)  index: where each block begins, and where the last one ends

The uppermost bit of an index entry says that a block is stored as it is; in version 2 that it is
LZ4, and there a block is stored if it is no shorter than a block. Blocks have no checksum.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.deflated import inflate_whole
from imagerd.formats.packed.blocks import LARGEST, BlockStore, Unpacked
from imagerd.formats.packed.lz4 import lz4_block

HEADER = struct.Struct("<4sIQIBBH")
PLAIN = 0x8000_0000  # in version 2: LZ4
_SMALLEST, _LARGEST_BLOCK = 512, 4 << 20
_MOST_SHIFT = 8
_UNIT = 128 << 10  # bytes unpacked together: so many blocks, or one


class Kind(Enum):
    """Magic, and version in the header."""

    CSO1 = (b"CISO", 1)
    CSO2 = (b"CISO", 2)
    ZSO = (b"ZISO", 1)


def open_store(file: DataFile) -> BlockStore:
    """The image in `file`, which begins with one of the magics. Raises `BadInput`."""
    return BlockStore(_CsoBlocks(file))


@dataclass(frozen=True, slots=True)
class _Head:
    kind: Kind
    size: int
    block: int
    shift: int

    @property
    def blocks(self) -> int:
        return -(-self.size // self.block)


def _read_head(file: DataFile) -> _Head:
    data = file.peek(0, HEADER.size)
    if len(data) < HEADER.size:
        raise BadInput(f"{file.path} ends within its header; copy it again.")
    magic, _length, size, block, version, shift, _ = HEADER.unpack(data)
    kind = Kind.ZSO if magic == b"ZISO" else Kind.CSO2 if version == 2 else Kind.CSO1
    if version > 2 or (version == 2 and kind is not Kind.CSO2):
        raise BadInput(f"{file.path} is version {version} of its format, which is not known.")
    if not _SMALLEST <= block <= _LARGEST_BLOCK or shift > _MOST_SHIFT:
        raise BadInput(f"{file.path} has a damaged header (blocks of {block} bytes, {shift=}).")
    head = _Head(kind, size, block, shift)
    if not 0 < size <= LARGEST or HEADER.size + 4 * (head.blocks + 1) > file.size:
        raise BadInput(f"{file.path} has no room for the index of the {size} bytes it promises.")
    return head


class _CsoBlocks:
    """Several blocks of the file make one of ours: those of 2 KiB are too small for threads."""

    workers = 2

    def __init__(self, file: DataFile) -> None:
        head = _read_head(file)
        self._file = file
        self._head = head
        self.size = head.size
        self.files = file.store.files
        self._each = max(1, _UNIT // head.block)
        self._unit = self._each * head.block
        index = np.frombuffer(file.peek(HEADER.size, 4 * (head.blocks + 1)), "<u4")
        if len(index) <= head.blocks:
            raise BadInput(f"{file.path} cannot be read where its index lies.")
        if head.kind is Kind.CSO1 or head.kind is Kind.ZSO:
            self._lz4 = np.full(len(index), head.kind is Kind.ZSO)
        else:
            self._lz4 = index & PLAIN != 0
        if self._lz4.any():
            lz4_block()  # says so here if it is missing
        self._flags = index & PLAIN != 0
        self._at: npt.NDArray[np.int64] = (index & ~np.uint32(PLAIN)).astype(np.int64) << head.shift
        self.notes: tuple[str, ...] = ()
        if self._at[-1] > file.size:
            lost = int((self._at > file.size).sum())
            self.notes = (f"cut short: {lost} of its {head.blocks} blocks are not in the file",)

    @property
    def suspect(self) -> bool:
        """See `Blocks`: as doubtful as what the file itself is packed in."""
        return self._file.store.suspect

    def number_at(self, offset: int) -> int:
        return offset // self._unit

    def span(self, number: int) -> range:
        start = number * self._unit
        return range(start, min(start + self._unit, self.size))

    def unpack(self, number: int) -> Unpacked:
        first = number * self._each
        last = min(first + self._each, self._head.blocks)
        at = self._at[first : last + 1].tolist()
        together = self._together(at)
        parts, damage = [], []
        begin = 0
        for block in range(first, last):
            start, stop = at[block - first], at[block - first + 1]
            length = min(self._head.block, self.size - block * self._head.block)
            if together is not None:
                packed = together[start - at[0] : stop - at[0]]
            else:
                packed = self._packed(start, stop)
            data = self._block(block, packed, length)
            if data is None:
                data = bytes(length)
                damage.append(range(begin, begin + length))
            parts.append(data)
            begin += length
        return Unpacked(b"".join(parts), tuple(damage))

    def _most(self) -> int:
        """Bytes that a block of the file has at most: stored, aligned; LZ4 may grow a little."""
        return self._head.block + self._head.block // 128 + 64 + (1 << self._head.shift)

    def _together(self, at: list[int]) -> memoryview | None:
        """The blocks from `at` on in one read, if they lie one after another."""
        if at[-1] - at[0] > len(at) * self._most() or any(b < a for a, b in pairwise(at)):
            return None
        return memoryview(self._file.peek(at[0], at[-1] - at[0]))

    def _packed(self, start: int, stop: int) -> memoryview:
        if not 0 <= stop - start <= self._most():
            return memoryview(b"")
        return memoryview(self._file.peek(start, stop - start))

    def _block(self, block: int, packed: memoryview, length: int) -> bytes | memoryview | None:
        stored = bool(self._flags[block])
        if self._head.kind is Kind.CSO2:
            stored = len(packed) >= self._head.block
        if stored:
            return packed[:length] if len(packed) >= length else None
        if self._lz4[block]:
            return _from_lz4(packed, self._head.block, length, 1 << self._head.shift)
        return _inflated(packed, self._head.block, length)

    def close(self) -> None:
        self._file.close()


def _inflated(packed: memoryview, block: int, length: int) -> bytes | None:
    """A raw deflate stream that must end, and give `length` bytes (some pad the last block)."""
    data = inflate_whole(packed, block)
    return data[:length] if data is not None and len(data) >= length else None


def _from_lz4(packed: memoryview, block: int, length: int, aligned: int) -> bytes | None:
    """An LZ4 block; it does not tell its end, so zeros that align the next one are taken off."""
    decompress, wrong = lz4_block()
    shortest = max(1, len(packed) - aligned + 1)
    for end in range(len(packed), shortest - 1, -1):
        if end < len(packed) and packed[end] != 0:
            return None
        try:
            data = decompress(packed[:end], uncompressed_size=block)
        except wrong:
            continue
        if length <= len(data) <= block:
            return data[:length]
    return None
