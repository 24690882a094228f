# SPDX-License-Identifier: Apache-2.0
"""What went wrong, where, how often and when: kept by range, for the few sectors that have a story.

A good disc costs nothing here, a dead one a few thousand ranges: neighbours with the same story
are one entry.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from operator import attrgetter

from imagerd.disc.source import Fault, FaultKind

Code = tuple[int, int, int]  # sense key, ASC, ASCQ


class Why(IntEnum):
    """Why an attempt left a sector short of READ. The values are those of the journal."""

    NONE = 0
    MEDIUM = 1
    TIMEOUT = 2
    REFUSED = 3
    NOT_READY = 4
    TRANSPORT = 5
    MISSING = 6
    C2 = 16  # the drive flagged bytes of an audio sector
    EDC = 17  # a data sector whose EDC, sync or mode is wrong
    ADDRESS = 18  # header or Q subchannel say that these bytes belong elsewhere
    DISPUTED = 19  # two readings that seemed good differ
    UNCONFIRMED = 20  # read once, near damage or by a drive whose word does not count
    LOST = 21  # read, but the file no longer holds its bytes

    @classmethod
    def of(cls, kind: FaultKind) -> Why:
        """The reason of a `Fault`."""
        return cls[kind.name]

    @property
    def kind(self) -> FaultKind:
        """As the kind of a `Fault`; doubts about bytes that came are the medium's."""
        return FaultKind.MEDIUM if self >= Why.C2 or self is Why.NONE else FaultKind[self.name]

    @property
    def word(self) -> str:
        """Lower case, for reports."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class ErrorRange:
    """`count` sectors from `lba` with one story: `attempts` that failed, the latest reason.

    `alone` of the attempts were commands for one sector only. `first` and `last` are Unix times;
    over a range they are the earliest and the latest of its sectors.
    """

    lba: int
    count: int
    why: Why
    sense: Code | None
    attempts: int
    alone: int
    first: float
    last: float

    @property
    def end(self) -> int:
        """One past the last LBA."""
        return self.lba + self.count

    def part(self, begin: int, end: int) -> ErrorRange:
        """The same story for `begin` … `end` only."""
        return replace(self, lba=begin, count=end - begin)

    def fault(self) -> Fault:
        """As a value in a block of sectors."""
        return Fault(self.lba, self.count, self.why.kind, self.sense)


_BY_LBA = attrgetter("lba")
_BY_END = attrgetter("end")


class ErrorBook:
    """Disjoint `ErrorRange`s in the order of their LBAs."""

    def __init__(self) -> None:
        self._entries: list[ErrorRange] = []

    def __iter__(self) -> Iterator[ErrorRange]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def at(self, lba: int) -> ErrorRange | None:
        """The story of one sector, or None if all went well."""
        index = bisect_right(self._entries, lba, key=_BY_LBA) - 1
        if index < 0 or self._entries[index].end <= lba:
            return None
        return self._entries[index]

    def within(self, begin: int, end: int) -> Iterator[ErrorRange]:
        """The entries of `begin` … `end`, clipped to it."""
        index = bisect_right(self._entries, begin, key=_BY_END)
        while index < len(self._entries) and self._entries[index].lba < end:
            entry = self._entries[index]
            yield entry.part(max(entry.lba, begin), min(entry.end, end))
            index += 1

    def add(self, story: ErrorRange) -> None:
        """Add the attempts of `story` to what is known of its sectors."""
        entries = self._entries
        low = bisect_right(entries, story.lba, key=_BY_END)
        high = bisect_left(entries, story.end, key=_BY_LBA)
        touched = entries[low:high]
        fresh = list(_overlay(touched, story))
        # The neighbours may now have the same story.
        low, high = max(low - 1, 0), min(high + 1, len(entries))
        before = [entry for entry in entries[low:high] if entry.end <= fresh[0].lba]
        after = [entry for entry in entries[low:high] if entry.lba >= fresh[-1].end]
        entries[low:high] = _joined([*before, *fresh, *after])

    def merge(self, other: ErrorBook) -> None:
        """Add all of another book."""
        for entry in other:
            self.add(entry)


def _overlay(touched: list[ErrorRange], story: ErrorRange) -> Iterator[ErrorRange]:
    at = story.lba
    for entry in touched:
        if entry.lba < at:
            yield entry.part(entry.lba, at)
        elif entry.lba > at:
            yield story.part(at, entry.lba)
        begin, end = max(entry.lba, at), min(entry.end, story.end)
        yield _combined(entry, story).part(begin, end)
        if entry.end > end:
            yield entry.part(end, entry.end)
        at = end
    if at < story.end:
        yield story.part(at, story.end)


def _combined(old: ErrorRange, new: ErrorRange) -> ErrorRange:
    latest = new if new.last >= old.last else old
    return replace(
        latest,
        attempts=old.attempts + new.attempts,
        alone=old.alone + new.alone,
        first=min(old.first, new.first),
        last=max(old.last, new.last),
    )


def _joined(entries: Iterable[ErrorRange]) -> list[ErrorRange]:
    result: list[ErrorRange] = []
    for entry in entries:
        if result and result[-1].end == entry.lba and _same_story(result[-1], entry):
            result[-1] = replace(
                result[-1],
                count=result[-1].count + entry.count,
                first=min(result[-1].first, entry.first),
                last=max(result[-1].last, entry.last),
            )
        else:
            result.append(entry)
    return result


def _same_story(a: ErrorRange, b: ErrorRange) -> bool:
    return (a.why, a.sense, a.attempts, a.alone) == (b.why, b.sense, b.attempts, b.alone)
