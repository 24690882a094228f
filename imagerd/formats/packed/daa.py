# SPDX-License-Identifier: Apache-2.0
"""DAA, the direct access archive of PowerISO.

The layout after what libMirage's reader expects (its DAA filter, read for the facts); daa2iso
unpacks what the tests make of one part. Little-endian numbers::

    0   16 "DAA"               36  4  bytes that a chunk makes
    16  4  where the table is  40  8  size of the image
    20  4  version             48  8  size of this file
    24  4  where the data are  72  4  CRC-32 of what is before

From byte 76 to the table lie descriptors, each with 4 bytes of kind and 4 of length (8 included): 2
tells of parts (their number, 4 bytes, then a list whose length tells how they are called), 3 of
encryption. A further part begins with "DAA VOL" and, at 16, where its data are.

In version 0x100 the table has 3 bytes for each chunk, its packed length: high, low, middle; the
chunks are deflate without a header. For version 0x110 see ``daa_bits``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.formats import names
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.blocks import LARGEST, BlockStore
from imagerd.formats.packed.chunks import LARGEST_CHUNK, Chunk, ChunkTable, How
from imagerd.formats.packed.daa_bits import Bits, read_bits, read_chunks
from imagerd.formats.packed.split import JoinedStore, Part

_HEADER = struct.Struct("<16sIIIIIIQQ16sI")
_PART = b"DAA VOL".ljust(16, b"\0")
_VERSION, _VERSION_BITS = 0x100, 0x110
_PLACE = 0xFF_FFFF  # in version 0x110 flags stand above
_PARTS, _ENCRYPTION = 2, 3
_MOST_PARTS = 512
# How a list of so many sizes says that the parts are called; number i counts from 0.
_NAMES: dict[int, Callable[[str, int], str]] = {
    99: lambda name, i: f"{name[: -len('01.daa')]}{i + 1:02}{name[-4:]}",
    512: lambda name, i: f"{name[: -len('001.daa')]}{i + 1:03}{name[-4:]}",
    101: lambda name, i: f"{name[:-3]}d{i - 1:02}",
}


@dataclass(frozen=True, slots=True)
class _Head:
    """`bits`: what only version 0x110 has."""

    table: int
    data: int
    chunk: int
    size: int
    bits: Bits | None = None


def open_store(file: DataFile) -> BlockStore:
    """The image in `file`, the first part. Raises `BadInput`."""
    head = _read_head(file)
    parts = _parts(file, head)
    try:
        joined = DataFile(file.path, JoinedStore(parts))
        if head.bits is None:
            return BlockStore(ChunkTable(joined, _chunks(file, head)))
        chunks, unpack = read_chunks(file, head.bits, range(head.table, head.data), head.size)
        return BlockStore(ChunkTable(joined, chunks, unpack=unpack))
    except BadInput:
        _close(parts)
        raise


def _read_head(file: DataFile) -> _Head:
    data = file.peek(0, _HEADER.size)
    if data[:16] == _PART:
        raise BadInput(f"{file.path} is a further part of an image; open the first.")
    if len(data) < _HEADER.size or zlib.crc32(data[:72]) != int.from_bytes(data[72:], "little"):
        raise BadInput(f"{file.path} has a damaged header; copy it again.")
    _, table, version, place, _, _, chunk, size, _, fields, _ = _HEADER.unpack(data)
    bits: Bits | None = None
    if version == _VERSION_BITS:
        bits = read_bits(file, chunk, fields)
        place, chunk = place & _PLACE, bits.chunk
    elif version != _VERSION:
        raise BadInput(f"{file.path} is DAA of version {version:#x}, which is not known.")
    right = 0 < chunk <= LARGEST_CHUNK and 0 < size <= LARGEST and _HEADER.size <= table <= place
    if not right or place > file.size:
        raise BadInput(f"{file.path} has a damaged header: {size} bytes in chunks of {chunk}.")
    return _Head(table, place, chunk, size, bits)


def _parts(file: DataFile, head: _Head) -> list[Part]:
    """Where the data lie, one part behind the other."""
    parts: list[Part] = [(file, head.data, file.size - head.data)]
    at = _HEADER.size
    try:
        while at + 8 <= head.table:
            kind, length = struct.unpack("<II", file.peek(at, 8).ljust(8, b"\0"))
            if length < 8:
                raise BadInput(f"{file.path} has a damaged descriptor; copy it again.")
            if kind == _ENCRYPTION:
                raise BadInput(f"{file.path} is encrypted, which is not read.")
            if kind == _PARTS:
                count = int.from_bytes(file.peek(at + 8, 4), "little")
                name = _NAMES.get((length - 16) // 5)
                if name is None or count > _MOST_PARTS:
                    raise BadInput(f"{file.path} has a damaged list of parts; copy it again.")
                parts += _further(file, [name(file.path.name, i) for i in range(1, count)])
            at += length
    except BadInput:
        _close(parts)
        raise
    return parts


def _further(file: DataFile, wanted: list[str]) -> Iterator[Part]:
    for name in wanted:
        found = names.find(file.path, (name,))
        if found is None:
            raise BadInput(f"{file.path}: its part {name} is missing; put it beside the others.")
        part = DataFile(found.path)
        head = part.peek(0, 40)
        place = int.from_bytes(head[16:20], "little") & _PLACE
        if head[:16] != _PART or place > part.size:
            part.close()
            raise BadInput(f"{found.path} is no part of a DAA image; copy it again.")
        yield part, place, part.size - place


def _close(parts: list[Part]) -> None:
    """Close what was opened here: not the first, which is the caller's."""
    for part, _, _ in parts[1:]:
        part.close()


def _chunks(file: DataFile, head: _Head) -> Iterator[Chunk]:
    count = -(-head.size // head.chunk)
    data = file.peek(head.table, min(3 * count, head.data - head.table))
    if len(data) < 3 * count:
        raise BadInput(f"{file.path} has no table of the {count} chunks that it promises.")
    table = np.frombuffer(data, np.uint8).reshape(count, 3).astype(np.int64)
    lengths = table[:, 0] << 16 | table[:, 2] << 8 | table[:, 1]
    places = (np.cumsum(lengths) - lengths).tolist()
    for number, packed in enumerate(lengths.tolist()):
        start = number * head.chunk
        length = min(head.chunk, head.size - start)
        yield Chunk(start, length, How.DEFLATE, places[number], packed)
