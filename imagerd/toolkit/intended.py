# SPDX-License-Identifier: Apache-2.0
"""Which bad sectors of an image are bad on purpose, so that nobody mends them.

The recognisers of `imagerd.recovery.protection` want to know all bad sectors of a disc. So the
image is read through once, and they are loaded, the first time that somebody asks: where nothing
is wrong nobody does.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import SectorSource, SectorState
from imagerd.sectors.blocks import blocks_of

_BATCH = 1024


class Intended:
    """LBAs of `source` that a copy protection made bad; asked by `lba in intended`."""

    def __init__(self, source: SectorSource) -> None:
        self._source = source

    @cached_property
    def extent(self) -> Extent:
        """Those sectors; reads the data tracks of the source when first asked."""
        from imagerd.recovery.evidence import Why
        from imagerd.recovery.protection.facts import BadRange, BadSectors
        from imagerd.recovery.protection.recognise import expected, facts_of_source, recognise

        wrong, lost = _bad(self._source)
        bad = [BadRange(area.start, len(area), Why.EDC) for area in wrong]
        bad += [BadRange(area.start, len(area), Why.MEDIUM) for area in lost]
        facts = facts_of_source(self._source, BadSectors(bad))
        return Extent.of(expected(recognise(facts)))

    def of(self, sectors: Extent) -> Extent:
        """Those of `sectors` that are bad on purpose."""
        return Extent.of(
            range(lba, lba + 1) for area in sectors.ranges for lba in area if lba in self
        )

    def __contains__(self, lba: object) -> bool:
        ranges = self.extent.ranges
        if not isinstance(lba, int) or not ranges:
            return False
        at = bisect_right(ranges, lba, key=lambda area: area.start) - 1
        return at >= 0 and lba in ranges[at]


def _bad(source: SectorSource) -> tuple[list[range], list[range]]:
    """What does not check, and what could not be read."""
    from imagerd.toolkit.checked import raw_of, wrong_rows
    from imagerd.toolkit.verdicts import is_provable

    wrong: list[range] = []
    lost: list[range] = []
    for track in source.layout.tracks:
        if not is_provable(track):
            continue
        for block in blocks_of(source, track.stored_range, _BATCH):
            unread = block.states <= SectorState.FAILED
            lost += from_mask(block.lba, unread)
            wrong += from_mask(block.lba, wrong_rows(raw_of(block, track)) & ~unread)
    return wrong, lost
