# SPDX-License-Identifier: Apache-2.0
"""DMG, the Universal Disk Image Format of Apple. Big-endian numbers; the trailer, 512 bytes::

    0    4  "koly"                      216  8  where the property list is
    4    4  version: 4                  224  8  its length
    24   8  where the data fork begins  492  8  sectors of 512 bytes

The property list has, under resource-fork and blkx, a table for each partition::

    0    4  "mish"       8   8  first sector      24  8  offset of the data in the data fork
    200  4  number of entries, then for each of them 40 bytes:
    0    4  kind         8   8  first sector of the table    16  8  sectors
                         24  8  where the packed data are    32  8  their length

Kinds: 0 and 2 zeros, 1 plain, 0x80000004 ADC, …5 zlib, …6 bzip2, …7 LZFSE, …8 xz; 0x7FFFFFFE a
comment, 0xFFFFFFFF the end. Apple has not published it. 7-Zip and dmg2img unpack what the tests
make of plain, ADC, zlib and bzip2 chunks; xz had no judge.
"""

from __future__ import annotations

import plistlib
import struct
from xml.parsers.expat import ExpatError

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.blocks import LARGEST, BlockStore
from imagerd.formats.packed.chunks import Chunk, ChunkTable, How

_TRAILER = 512
_SECTOR = 512
_LARGEST_LIST = 16 << 20
_MOST_TAGS = 100_000  # of it: each is an object in memory
_TABLE = struct.Struct(">4sIQQQII24x136xI")
_ENTRY = struct.Struct(">IIQQQQ")
_HOW = {
    0: How.ZERO,
    1: How.PLAIN,
    2: How.ZERO,
    0x8000_0004: How.ADC,
    0x8000_0005: How.ZLIB,
    0x8000_0006: How.BZIP2,
    0x8000_0007: How.UNKNOWN,
    0x8000_0008: How.XZ,
}
_COMMENT, _END = 0x7FFF_FFFE, 0xFFFF_FFFF


def open_store(file: DataFile) -> BlockStore:
    """The image in `file`. Raises `BadInput`."""
    trailer = file.peek(file.size - _TRAILER, _TRAILER)
    if len(trailer) < _TRAILER:
        raise BadInput(f"{file.path} ends within its trailer; copy it again.")
    fork = int.from_bytes(trailer[24:32], "big")
    size = int.from_bytes(trailer[492:500], "big") * _SECTOR
    if not 0 < size <= LARGEST:
        raise BadInput(f"{file.path} has a damaged trailer: it promises {size} bytes.")
    found: list[Chunk] = []
    for table in _tables(file, trailer):
        found += _entries(file, table, fork)
    found.sort(key=lambda chunk: chunk.start)
    chunks, absent = _without_gaps(file, found, size)
    notes = []
    if any(chunk.how is How.UNKNOWN and chunk.packed for chunk in chunks):
        notes.append("some of it is packed as LZFSE, which is not read: its sectors are FAILED")
    if absent:
        notes.append(f"its tables leave out {absent} bytes, whose sectors are FAILED")
    return BlockStore(ChunkTable(file, chunks, tuple(notes)))


def _tables(file: DataFile, trailer: bytes) -> list[bytes]:
    """The tables of all partitions, from the property list."""
    place, length = struct.unpack_from(">QQ", trailer, 216)
    if length == 0:
        raise BadInput(f"{file.path} has no property list; convert it with hdiutil or dmg2img.")
    data = file.peek(place, length) if length <= _LARGEST_LIST else b""
    if data.count(b"<") > _MOST_TAGS:
        data = b""
    try:
        tables = plistlib.loads(data)["resource-fork"]["blkx"]
        return [b"".join((table["Data"],)) for table in tables]  # TypeError if it is anything else
    except (
        ValueError,
        ExpatError,
        plistlib.InvalidFileException,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BadInput(f"{file.path} has a damaged property list; copy it again.") from error


def _entries(file: DataFile, table: bytes, fork: int) -> list[Chunk]:
    if len(table) < _TABLE.size or table[:4] != b"mish":
        raise BadInput(f"{file.path} has a damaged table of blocks; copy it again.")
    fields = _TABLE.unpack_from(table)
    first, data, count = fields[2], fields[4], fields[7]
    if count * _ENTRY.size > len(table) - _TABLE.size:
        raise BadInput(f"{file.path} has a table of blocks that is cut short; copy it again.")
    chunks = []
    for number in range(count):
        entry = _ENTRY.unpack_from(table, _TABLE.size + number * _ENTRY.size)
        kind, _, sector, sectors, place, packed = entry
        if kind == _END:
            break
        if kind == _COMMENT or sectors == 0:
            continue
        how = _HOW.get(kind, How.UNKNOWN)
        start, length = (first + sector) * _SECTOR, sectors * _SECTOR
        packed = 0 if how is How.ZERO else packed
        chunks.append(Chunk(start, length, how, fork + data + place, packed))
    return chunks


def _without_gaps(file: DataFile, found: list[Chunk], size: int) -> tuple[list[Chunk], int]:
    """The chunks with what no table speaks of as UNKNOWN, and how many bytes that are."""
    chunks: list[Chunk] = []
    end = absent = 0
    for chunk in [*found, Chunk(size, 0, How.ZERO, 0, 0)]:
        if chunk.start > end:
            chunks.append(Chunk(end, chunk.start - end, How.UNKNOWN, 0, 0))
            absent += chunk.start - end
        elif chunk.start < end and chunk.length:
            raise BadInput(f"{file.path} has tables that contradict each other at {chunk.start}.")
        chunks.append(chunk)
        end = max(end, chunk.start + chunk.length)
        if end > LARGEST:
            raise BadInput(f"{file.path} has a damaged table of blocks; copy it again.")
    return chunks, absent
