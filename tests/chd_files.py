# SPDX-License-Identifier: Apache-2.0
"""CHDs that no program at hand writes: versions 3 and 4, plain maps, any codec."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fastcrc import crc16

from imagerd.disc.source import Bytes2D
from imagerd.formats.chd.header import V5_SIZE, Header, pack
from imagerd.formats.chd.hunkmap import ENTRY, Kind
from imagerd.formats.chd.mapwriting import write_map
from imagerd.formats.chd.metadata import Block, overall_sha1, write_chain

FRAME = 2448
MODE1 = (
    b"TRACK:1 TYPE:MODE1_RAW SUBTYPE:NONE FRAMES:%d PREGAP:0 PGTYPE:MODE1 PGSUB:NONE POSTGAP:0\0"
)


def frames_of(sectors: Bytes2D, hunk: int) -> Bytes2D:
    """(hunks, bytes) of raw data sectors, filled up with zeros."""
    per = hunk // FRAME
    count = -(-len(sectors) // per) * per
    frames = np.zeros((count, FRAME), np.uint8)
    frames[: len(sectors), :2352] = sectors
    return frames.reshape(-1, hunk)


def cd_block(sectors: int) -> Block:
    """The metadata of one mode 1 track."""
    return Block(b"CHT2", MODE1 % sectors)


def write_v5(
    path: Path,
    codec: bytes,
    packed: Sequence[bytes],
    hunks: Bytes2D,
    blocks: Sequence[Block],
    *,
    unit: int = FRAME,
    parent: bytes | None = None,
) -> None:
    """A CHD whose hunks are `packed`, all by one codec."""
    entries = np.zeros(len(packed), ENTRY)
    body = b""
    for number, data in enumerate(packed):
        check = crc16.ibm_3740(hunks[number].tobytes())
        entries[number] = (Kind.CODEC0, len(data), V5_SIZE + len(body), check, True)
        body += data
    table = write_map(entries, V5_SIZE)
    at = V5_SIZE + len(body)
    raw = hashlib.sha1(hunks.tobytes()).digest()
    header = Header(
        5, (codec,), hunks.size, at, at + len(table), hunks.shape[1], unit, raw,
        overall_sha1(raw, blocks), parent,
    )  # fmt: skip
    path.write_bytes(pack(header) + body + table + write_chain(blocks, at + len(table)))


def write_plain(path: Path, hunks: Bytes2D, blocks: Sequence[Block], empty: Sequence[int]) -> None:
    """An uncompressed CHD of version 5; the hunks `empty` are not in it."""
    size = hunks.shape[1]
    table, body = b"", b""
    start = size  # hunks lie at multiples of their size
    for number, hunk in enumerate(hunks):
        if number in empty:
            table += bytes(4)
            continue
        table += struct.pack(">I", (start + len(body)) // size)
        body += hunk.tobytes()
    chain = write_chain(blocks, V5_SIZE + len(table))
    header = Header(
        5, (), hunks.size, V5_SIZE, V5_SIZE + len(table), size, FRAME, bytes(20), bytes(20), None
    )
    head = pack(header) + table + chain
    assert len(head) <= size
    path.write_bytes(head.ljust(size, b"\0") + body)


def write_old(
    path: Path,
    version: int,
    hunks: Bytes2D,
    blocks: Sequence[Block],
    parent: tuple[bytes, Bytes2D] | None = None,
) -> None:
    """A CHD of version 3 or 4: hunks deflated, plain, repeated bytes, and references.

    `parent`: the SHA-1 of another, and its hunks, which are not stored again.
    """
    size = {3: 120, 4: 108}[version]
    body, table = b"", b""
    start = size + 16 * len(hunks) + 16
    seen: dict[bytes, int] = {}
    for number, hunk in enumerate(hunks):
        data = hunk.tobytes()
        deflated = zlib.compress(data, 9, -15)
        offset, length, flags = start + len(body), len(deflated), 1
        same = [] if parent is None else [n for n, h in enumerate(parent[1]) if h.tobytes() == data]
        if same:
            offset, length, flags = same[0], 0, 5
        elif data in seen:
            offset, length, flags = seen[data], 0, 4
        elif data == data[:8] * (len(data) // 8):
            offset, length, flags = int.from_bytes(data[:8], "big"), 0, 3
        elif len(deflated) >= len(data) or number % 5 == 4:
            length, flags = len(data), 2
            body += data
        else:
            body += deflated
        seen.setdefault(data, number)
        table += struct.pack(
            ">QIHBB", offset, zlib.crc32(data), length & 0xFFFF, length >> 16, flags
        )
    meta = start + len(body)
    raw = hashlib.sha1(hunks.tobytes()).digest()
    other = bytes(20) if parent is None else parent[0]
    common = struct.pack(">IIIQQ", 0 if parent is None else 1, 1, len(hunks), hunks.size, meta)
    if version == 3:
        md5 = hashlib.md5(hunks.tobytes()).digest()
        rest = md5 + bytes(16) + struct.pack(">I", hunks.shape[1]) + raw + other
    else:
        rest = struct.pack(">I", hunks.shape[1]) + overall_sha1(raw, blocks) + other + raw
    head = b"MComprHD" + struct.pack(">II", size, version) + common + rest
    chain = write_chain(blocks, meta)
    path.write_bytes(head + table + b"EndOfListCookie\0" + body + chain)
