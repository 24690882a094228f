# SPDX-License-Identifier: Apache-2.0
"""Cutting and joining blocks of sectors; small things that the views share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.source import Bytes2D, Fault, Sectors, SectorSource


def with_stored(layout: Layout, stored: SectorFormat) -> Layout:
    """`layout` with every track stored as `stored`."""
    return layout.with_tracks(lambda track: replace(track, stored=stored))


def blocks_of(source: SectorSource, area: range, most: int) -> Iterator[Sectors]:
    """The sectors of `area` in their order, in blocks of `most` sectors or fewer."""
    lba = area.start
    while lba < area.stop:
        block = source.read(lba, min(most, area.stop - lba))
        yield block
        lba = block.end


def clip_faults(faults: tuple[Fault, ...], first: int, end: int) -> tuple[Fault, ...]:
    """What of `faults` lies in the LBAs from `first` up to, not including, `end`."""
    clipped = []
    for fault in faults:
        start, stop = max(fault.lba, first), min(fault.lba + fault.count, end)
        if start < stop:
            clipped.append(replace(fault, lba=start, count=stop - start))
    return tuple(clipped)


def rows_of(block: Sectors, first: int, count: int) -> Sectors:
    """`count` sectors of `block` from LBA `first`, or as many of them as it holds; no copy."""
    start = first - block.lba
    part = slice(start, start + count)
    return Sectors(
        first,
        block.format,
        block.data[part],
        block.states[part],
        None if block.sub is None else block.sub[part],
        None if block.c2 is None else block.c2[part],
        clip_faults(block.faults, first, min(first + count, block.end)),
    )


def _joined(parts: list[Bytes2D | None]) -> Bytes2D | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def read_all(source: SectorSource, lba: int, count: int) -> Sectors:
    """Exactly `count` sectors from `lba`, in as many reads as it takes, all of one format.

    Subchannel and C2 are kept where every part has them. Raises `ValueError` if the stored format
    changes on the way.
    """
    blocks = [source.read(lba, count)]
    while blocks[-1].end < lba + count:
        at = blocks[-1].end
        blocks.append(source.read(at, lba + count - at))
        if blocks[-1].format is not blocks[0].format:
            raise ValueError(f"the stored format changes at LBA {at}")
    if len(blocks) == 1:
        return blocks[0]
    return Sectors(
        lba,
        blocks[0].format,
        np.concatenate([block.data for block in blocks]),
        np.concatenate([block.states for block in blocks]),
        _joined([block.sub for block in blocks]),
        _joined([block.c2 for block in blocks]),
        tuple(fault for block in blocks for fault in block.faults),
    )
