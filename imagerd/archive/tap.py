# SPDX-License-Identifier: Apache-2.0
"""A source that remembers the state of each sector that went through it."""

from __future__ import annotations

import numpy as np

from imagerd.disc.layout import Layout
from imagerd.disc.source import Sectors, SectorSource, States
from imagerd.recovery.sectormap import SectorMap


class Tap:
    """A `SectorSource` over another; `states` are those of the last reading of each sector.

    What a writer was given is what the account of the image must be about: after the correction of
    a read offset a bad sector touches its neighbour.
    """

    def __init__(self, source: SectorSource) -> None:
        self._source = source
        layout = source.layout
        self._start = layout.start
        self.states: States = np.zeros(layout.end - layout.start, np.uint8)

    @property
    def layout(self) -> Layout:
        """That of the source."""
        return self._source.layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads."""
        block = self._source.read(lba, count)
        first = lba - self._start
        self.states[first : first + len(block)] = block.states
        return block

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def map(self, read: SectorMap) -> SectorMap:
        """The states as a map, with the stories of `read`, the map of the reading."""
        shown = SectorMap(self.layout.ranges())
        for area in self.layout.ranges():
            first = area.start - self._start
            shown.raise_to(area.start, self.states[first : first + len(area)])
        shown.errors.merge(read.errors)
        return shown
