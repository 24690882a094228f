# SPDX-License-Identifier: Apache-2.0
"""Hunks packed by the codecs that somebody asked for: all of them are tried on every hunk."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from imagerd.disc.source import Bytes2D
from imagerd.formats.chd import flac
from imagerd.formats.chd.decoders import CD, FRAME, SECTOR, zstd
from imagerd.formats.chd.encoders import Packed, bare_of, best
from imagerd.formats.chd.huffwriting import encode_bytes
from imagerd.formats.chd.lzmaraw import Encoder
from imagerd.formats.deflated import deflate

_LEVEL, _QUICK = 9, 1  # of deflate
_ZSTD_LEVEL, _ZSTD_QUICK = 22, 3
_PLAIN_BLOCK = 2048  # the most samples of a block that MAME gives the codec "flac"
_LONG = 1 << 16  # bytes of a hunk from which on lengths need three bytes

Encode = Callable[[bytes], bytes]


class _Encoders(threading.local):
    """What each thread has for itself."""

    def __init__(self, hunk: int) -> None:
        self.lzma = Encoder(hunk)
        self.sectors = Encoder(hunk // FRAME * SECTOR or hunk)


class ChosenPacker:
    """Packs hunks of `hunk` bytes by `codecs`. May be used by several threads at once."""

    def __init__(self, codecs: tuple[bytes, ...], hunk: int, unit: int, *, quick: bool) -> None:
        self.codecs = codecs
        self.hunk = hunk
        self.unit = unit
        self._quick = quick
        self._tools = _Encoders(hunk)
        self._slot = {codec: slot for slot, codec in enumerate(codecs)}
        self._plain: dict[bytes, Encode] = {
            b"zlib": self._deflated,
            b"lzma": lambda data: self._tools.lzma.encode(data),
            b"zstd": self._by_zstd,
            b"huff": encode_bytes,
            b"flac": self._by_flac,
        }
        # Of the sectors, of their subchannel.
        self._streams: dict[bytes, tuple[Encode, Encode]] = {
            b"cdzl": (self._deflated, self._deflated),
            b"cdlz": (lambda data: self._tools.sectors.encode(data), self._deflated),
            b"cdzs": (self._by_zstd, self._by_zstd),
        }

    def pack(self, data: Bytes2D) -> list[Packed]:
        """Pack (n, bytes of a hunk)."""
        return [self._one(row) for row in data]

    def _one(self, whole: Bytes2D) -> Packed:
        base = whole.tobytes()
        found = {
            codec: encode(base) for codec, encode in self._plain.items() if codec in self._slot
        }
        if not CD.isdisjoint(self._slot):
            found |= self._frames(whole)
        return best(found, self._slot, whole)

    def _frames(self, whole: Bytes2D) -> dict[bytes, bytes]:
        """What the codecs for CDs make of a hunk."""
        frames = whole.reshape(-1, FRAME)
        sectors = frames[:, :SECTOR].copy()  # which is changed
        sub = frames[:, SECTOR:].tobytes()
        found: dict[bytes, bytes] = {}
        if b"cdfl" in self._slot:
            block = flac.block_size(sectors.size, SECTOR)
            found[b"cdfl"] = self._samples(sectors, ">i2", block) + self._deflated(sub)
        bare = np.packbits(bare_of(sectors), bitorder="little").tobytes()
        base = sectors.tobytes()
        width = 2 if self.hunk < _LONG else 3
        for codec, (encode, encode_sub) in self._streams.items():
            if codec in self._slot:
                stream = encode(base)
                length = len(stream).to_bytes(width, "big")
                found[codec] = bare + length + stream + encode_sub(sub)
        return found

    def _deflated(self, data: bytes) -> bytes:
        return deflate(data, _QUICK if self._quick else _LEVEL)

    def _by_zstd(self, data: bytes) -> bytes:
        module = zstd()
        assert module is not None  # `choice_of` asked for it
        packed: bytes = module.compress(data, _ZSTD_QUICK if self._quick else _ZSTD_LEVEL)
        return packed

    def _by_flac(self, data: bytes) -> bytes:
        block = flac.block_size(len(data), _PLAIN_BLOCK)
        rows = np.frombuffer(data, np.uint8)
        tried = [
            letter + self._samples(rows, order, block)
            for letter, order in ((b"L", "<i2"), (b"B", ">i2"))
        ]
        return min(tried, key=len)

    def _samples(self, data: Bytes2D, order: str, block: int) -> bytes:
        samples = data.reshape(-1).view(order).reshape(-1, 2).astype(np.int32)
        return flac.encode(samples, block, flac.QUICK if self._quick else flac.BEST)
