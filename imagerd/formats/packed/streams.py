# SPDX-License-Identifier: Apache-2.0
"""gzip, xz, zstd and bzip2 around an image: streams that must be unpacked in their order.

Only xz with several blocks says reliably what is in it (see ``xz``). Opening the others unpacks all
of it once, which also checks its checksums, and remembers points from which to go on: the beginning
of each stream (gzip member, zstd frame, …), and for gzip (RFC 1952) the state of zlib every few
megabytes. At a glance the word of a stream is taken for its length (see ``lengths``), and every
sector is SUSPECT.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import threading
import zlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed import lengths, xz
from imagerd.formats.packed.blocks import BlockStore, Unpacked

_BLOCK = 1 << 20
_GLANCE_BLOCK = 128 << 10  # what tells which disc it is lies in the first of these
_INPUT = 64 << 10
_GAP = 4 << 20  # bytes of content from one state of zlib to the next
_MOST_POINTS = 1024  # then every other one goes: a state takes about 50 KB
_LARGEST = 160 << 30  # a BD-XL of four layers, and some more
_BOMB, _BOMB_RATIO = 1 << 30, 1000  # more than a CD, out of so little, is no image


class Damaged(Exception):
    """The stream cannot be unpacked any further; the sentence's end says why."""


class Decoder(Protocol):
    """What the decompressors of bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...  # noqa: D102
    @property
    def needs_input(self) -> bool: ...  # noqa: D102
    @property
    def unused_data(self) -> bytes: ...  # noqa: D102

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...  # noqa: D102


class Gzip:
    """One gzip member, with the interface of the others; its state can be copied."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        """Whether the member ended, its CRC-32 being right."""
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        """Whether all input was used."""
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What follows the member."""
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Up to `max_length` bytes."""
        return self._stream.decompress(self._stream.unconsumed_tail + data, max(0, max_length))

    def copy(self) -> Gzip:
        """The same state once more."""
        other = Gzip.__new__(Gzip)
        other._stream = self._stream.copy()
        return other


@dataclass(frozen=True, slots=True)
class Packing:
    """How one of them is called, begins, is unpacked, and fails."""

    name: str
    magic: bytes
    decoder: Callable[[], Decoder]
    wrong: tuple[type[Exception], ...]
    length: Callable[[DataFile], int | None] = lambda _: None  # as the file itself says


@dataclass(frozen=True, slots=True)
class _Point:
    """Content from byte `out` comes of the input from `at` on, decoder in the state `state`."""

    out: int
    at: int
    state: Gzip | None = None


class _Cursor:
    """Unpacks in order, from a point on."""

    def __init__(self, file: DataFile, packing: Packing, point: _Point) -> None:
        self._file, self._packing = file, packing
        self.out, self.at = point.out, point.at
        self.decoder: Decoder = point.state.copy() if point.state else packing.decoder()
        self.began = point  # the stream that we are in
        self.trailing = False

    def take(self, most: int) -> bytes:
        """Some bytes, at most so many; none at the end. Raises `Damaged`."""
        while True:
            if self.decoder.eof and not self._following():
                return b""
            data = self._file.peek(self.at, _INPUT) if self.decoder.needs_input else b""
            if not data and self.decoder.needs_input:
                raise Damaged("it ends too early")
            self.at += len(data)
            try:
                content = self.decoder.decompress(data, most)
            except self._packing.wrong as error:
                raise Damaged(str(error) or "its data contradict themselves") from error
            self.out += len(content)
            if content:
                return content

    def _following(self) -> bool:
        """Go on with the next stream, behind zeros if need be; False if there is none."""
        at = self.at - len(self.decoder.unused_data)
        head = self._file.peek(at, _INPUT)
        while head and not head.strip(b"\0"):
            at += len(head)
            head = self._file.peek(at, _INPUT)
        at += len(head) - len(head.lstrip(b"\0"))
        self.trailing = at < self._file.size
        if self._file.peek(at, len(self._packing.magic)) != self._packing.magic:
            return False
        self.at, self.decoder, self.trailing = at, self._packing.decoder(), False
        self.began = _Point(self.out, at)
        return True


class _StreamBlocks:
    workers = 1  # each needs what the one before left

    """With `claimed`, so many bytes are taken for its size, and nothing vouches for them."""

    def __init__(self, file: DataFile, packing: Packing, claimed: int | None = None) -> None:
        self._file, self._packing = file, packing
        self.files = file.store.files
        self.notes: tuple[str, ...] = ()
        self.suspect = claimed is not None
        self._points = [_Point(0, 0)]
        self._gap = _GAP
        self._end = claimed or 0  # of what can be unpacked
        self._block = _BLOCK if claimed is None else _GLANCE_BLOCK
        self.size = self._survey() if claimed is None else claimed
        self._cursor = _Cursor(file, packing, self._points[0])
        self._lock = threading.Lock()

    def _survey(self) -> int:
        """Unpack all of it once; how many bytes there should be."""
        cursor = _Cursor(self._file, self._packing, self._points[0])
        try:
            while cursor.take(_BLOCK):
                self._remember(cursor)
                if cursor.out > _LARGEST or (
                    cursor.out > _BOMB and cursor.out > _BOMB_RATIO * cursor.at
                ):
                    raise BadInput(
                        f"{self._file.path} unpacks to more than any disc holds; it is no image."
                    )
        except Damaged as damage:
            return self._damaged(cursor, damage)
        self._end = cursor.out
        if cursor.trailing:
            self.notes = (f"something follows the {self._packing.name} data, and was left out",)
        return cursor.out

    def _damaged(self, cursor: _Cursor, damage: Damaged) -> int:
        if cursor.out == 0:
            raise BadInput(
                f"{self._file.path} cannot be unpacked ({damage}); get an undamaged copy."
            ) from damage
        self.suspect = True
        self._end = cursor.out
        self.notes = (
            f"the {self._packing.name} data are damaged after {cursor.out} bytes ({damage});"
            " without its checksum, what comes before is uncertain too",
        )
        return max(cursor.out, self._promised(cursor))

    def _promised(self, cursor: _Cursor) -> int:
        """The length of a lone gzip member, as its last four bytes have it, if that can be."""
        tail = self._file.peek(self._file.size - 4, 4)
        promised = int.from_bytes(tail, "little")
        likely = promised % 2048 == 0 or promised % 2352 == 0
        single = self._packing.name == "gzip" and cursor.began.at == 0
        left = self._file.size - cursor.at
        return promised if single and likely and promised - cursor.out < 1032 * left else 0

    def _remember(self, cursor: _Cursor) -> None:
        """A point to go on from, if the last one is far enough behind."""
        last = self._points[-1]
        if cursor.began.at > last.at and cursor.began.out - last.out >= self._gap // 4:
            self._points.append(cursor.began)
        elif isinstance(cursor.decoder, Gzip) and cursor.out - last.out >= self._gap:
            self._points.append(_Point(cursor.out, cursor.at, cursor.decoder.copy()))
        if len(self._points) > _MOST_POINTS:
            self._points = self._points[::2]
            self._gap *= 2

    def number_at(self, offset: int) -> int:
        return offset // self._block

    def span(self, number: int) -> range:
        return range(number * self._block, min((number + 1) * self._block, self.size))

    def unpack(self, number: int) -> Unpacked:
        span = self.span(number)
        there = max(0, min(span.stop, self._end) - span.start)
        with self._lock:
            content = self._content(span.start, there) if there else bytearray()
        got = len(content)
        content += bytes(len(span) - got)
        return Unpacked(content, (range(got, len(span)),) if got < len(span) else ())

    def _content(self, start: int, length: int) -> bytearray:
        content = bytearray()
        self._go_to(start)
        try:
            self._skip(start)
            while len(content) < length:
                more = self._cursor.take(length - len(content))
                if not more:
                    break
                content += more
        except Damaged:  # the file changed since
            self._end = min(self._end, start + len(content))
        return content

    def _go_to(self, start: int) -> None:
        """Have a cursor at `start` or before it, as near as a point is."""
        points = self._points
        point = points[bisect_right([point.out for point in points], start) - 1]
        if not point.out <= self._cursor.out <= start:
            self._cursor = _Cursor(self._file, self._packing, point)

    def _skip(self, start: int) -> None:
        while self._cursor.out < start:
            if not self._cursor.take(min(_BLOCK, start - self._cursor.out)):
                raise Damaged("it ends too early")

    def close(self) -> None:
        self._file.close()


def _zstd() -> Packing:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        library = import_module(name)
    except ImportError:
        raise BadInput(
            f"This image is packed with zstd, which is not installed; install {name}."
        ) from None
    decoder = cast("Callable[[], Decoder]", library.ZstdDecompressor)
    wrong = cast("type[Exception]", library.ZstdError)
    return Packing("zstd", b"\x28\xb5\x2f\xfd", decoder, (wrong,), lengths.of_zstd)


def _xz() -> Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=xz.MEMORY)


_PACKINGS: tuple[Packing, ...] = (
    Packing("gzip", b"\x1f\x8b", Gzip, (zlib.error,), lengths.of_gzip),
    Packing("xz", xz.MAGIC, _xz, (lzma.LZMAError,), lengths.of_xz),
    Packing("bzip2", b"BZh", bz2.BZ2Decompressor, (OSError, ValueError)),
)


def open_store(file: DataFile, *, glance: bool = False) -> BlockStore:
    """The content of `file`. Raises `BadInput` if nothing of it can be unpacked.

    `glance`: where the file says how long its content is, it is not unpacked to see.
    """
    head = file.peek(0, 6)
    packing = next((p for p in _PACKINGS if head.startswith(p.magic)), None) or _zstd()
    claimed = packing.length(file) if glance else None
    if claimed is not None and claimed <= _LARGEST:
        return BlockStore(_StreamBlocks(file, packing, claimed), claimed=True)
    if head == xz.MAGIC and (blocks := xz.open_blocks(file)) is not None:
        return blocks
    return BlockStore(_StreamBlocks(file, packing))
