# SPDX-License-Identifier: Apache-2.0
"""FLAC frames without a header, by libFLAC itself: of one block size, and counted to the byte.

A binding of our own, because a hunk needs what no wheel offers: the block size when encoding, and
when decoding how many bytes the frames took, behind which the subchannel begins. ctypes lets go of
the interpreter's lock, so that hunks are worked on in parallel.
"""

from __future__ import annotations

import ctypes
import threading
from ctypes import POINTER, c_byte, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache

import numpy as np
import numpy.typing as npt

from imagerd.base.digests import Buffer
from imagerd.base.errors import InternalError, NotAvailable
from imagerd.formats.chd.bits import Corrupt

_NAMES = ("libFLAC.so.14", "libFLAC.so.12", "libFLAC.so.8")
BEST, QUICK = 8, 3  # levels; MAME has the best
_RATE = 44100
_END_OF_STREAM = 4  # FLAC__STREAM_DECODER_END_OF_STREAM; above it are errors
_GO_ON, _STOP, _END = 0, 1, 1  # of the callbacks: continue, abort; read: 1 is the end
Samples = npt.NDArray[np.int32]

_WRITE_OUT = ctypes.CFUNCTYPE(
    c_int, c_void_p, POINTER(c_byte), c_size_t, c_uint32, c_uint32, c_void_p
)
_READ_IN = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(c_byte), POINTER(c_size_t), c_void_p)
_TELL = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(c_uint64), c_void_p)


class _FrameHeader(ctypes.Structure):
    """The head of FLAC__FrameHeader, all that is needed of it (FLAC/format.h)."""

    _fields_ = (
        ("blocksize", c_uint32),
        ("sample_rate", c_uint32),
        ("channels", c_uint32),
        ("assignment", c_int),
        ("bits", c_uint32),
    )


_WRITE_SAMPLES = ctypes.CFUNCTYPE(
    c_int, c_void_p, POINTER(_FrameHeader), POINTER(c_void_p), c_void_p
)
_ERROR = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p)


@cache
def library() -> ctypes.CDLL | None:
    """libFLAC, or None where there is none."""
    for name in _NAMES:
        try:
            found = ctypes.CDLL(name)
        except OSError:
            continue
        _declare(found)
        return found
    return None


def _declare(flac: ctypes.CDLL) -> None:
    for kind in ("encoder", "decoder"):
        new = getattr(flac, f"FLAC__stream_{kind}_new")
        new.restype = c_void_p
        getattr(flac, f"FLAC__stream_{kind}_delete").argtypes = (c_void_p,)
        getattr(flac, f"FLAC__stream_{kind}_finish").argtypes = (c_void_p,)
    for name in (
        "channels",
        "bits_per_sample",
        "sample_rate",
        "compression_level",
        "blocksize",
        "streamable_subset",
        "verify",
    ):
        getattr(flac, f"FLAC__stream_encoder_set_{name}").argtypes = (c_void_p, c_uint32)
    flac.FLAC__stream_encoder_init_stream.argtypes = (c_void_p, _WRITE_OUT, *[c_void_p] * 4)
    flac.FLAC__stream_encoder_process_interleaved.argtypes = (c_void_p, c_void_p, c_uint32)
    flac.FLAC__stream_decoder_init_stream.argtypes = (
        c_void_p,
        _READ_IN,
        c_void_p,
        _TELL,
        c_void_p,
        c_void_p,
        _WRITE_SAMPLES,
        c_void_p,
        _ERROR,
        c_void_p,
    )
    flac.FLAC__stream_decoder_reset.argtypes = (c_void_p,)
    flac.FLAC__stream_decoder_process_single.argtypes = (c_void_p,)
    flac.FLAC__stream_decoder_get_state.argtypes = (c_void_p,)
    flac.FLAC__stream_decoder_get_decode_position.argtypes = (c_void_p, POINTER(c_uint64))


def require() -> ctypes.CDLL:
    """libFLAC. Raises `NotAvailable` where there is none."""
    found = library()
    if found is None:
        raise NotAvailable(
            "libFLAC is not installed, which the audio of a CHD needs; install libflac12 (Debian)."
        )
    return found


def block_size(size: int, most: int) -> int:
    """Samples of a block for a hunk of `size` bytes, as MAME halves it down to `most`."""
    samples = size // 4
    while samples > most:
        samples //= 2
    return samples


