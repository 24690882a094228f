# SPDX-License-Identifier: Apache-2.0
"""Packed files whose table says where each chunk lies, how it is packed, and what it makes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.adc import from_adc
from imagerd.formats.packed.blocks import LARGEST, Unpacked, all_lost

LARGEST_CHUNK = 32 << 20  # that must be unpacked in one go
_PIECE = 4 << 20  # of what need not be unpacked
MOST_CHUNKS = 1 << 20
_MEMORY = 192 << 20  # as `xz.MEMORY`


class How(IntEnum):
    """How a chunk is packed."""

    ZERO = 0
    PLAIN = 1
    ZLIB = 2
    BZIP2 = 3
    XZ = 4
    ADC = 5
    UNKNOWN = 6  # cannot be unpacked
    DEFLATE = 7
    BZIP2_ISZ = 8  # its first three bytes are not those of bzip2


@dataclass(frozen=True, slots=True)
class Chunk:
    """`length` bytes from `start`, of `packed` bytes at `place` in the file."""

    start: int
    length: int
    how: How
    place: int
    packed: int


# Of chunk number so and so, stored like this: exactly so many bytes, or None.
Unpacker = Callable[[int, bytes, int], bytes | None]


class ChunkTable:
    """The `Blocks` of a table of chunks, which follow each other without gaps.

    Raises `BadInput`, in the name of `file`, for a table that cannot be. `unpack`: how to, if `How`
    does not tell.
    """

    workers = 2

    def __init__(
        self,
        file: DataFile,
        chunks: Iterable[Chunk],
        notes: tuple[str, ...] = (),
        unpack: Unpacker | None = None,
    ) -> None:
        self._file = file
        self._own = unpack
        self.files: tuple[Path, ...] = file.store.files
        self.notes = notes
        rows, self.size = _rows(file, chunks)
        self._starts, self._lengths, self._how, self._places, self._packed = (
            np.array(rows, np.int64).reshape(-1, 5).T.copy()
        )
        if self.size == 0:
            raise BadInput(f"{file.path} holds nothing.")

    @property
    def suspect(self) -> bool:
        """See `Blocks`: as doubtful as what the file itself is packed in."""
        return self._file.store.suspect

    def number_at(self, offset: int) -> int:
        """See `Blocks`."""
        return int(np.searchsorted(self._starts, offset, "right")) - 1

    def span(self, number: int) -> range:
        """See `Blocks`."""
        start = int(self._starts[number])
        return range(start, start + int(self._lengths[number]))

    def unpack(self, number: int) -> Unpacked:
        """See `Blocks`."""
        length = int(self._lengths[number])
        how = How(int(self._how[number]))
        if how is How.ZERO:
            return Unpacked(bytes(length))
        wanted = int(self._packed[number])
        data = self._file.peek(int(self._places[number]), wanted)
        if len(data) < wanted:
            return all_lost(length)
        own = self._own
        content = own(number, data, length) if own else unpacked(how, data, length)
        return all_lost(length) if content is None else Unpacked(content)

    def close(self) -> None:
        """See `Blocks`."""
        self._file.close()


def _rows(
    file: DataFile, chunks: Iterable[Chunk]
) -> tuple[list[tuple[int, int, int, int, int]], int]:
    rows: list[tuple[int, int, int, int, int]] = []
    end = 0
    for chunk in chunks:
        for part in _pieces(chunk):
            if part.start != end or part.length < 0 or part.packed > 2 * LARGEST_CHUNK:
                raise BadInput(f"{file.path} has a damaged table: a chunk at byte {part.start}.")
            if part.length == 0:
                continue
            place = part.place if 0 <= part.place <= file.size else file.size
            rows.append((part.start, part.length, part.how, place, max(0, part.packed)))
            end += part.length
            if end > LARGEST or len(rows) > MOST_CHUNKS or part.length > LARGEST_CHUNK:
                raise BadInput(f"{file.path} has a damaged table: too much, or in too many pieces.")
    return rows, end


def _pieces(chunk: Chunk) -> Iterable[Chunk]:
    """The chunk, or several where it need not be unpacked and is long."""
    plain = chunk.how in (How.ZERO, How.PLAIN, How.UNKNOWN)
    if not plain or chunk.length <= _PIECE:
        return (chunk,)
    if chunk.length > LARGEST:
        return (Chunk(-1, 0, How.UNKNOWN, 0, 0),)
    if chunk.how is How.PLAIN and chunk.packed != chunk.length:
        return (chunk,)
    moves = chunk.how is How.PLAIN
    return (
        Chunk(
            chunk.start + at,
            min(_PIECE, chunk.length - at),
            chunk.how,
            chunk.place + at * moves,
            min(_PIECE, chunk.length - at) * moves,
        )
        for at in range(0, chunk.length, _PIECE)
    )


def unpacked(how: How, data: bytes, length: int) -> bytes | None:
    """Exactly `length` bytes; None where `data` do not give them."""
    try:
        content = _content(how, data, length)
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError):
        return None
    return content if content is not None and len(content) == length else None


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _content(how: How, data: bytes, length: int) -> bytes | None:
    if how is How.PLAIN:
        return data[:length]
    if how is How.ADC:
        return from_adc(data, length)
    stream: _Stream
    if how in (How.ZLIB, How.DEFLATE):
        stream = zlib.decompressobj(15 if how is How.ZLIB else -15)
    elif how in (How.BZIP2, How.BZIP2_ISZ):
        stream = bz2.BZ2Decompressor()
        data = b"BZh" + data[3:] if how is How.BZIP2_ISZ else data
    elif how is How.XZ:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    else:
        return None
    content = stream.decompress(data, length)
    # Only the end of the stream, where its checksum is, vouches for what came before.
    if not stream.eof and len(content) == length:
        tail = getattr(stream, "unconsumed_tail", b"")
        if stream.decompress(tail, 1):
            return None
    return content if stream.eof else None
