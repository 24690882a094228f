# SPDX-License-Identifier: Apache-2.0
"""Checksums made right again after a change, so that it gets past them to what lies behind."""

from __future__ import annotations

import hashlib
import zlib

from imagerd.base.errors import BadInput
from imagerd.formats.chd import header as chd
from imagerd.formats.chd import hunkmap
from imagerd.formats.chd.bits import Corrupt

_MOST_HUNKS = 10_000


def mended(data: bytes) -> bytes:
    """`data` with what checksums it begins with; others come as they are."""
    if data[:4] == b"DAA\0":
        return _put(data, 72, zlib.crc32(data[:72]).to_bytes(4, "little"))
    if data[:8] == b"DAA VOL\0":
        return _put(data, 36, zlib.crc32(data[:36]).to_bytes(4, "little"))
    if data[:6] == b"\xfd7zXZ\0":
        return _xz(data)
    if data[:8] == chd.MAGIC:
        return _chd(data)
    if data[:10] == b'{"format":':
        return _journal(data)
    return data


def _put(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :] if len(data) >= at + len(value) else data


def _little(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def _xz(data: bytes) -> bytes:
    """The header's, the first block's header's, the index's and the footer's."""
    if len(data) < 32:
        return data
    data = _put(data, 8, _little(data[6:8]))
    end = 12 + data[12] * 4
    data = _put(data, end, _little(data[12:end]))
    foot = data[-12:]
    index = len(data) - 12 - (int.from_bytes(foot[4:8], "little") + 1) * 4
    if index > 12:
        data = _put(data, len(data) - 16, _little(data[index:-16]))
    return _put(data, len(data) - 12, _little(foot[4:10]))


def _chd(data: bytes) -> bytes:
    """That of a compressed map of version 5."""
    try:
        header = chd.parse(data[: chd.LONGEST])
        if header.version < 5 or not header.compressed or header.hunks > _MOST_HUNKS:
            return data
        at = header.map_offset
        head = data[at : at + hunkmap.MAP_HEAD.size]
        if len(head) < hunkmap.MAP_HEAD.size:
            return data
        length, first, _, *widths, _ = hunkmap.MAP_HEAD.unpack(head)
        if widths[0] > 24 or max(widths) > 48:
            return data
        body = data[at + len(head) :][:length]
        entries = hunkmap._unpack(header, body, tuple(widths), int.from_bytes(first, "big"))
    except (BadInput, Corrupt, OverflowError):
        return data
    return _put(data, at + 10, hunkmap.map_crc(entries).to_bytes(2, "big"))


def _journal(data: bytes) -> bytes:
    """The seal: the number of lines, and the digest of all before it."""
    before = data[: data.rfind(b"\n", 0, len(data) - 1) + 1]
    digest = hashlib.sha256(before).hexdigest()
    return before + b'{"changes":%d,"sha256":"%s"}\n' % (before.count(b"\n") - 1, digest.encode())
