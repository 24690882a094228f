# SPDX-License-Identifier: Apache-2.0
"""The chunks at the end of a Nero image, big-endian: four letters, a length, the content."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile

_LARGEST = 16 << 20  # of all chunks; real ones have some kilobytes
_MOST = 10_000
OURS = "IMGD"  # a chunk of our own: the cue sheet that the disc came with


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk."""

    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Chunks:
    """All chunks, which begin at byte `offset`. `new`: version 2, with 64-bit offsets."""

    offset: int
    new: bool
    chunks: tuple[Chunk, ...]

    def all(self, *names: str) -> list[Chunk]:
        """Those of these names, in the order of the file."""
        return [chunk for chunk in self.chunks if chunk.name in names]


def chunks_at(file: DataFile) -> tuple[int, bool] | None:
    """Where the chunks begin by the last bytes of `file`, and whether it is version 2."""
    tail = file.peek(max(0, file.size - 12), 12)
    if len(tail) == 12 and tail[:4] == b"NER5":
        return struct.unpack(">Q", tail[4:])[0], True
    if tail[-8:-4] == b"NERO":
        return struct.unpack(">I", tail[-4:])[0], False
    return None


def read_chunks(file: DataFile) -> Chunks:
    """The chunks of `file`. Raises `BadInput` (no file name in it) if there are none."""
    found = chunks_at(file)
    if found is None:
        raise BadInput("it has no footer of Nero")
    offset, new = found
    end = file.size - (12 if new else 8)
    if not offset < end or end - offset > _LARGEST:
        raise BadInput(f"its footer points to byte {offset}, where no chunks are")
    data = file.peek(offset, end - offset)
    chunks: list[Chunk] = []
    at = 0
    while at + 8 <= len(data) and len(chunks) < _MOST:
        name, size = struct.unpack(">4sI", data[at : at + 8])
        if name == b"END!":
            break
        if not name.isalnum() or at + 8 + size > len(data):
            raise BadInput(f"its chunk at byte {offset + at} is cut short or is none")
        chunks.append(Chunk(name.decode("ascii", "replace"), data[at + 8 : at + 8 + size]))
        at += 8 + size
    return Chunks(offset, new, tuple(chunks))


def render_chunks(chunks: list[Chunk], offset: int) -> bytes:
    """The bytes of version 2 `chunks` that begin at byte `offset`, the footer included."""
    parts = [
        struct.pack(">4sI", chunk.name.encode("ascii"), len(chunk.body)) + chunk.body
        for chunk in [*chunks, Chunk("END!", b"")]
    ]
    return b"".join(parts) + struct.pack(">4sQ", b"NER5", offset)
