# SPDX-License-Identifier: Apache-2.0
"""Blocks of any stored format as raw sectors, and runs of LBAs as ranges."""

from __future__ import annotations

import numpy as np

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.msf import LBA_MAX
from imagerd.disc.source import Bytes2D, Sectors, SectorState
from imagerd.sectors import convert

_ADDRESSES = 450_000  # MSF has two digits of minutes; a GD-ROM goes on and begins again


def to_raw(data: Bytes2D, stored: SectorFormat, mode: TrackMode, lba: int) -> Bytes2D:
    """(n, 2352) raw sectors, as `sectors.convert.to_raw`, beyond 99:59:74 too."""
    if lba + len(data) - 1 <= LBA_MAX or stored in (SectorFormat.RAW, SectorFormat.RAW_SUB):
        return convert.to_raw(data, stored, mode, lba)
    parts, at = [], 0
    while at < len(data):
        address = (lba + at + 150) % _ADDRESSES - 150
        count = min(len(data) - at, LBA_MAX + 1 - address)
        parts.append(convert.to_raw(data[at : at + count], stored, mode, address))
        at += count
    return np.concatenate(parts)


def empty_sectors(mode: TrackMode, stored: SectorFormat, lba: int, count: int) -> Bytes2D:
    """What a disc has where an image has nothing: silence, or data sectors full of zeros.

    A mode 2 sector of zeros after its header is a valid form 1 sector (ECMA-130, CD-ROM XA).
    """
    if mode is TrackMode.AUDIO or stored not in (SectorFormat.RAW, SectorFormat.RAW_SUB):
        return np.zeros((count, stored.size), np.uint8)
    body = SectorFormat.USER if mode is TrackMode.MODE1 else SectorFormat.MODE2
    raw = to_raw(np.zeros((count, body.size), np.uint8), body, mode, lba)
    if stored is SectorFormat.RAW:
        return raw
    return np.hstack((raw, np.zeros((count, stored.size - raw.shape[1]), np.uint8)))


def unread(block: Sectors) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Row numbers that hold filling instead of data."""
    return np.flatnonzero(block.states <= SectorState.FAILED)


def filler(fill: bytes, size: int) -> Bytes2D:
    """One row of the filling pattern. An empty pattern means zeros."""
    text = (fill or b"\0") * (size // max(1, len(fill)) + 1)
    return np.frombuffer(text[:size], np.uint8)


def filled(rows: Bytes2D, block: Sectors, fill: bytes, bad: Runs) -> Bytes2D:
    """`rows`, made of `block`, with the filling where it could not be read; `bad` gets the LBAs."""
    lost = unread(block)
    if not len(lost):
        return rows
    rows = rows.copy()
    rows[lost] = filler(fill, rows.shape[1])
    for row in lost:
        bad.add(block.lba + int(row))
    return rows


class Runs:
    """Collects LBAs, in ascending order, as ranges."""

    def __init__(self) -> None:
        self._ranges: list[range] = []

    def add(self, start: int, count: int = 1) -> None:
        """Add `count` LBAs from `start`."""
        if self._ranges and self._ranges[-1].stop == start:
            self._ranges[-1] = range(self._ranges[-1].start, start + count)
        else:
            self._ranges.append(range(start, start + count))

    def ranges(self) -> tuple[range, ...]:
        """What was collected."""
        return tuple(self._ranges)
