# SPDX-License-Identifier: Apache-2.0
"""What recognisers look at, and what they find."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from imagerd.disc.layout import Layout
from imagerd.filesystems.filetable import FileTable
from imagerd.filesystems.volume import VolumeInfo
from imagerd.recovery.evidence import Code, Why
from imagerd.recovery.oddq import OddQ

# How sectors fail that were made so: the drive finds the place, and the bytes do not check.
DEFECTS = frozenset({Why.MEDIUM, Why.EDC, Why.C2})
TRIED = frozenset(Why) - {Why.NONE}
ANY = frozenset(Why)


class Confidence(StrEnum):
    """How sure a finding is."""

    CERTAIN = "certain"  # nothing else is known to look like this
    LIKELY = "likely"
    POSSIBLE = "possible"  # a hint to a person; never with expected sectors


class Channel(StrEnum):
    """What of the expected sectors is bad."""

    SECTORS = "sectors"  # the sector itself
    Q = "q"  # its Q subchannel only


@dataclass(frozen=True, slots=True)
class Finding:
    """A protection. `evidence`: sentences that a person can check on the disc.

    `expected` are the sectors whose badness is meant: each of them is bad, none holds content, and
    reading them again is in vain. `basis` tells where the rule comes from and how sure it is.
    """

    name: str
    confidence: Confidence
    evidence: tuple[str, ...]
    basis: str
    expected: tuple[range, ...] = ()
    channel: Channel = Channel.SECTORS

    @property
    def sectors(self) -> int:
        """How many are expected to be bad."""
        return sum(map(len, self.expected))


@dataclass(frozen=True, slots=True)
class BadRange:
    """`count` sectors from `lba` that are bad for one reason; NONE: that were not tried yet."""

    lba: int
    count: int
    why: Why
    sense: Code | None = None

    @property
    def end(self) -> int:
        """One past the last LBA."""
        return self.lba + self.count


class BadSectors:
    """Disjoint `BadRange`s in the order of their LBAs."""

    def __init__(self, ranges: Iterable[BadRange] = ()) -> None:
        self._ranges = sorted(ranges, key=lambda bad: bad.lba)
        self._ends = [bad.end for bad in self._ranges]
        self.total = sum(bad.count for bad in self._ranges)

    def __iter__(self) -> Iterator[BadRange]:
        return iter(self._ranges)

    def within(self, area: range, whys: frozenset[Why] = DEFECTS) -> tuple[range, ...]:
        """The bad sectors of `area` that are so for one of `whys`, neighbours joined."""
        found: list[range] = []
        first = bisect_right(self._ends, area.start)
        last = bisect_left(self._ranges, area.stop, key=lambda bad: bad.lba)
        for bad in self._ranges[first:last]:
            if bad.why not in whys:
                continue
            begin, end = max(bad.lba, area.start), min(bad.end, area.stop)
            if found and found[-1].stop == begin:
                found[-1] = range(found[-1].start, end)
            else:
                found.append(range(begin, end))
        return tuple(found)

    def count(self, area: range, whys: frozenset[Why] = ANY) -> int:
        """How many sectors of `area` are bad for one of `whys`."""
        return sum(map(len, self.within(area, whys)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a disc once every sector has been tried.

    `application_use` is that field of the primary volume descriptor (ECMA-119, 8.4.33).
    `odd_q`: the frames of Q that are not what they should be, where the drive gives Q.
    `programs`: executables by path, with the names of their sections. `played`: the LBAs that
    the programs of a DVD-Video play; None if it is none or they cannot be read. `twins`: sectors
    that were found to have two contents, both with a right EDC.
    """

    layout: Layout
    bad: BadSectors = field(default_factory=BadSectors)
    files: FileTable = field(default_factory=FileTable)
    volume: VolumeInfo | None = None
    application_use: bytes = b""
    odd_q: tuple[OddQ, ...] = ()
    programs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    played: tuple[range, ...] | None = None
    twins: tuple[int, ...] = ()
