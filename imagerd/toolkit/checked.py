# SPDX-License-Identifier: Apache-2.0
"""A source that checks every EDC on the way and, if asked, repairs by parity what it can."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.formats.rawform import to_raw
from imagerd.sectors.convert import stored_offset
from imagerd.sectors.verify import EdcState, SectorKind, classify, edc_check
from imagerd.toolkit.verdicts import address_of, is_provable

_RAW = 2352


class CheckedSource:
    """What `source` gives, with the LBAs of data sectors whose EDC is wrong kept in `wrong`.

    With `repair`, sectors that P/Q parity can correct (the EDC must match after) are given
    corrected; their LBAs are kept in `repaired` instead. Those that are `spared`, and those that
    could not be read, are left alone. Closing it closes the source.
    """

    def __init__(
        self,
        source: SectorSource,
        *,
        repair: bool = False,
        spared: Container[int] = frozenset(),
    ) -> None:
        self._source = source
        self._repair = repair
        self._spared = spared
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
        raw = raw_of(block, track)
        wrong = wrong_rows(raw) & (block.states > SectorState.FAILED)
        if not wrong.any():
            return block
        if self._repair:
            block = self._repaired_block(block, raw, track, wrong)
        self._wrong += from_mask(lba, wrong)
        return block

    def _repaired_block(
        self, block: Sectors, raw: Bytes2D, track: Track, wrong: npt.NDArray[np.bool_]
    ) -> Sectors:
        """The block with what can be corrected; clears those rows of `wrong`."""
        lba = block.lba
        rows = [row for row in np.flatnonzero(wrong).tolist() if lba + row not in self._spared]
        mended = mend(block, raw, track, rows)
        done = np.zeros(len(block), np.bool_)
        done[list(mended)] = True
        wrong &= ~done
        self._repaired += from_mask(lba, done)
        data = block.data.copy()
        for row, stored in mended.items():
            data[row] = stored
        return replace(block, data=data)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def mend(
    block: Sectors, raw: Bytes2D, track: Track, rows: Iterable[int]
) -> dict[int, npt.NDArray[np.uint8]]:
    """The `rows` of `block` that P/Q parity can correct, each as it is to be stored.

    `raw`: of `raw_of`. What EDC does not prove after is left out.
    """
    from imagerd.sectors.correct import repair  # rarely needed, and not cheap to load

    mended = repair(raw, rows, lba=address_of(block), mode2=track.mode is TrackMode.MODE2)
    stored = {}
    first = stored_offset(block.format, track.mode)
    held = min(block.format.size, _RAW - first)
    for row in mended.corrected:
        stored[row] = block.data[row].copy()
        stored[row][:held] = mended.data[row, first : first + held]
    return stored


def raw_of(block: Sectors, track: Track) -> Bytes2D:
    """The raw sectors of a block of a provable track."""
    if block.format is SectorFormat.RAW:
        return block.data
    return to_raw(block.data, block.format, track.mode, block.lba)


def wrong_rows(raw: Bytes2D) -> npt.NDArray[np.bool_]:
    """Which raw sectors of a data track have a wrong EDC or are no data sectors, (n,)."""
    kind = classify(raw, data=True)
    wrong: npt.NDArray[np.bool_] = edc_check(raw, kind) == EdcState.WRONG
    wrong |= kind >= SectorKind.INVALID_MODE
    return wrong
