# SPDX-License-Identifier: Apache-2.0
"""Which bad sectors of an image are bad on purpose, so that nobody mends them.

The recognisers of `imagerd.recovery.protection` want to know all bad sectors of a disc. So the
image is read through once, the first time that somebody asks: where nothing is wrong nobody does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import SectorSource, SectorState
from imagerd.recovery.evidence import Why
from imagerd.recovery.protection.facts import BadRange, BadSectors
from imagerd.recovery.protection.recognise import expected, facts_of_source, recognise
from imagerd.toolkit.checked import raw_of, wrong_rows
from imagerd.toolkit.verdicts import is_provable

_BATCH = 1024


class Intended:
    """LBAs of `source` that a copy protection made bad; asked by `lba in intended`."""

    def __init__(self, source: SectorSource) -> None:
        self._source = source

    @cached_property
    def extent(self) -> Extent:
        """Those sectors; reads the data tracks of the source when first asked."""
        bad = BadSectors(_bad(self._source))
        return Extent.of(expected(recognise(facts_of_source(self._source, bad))))

    def __contains__(self, lba: object) -> bool:
        ranges = self.extent.ranges
        if not isinstance(lba, int) or not ranges:
            return False
        at = bisect_right(ranges, lba, key=lambda area: area.start) - 1
        return at >= 0 and lba in ranges[at]


def _bad(source: SectorSource) -> Iterator[BadRange]:
    """What does not check, and what could not be read."""
    for track in source.layout.tracks:
        if not is_provable(track):
            continue
        lba, end = track.stored_range.start, track.stored_range.stop
        while lba < end:
            block = source.read(lba, min(_BATCH, end - lba))
            lost = block.states <= SectorState.FAILED
            for area in from_mask(lba, lost):
                yield BadRange(area.start, len(area), Why.MEDIUM)
            for area in from_mask(lba, wrong_rows(raw_of(block, track)) & ~lost):
                yield BadRange(area.start, len(area), Why.EDC)
            lba = block.end
