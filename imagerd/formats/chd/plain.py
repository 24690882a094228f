# SPDX-License-Identifier: Apache-2.0
"""An uncompressed CHD while it grows: header and map, hunks at multiples of their size, metadata.

Hunks of zeros are left out, as chdman does. There are no CRCs; unlike chdman's, the header has the
SHA-1 of the data and of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from imagerd.disc.source import Bytes2D
from imagerd.formats.chd.header import V5_SIZE, Header, pack
from imagerd.formats.chd.metadata import Block, overall_sha1, write_chain
from imagerd.formats.chd.steps import hunks_of


class PlainWriting:
    """`units` units of `unit` bytes go to `stream`, in hunks of `hunk` bytes."""

    def __init__(self, stream: BinaryIO, hunk: int, unit: int, units: int) -> None:
        self._stream = stream
        self._hunk, self._unit = hunk, unit
        self._logical = units * unit
        self._map = np.zeros(-(-self._logical // hunk), ">u4")
        self._raw = hashlib.sha1(usedforsecurity=False)
        self._place = -(-(V5_SIZE + self._map.nbytes) // hunk)  # of the next hunk, in hunks
        self._stream.write(bytes(self._place * hunk))

    def run(self, units: Iterator[Bytes2D]) -> Iterator[None]:
        """Write all of `units`; yields now and then."""
        number = 0
        for hunks in hunks_of(units, self._hunk, self._raw):
            there = hunks.any(axis=1)
            count = int(there.sum())
            rows = self._map[number : number + len(hunks)]
            rows[there] = np.arange(self._place, self._place + count)
            self._stream.write(np.ascontiguousarray(hunks[there]).data)
            self._place += count
            number += len(hunks)
            yield

    def finish(self, blocks: list[Block]) -> None:
        """Write metadata, header and map."""
        raw = self._raw.digest()
        meta = self._place * self._hunk
        self._stream.write(write_chain(blocks, meta))
        header = Header(
            5, (), self._logical, V5_SIZE, meta, self._hunk, self._unit, raw,
            overall_sha1(raw, blocks), None,
        )  # fmt: skip
        self._stream.seek(0)
        self._stream.write(pack(header) + self._map.tobytes())

    def close(self) -> None:
        """Nothing is kept."""
