# SPDX-License-Identifier: Apache-2.0
"""DAA version 0x110: what its header says otherwise, a table in bits, chunks by LZMA or deflate.

The layout after what daa2iso and libMirage expect; daa2iso unpacks what the tests make. Some fields
of the header have flags in bits that version 0x100 has no use for (see ``daa``)::

    24  data     the lower 24 bits are where the data are
    36  chunk    bits 0–11, times 16 KiB, are the bytes that a chunk makes; 0x4000: the table is
                 deflated; 0x20000: its numbers, 0x8000000: its bytes are disguised; bits 23–24:
                 the block types of deflate have each other's numbers
    56  1        how well it was packed       62  1  filter: 0 none, else BCJ for x86
    57  4        length of a deflated table   63  5  properties of LZMA, as an .lzma file has them
    61  1        bits of the table's numbers: bits 0–2 of a kind; bits 3–7, plus 10, of a length

The table has for each chunk its length, less 5, and its kind (0 LZMA, 1 deflate), lowest bit first.
A length of a chunk or more says that it is stored as it is. LZMA has no end mark.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.chunks import MOST_CHUNKS, Chunk, How, unpacked

_DEFLATED, _NUMBERS, _BYTES = 0x4000, 0x20000, 0x800_0000
_SWAPPED = 3 << 23
_LESS = 5  # what a length in the table lacks
_MASKS = b"\x0a\x35\x2d\x3f\x08\x33\x09\x15"  # of disguised numbers, in turn
_LARGEST_DICTIONARY = 1 << 26  # liblzma reserves as much as is asked for; no chunk is longer
_LZMA2_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Bits:
    """What the header of version 0x110 tells besides places and sizes."""

    chunk: int
    flags: int
    deflated: int
    kind_bits: int
    length_bits: int
    is_filtered: bool
    properties: bytes


def read_bits(file: DataFile, chunk: int, fields: bytes) -> Bits:
    """The 16 bytes `fields` and the number `chunk`. Raises `BadInput` for what is not read."""
    if chunk & _SWAPPED:
        raise BadInput(
            f"{file.path} is packed by a deflate of PowerISO's own, not read; use daa2iso."
        )
    _, deflated, widths, filtered, properties = struct.unpack("<BIBB5s", fields[:12])
    size = (chunk & 0xFFF) << 14
    kind_bits, length_bits = widths & 7, widths >> 3
    if length_bits:
        length_bits += 10
    else:
        while size >> length_bits > kind_bits:
            length_bits += 1
    deflated = deflated if chunk & _DEFLATED else 0
    return Bits(size, chunk, deflated, kind_bits, length_bits, filtered != 0, properties)


class Lzma:
    """Unpacks chunks of LZMA. May be used by several threads. Raises `BadInput` at once, in the
    name of `file`, for properties that LZMA cannot have.
    """

    def __init__(self, file: DataFile, bits: Bits) -> None:
        code, size = struct.unpack("<BI", bits.properties)
        lp, lc = divmod(code % 45, 9)
        self._filters = [
            {
                "id": lzma.FILTER_LZMA1,
                "dict_size": max(4096, min(size, bits.chunk, _LARGEST_DICTIONARY)),
                "lc": lc,
                "lp": lp,
                "pb": code // 45,
            }
        ]
        self._is_filtered = bits.is_filtered
        try:
            self._decoder()
        except (lzma.LZMAError, ValueError) as error:
            raise BadInput(f"{file.path} has a damaged header: {code:#x} is no LZMA.") from error

    def _decoder(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=self._filters)

    def unpack(self, data: bytes, length: int) -> bytes | None:
        """Exactly `length` bytes; None where `data` do not give them."""
        try:
            content = self._decoder().decompress(data, length)
            if len(content) != length:
                return None
            return _unfiltered(content) if self._is_filtered else content
        except (lzma.LZMAError, EOFError):
            return None


def _unfiltered(content: bytes) -> bytes:
    """`content` without BCJ. liblzma keeps the last bytes back unless it hears that it is the end,
    which LZMA1 does not tell and LZMA2 does: pieces of that, which are not packed at all.
    """
    pieces = [content[at : at + _LZMA2_PIECE] for at in range(0, len(content), _LZMA2_PIECE)]
    heads = [bytes((1 if number == 0 else 2,)) for number in range(len(pieces))]
    stream = b"".join(
        head + struct.pack(">H", len(piece) - 1) + piece
        for head, piece in zip(heads, pieces, strict=True)
    )
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "dict_size": 4096}]
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    return decoder.decompress(stream + b"\0")


class Kinds:
    """How chunk number so and so is unpacked: an `Unpacker`."""

    def __init__(self, file: DataFile, bits: Bits, kinds: list[int], last: int) -> None:
        self._kinds = kinds
        self._lzma = Lzma(file, bits) if 0 in kinds else None
        self._chunk = bits.chunk
        self._last = last

    def __call__(self, number: int, data: bytes, length: int) -> bytes | None:
        """The content of a chunk. The last one may make more than is needed."""
        if len(data) >= self._chunk:
            return data[:length]
        if self._kinds[number] == 1:
            return unpacked(How.DEFLATE, data, length) or self._more(number, data, length)
        if self._kinds[number] == 0 and self._lzma is not None:
            return self._lzma.unpack(data, length)
        return None

    def _more(self, number: int, data: bytes, length: int) -> bytes | None:
        if number != self._last:
            return None
        content = unpacked(How.DEFLATE, data, self._chunk)
        return None if content is None else content[:length]


def read_chunks(file: DataFile, bits: Bits, table: range, size: int) -> tuple[list[Chunk], Kinds]:
    """The chunks of an image of `size` bytes, whose table lies in `table`. Raises `BadInput`."""
    count = -(-size // bits.chunk)
    width = bits.length_bits + bits.kind_bits
    needed = -(-count * width // 8)
    data = b""
    if count <= MOST_CHUNKS:
        data = file.peek(table.start, min(bits.deflated or needed, len(table)))
    if bits.deflated:
        data = _inflated(data, needed)
    if len(data) < needed or not bits.length_bits:
        raise BadInput(f"{file.path} has no table of the {count} chunks that it promises.")
    rows = list(_rows(_revealed(data, bits, size), bits, count))
    chunks, place = [], 0
    for number, (packed, _) in enumerate(rows):
        start = number * bits.chunk
        length = min(bits.chunk, size - start)
        chunks.append(Chunk(start, length, How.DEFLATE, place, packed))
        place += packed
    return chunks, Kinds(file, bits, [kind for _, kind in rows], count - 1)


def _inflated(data: bytes, needed: int) -> bytes:
    try:
        return zlib.decompressobj(-15).decompress(data, needed)
    except zlib.error:
        return b""


def _revealed(data: bytes, bits: Bits, size: int) -> bytes:
    """The bytes of the table, which may have had numbers of a row that begins anew subtracted."""
    if not bits.flags & _BYTES:
        return data
    blocks = size // 2048
    row = blocks + (blocks >> 8) * np.arange(len(data), dtype=np.int64)
    return (np.frombuffer(data, np.uint8) - row.astype(np.uint8)).tobytes()


def _rows(table: bytes, bits: Bits, count: int) -> Iterator[tuple[int, int]]:
    """Packed length and kind of each chunk."""
    width = bits.length_bits + bits.kind_bits
    for number in range(count):
        at = number * width
        first, skip = divmod(at, 8)
        value = int.from_bytes(table[first : (at + width + 7) // 8], "little") >> skip
        length, kind = value, value >> bits.length_bits
        if bits.flags & _NUMBERS:
            mask = ((number ^ _MASKS[number & 7]) & 0xFF) * 0x01010101
            length, kind = length ^ mask, kind ^ mask
        yield (length & (1 << bits.length_bits) - 1) + _LESS, kind & (1 << bits.kind_bits) - 1
