# SPDX-License-Identifier: Apache-2.0
"""Tracks of any source as rows of raw sectors: the part that all containers of raw sectors share.

A container asks for the blocks of each track, in its own order, and puts them where it keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.progress import Progress
from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.msf import LBA_MAX
from imagerd.disc.source import Bytes2D, Sectors, SectorSource
from imagerd.formats.output import hasher
from imagerd.formats.rawform import Runs, filled, to_raw, unread
from imagerd.formats.written import TrackDigests, WriteOptions
from imagerd.sectors.geometry import SUB

BATCH = 1024  # sectors of one step: 2.4 MB
_WITH_SUB = (SectorFormat.RAW_SUB, SectorFormat.USER_SUB)


@dataclass(frozen=True, slots=True)
class RawBlock:
    """(n, 2352) raw sectors from `lba`, samples little-endian, and (n, 96) raw P–W if the source
    has them. Sectors that could not be read hold filling, and zeros for their subchannel.
    """

    lba: int
    raw: Bytes2D
    sub: Bytes2D | None

    def swapped(self) -> Bytes2D:
        """The sectors with the bytes of each 16-bit sample exchanged."""
        return self.raw.view("<u2").byteswap().view(np.uint8)

    def sub_or_zeros(self) -> Bytes2D:
        """(n, 96) raw subchannel; zeros, whose Q has a wrong CRC, where the source gives none."""
        return np.zeros((len(self.raw), SUB), np.uint8) if self.sub is None else self.sub

    def with_sub(self) -> Bytes2D:
        """(n, 2448): each sector with its subchannel."""
        return np.concatenate((self.raw, self.sub_or_zeros()), axis=1)


def refuse_other_media(layout: Layout, target: Path, limit: int = LBA_MAX + 1) -> None:
    """Raise `BadInput` unless it is a CD from LBA 0 to `limit`; as it is, each has an MSF."""
    if not layout.is_cd:
        raise BadInput(
            f"A {layout.medium.value.upper()} has no raw sectors, which {target} would hold;"
            " write it as .iso."
        )
    if layout.start != 0:
        raise BadInput(f"The disc begins at LBA {layout.start}; {target} would begin at 0.")
    if layout.end > limit:
        raise BadInput(
            f"The disc ends at LBA {layout.end}, and {target} counts to {limit - 1};"
            " write it as .cue."
        )


def all_stored(layout: Layout, stored: SectorFormat = SectorFormat.RAW) -> Layout:
    """The layout with every track stored whole as `stored`: no gap is virtual any more."""
    return layout.with_tracks(
        lambda track: replace(track, stored=stored, pregap_virtual=0, postgap_virtual=0)
    )


def has_sub(source: SectorSource) -> bool:
    """Whether `source` gives subchannel: the first sector of the first track speaks for all."""
    layout = source.layout
    if any(track.stored in _WITH_SUB for track in layout.tracks):
        return True
    first = next((track.start for track in layout.tracks if track.end > track.start), None)
    return first is not None and source.read(first, 1).sub is not None


@dataclass(slots=True)
class RawTracks:
    """The tracks of `source` as blocks; keeps what a `WrittenImage` tells of them.

    The digests of a track are those of its raw sectors of 2352 bytes, samples little-endian,
    whatever else a container stores.
    """

    source: SectorSource
    options: WriteOptions
    total: int
    done: int = 0
    bad: Runs = field(default_factory=Runs)
    sub_seen: bool = False
    digests: list[TrackDigests] = field(default_factory=list)

    def blocks(
        self, track: Track, area: range, stack: ExitStack, *, cut: int = 0
    ) -> Iterator[RawBlock]:
        """The sectors `area` of `track`, block by block; then its digests are known.

        No block crosses the LBA `cut`.
        """
        own = hasher(self.options, stack)
        lba = area.start
        while lba < area.stop:
            stop = cut if lba < cut < area.stop else area.stop
            block = self.source.read(lba, min(BATCH, stop - lba))
            made = self._raw(block, track.mode)
            if own is not None:
                own.update(made.raw.data.cast("B"))
            self.sub_seen |= made.sub is not None
            self.done += len(block)
            lba = block.end
            yield made
        if own is not None:
            self.digests.append(TrackDigests(track.number, own.digests()))

    def progress(self, track: Track) -> Progress:
        """How far it is."""
        return Progress(self.done, self.total, what=f"track {track.number}")

    def _raw(self, block: Sectors, mode: TrackMode) -> RawBlock:
        raw = to_raw(block.data, block.format, mode, block.lba)
        sub = block.sub
        if sub is None and block.format in _WITH_SUB:
            sub = np.ascontiguousarray(block.data[:, -SUB:])
        rows = unread(block)
        if len(rows) and sub is not None:
            sub = sub.copy()
            sub[rows] = 0
        raw = filled(raw, block, self.options.fill_of(mode), self.bad)
        return RawBlock(block.lba, np.ascontiguousarray(raw), sub)
