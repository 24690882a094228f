# SPDX-License-Identifier: Apache-2.0
"""Raw LZMA1 without an end mark, as MAME's: by liblzma itself, whose wrapper always writes one.

The mark is six bytes for each hunk, which readers accept but nobody needs. liblzma knows since
5.4 to leave it out; where it is older, the standard library's encoder does the work, with the mark.
A stream is used again and again: its tables are not allocated anew for every hunk.
"""

from __future__ import annotations

import ctypes
import lzma
from ctypes import c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache

_LZMA1EXT = 0x4000000000000002
_NO_MORE = 0xFFFFFFFFFFFFFFFF
_FINISH, _STREAM_END = 3, 1
_NORMAL, _BT4 = 2, 0x14


class _Stream(ctypes.Structure):
    """lzma_stream (lzma/base.h), with room for what later versions may add."""

    _fields_ = (
        ("next_in", c_void_p),
        ("avail_in", c_size_t),
        ("total_in", c_uint64),
        ("next_out", c_void_p),
        ("avail_out", c_size_t),
        ("total_out", c_uint64),
        ("rest", c_uint8 * 160),
    )


class _Options(ctypes.Structure):
    """lzma_options_lzma (lzma/lzma12.h); `ext_flags` 0 means: no end mark."""

    _fields_ = (
        ("dict_size", c_uint32),
        ("preset_dict", c_void_p),
        ("preset_dict_size", c_uint32),
        ("lc", c_uint32),
        ("lp", c_uint32),
        ("pb", c_uint32),
        ("mode", c_int),
        ("nice_len", c_uint32),
        ("mf", c_int),
        ("depth", c_uint32),
        ("ext_flags", c_uint32),
        ("ext_size", c_uint32 * 2),
        ("rest", c_uint8 * 96),
    )


class _Filter(ctypes.Structure):
    _fields_ = (("id", c_uint64), ("options", c_void_p))


@cache
def _library() -> ctypes.CDLL | None:
    try:
        found = ctypes.CDLL("liblzma.so.5")
    except OSError:
        return None
    found.lzma_raw_encoder.argtypes = (c_void_p, c_void_p)
    found.lzma_code.argtypes = (c_void_p, c_int)
    found.lzma_end.argtypes = (c_void_p,)
    return found


def dictionary(size: int) -> int:
    """The dictionary for a hunk of `size` bytes: 2^n or 3·2^n that holds it, as LZMA's SDK has."""
    for power in range(11, 31):
        for factor in (2, 3):
            if size <= factor << power:
                return factor << power
    return size


class Encoder:
    """Encodes hunks one after another. Belongs to one thread."""

    def __init__(self, size: int, nice_len: int = 64) -> None:
        self._size = size
        self._nice = nice_len
        self._lib = _library()
        self._stream = _Stream()
        options = _Options(
            dict_size=dictionary(size), lc=3, lp=0, pb=2, mode=_NORMAL, nice_len=nice_len, mf=_BT4
        )
        options.ext_size[:] = (0xFFFFFFFF, 0xFFFFFFFF)  # unknown
        self._options = options  # the filters only point at it
        self._filters = (_Filter * 2)(
            _Filter(_LZMA1EXT, ctypes.addressof(options)), _Filter(_NO_MORE, None)
        )
        self._out = ctypes.create_string_buffer(size + size // 8 + 1024)
        if self._lib is not None and self._begin() != 0:
            self._lib = None

    def _begin(self) -> int:
        assert self._lib is not None
        code: int = self._lib.lzma_raw_encoder(ctypes.byref(self._stream), self._filters)
        return code

    def encode(self, data: bytes) -> bytes:
        """`data` as raw LZMA1."""
        if self._lib is None or self._begin() != 0:
            return self._by_wrapper(data)
        stream = self._stream
        stream.next_in = ctypes.cast(ctypes.c_char_p(data), c_void_p)
        stream.avail_in = len(data)
        stream.next_out = ctypes.addressof(self._out)
        stream.avail_out = len(self._out)
        if self._lib.lzma_code(ctypes.byref(stream), _FINISH) != _STREAM_END:
            return self._by_wrapper(data)
        return ctypes.string_at(self._out, len(self._out) - stream.avail_out)

    def _by_wrapper(self, data: bytes) -> bytes:
        options = {
            "id": lzma.FILTER_LZMA1,
            "dict_size": dictionary(self._size),
            "lc": 3,
            "lp": 0,
            "pb": 2,
            "mode": lzma.MODE_NORMAL,
            "nice_len": self._nice,
            "mf": lzma.MF_BT4,
        }
        return lzma.compress(data, lzma.FORMAT_RAW, filters=[options])

    def __del__(self) -> None:
        if self._lib is not None:
            self._lib.lzma_end(ctypes.byref(self._stream))
