# SPDX-License-Identifier: Apache-2.0
"""A source that checks every EDC on the way and, if asked, repairs by parity what it can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.sectors import convert
from imagerd.sectors.verify import EdcState, SectorKind, classify, edc_check
from imagerd.toolkit.verdicts import is_provable

_RAW = 2352


class CheckedSource:
    """What `source` gives, with the LBAs of data sectors whose EDC is wrong kept in `wrong`.

    With `repair`, raw sectors that P/Q parity can correct (the EDC must match after) are given
    corrected; their LBAs are kept in `repaired` instead. Sectors that could not be read are left
    alone. Closing it closes the source.
    """

    def __init__(self, source: SectorSource, *, repair: bool = False) -> None:
        self._source = source
        self._repair = repair
        self._wrong: list[range] = []
        self._repaired: list[range] = []

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._source.layout

    @property
    def wrong(self) -> Extent:
        """Sectors given with a wrong EDC, or that are no data sectors at all."""
        return Extent.of(self._wrong)

    @property
    def repaired(self) -> Extent:
        """Sectors given corrected."""
        return Extent.of(self._repaired)

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`, within one track."""
        track = self.layout.track_at(lba)
        if track is None or not is_provable(track):
            return self._source.read(lba, count)
        block = self._source.read(lba, min(count, track.end - lba))
        raw = _raw(block, track)
        wrong = _is_wrong(raw) & (block.states > SectorState.FAILED)
        if not wrong.any():
            return block
        if self._repair and block.format is not SectorFormat.MODE2:
            block = self._repaired_block(block, raw, track, wrong)
        self._wrong += from_mask(lba, wrong)
        return block

    def _repaired_block(
        self, block: Sectors, raw: Bytes2D, track: Track, wrong: npt.NDArray[np.bool_]
    ) -> Sectors:
        """The block with what can be corrected; clears those rows of `wrong`."""
        from imagerd.sectors.correct import repair  # rarely needed, and not cheap to load

        mended = repair(
            raw,
            np.flatnonzero(wrong).tolist(),
            lba=block.lba,
            mode2=track.mode is TrackMode.MODE2,
        )
        rows = np.zeros(len(block), np.bool_)
        rows[list(mended.corrected)] = True
        wrong &= ~rows
        self._repaired += from_mask(block.lba, rows)
        data = block.data.copy()
        data[rows, :_RAW] = mended.data[rows]
        return replace(block, data=data)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def _raw(block: Sectors, track: Track) -> Bytes2D:
    if block.format is SectorFormat.RAW:
        return block.data
    return convert.to_raw(block.data, block.format, track.mode, block.lba)


def _is_wrong(raw: Bytes2D) -> npt.NDArray[np.bool_]:
    kind = classify(raw, data=True)
    wrong: npt.NDArray[np.bool_] = edc_check(raw, kind) == EdcState.WRONG
    wrong |= kind >= SectorKind.INVALID_MODE
    return wrong