def encode(samples: Samples, block: int, level: int = BEST) -> bytes:
    """The frames of `samples`, (n, 2) of 16 bits, in blocks of `block`."""
    flac = require()
    out = bytearray()

    def take(_: int, data: object, size: int, count: int, __: int, ___: int) -> int:
        if count:  # without samples it is metadata, which a hunk does not have
            out.extend(ctypes.string_at(data, size))  # type: ignore[arg-type]
        return _GO_ON

    write = _WRITE_OUT(take)
    encoder = flac.FLAC__stream_encoder_new()
    try:
        for name, value in (
            ("verify", 0),
            ("channels", 2),
            ("bits_per_sample", 16),
            ("sample_rate", _RATE),
            ("compression_level", level),
            ("blocksize", block),
            ("streamable_subset", 0),
        ):
            getattr(flac, f"FLAC__stream_encoder_set_{name}")(encoder, value)
        if flac.FLAC__stream_encoder_init_stream(encoder, write, None, None, None, None):
            raise InternalError(f"libFLAC takes no blocks of {block} samples.")
        data = np.ascontiguousarray(samples, np.int32)
        done = flac.FLAC__stream_encoder_process_interleaved(encoder, data.ctypes.data, len(data))
        if not flac.FLAC__stream_encoder_finish(encoder) or not done:
            raise InternalError("libFLAC did not encode a hunk to its end.")
    finally:
        flac.FLAC__stream_encoder_delete(encoder)
    return bytes(out)


@cache
def _stream_info(block: int) -> bytes:
    """The header that a hunk has not: "fLaC" and STREAMINFO (RFC 9639, 8.2)."""
    packed = _RATE << 44 | (2 - 1) << 41 | (16 - 1) << 36
    head = b"fLaC\x80\0\0\x22" + block.to_bytes(2, "big") * 2 + bytes(6)
    return head + packed.to_bytes(8, "big") + bytes(16)


class _Decoder:
    """A decoder of libFLAC for hunks one after another; making one anew takes as long as a hunk."""

    def __init__(self) -> None:
        self._flac = require()
        # The callbacks must outlive the decoder: hence names.
        self._read, self._tell = _READ_IN(self._give), _TELL(self._where)
        self._write, self._error = _WRITE_SAMPLES(self._take), _ERROR(self._wrong)
        self._data = b""
        self._at = 0
        self._out = np.empty((0, 2), np.int16)
        self._done = 0
        self._bad = False
        self._handle = self._flac.FLAC__stream_decoder_new()
        if self._flac.FLAC__stream_decoder_init_stream(
            self._handle,
            self._read,
            None,
            self._tell,
            None,
            None,
            self._write,
            None,
            self._error,
            None,
        ):
            raise InternalError("libFLAC does not start to decode.")

    def decode(self, data: bytes, samples: int, order: str) -> tuple[bytes, int]:
        """`samples` × 2 samples as bytes of `order`, and how many bytes of `data` they took."""
        self._data, self._at, self._done, self._bad = data, 0, 0, False
        self._out = np.empty((samples, 2), order)
        flac, position = self._flac, c_uint64()
        flac.FLAC__stream_decoder_reset(self._handle)
        while self._done < samples and not self._bad:
            if not flac.FLAC__stream_decoder_process_single(self._handle):
                break
            if flac.FLAC__stream_decoder_get_state(self._handle) >= _END_OF_STREAM:
                break
        flac.FLAC__stream_decoder_get_decode_position(self._handle, ctypes.byref(position))
        if self._bad or self._done != samples:
            raise Corrupt("a FLAC hunk is damaged")
        return self._out.tobytes(), position.value

    def _give(self, _: int, target: object, size: object, __: int) -> int:
        count = min(size[0], len(self._data) - self._at)  # type: ignore[index]
        size[0] = count  # type: ignore[index]
        if count == 0:
            return _END
        ctypes.memmove(target, self._data[self._at : self._at + count], count)  # type: ignore[arg-type]
        self._at += count
        return _GO_ON

    def _where(self, _: int, position: object, __: int) -> int:
        position[0] = self._at  # type: ignore[index]
        return _GO_ON

    def _take(self, _: int, frame: object, channels: object, __: int) -> int:
        header = frame.contents  # type: ignore[attr-defined]
        count = header.blocksize
        if header.channels != 2 or header.bits != 16 or self._done + count > len(self._out):
            self._bad = True
            return _STOP
        for channel in (0, 1):
            kind = ctypes.c_int32 * count
            samples = kind.from_address(channels[channel])  # type: ignore[index]
            self._out[self._done : self._done + count, channel] = np.frombuffer(samples, np.int32)
        self._done += count
        return _GO_ON

    def _wrong(self, _: int, __: int, ___: int) -> None:
        self._bad = True

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._flac.FLAC__stream_decoder_delete(self._handle)


class _Tools(threading.local):
    """A decoder for each thread."""

    def __init__(self) -> None:
        self.decoder = _Decoder()


@cache
def _tools() -> _Tools:
    return _Tools()


def decode(data: Buffer, samples: int, block: int, order: str) -> tuple[bytes, int]:
    """`samples` × 2 samples as bytes of `order` ("<i2", ">i2"), and the bytes of `data` used."""
    head = _stream_info(block)
    out, used = _tools().decoder.decode(b"".join((head, data)), samples, order)
    return out, used - len(head)
