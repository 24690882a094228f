# SPDX-License-Identifier: Apache-2.0
"""Write an .iso's blocks as CSO or ZSO, packed on all cores; the layout is in ``cso``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from imagerd.base.progress import Task
from imagerd.disc.source import SectorSource
from imagerd.formats.deflated import deflate
from imagerd.formats.iso_writing import write_blocks
from imagerd.formats.packed.cso import HEADER, PLAIN, Kind
from imagerd.formats.packed.lz4 import lz4_compress
from imagerd.formats.packed.output import PackedOutput
from imagerd.formats.written import WriteOptions, WrittenImage

BLOCK = 2048  # what the PSP wants
LEVEL, QUICK = 9, 1  # of deflate: the smallest, the soonest
_LZ4_LEVEL = 12
_OFFSETS = 1 << 31

Packed = tuple[bytes | memoryview, bool]  # a block as it is stored, and its uppermost bit
Packer = Callable[[memoryview], Packed]


def write_image(source: SectorSource, target: Path, options: WriteOptions) -> Task[WrittenImage]:
    """Write a track of `source` as `target`: ZSO if it is called so, else CSO version 1."""
    kind = Kind.ZSO if target.suffix.lower() == ".zso" else Kind.CSO1
    return write_cso(source, target, options, kind, QUICK if options.quick else LEVEL)


def write_cso(
    source: SectorSource,
    target: Path,
    options: WriteOptions,
    kind: Kind = Kind.CSO1,
    level: int = LEVEL,
) -> Task[WrittenImage]:
    """Write a track of `source` as `kind`; as `imagerd.formats.write_image` of an .iso.

    `level` is that of deflate, 1 to 9. Raises `BadInput` where LZ4 is needed and not installed.
    """

    def sink(stack: ExitStack, size: int) -> _CsoOutput:
        return _CsoOutput(target, options, stack, kind, size, level)

    return (
        yield from write_blocks(source, target, options, "zso" if kind is Kind.ZSO else "cso", sink)
    )


class _CsoOutput(PackedOutput[list[Packed]]):
    def __init__(
        self,
        target: Path,
        options: WriteOptions,
        stack: ExitStack,
        kind: Kind,
        size: int,
        level: int,
    ) -> None:
        super().__init__(target, options, stack)
        self._kind, self._size = kind, size
        self._shift = shift_for(size)
        self._index = np.empty(-(-size // BLOCK) + 1, "<u4")
        self._done = 0
        self._packer = _packer(kind, level, 1 << self._shift)
        self._at = HEADER.size + self._index.nbytes
        self._append(bytes(self._at))
        self._pad()

    def pack(self, data: memoryview) -> list[Packed]:
        """One piece, in a thread of its own."""
        packer = self._packer
        return [packer(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK)]

    def store(self, packed: list[Packed]) -> None:
        """The pieces, in their order."""
        step = 1 << self._shift
        parts: list[bytes | memoryview] = []
        for data, flag in packed:
            self._index[self._done] = (self._at >> self._shift) | (PLAIN if flag else 0)
            self._done += 1
            parts.append(data)
            left = -len(data) % step
            if left:
                parts.append(bytes(left))
            self._at += len(data) + left
        self._append(b"".join(parts))

    def end(self) -> None:
        """The index and the header, which are known last."""
        self._index[self._done] = self._at >> self._shift
        magic, version = self._kind.value
        head = HEADER.pack(magic, HEADER.size, self._size, BLOCK, version, self._shift, 0)
        self._rewrite(head + self._index[: self._done + 1].tobytes())

    def _pad(self) -> None:
        left = -self._at % (1 << self._shift)
        self._append(bytes(left))
        self._at += left


def shift_for(size: int) -> int:
    """By how many bits the offsets of an image of `size` bytes must be shifted, at worst."""
    shift = 0
    while (HEADER.size + size + (size // BLOCK + 1) * (4 + (1 << shift))) >> shift >= _OFFSETS:
        shift += 1
    return shift


def _packer(kind: Kind, level: int, step: int) -> Packer:
    if kind is Kind.CSO1:
        return partial(_deflated, level)
    compress = lz4_compress()

    def lz4(block: memoryview) -> bytes:
        return compress(block, mode="high_compression", compression=_LZ4_LEVEL, store_size=False)

    def zso(block: memoryview) -> Packed:
        data = lz4(block)
        return (data, False) if len(data) < len(block) else (block, True)

    def cso2(block: memoryview) -> Packed:
        """The shorter one; what is aligned up to a block's length would be taken for stored."""
        deflated, fast = deflate(block, level), lz4(block)
        data, flag = (fast, True) if len(fast) < len(deflated) else (deflated, False)
        aligned = len(data) + -len(data) % step
        return (data, flag) if aligned < len(block) else (block, False)

    return zso if kind is Kind.ZSO else cso2


def _deflated(level: int, block: memoryview) -> Packed:
    data = deflate(block, level)
    return (data, False) if len(data) < len(block) else (block, True)
