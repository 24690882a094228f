# SPDX-License-Identifier: Apache-2.0
"""DAX, a format for the PSP: frames of 8 KiB in zlib streams.

The layout as it is commonly known; no file of another program was at hand. Little-endian numbers::

0   4  "DAX\\0"
4   4  size of the image
8   4  version: 0, or 1
12  4  number of areas that are not packed (version 1)
16  16 unused
32  4·n  where each frame begins
    2·n  how long each packed frame is
    8·areas  first frame and number of frames that are stored as they are
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.blocks import BlockStore
from imagerd.formats.packed.chunks import Chunk, ChunkTable, How

_HEADER = struct.Struct("<4sIII16x")
_FRAME = 0x2000


def open_store(file: DataFile) -> BlockStore:
    """The image in `file`. Raises `BadInput`."""
    return BlockStore(ChunkTable(file, _chunks(file)))


def _chunks(file: DataFile) -> Iterator[Chunk]:
    head = file.peek(0, _HEADER.size)
    if len(head) < _HEADER.size:
        raise BadInput(f"{file.path} ends within its header; copy it again.")
    _, size, version, areas = _HEADER.unpack(head)
    if version > 1:
        raise BadInput(f"{file.path} is version {version} of DAX, which is not known.")
    frames = -(-size // _FRAME)
    areas = areas if version else 0
    table = file.peek(_HEADER.size, 6 * frames + 8 * areas)
    if len(table) < 6 * frames + 8 * areas:
        raise BadInput(f"{file.path} has no room for the table of the {size} bytes it promises.")
    places = np.frombuffer(table, "<u4", frames).tolist()
    lengths = np.frombuffer(table, "<u2", frames, 4 * frames).tolist()
    plain = np.zeros(frames, np.bool_)
    for first, count in np.frombuffer(table, "<u4", 2 * areas, 6 * frames).reshape(-1, 2).tolist():
        plain[first : first + count] = True
    for number, stored in enumerate(plain.tolist()):
        start = number * _FRAME
        length = min(_FRAME, size - start)
        if stored:
            yield Chunk(start, length, How.PLAIN, places[number], length)
        else:
            yield Chunk(start, length, How.ZLIB, places[number], lengths[number])
