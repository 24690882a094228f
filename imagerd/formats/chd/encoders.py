# SPDX-License-Identifier: Apache-2.0
"""Hunks compressed by the codec that makes them smallest; codecs that cannot win are not tried.

MAME tries every codec on every hunk. That FLAC does nothing for data, and LZMA nothing for what
deflate cannot squeeze at all, is known beforehand; so is that deflate beats LZMA only where hardly
anything is left.
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass

import numpy as np
from fastcrc import crc16

from imagerd.disc.source import Bytes2D
from imagerd.formats.chd import flac
from imagerd.formats.chd.decoders import FRAME, SECTOR
from imagerd.formats.chd.hunkmap import Kind
from imagerd.formats.chd.lzmaraw import Encoder
from imagerd.formats.deflated import RAW, deflate
from imagerd.sectors.geometry import HEADER, MODE, P_PARITY, SYNC_ROW, Flags
from imagerd.sectors.parity import p_q_ok

CD_HUNK = 8 * FRAME
DVD_HUNK = 2 * 2048
_CLOSE = 1.1  # the quick look is that near to LZMA: deflate at its best may win
_NEAR = 1.2  # what the quick look may lose against LZMA
_WELL, _HARDLY_ANY = (
    0.9,
    512,
)  # of its bytes, and bytes: where FLAC did well with other than silence
_LOOK, _QUICK, _BEST = 1, 5, 9  # levels of deflate: to look, of the quick preset, and beside LZMA


@dataclass(frozen=True, slots=True)
class Packed:
    """A hunk as it goes into the file: `kind` is a slot of the header's codecs, or `PLAIN`."""

    kind: int
    data: bytes
    crc: int


class _Tools(threading.local):
    """An LZMA encoder for each thread."""

    def __init__(self, size: int) -> None:
        self.lzma = Encoder(size)


def _silence(size: int) -> bytes:
    """`size` zeros; looked at as runs only, zlib needs a byte less for them."""
    coder = zlib.compressobj(9, zlib.DEFLATED, RAW, strategy=zlib.Z_RLE)
    return coder.compress(bytes(size)) + coder.flush()


class CdPacker:
    """Packs hunks of eight frames. May be used by several threads at once."""

    def __init__(self, *, quick: bool) -> None:
        audio = () if flac.library() is None else (b"cdfl",)
        self.codecs: tuple[bytes, ...] = (b"cdzl", *audio) if quick else (b"cdlz", b"cdzl", *audio)
        self.hunk = CD_HUNK
        self.unit = FRAME
        self._quick = quick
        self._tools = _Tools(CD_HUNK // FRAME * SECTOR)
        self._slot = {codec: slot for slot, codec in enumerate(self.codecs)}

    def pack(self, data: Bytes2D) -> list[Packed]:
        """Pack (n, 19584) bytes."""
        frames = data.reshape(-1, FRAME)
        sectors = np.ascontiguousarray(frames[:, :SECTOR])
        synced = (sectors[:, :HEADER] == SYNC_ROW).all(axis=1)
        bare = _strip(sectors, synced)
        sub = np.ascontiguousarray(frames[:, SECTOR:]).reshape(len(data), -1)
        per = self.hunk // FRAME
        silent = _silence(sub.shape[1])
        return [
            self._one(
                data[row],
                sectors[row * per : (row + 1) * per],
                np.packbits(bare[row * per : (row + 1) * per], bitorder="little").tobytes(),
                deflate(sub[row].data, _BEST) if sub[row].any() else silent,
                is_audio=not synced[row * per : (row + 1) * per].any(),
            )
            for row in range(len(data))
        ]

    def _one(
        self, whole: Bytes2D, sectors: Bytes2D, bare: bytes, sub: bytes, *, is_audio: bool
    ) -> Packed:
        base = sectors.tobytes()
        found: dict[bytes, bytes] = {}
        if is_audio and b"cdfl" in self._slot:
            found[b"cdfl"] = self._audio(base) + sub
        room = len(base) - (HEADER + SECTOR - P_PARITY) * int.from_bytes(bare, "little").bit_count()
        streams = self._data(base, room, len(found[b"cdfl"]) if found else None)
        for codec, stream in streams.items():
            found[codec] = bare + len(stream).to_bytes(2, "big") + stream + sub
        return best(found, self._slot, whole)

    def _audio(self, base: bytes) -> bytes:
        samples = np.frombuffer(base, ">i2").reshape(-1, 2).astype(np.int32)
        level = flac.QUICK if self._quick else flac.BEST
        return flac.encode(samples, flac.block_size(len(base), SECTOR), level)

    def _data(self, base: bytes, room: int, audio: int | None) -> dict[bytes, bytes]:
        """What deflate and LZMA make of sectors with `room` bytes that were not cleared.

        They stay away where FLAC made `audio` bytes that they cannot come near.
        """
        if self._quick and audio is not None and _HARDLY_ANY < audio < _WELL * len(base):
            return {}
        look = deflate(base, _QUICK if self._quick else _LOOK)
        if audio is not None and len(look) > audio * _NEAR:
            return {}
        if self._quick:
            return {b"cdzl": look}
        if len(look) > room:
            return {b"cdzl": deflate(base, _BEST)}
        packed = self._tools.lzma.encode(base)
        if len(look) > _CLOSE * len(packed):
            return {b"cdlz": packed}
        return {b"cdlz": packed, b"cdzl": deflate(base, _BEST)}


def best(found: dict[bytes, bytes], slot: dict[bytes, int], whole: Bytes2D) -> Packed:
    """The smallest of `found`, the earlier codec if two are; the hunk itself if none is smaller."""
    crc = crc16.ibm_3740(whole.data)
    codec = min(found, key=lambda codec: (len(found[codec]), slot[codec]))
    if len(found[codec]) >= whole.size:
        return Packed(Kind.PLAIN, whole.tobytes(), crc)
    return Packed(slot[codec], found[codec], crc)


def _strip(sectors: Bytes2D, synced: Flags) -> Flags:
    """Clear sync and parity, in place, where both can be made again; says where that was."""
    rows = np.flatnonzero(synced)
    bare = synced.copy()
    if not len(rows):
        return bare
    part = sectors if len(rows) == len(sectors) else sectors[rows]
    p_ok, q_ok = p_q_ok(part, mode2=part[:, MODE] == 2)
    bare[rows] = p_ok & q_ok
    sectors[bare, :HEADER] = 0
    sectors[bare, P_PARITY:] = 0
    return bare


class DvdPacker:
    """Packs hunks of two blocks, by LZMA, deflate or not at all."""

    def __init__(self, *, quick: bool) -> None:
        self.codecs: tuple[bytes, ...] = (b"zlib",) if quick else (b"lzma", b"zlib")
        self.hunk = DVD_HUNK
        self.unit = 2048
        self._quick = quick
        self._tools = _Tools(DVD_HUNK)
        self._slot = {codec: slot for slot, codec in enumerate(self.codecs)}

    def pack(self, data: Bytes2D) -> list[Packed]:
        """Pack (n, 4096) bytes."""
        return [self._one(row) for row in data]

    def _one(self, whole: Bytes2D) -> Packed:
        base = whole.tobytes()
        look = deflate(base, _QUICK if self._quick else _LOOK)
        found = {b"zlib": look}
        if not self._quick and len(look) <= len(base):
            found = {b"lzma": self._tools.lzma.encode(base), b"zlib": deflate(base, _BEST)}
        return best(found, self._slot, whole)
