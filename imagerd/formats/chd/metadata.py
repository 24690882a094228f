# SPDX-License-Identifier: Apache-2.0
"""The chain of metadata: tagged blocks, each naming the offset of the next."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile

_HEAD = struct.Struct(">4sIQ")
HASHED = 1  # the block counts for the overall SHA-1
_MOST = 1024  # blocks; a disc has one for each track and a few more
_MOST_BYTES = 16 << 20  # of all together


@dataclass(frozen=True, slots=True)
class Block:
    """One block of metadata."""

    tag: bytes
    data: bytes
    flags: int = HASHED


def read_chain(file: DataFile, offset: int) -> tuple[Block, ...]:
    """All blocks from `offset` on. Raises `BadInput` (no file name) for a chain without an end."""
    blocks: list[Block] = []
    seen: set[int] = set()
    total = 0
    while offset:
        head = file.peek(offset, _HEAD.size)
        if len(head) < _HEAD.size:
            raise BadInput("its metadata are cut short")
        tag, length, following = _HEAD.unpack(head)
        size = length & 0xFFFFFF
        total += size
        if offset in seen or len(blocks) == _MOST or total > _MOST_BYTES:
            raise BadInput("its metadata have no end")
        seen.add(offset)
        data = file.peek(offset + _HEAD.size, size)
        if len(data) < size:
            raise BadInput("its metadata are cut short")
        blocks.append(Block(tag, data, length >> 24))
        offset = following
    return tuple(blocks)


def write_chain(blocks: Iterable[Block], offset: int) -> bytes:
    """The bytes of a chain that begins at `offset` of its file."""
    out = bytearray()
    rest = list(blocks)
    for number, block in enumerate(rest, 1):
        end = offset + len(out) + _HEAD.size + len(block.data)
        following = end if number < len(rest) else 0
        out += _HEAD.pack(block.tag, block.flags << 24 | len(block.data), following) + block.data
    return bytes(out)


def overall_sha1(raw: bytes, blocks: Iterable[Block]) -> bytes:
    """SHA-1 of the data's own, `raw`, and of those of all blocks that are `HASHED`."""
    digests = sorted(
        block.tag + hashlib.sha1(block.data, usedforsecurity=False).digest()
        for block in blocks
        if block.flags & HASHED
    )
    return hashlib.sha1(raw + b"".join(digests), usedforsecurity=False).digest()
