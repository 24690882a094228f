# SPDX-License-Identifier: Apache-2.0
"""A small ISO 9660 image (ECMA-119, level 1, one folder) for discs that tests and demo need."""

from __future__ import annotations

import struct
from pathlib import Path

_SECTOR = 2048
_DATE = bytes((126, 1, 2, 3, 4, 5, 0))  # 2026-01-02 03:04:05 UTC


def iso_image(label: str, files: dict[str, bytes], *, pad_to: int = 0) -> bytes:
    """The image: descriptors at 16, path tables at 18 and 19, the root at 20, files from 21.

    With `pad_to` the volume has that many sectors.
    """
    at, records, bodies = 21, [], []
    for name, data in sorted(files.items()):
        records.append(_record(name.encode("ascii") + b";1", at, len(data)))
        size = -(-len(data) // _SECTOR)
        bodies.append(data.ljust(size * _SECTOR, b"\0"))
        at += size
    total = max(at, pad_to)
    root = _record(b"\0", 20, _SECTOR, folder=True) + _record(b"\1", 20, _SECTOR, folder=True)
    table = bytes((1, 0)) + struct.pack("<IH", 20, 1) + b"\0\0"
    table_big = bytes((1, 0)) + struct.pack(">IH", 20, 1) + b"\0\0"
    parts = [
        bytes(16 * _SECTOR),
        _primary(label, total),
        (b"\xffCD001\x01").ljust(_SECTOR, b"\0"),
        table.ljust(_SECTOR, b"\0"),
        table_big.ljust(_SECTOR, b"\0"),
        (root + b"".join(records)).ljust(_SECTOR, b"\0"),
        *bodies,
    ]
    return b"".join(parts).ljust(total * _SECTOR, b"\0")


def _both(value: int, width: str = "I") -> bytes:
    return struct.pack("<" + width, value) + struct.pack(">" + width, value)


def _record(name: bytes, extent: int, size: int, *, folder: bool = False) -> bytes:
    body = b"\0" + _both(extent) + _both(size) + _DATE + bytes((2 if folder else 0, 0, 0))
    body += _both(1, "H") + bytes((len(name),)) + name
    body += b"\0" * ((len(body) + 1) % 2)
    return bytes((len(body) + 1,)) + body


def _primary(label: str, total: int) -> bytes:
    when = b"2026010203040500\0"
    text = b"\x01CD001\x01\0" + b"LINUX".ljust(32) + label.encode("ascii").ljust(32)
    text += bytes(8) + _both(total) + bytes(32) + _both(1, "H") + _both(1, "H")
    text += _both(_SECTOR, "H") + _both(10) + struct.pack("<II", 18, 0) + struct.pack(">II", 19, 0)
    text += _record(b"\0", 20, _SECTOR, folder=True)
    text += b" " * (128 * 4 + 37 * 3) + when + when + b"0" * 16 + b"\0" + when + b"\x01\0"
    return text.ljust(_SECTOR, b"\0")


def write_iso(path: Path, label: str, files: dict[str, bytes], *, sectors: int = 0) -> Path:
    """Write the image to `path` and return it."""
    path.write_bytes(iso_image(label, files, pad_to=sectors))
    return path
