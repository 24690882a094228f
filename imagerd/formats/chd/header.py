# SPDX-License-Identifier: Apache-2.0
"""The header of a CHD, versions 3, 4 and 5, and that of version 5 as bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from imagerd.base.errors import BadInput

MAGIC = b"MComprHD"
V5_SIZE = 124
LONGEST = 124  # bytes of any version's
_SIZES = {3: 120, 4: 108, 5: V5_SIZE}
_V3 = struct.Struct(">8sIIIIIQQ16s16sI20s20s")
_V4 = struct.Struct(">8sIIIIIQQI20s20s20s")
_V5 = struct.Struct(">8sII4s4s4s4sQQQII20s20s20s")
_HAS_PARENT = 1
_LARGEST_HUNK = 1 << 20  # MAME's tools make 512 KiB at most
_MOST_HUNKS = 1 << 22  # 17 GB in the hunks of a DVD: bounds the map in memory
NONE = b"\0\0\0\0"
_OLD = {0: (), 1: (b"zlib",), 2: (b"zlib",)}


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says. `sha1` covers data and metadata, `raw_sha1` the data; zeros if unknown.

    `codecs` are the four slots of version 5, or what the older versions' one number means.
    `parent_sha1` is None for a file that stands alone. `unit` is 0 where the version has none.
    """

    version: int
    codecs: tuple[bytes, ...]
    logical: int
    map_offset: int
    meta_offset: int
    hunk: int
    unit: int
    raw_sha1: bytes
    sha1: bytes
    parent_sha1: bytes | None

    @property
    def hunks(self) -> int:
        """How many hunks there are, the last maybe not full."""
        return -(-self.logical // self.hunk)

    @property
    def compressed(self) -> bool:
        """Whether any codec is used; else version 5 has a plain map."""
        return bool(self.codecs)


def parse(data: bytes) -> Header:
    """The header at the start of `data`. Raises `BadInput` without the file's name."""
    if data[:8] != MAGIC or len(data) < 16:
        raise BadInput("it does not begin with the magic of a CHD")
    length, version = struct.unpack_from(">II", data, 8)
    if version not in _SIZES:
        raise BadInput(
            f"it is a CHD of version {version}, and only 3, 4 and 5 are read; convert it by"
            " `chdman copy`"
        )
    if length != _SIZES[version] or len(data) < length:
        raise BadInput(f"its header of {length} bytes is not one of version {version}")
    header = {3: _parse_v3, 4: _parse_v4, 5: _parse_v5}[version](data)
    if not 0 < header.hunk <= _LARGEST_HUNK:
        raise BadInput(f"its hunks of {header.hunk} bytes are none that a CHD has")
    if header.logical == 0 or header.hunks > _MOST_HUNKS:
        raise BadInput(f"its length of {header.logical} bytes cannot be")
    if version == 5 and (header.unit == 0 or header.hunk % header.unit):
        raise BadInput(f"its hunks of {header.hunk} bytes are not whole units of {header.unit}")
    return header


def _parse_v3(data: bytes) -> Header:
    (_, size, _, flags, codec, _, logical, meta, _, _, hunk, sha1, parent) = _V3.unpack_from(data)
    codecs = _old_codecs(codec)
    parent_sha1 = parent if flags & _HAS_PARENT else None
    return Header(3, codecs, logical, size, meta, hunk, 0, sha1, sha1, parent_sha1)


def _parse_v4(data: bytes) -> Header:
    (_, size, _, flags, codec, _, logical, meta, hunk, sha1, parent, raw) = _V4.unpack_from(data)
    codecs = _old_codecs(codec)
    parent_sha1 = parent if flags & _HAS_PARENT else None
    return Header(4, codecs, logical, size, meta, hunk, 0, raw, sha1, parent_sha1)


def _old_codecs(number: int) -> tuple[bytes, ...]:
    if number not in _OLD:
        raise BadInput("it is compressed as a laserdisc, which is no disc that imagerd reads")
    return _OLD[number]


def _parse_v5(data: bytes) -> Header:
    fields = _V5.unpack_from(data)
    codecs = tuple(fields[3:7])
    while codecs and codecs[-1] == NONE:
        codecs = codecs[:-1]
    logical, map_offset, meta_offset, hunk, unit, raw, sha1, parent = fields[7:]
    parent_sha1 = parent if any(parent) else None
    return Header(5, codecs, logical, map_offset, meta_offset, hunk, unit, raw, sha1, parent_sha1)


def pack(header: Header) -> bytes:
    """The 124 bytes of a header of version 5."""
    codecs = (*header.codecs, NONE, NONE, NONE, NONE)[:4]
    parent = header.parent_sha1 or bytes(20)
    numbers = (header.logical, header.map_offset, header.meta_offset, header.hunk, header.unit)
    return _V5.pack(MAGIC, V5_SIZE, 5, *codecs, *numbers, header.raw_sha1, header.sha1, parent)
