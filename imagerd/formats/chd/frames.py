# SPDX-License-Identifier: Apache-2.0
"""The sectors of a source as the units of a CHD, in its order, and what was learned on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from imagerd.base.digests import Hasher
from imagerd.disc.layout import SectorFormat, Track, TrackMode
from imagerd.disc.source import Bytes2D, Sectors, SectorSource
from imagerd.formats.chd.decoders import FRAME, SECTOR
from imagerd.formats.chd.plan import Plan, Planned
from imagerd.formats.output import hasher
from imagerd.formats.rawform import Runs, filled, to_raw, unread
from imagerd.formats.written import TrackDigests, WriteOptions
from imagerd.sectors.blocks import blocks_of

BATCH = 512  # sectors of one step
_USER = SectorFormat.USER.size
_PADDING = 1024  # frames of zeros at a time


@dataclass(slots=True)
class Reading:
    """Reads `source` for a plan. `with_sub`: numbers of entries whose sectors had subchannel."""

    source: SectorSource
    options: WriteOptions
    stack: ExitStack
    done: int = 0
    bad: Runs = field(default_factory=Runs)
    with_sub: set[int] = field(default_factory=set)
    without_sub: Counter[int] = field(default_factory=Counter)  # sectors, by entry
    _hashers: dict[int, Hasher] = field(default_factory=dict)

    def frames(self, plan: Plan) -> Iterator[Bytes2D]:
        """(n, 2448) frames of a CD, all of them."""
        for planned in plan.entries:
            for area in planned.areas:
                yield from self._area(plan, planned, area)
            zeros = planned.entry.padded - sum(map(len, planned.areas))
            while zeros > 0:
                count = min(zeros, _PADDING)
                yield np.zeros((count, FRAME), np.uint8)
                zeros -= count

    def blocks(self, track: Track) -> Iterator[Bytes2D]:
        """(n, 2048) blocks of a DVD."""
        for block in self._read(track.stored_range):
            rows = self._filled(block, block.data, track)
            self._hash(track, rows)
            yield rows

    def track_digests(self) -> tuple[TrackDigests, ...]:
        """The digests of each track: of its sectors without subchannel, as a .bin has them."""
        return tuple(
            TrackDigests(number, found.digests()) for number, found in self._hashers.items()
        )

    def _read(self, area: range) -> Iterator[Sectors]:
        for block in blocks_of(self.source, area, BATCH):
            yield block
            self.done += len(block)

    def _area(self, plan: Plan, planned: Planned, area: range) -> Iterator[Bytes2D]:
        track = plan.layout.track_at(area.start)
        assert track is not None
        for block in self._read(area):
            body = _body(block, track)
            body = np.ascontiguousarray(self._filled(block, body, track))
            self._hash(track, body)
            frames = np.zeros((len(body), FRAME), np.uint8)
            if planned.entry.mode is TrackMode.AUDIO:
                frames[:, :SECTOR] = body.view(np.uint16).byteswap().view(np.uint8)
            else:
                frames[:, : body.shape[1]] = body
            self._subchannel(plan, planned, block, frames)
            yield frames

    def _filled(self, block: Sectors, data: Bytes2D, track: Track) -> Bytes2D:
        """`data` with the filling in rows that could not be read."""
        return filled(data, block, self.options.fill_of(track.mode), self.bad)

    def _subchannel(self, plan: Plan, planned: Planned, block: Sectors, frames: Bytes2D) -> None:
        sub = block.sub
        if block.format in (SectorFormat.RAW_SUB, SectorFormat.USER_SUB):
            sub = block.data[:, -96:]
        if sub is None:
            self.without_sub[planned.entry.number] += len(block)
            return
        self.with_sub.add(planned.entry.number)
        if not plan.gd:
            frames[:, SECTOR:] = sub
            frames[unread(block), SECTOR:] = 0

    def _hash(self, track: Track, rows: Bytes2D) -> None:
        if not self.options.hash:
            return
        if track.number not in self._hashers:
            for other in self._hashers.values():
                other.close()
            made = hasher(self.options, self.stack)
            assert made is not None
            self._hashers[track.number] = made
        self._hashers[track.number].update(np.ascontiguousarray(rows).data.cast("B"))


def _body(block: Sectors, track: Track) -> Bytes2D:
    """The sectors in the format that the entry has, without subchannel."""
    if track.stored in (SectorFormat.RAW, SectorFormat.RAW_SUB):
        return to_raw(block.data, block.format, track.mode, block.lba)
    if track.stored is SectorFormat.USER_SUB:
        return block.data[:, :_USER]
    return block.data
