# SPDX-License-Identifier: Apache-2.0
"""How many bytes a packed stream says that it unpacks to, without unpacking it.

gzip (RFC 1952) ends with the length of its last member, modulo 2**32; xz has an index, and zstd
(RFC 8878) may have a length in the header of each frame, whose blocks can be counted off. bzip2
has nothing. What they say is proven by unpacking them alone.
"""

from __future__ import annotations

from imagerd.formats.datafile import DataFile
from imagerd.formats.packed import xz

_SECTORS = (2048, 2352, 2448)  # a disc is whole ones of these
_GZIP_HEADER = 64 << 10  # most of it a name
_GZIP_BLOCK = (65_535, 65_541)  # what deflate makes of bytes that cannot be packed
_GZIP_RATIO = 1032  # the most that it saves
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_ZSTD_HEADER = 18
_LENGTH_BYTES = (0, 2, 4, 8)
_DICTIONARY_BYTES = (0, 1, 2, 4)
_RLE, _RESERVED = 1, 3


def of_gzip(file: DataFile) -> int | None:
    """As the trailer of a lone member has it, if that can be the length of a disc.

    Of several members only the last would speak; such lengths are seldom whole sectors.
    """
    claimed = int.from_bytes(file.peek(file.size - 4, 4), "little")
    kept, packed = _GZIP_BLOCK
    least = max(0, file.size - _GZIP_HEADER) * kept // packed
    claimed += -(-max(0, least - claimed) >> 32) << 32
    whole = any(claimed % size == 0 for size in _SECTORS)
    return claimed if whole and 0 < claimed <= _GZIP_RATIO * file.size else None


def of_xz(file: DataFile) -> int | None:
    """By the indexes of all its streams; None if one is missing or damaged."""
    end, length = file.size, 0
    while end > 0:
        stream = xz.read_index(file, end)
        if stream is None:
            return None
        length += sum(content for _, content in stream.records)
        end = stream.start
    return length or None


def of_zstd(file: DataFile) -> int | None:
    """By the headers of its frames; None if one has no length, or they do not fill the file."""
    at, length = 0, 0
    while at < file.size:
        head = file.peek(at, _ZSTD_HEADER)
        if not head.startswith(_ZSTD_FRAME) or len(head) < 6:
            return None
        flags = head[4]
        single = bool(flags & 0x20)
        size = _LENGTH_BYTES[flags >> 6] or int(single)
        begin = 5 + (not single) + _DICTIONARY_BYTES[flags & 3]
        if not size:
            return None
        length += int.from_bytes(head[begin : begin + size], "little") + 256 * (size == 2)
        end = _end_of_blocks(file, at + begin + size)
        if end is None:
            return None
        at = end + 4 * bool(flags & 4)  # a checksum
    return length if at == file.size and length else None


def _end_of_blocks(file: DataFile, at: int) -> int | None:
    """Where the blocks of a frame end that begin at `at`."""
    while True:
        header = file.peek(at, 3)
        if len(header) < 3:
            return None
        value = int.from_bytes(header, "little")
        kind = value >> 1 & 3
        if kind == _RESERVED:
            return None
        at += 3 + (1 if kind == _RLE else value >> 3)
        if value & 1:
            return at
