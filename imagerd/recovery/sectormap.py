# SPDX-License-Identifier: Apache-2.0
"""The sector map: one byte a sector, and the stories of the bad ones.

A state only ever rises, unless the file with the sector's bytes is cut short (`SectorMap.lose`) or
a later reading speaks against what was taken on a drive's word (`SectorMap.doubt`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from imagerd.disc.source import SectorState, States
from imagerd.recovery.evidence import ErrorBook

GOOD = (SectorState.READ, SectorState.PROVEN)
BAD = (SectorState.FAILED, SectorState.SUSPECT)
NOT_GOOD = (SectorState.UNREAD, *BAD)

_OUTSIDE = 255  # between sessions: no sector of ours, above every state
_CHUNK = 1 << 18  # sectors looked at in one go: bounds what a query over a BD needs


class RangeSet:
    """Disjoint half-open ranges of LBAs, joined where they touch."""

    def __init__(self, ranges: Iterable[range] = ()) -> None:
        self._ranges: list[range] = []
        for part in ranges:
            self.add(part)

    def __iter__(self) -> Iterator[range]:
        return iter(self._ranges)

    def __contains__(self, lba: int) -> bool:
        index = bisect_right(self._ranges, lba, key=lambda part: part.start) - 1
        return index >= 0 and lba < self._ranges[index].stop

    def without(self, other: RangeSet) -> RangeSet:
        """What of this is not in `other`."""
        result = RangeSet()
        for part in self._ranges:
            at = part.start
            first = bisect_right(other._ranges, at, key=lambda hole: hole.stop)
            for hole in other._ranges[first:]:
                if hole.start >= part.stop:
                    break
                result.add(range(at, hole.start))
                at = hole.stop
            result.add(range(at, part.stop))
        return result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self._ranges == other._ranges

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __len__(self) -> int:
        """Sectors, not ranges."""
        return sum(len(part) for part in self._ranges)

    def add(self, new: range) -> None:
        """Add the LBAs of `new`."""
        if not new:
            return
        low = bisect_left(self._ranges, new.start, key=lambda part: part.stop)
        high = bisect_right(self._ranges, new.stop, key=lambda part: part.start)
        begin, end = new.start, new.stop
        if low < high:
            begin = min(begin, self._ranges[low].start)
            end = max(end, self._ranges[high - 1].stop)
        self._ranges[low:high] = [range(begin, end)]


class SectorMap:
    """States of the sectors of `areas` (ascending, disjoint; one per session of a disc).

    `errors` holds the failed attempts; `repaired` the LBAs whose bytes were corrected by us,
    `confirmed` those that prove nothing but came alike from independent readings.
    """

    def __init__(self, areas: Iterable[range]) -> None:
        self.areas = tuple(areas)
        if not self.areas:
            raise ValueError("a sector map needs an area")
        self.start, self.end = self.areas[0].start, self.areas[-1].stop
        self._states = np.zeros(self.end - self.start, np.uint8)
        for before, after in zip(self.areas, self.areas[1:], strict=False):
            self._states[before.stop - self.start : after.start - self.start] = _OUTSIDE
        self._counts = np.zeros(SectorState.PROVEN + 1, np.int64)
        self._counts[SectorState.UNREAD] = sum(len(area) for area in self.areas)
        self.errors = ErrorBook()
        self.repaired = RangeSet()
        self.confirmed = RangeSet()

    def __len__(self) -> int:
        """Sectors in all areas."""
        return int(self._counts.sum())

    def states(self, lba: int, count: int) -> States:
        """A copy of the states of `count` sectors from `lba`."""
        return self._slice(lba, count).copy()

    def state(self, lba: int) -> SectorState:
        """The state of one sector; raises `ValueError` between sessions."""
        return SectorState(int(self._slice(lba, 1)[0]))

    def raise_to(self, lba: int, states: States | SectorState, count: int | None = None) -> None:
        """Raise the sectors from `lba` to `states`; those that are higher already stay.

        With a single state, `count` sectors are raised. Sectors outside the areas stay outside.
        """
        if isinstance(states, SectorState):
            new = np.asarray(states, np.uint8)
            count = 1 if count is None else count
            for at in range(lba, lba + count, _CHUNK):
                self._raise(self._slice(at, min(_CHUNK, lba + count - at)), new)
        else:
            self._raise(self._slice(lba, len(states)), states)

    def lose(self, begin: int, end: int) -> int:
        """Bytes of `begin` … `end` are gone: what had some is UNREAD again. Returns how many."""
        window = self._slice(begin, end - begin)
        gone = (window >= SectorState.SUSPECT) & (window != _OUTSIDE)
        counts = np.bincount(window[gone], minlength=len(self._counts))
        window[gone] = SectorState.UNREAD
        lost = int(counts.sum())
        self._counts -= counts
        self._counts[SectorState.UNREAD] += lost
        return lost

    def doubt(self, begin: int, end: int) -> None:
        """What was READ in `begin` … `end` is SUSPECT; what is PROVEN stays."""
        window = self._slice(begin, end - begin)
        hit = window == SectorState.READ
        window[hit] = SectorState.SUSPECT
        count = int(np.count_nonzero(hit))
        self._counts[SectorState.READ] -= count
        self._counts[SectorState.SUSPECT] += count

    def _raise(self, window: States, new: States) -> None:
        before = np.bincount(window, minlength=_OUTSIDE + 1)
        np.maximum(window, new, out=window)
        after = np.bincount(window, minlength=_OUTSIDE + 1)
        self._counts += (after - before)[: len(self._counts)]

    def counts(self) -> dict[SectorState, int]:
        """Sectors by state; every state has an entry."""
        return {state: int(self._counts[state]) for state in SectorState}

    def count(self, *states: SectorState) -> int:
        """Sectors in any of `states`."""
        return sum(int(self._counts[state]) for state in states)

    def find(self, states: Iterable[SectorState], begin: int, end: int) -> range | None:
        """The first run of sectors in `states` within `begin` … `end`, clipped to it."""
        for run in self._runs(_lookup(states), max(begin, self.start), min(end, self.end)):
            return run
        return None

    def ranges(
        self, states: Iterable[SectorState], begin: int | None = None, end: int | None = None
    ) -> Iterator[range]:
        """All runs of sectors in `states`. Raise no states while iterating; `find` allows it."""
        begin = self.start if begin is None else max(begin, self.start)
        end = self.end if end is None else min(end, self.end)
        return self._runs(_lookup(states), begin, end)

    def merge(self, other: SectorMap) -> None:
        """Take the better of both maps; attempts add up. Raises `ValueError` for another disc's."""
        if self.areas != other.areas:
            raise ValueError("the maps are of different discs")
        for lba in range(self.start, self.end, _CHUNK):
            count = min(_CHUNK, self.end - lba)
            self.raise_to(lba, other._slice(lba, count))
        self.errors.merge(other.errors)
        for part in other.repaired:
            self.repaired.add(part)
        for part in other.confirmed:
            self.confirmed.add(part)

    def _slice(self, lba: int, count: int) -> States:
        if not self.start <= lba <= lba + count <= self.end:
            raise ValueError(f"LBA {lba}+{count} is outside the map")
        return self._states[lba - self.start : lba - self.start + count]

    def _runs(self, wanted: npt.NDArray[np.bool_], begin: int, end: int) -> Iterator[range]:
        open_at: int | None = None
        at, step = begin, 1 << 12  # small first: a reader asks again and again for the next run
        while at < end:
            count = min(step, end - at)
            mask = wanted[self._slice(at, count)]
            edges = np.flatnonzero(np.diff(mask)) + 1
            if mask[0] != (open_at is not None):
                edges = np.concatenate(([0], edges))
            for edge in edges.tolist():
                if open_at is None:
                    open_at = at + edge
                else:
                    yield range(open_at, at + edge)
                    open_at = None
            at, step = at + count, min(step * 4, _CHUNK)
        if open_at is not None:
            yield range(open_at, end)


def _lookup(states: Iterable[SectorState]) -> npt.NDArray[np.bool_]:
    table = np.zeros(_OUTSIDE + 1, np.bool_)
    table[list(states)] = True
    return table
