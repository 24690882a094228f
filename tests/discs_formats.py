# SPDX-License-Identifier: Apache-2.0
"""Small made-up discs for the tests of containers: right sectors, and sources in memory."""

from __future__ import annotations

import numpy as np

from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorSource, SectorState
from imagerd.sectors import convert


def noise(count: int, size: int, seed: int) -> Bytes2D:
    """Rows of bytes that look like no sync, header or volume."""
    return np.random.default_rng(seed).integers(1, 255, (count, size), np.uint8)


def raw_sectors(mode: TrackMode, lba: int, count: int) -> Bytes2D:
    """Right raw sectors of `mode` whose content follows from their address."""
    if mode is TrackMode.AUDIO:
        return noise(count, 2352, lba)
    if mode is TrackMode.MODE0:
        return convert.to_raw(np.zeros((count, 2336), np.uint8), SectorFormat.MODE2, mode, lba)
    return convert.to_raw(noise(count, 2048, lba), SectorFormat.USER, mode, lba)


def volume_sectors(count: int) -> Bytes2D:
    """2048-byte blocks with a primary volume descriptor at 16, as far as a probe looks."""
    blocks = noise(count, 2048, 7)
    blocks[16] = 0
    blocks[16, :7] = np.frombuffer(b"\1CD001\1", np.uint8)
    blocks[16, 40:52] = np.frombuffer(b"A VOLUME    ", np.uint8)
    blocks[16, 80:84] = np.frombuffer(count.to_bytes(4, "little"), np.uint8)
    blocks[16, 128:130] = np.frombuffer((2048).to_bytes(2, "little"), np.uint8)
    blocks[17] = 0  # volume descriptor set terminator
    blocks[17, :7] = np.frombuffer(b"\xffCD001\1", np.uint8)
    return blocks


def raw_volume(count: int, lba: int = 0) -> Bytes2D:
    """Raw mode 1 sectors with a volume in them."""
    return convert.to_raw(volume_sectors(count), SectorFormat.USER, TrackMode.MODE1, lba)


class MemorySource:
    """A source of raw sectors in memory; `failed` LBAs cannot be read."""

    def __init__(self, layout: Layout, failed: frozenset[int] = frozenset()) -> None:
        self.layout = layout
        self.failed = failed
        self.tracks = {t.number: _track_data(t) for t in layout.tracks}
        self.closed = False

    def read(self, lba: int, count: int) -> Sectors:
        track = self.layout.track_at(lba)
        if track is None:
            raise ValueError(f"LBA {lba} is in no track")
        count = min(count, track.end - lba)
        data = self.tracks[track.number][lba - track.start :][:count].copy()
        states = np.full(count, SectorState.READ, np.uint8)
        bad = [at for at in range(count) if lba + at in self.failed]
        states[bad] = SectorState.FAILED
        data[bad] = 0xEE
        faults = tuple(Fault(lba + at, 1, FaultKind.MEDIUM) for at in bad)
        return Sectors(lba, track.stored, data, states, faults=faults)

    def close(self) -> None:
        self.closed = True


def _track_data(track: Track) -> Bytes2D:
    count = track.end - track.start
    data = raw_sectors(track.mode, track.start, count)
    for virtual in (slice(0, track.pregap_virtual), slice(count - track.postgap_virtual, count)):
        data[virtual] = empty(track, track.start + virtual.start, virtual.stop - virtual.start)
    return convert.from_raw(data, track.stored, track.mode)


def empty(track: Track, lba: int, count: int) -> Bytes2D:
    """What a virtual gap holds."""
    if track.mode is TrackMode.AUDIO:
        return np.zeros((count, 2352), np.uint8)
    stored = SectorFormat.USER if track.mode is TrackMode.MODE1 else SectorFormat.MODE2
    return convert.to_raw(np.zeros((count, stored.size), np.uint8), stored, track.mode, lba)


def read_all(source: SectorSource, lbas: range) -> Bytes2D:
    """All raw sectors of `lbas`, checked to be readable."""
    parts, at = [], lbas.start
    while at < lbas.stop:
        block = source.read(at, lbas.stop - at)
        assert block.lba == at
        assert len(block) > 0
        track = source.layout.track_at(at)
        assert track is not None
        parts.append(convert.to_raw(block.data, block.format, track.mode, at))
        at = block.end
    return np.concatenate(parts)
