# SPDX-License-Identifier: Apache-2.0
"""xz streams of several blocks, found by their index (the .xz file format, 1.2.0).

::

    header  "\\xfd7zXZ\\0", 2 bytes of flags (which check), CRC-32 of these
    blocks  each padded, before its check, to a multiple of 4 bytes
    index   0, number of blocks, of each its size without padding and that of its content, as
            numbers of 7 bits a byte, low ones first; zeros to a multiple of 4; CRC-32
    footer  CRC-32 of what follows, size of the index / 4 - 1, the same flags, "YZ"

xz makes blocks since 5.6, or with -T. A block is unpacked as a stream of its own: the header, the
block, and an index and footer for it alone.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.blocks import BlockStore
from imagerd.formats.packed.chunks import LARGEST_CHUNK, MOST_CHUNKS, Chunk, ChunkTable, How

MAGIC = b"\xfd7zXZ\0"
MEMORY = 192 << 20  # that xz may take, for each of two threads: a window of 128 MiB fits
_HEADER = _FOOTER = 12
_MOST_PADDING = 4096
_LARGEST_INDEX = 16 << 20
_Record = tuple[int, int]  # size of a block without its padding, size of its content


@dataclass(frozen=True, slots=True)
class Stream:
    """What the index of a stream says; it begins at byte `start`."""

    start: int
    header: bytes
    records: list[_Record]


def read_index(file: DataFile, end: int) -> Stream | None:
    """Of the stream that ends at byte `end`, or before zeros that pad it; None if it is damaged."""
    tail = file.peek(max(0, end - _MOST_PADDING), min(end, _MOST_PADDING)).rstrip(b"\0")
    end -= (min(end, _MOST_PADDING) - len(tail)) & ~3
    footer = file.peek(end - _FOOTER, _FOOTER)
    if footer[10:] != b"YZ" or not _right(footer[4:10], footer[:4]):
        return None
    size = (int.from_bytes(footer[4:8], "little") + 1) * 4
    index = file.peek(end - _FOOTER - size, size) if size <= _LARGEST_INDEX else b""
    if not _right(index[:-4], index[-4:]):
        return None
    records = _records(index)
    start = end - _FOOTER - size - sum(_padded(packed) for packed, _ in records) - _HEADER
    header = file.peek(start, _HEADER)
    if header[:6] != MAGIC or header[6:8] != footer[8:10] or not _right(header[6:8], header[8:]):
        return None
    return Stream(start, header, records)


def open_blocks(file: DataFile) -> BlockStore | None:
    """The content of `file` if it is one stream of several blocks, none too large; else None."""
    stream = read_index(file, file.size)
    if stream is None or stream.start or len(stream.records) < 2:
        return None
    header, records = stream.header, stream.records
    if not all(
        packed <= LARGEST_CHUNK and 0 < length <= LARGEST_CHUNK for packed, length in records
    ):
        return None
    unpack = partial(_unpack, header, [packed for packed, _ in records])
    return BlockStore(ChunkTable(file, _chunks(records), unpack=unpack))


def _right(data: bytes, crc: bytes) -> bool:
    return zlib.crc32(data) == int.from_bytes(crc, "little")


def _padded(size: int) -> int:
    return size + -size % 4


def _records(index: bytes) -> list[_Record]:
    """What an index says of the blocks; nothing if it contradicts itself."""
    numbers = []
    value = shift = 0
    for byte in index[1:-4]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value = shift = 0
        elif shift > 56:
            return []
    count = numbers[0] if numbers else 0
    if index[:1] != b"\0" or count > MOST_CHUNKS or len(numbers) < 1 + 2 * count:
        return []
    return list(zip(numbers[1 : 1 + 2 * count : 2], numbers[2 : 2 + 2 * count : 2], strict=True))


def _chunks(records: list[_Record]) -> Iterator[Chunk]:
    start, place = 0, _HEADER
    for packed, length in records:
        yield Chunk(start, length, How.XZ, place, _padded(packed))
        start += length
        place += _padded(packed)


def _unpack(
    header: bytes, sizes: list[int], number: int, block: bytes, length: int
) -> bytes | None:
    """The content of a block, its check being right."""
    index = b"\0\1" + _number(sizes[number]) + _number(length)
    index += bytes(-len(index) % 4)
    index += zlib.crc32(index).to_bytes(4, "little")
    tail = (len(index) // 4 - 1).to_bytes(4, "little") + header[6:8]
    footer = zlib.crc32(tail).to_bytes(4, "little") + tail + b"YZ"
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
    try:
        content = stream.decompress(header + block + index + footer, length + 1)
    except lzma.LZMAError:
        return None
    return content if stream.eof and len(content) == length else None


def _number(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
