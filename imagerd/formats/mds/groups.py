# SPDX-License-Identifier: Apache-2.0
"""The data of a track in groups of sectors, each plain, deflated, or one byte again and again.

The table of groups is deflated itself, and has two bytes for each: 0 for a plain group, 8000 and
more for one of the byte that the lower half tells, else the deflated length.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.blocks import BlockStore
from imagerd.formats.packed.chunks import MOST_CHUNKS, Chunk, ChunkTable, How, unpacked

_REPEATED = 0x8000
_MARGIN = 0x800  # entries more than are needed, read of the deflated table


def grouped(file: DataFile, data: int, table: int, sectors: int, group: int, row: int) -> DataFile:
    """`sectors` of `row` bytes, in groups of so many, from byte `data` of `file` on.

    The table lies at byte `table`. Raises `BadInput` (no file name in it) for what cannot be.
    Closing what is given closes nothing else.
    """
    count = -(-sectors // group) if group else 0
    if not 0 < count <= MOST_CHUNKS or row * group > 1 << 24:
        raise BadInput(f"its {sectors} sectors in groups of {group} cannot be")
    values = _values(file.peek(table, (count + _MARGIN) * 2), count)
    own = DataFile(file.path)  # which the store closes
    try:
        unpack = _Groups(values)
        chunks = _chunks(values, data, sectors * row, group * row)
        return DataFile(file.path, BlockStore(ChunkTable(own, chunks, unpack=unpack)))
    except BadInput:
        own.close()
        raise


def _values(packed: bytes, count: int) -> list[int]:
    try:
        data = zlib.decompressobj().decompress(packed, count * 2)
    except zlib.error as error:
        raise BadInput("its table of groups is damaged") from error
    if len(data) < count * 2:
        raise BadInput("its table of groups is cut short")
    return list(struct.unpack(f"<{count}H", data))


def _chunks(values: list[int], place: int, size: int, whole: int) -> Iterator[Chunk]:
    for number, value in enumerate(values):
        start = number * whole
        length = min(whole, size - start)
        packed = 0 if value & _REPEATED else value or length
        yield Chunk(start, length, How.DEFLATE, place, packed)
        place += packed


class _Groups:
    """How group number so and so is unpacked: an `Unpacker`."""

    def __init__(self, values: list[int]) -> None:
        self._values = values

    def __call__(self, number: int, data: bytes, length: int) -> bytes | None:
        """The content of a group."""
        value = self._values[number]
        if value & _REPEATED:
            return bytes((value & 0xFF,)) * length
        return unpacked(How.DEFLATE, data, length) if value else data[:length]
