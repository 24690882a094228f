# SPDX-License-Identifier: Apache-2.0
"""The codecs, as functions from compressed bytes to exactly so many bytes. They raise `Corrupt`.

The codecs for CDs hold sectors and subchannel in a stream each: (1) a bit for each frame whose
sync and P/Q parity were right and are left out, (2) the length of the first stream in two bytes, or
three where a hunk has 64 KiB or more, (3) the first stream, (4) the second. "cdfl" has (3) and (4)
only.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from types import ModuleType

from imagerd.base.digests import Buffer
from imagerd.base.errors import BadInput, NotAvailable
from imagerd.formats import deflated
from imagerd.formats.chd import flac
from imagerd.formats.chd.bits import Corrupt
from imagerd.formats.chd.huffman import decode_bytes

SECTOR, SUB = 2352, 96
FRAME = SECTOR + SUB
Decode = Callable[[Buffer, int], bytes]


@dataclass(frozen=True, slots=True)
class Frames:
    """What a codec for CDs gives: `count` sectors, `count` × 96 of subchannel, and the bits."""

    sectors: bytes
    sub: bytes
    flags: bytes


def inflate(data: Buffer, size: int) -> bytes:
    """Raw deflate (RFC 1951)."""
    out = deflated.inflate(data, size)
    if out is None:
        raise Corrupt("a deflated stream is damaged")
    return out


@lru_cache(maxsize=8)
def lzma_filters(size: int) -> list[dict[str, int]]:
    """How liblzma decodes what MAME encodes: raw LZMA1, no end mark, lc 3, lp 0, pb 2."""
    return [{"id": lzma.FILTER_LZMA1, "dict_size": max(4096, size), "lc": 3, "lp": 0, "pb": 2}]


def unlzma(data: Buffer, size: int) -> bytes:
    """Raw LZMA; a stream of ours has an end mark, one of MAME's has none."""
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=lzma_filters(size))
        out = decoder.decompress(data, size)
    except (lzma.LZMAError, EOFError) as error:
        raise Corrupt(str(error)) from error
    return _whole(out, size)


def unzstd(data: Buffer, size: int) -> bytes:
    """One frame of Zstandard (RFC 8878)."""
    module = zstd()
    if module is None:
        raise Corrupt("there is no Zstandard here")
    try:  # the window may be announced as 128 MiB, of which no more is touched than a hunk
        out = module.ZstdDecompressor().decompress(data, size)
    except (module.ZstdError, EOFError) as error:
        raise Corrupt(str(error)) from error
    return _whole(out, size)


def unflac(data: Buffer, size: int) -> bytes:
    """FLAC of 16-bit stereo "samples", whatever they are; a first byte tells their byte order."""
    order = {b"L": "<i2", b"B": ">i2"}.get(bytes(data[:1]))
    if order is None or size % 4:
        raise Corrupt("a FLAC hunk without a byte order")
    out, _ = flac.decode(data[1:], size // 4, flac.block_size(size, 2048), order)
    return out


def _whole(out: bytes, size: int) -> bytes:
    if len(out) != size:
        raise Corrupt(f"a hunk has {len(out)} bytes instead of {size}")
    return out


PLAIN: dict[bytes, Decode] = {
    b"zlib": inflate,
    b"lzma": unlzma,
    b"zstd": unzstd,
    b"huff": lambda data, size: decode_bytes(bytes(data), size),
    b"flac": unflac,
}
_CD: dict[bytes, tuple[Decode, Decode]] = {
    b"cdzl": (inflate, inflate),
    b"cdlz": (unlzma, inflate),
    b"cdzs": (unzstd, unzstd),
}
CD = frozenset((*_CD, b"cdfl"))


def decode_frames(codec: bytes, data: Buffer, count: int) -> Frames:
    """A hunk of `count` frames that a codec for CDs made."""
    if codec == b"cdfl":
        size = count * SECTOR
        block = flac.block_size(size, SECTOR)
        sectors, used = flac.decode(data, size // 4, block, ">i2")
        return Frames(sectors, _sub(inflate, bytes(data[used:]), count * SUB), b"")
    base, sub = _CD[codec]
    flags = -(-count // 8)
    width = 2 if count * FRAME < 65536 else 3
    start = flags + width
    end = start + int.from_bytes(data[flags:start], "big")
    if end > len(data):
        raise Corrupt("a stream is longer than its hunk")
    sectors = base(data[start:end], count * SECTOR)
    return Frames(sectors, _sub(sub, bytes(data[end:]), count * SUB), bytes(data[:flags]))


@lru_cache(maxsize=4)
def _sub(decode: Decode, data: bytes, size: int) -> bytes:
    """The subchannel: nearly always the same zeros again."""
    return decode(data, size)


@cache
def zstd() -> ModuleType | None:
    """The module for Zstandard: of Python 3.14, or its backport; None where there is neither."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def require(codecs: tuple[bytes, ...]) -> None:
    """Ask for what the codecs need. Raises `NotAvailable`, or `BadInput` (no file name)."""
    for codec in codecs:
        if codec not in PLAIN and codec not in CD:
            name = codec.decode("ascii", "replace")
            raise BadInput(f"its codec {name!r} is none that imagerd knows")
        if codec in (b"flac", b"cdfl"):
            flac.require()
        if codec in (b"zstd", b"cdzs") and zstd() is None:
            raise NotAvailable(
                "This CHD is compressed with Zstandard; install the Python package backports.zstd."
            )
