# SPDX-License-Identifier: Apache-2.0
"""ISZ, the zipped image of EZB Systems (UltraISO), version 1.

The layout after what libMirage's reader expects (its ISZ filter, read for the facts); no file of
another program was at hand. Little-endian numbers::

    0   4  "IsZ!"            25  4  number of chunks
    4   1  header size       29  4  bytes that a chunk makes
    5   1  version           33  1  bytes of a chunk pointer
    6   4  volume serial     34  1  number of this segment
    10  2  sector size       35  4  where the chunk table is; 0: chunks are plain
    12  4  sectors           39  4  where the segment table is; 0: one segment
    16  1  encryption        43  4  where the data are
    17  8  segment size      48  4  CRC-32 of the content, inverted (headers of 64 bytes)

A chunk pointer is a length with the kind in its two uppermost bits: zeros, plain, zlib, bzip2 (its
first three bytes changed). An entry of the segment table: 8 bytes size, 4 each of number of chunks,
first chunk, place of the first whole chunk, bytes of the last chunk that are in the next segment.
Both tables are exclusive-ored with the inverted magic. Further segments are X.i01, X.i02 ….
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import BadInput
from imagerd.formats import names
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.blocks import BlockStore
from imagerd.formats.packed.chunks import LARGEST_CHUNK, MOST_CHUNKS, Chunk, ChunkTable, How
from imagerd.formats.packed.split import JoinedStore, Part

_HEADER = struct.Struct("<4sBBIHIBQIIBBIIIB")
_SEGMENT = struct.Struct("<QIIII")
_KEY = bytes(byte ^ 0xFF for byte in b"IsZ!")
_HOW = (How.ZERO, How.PLAIN, How.ZLIB, How.BZIP2_ISZ)
_MOST_SEGMENTS = 100
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Head:
    size: int
    chunks: int
    chunk: int
    pointer: int
    table: int
    segments: int
    data: int


def open_store(file: DataFile) -> BlockStore:
    """The image in `file`, the first segment. Raises `BadInput`."""
    head = _read_head(file)
    how, lengths = _read_pointers(file, head)
    parts = _segments(file, head, how, lengths)
    joined = DataFile(file.path, JoinedStore(parts))
    try:
        return BlockStore(ChunkTable(joined, _chunks(head, how, lengths)))
    except BadInput:
        for part, _, _ in parts[1:]:
            part.close()
        raise


def _read_head(file: DataFile) -> _Head:
    data = file.peek(0, _HEADER.size)
    if len(data) < _HEADER.size:
        raise BadInput(f"{file.path} ends within its header; copy it again.")
    fields = _HEADER.unpack(data)
    _, _, version, _, sector, sectors, secret, _, chunks, chunk, pointer, number = fields[:12]
    table, segments, place, _ = fields[12:]
    if secret:
        raise BadInput(f"{file.path} is encrypted, which is not read; decrypt it by its maker.")
    if number > 1:
        raise BadInput(f"{file.path} is segment {number} of an image; open the .isz.")
    size = sector * sectors
    right = version <= 1 and 0 < chunk <= LARGEST_CHUNK and size > 0
    if not right or chunks != -(-size // chunk) or chunks > MOST_CHUNKS:
        raise BadInput(f"{file.path} has a damaged header: {chunks} chunks of {chunk} bytes.")
    if table and not 1 <= pointer <= 8:
        raise BadInput(f"{file.path} has a damaged header: chunk pointers of {pointer} bytes.")
    return _Head(size, chunks, chunk, pointer, table, segments, place)


def _plain(data: bytes) -> npt.NDArray[np.uint8]:
    """The bytes of a table."""
    key = np.frombuffer(_KEY * (len(data) // 4 + 1), np.uint8)[: len(data)]
    return np.frombuffer(data, np.uint8) ^ key


def _read_pointers(file: DataFile, head: _Head) -> tuple[_Ints, _Ints]:
    """The kind and the packed length of each chunk."""
    if not head.table:
        lengths = np.full(head.chunks, head.chunk, np.int64)
        lengths[-1] = head.size - (head.chunks - 1) * head.chunk
        return np.full(head.chunks, 1, np.int64), lengths
    data = file.peek(head.table, head.chunks * head.pointer)
    if len(data) < head.chunks * head.pointer:
        raise BadInput(f"{file.path} ends within its chunk table; copy it again.")
    wide = np.zeros((head.chunks, 8), np.uint8)
    wide[:, : head.pointer] = _plain(data).reshape(head.chunks, head.pointer)
    pointers = wide.view("<u8")[:, 0]
    bits = head.pointer * 8 - 2
    lengths = np.minimum(pointers & np.uint64((1 << bits) - 1), 1 << 40).astype(np.int64)
    return (pointers >> np.uint64(bits)).astype(np.int64), lengths


def _segments(file: DataFile, head: _Head, how: _Ints, lengths: _Ints) -> list[Part]:
    """Where the data of all chunks lie, one behind the other."""
    if not head.segments:
        return [(file, min(head.data, file.size), max(0, file.size - head.data))]
    stored = np.where(how == 0, 0, lengths)
    parts: list[Part] = []
    carried = 0
    try:
        for number in range(_MOST_SEGMENTS):
            data = file.peek(head.segments + number * _SEGMENT.size, _SEGMENT.size)
            if len(data) < _SEGMENT.size:
                raise BadInput(f"{file.path} ends within its segment table; copy it again.")
            size, count, first, place, left = _SEGMENT.unpack(_plain(data).tobytes())
            if size == 0:
                break
            length = carried + int(stored[first : first + count].sum()) - left
            if place < carried or length < 0:
                raise BadInput(f"{file.path} has a damaged segment table.")
            part = _segment(file, number)
            parts.append((part, place - carried, length))
            carried = left
    except BadInput:
        for part, _, _ in parts[1:]:
            part.close()
        raise
    if not parts:
        raise BadInput(f"{file.path} has a damaged segment table.")
    return parts


def _segment(file: DataFile, number: int) -> DataFile:
    if number == 0:
        return file
    name = f"{file.path.name[:-2]}{number:02}"
    found = names.find(file.path, (name,))
    if found is None:
        raise BadInput(f"{file.path}: its segment {name} is missing; put it beside the others.")
    return DataFile(found.path)


def _chunks(head: _Head, how: _Ints, lengths: _Ints) -> Iterator[Chunk]:
    place = 0
    for number, (kind, packed) in enumerate(zip(how.tolist(), lengths.tolist(), strict=True)):
        start = number * head.chunk
        packed = 0 if kind == 0 else packed
        yield Chunk(start, min(head.chunk, head.size - start), _HOW[kind], place, packed)
        place += packed
