# SPDX-License-Identifier: Apache-2.0
"""The order of the two bytes of a sample of audio: swapped on request, and noticed where wrong.

On a disc, in a .bin and in a WAVE file the low byte comes first. Some containers have it the other
way round, and a sheet that does not say so makes noise of music.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Layout, Track, TrackMode
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState

_RAW = 2352
_PLACES = 6  # of a track that are looked at
_SECTORS = 8  # at each
_LEAST = 4  # sectors that are not silent: fewer tell nothing
_ROUGHER = 3.0  # how much rougher audio is that is read the wrong way round


class SwappedAudio:
    """`source` with the two bytes of each sample of its audio tracks exchanged.

    Closing it closes the source.
    """

    def __init__(self, source: SectorSource) -> None:
        self._source = source

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._source.layout

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`, within one track."""
        track = self.layout.track_at(lba)
        if track is not None:
            count = min(count, track.end - lba)
        block = self._source.read(lba, count)
        if track is None or track.mode is not TrackMode.AUDIO:
            return block
        return replace(block, data=_swapped(block.data), c2=None)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def looks_swapped(source: SectorSource) -> tuple[int, ...]:
    """Numbers of the audio tracks that are far smoother when their bytes are exchanged.

    Neighbouring samples of sound differ little; with the bytes exchanged the noise of the low
    byte becomes the high one. Silence and noise tell nothing, and are never named. Reads a few
    sectors of each track.
    """
    tracks = [track for track in source.layout.tracks if track.mode is TrackMode.AUDIO]
    return tuple(track.number for track in tracks if _is_rough(_sample(source, track)))


def _swapped(data: Bytes2D) -> Bytes2D:
    """Rows with the bytes of each sample exchanged; subchannel behind them stays."""
    swapped = data.copy()
    swapped[:, 0:_RAW:2] = data[:, 1:_RAW:2]
    swapped[:, 1:_RAW:2] = data[:, 0:_RAW:2]
    return swapped


def _sample(source: SectorSource, track: Track) -> Bytes2D:
    """Some sectors of a track, (n, 2352), without silent ones and those that were not read."""
    area = track.stored_range
    first = max(area.start, track.index1)
    step = max(_SECTORS, (area.stop - first) // _PLACES)
    parts = [np.empty((0, _RAW), np.uint8)]
    for lba in range(first, area.stop, step)[:_PLACES]:
        block = source.read(lba, min(_SECTORS, area.stop - lba))
        rows = block.data[:, :_RAW]
        loud = (rows != rows[:, :1]).any(axis=1) & (block.states > SectorState.FAILED)
        parts.append(rows[loud])
    return np.concatenate(parts)


def _is_rough(rows: Bytes2D) -> bool:
    if len(rows) < _LEAST:
        return False
    samples = np.ascontiguousarray(rows).view("<i2").reshape(len(rows), -1, 2)
    return _roughness(samples) > _ROUGHER * _roughness(samples.byteswap())


def _roughness(samples: npt.NDArray[np.int16]) -> float:
    """The mean step from one sample to the next of the same channel, within sectors."""
    steps = np.abs(np.diff(samples.astype(np.int32), axis=1))
    return float(steps.mean())
