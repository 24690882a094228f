# SPDX-License-Identifier: Apache-2.0
"""What each sector says about itself: the arithmetic of `verify`, one block at a time.

Every sector gets exactly one verdict, so the counts of a track add up to its sectors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import SectorFormat, Track
from imagerd.disc.msf import LBA_MAX
from imagerd.disc.ranges import from_mask
from imagerd.disc.source import FaultKind, Sectors, SectorSource, SectorState
from imagerd.formats.rawform import to_raw
from imagerd.sectors.blocks import blocks_of
from imagerd.sectors.verify import EdcState, SectorKind, check_data

# Stored forms that keep EDC and parity; from the others (2048, 2324, 2332) they were left out.
PROVABLE = frozenset({SectorFormat.RAW, SectorFormat.RAW_SUB, SectorFormat.MODE2})
_NO_DATA = (SectorKind.NO_SYNC, SectorKind.INVALID_MODE, SectorKind.AUDIO)
_BATCH = 1024  # sectors read and checked at once: 2.4 MB


class Verdict(IntEnum):
    """In the order of precedence: a sector that is several gets the last that fits."""

    GOOD = 0  # sync, header, EDC and, where the sector has it, parity are right; mode 0 is zeros
    UNPROVEN = 1  # nothing in it could prove it: audio, 2048-byte sectors, formless mode 2
    NOT_COMPUTED = 2  # mode 2 form 2 with an EDC of 0, which is legal: not computed
    DOUBTFUL = 3  # nothing in it proves it, and the drive (C2) or its account cast doubt on it
    WRONG_PARITY = 4  # the EDC is right, P or Q is not: the user data are proven
    WRONG_EDC = 5
    WRONG_HEADER = 6  # no sync pattern, no mode that fits, or the address of another sector
    UNREADABLE = 7


BAD = (
    Verdict.DOUBTFUL,
    Verdict.WRONG_PARITY,
    Verdict.WRONG_EDC,
    Verdict.WRONG_HEADER,
    Verdict.UNREADABLE,
)
_UNPROVEN = (Verdict.UNPROVEN, Verdict.NOT_COMPUTED)


@dataclass(slots=True)
class Tally:
    """Verdicts counted over a range of one track, and where the bad ones lie."""

    counts: list[int] = field(default_factory=lambda: [0] * len(Verdict))
    ranges: dict[Verdict, list[range]] = field(default_factory=dict)
    faults: dict[FaultKind, int] = field(default_factory=dict)
    pregap: int = 0  # sectors at its end that are the next track's pregap

    def add(self, block: Sectors, verdicts: npt.NDArray[np.uint8]) -> None:
        """Count the verdicts of the sectors of `block`."""
        for fault in block.faults:
            self.faults[fault.kind] = self.faults.get(fault.kind, 0) + fault.count
        counts = np.bincount(verdicts, minlength=len(Verdict))
        for verdict in Verdict:
            self.counts[verdict] += int(counts[verdict])
        for verdict in BAD:
            if counts[verdict]:
                found = from_mask(block.lba, verdicts == verdict)
                self.ranges.setdefault(verdict, []).extend(found)

    def merge(self, other: Tally) -> None:
        """Add the counts and ranges of another part of the same track."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        for verdict, found in other.ranges.items():
            self.ranges.setdefault(verdict, []).extend(found)
        for kind, count in other.faults.items():
            self.faults[kind] = self.faults.get(kind, 0) + count


def is_provable(track: Track) -> bool:
    """Whether the stored sectors of `track` carry anything to prove them by."""
    return track.is_data and track.stored in PROVABLE


def address_of(block: Sectors) -> int | None:
    """The LBA that the headers of `block` must name; None where MSF has no address for it.

    A GD-ROM goes on beyond 99:59:74.
    """
    return block.lba if block.end - 1 <= LBA_MAX else None


def judge(block: Sectors, track: Track) -> npt.NDArray[np.uint8]:
    """The `Verdict` of each sector of `block`, (n,)."""
    if is_provable(track):
        verdicts = _judge_raw(block, track)
    else:
        verdicts = np.full(len(block), Verdict.UNPROVEN, np.uint8)
    lowest = int(block.states.min(initial=SectorState.READ))
    if lowest <= SectorState.SUSPECT:
        suspect = (block.states == SectorState.SUSPECT) & np.isin(verdicts, _UNPROVEN)
        verdicts[suspect] = Verdict.DOUBTFUL
        verdicts[block.states <= SectorState.FAILED] = Verdict.UNREADABLE
    return verdicts


def _judge_raw(block: Sectors, track: Track) -> npt.NDArray[np.uint8]:
    raw = block.data
    if block.format is not SectorFormat.RAW:
        raw = to_raw(raw, block.format, track.mode, block.lba)
    check = check_data(raw, address_of(block))
    formless = check.kind == SectorKind.MODE2
    misframed = ~(check.sync_ok & check.header_ok) | np.isin(check.kind, _NO_DATA)
    misframed |= (check.kind == SectorKind.MODE0) & ~check.proven  # mode 0 is nothing but zeros
    verdicts = np.full(len(block), Verdict.GOOD, np.uint8)
    verdicts[formless] = Verdict.UNPROVEN
    verdicts[check.edc == EdcState.NOT_COMPUTED] = Verdict.NOT_COMPUTED
    verdicts[check.parity_wrong] = Verdict.WRONG_PARITY
    verdicts[check.edc == EdcState.WRONG] = Verdict.WRONG_EDC
    verdicts[misframed] = Verdict.WRONG_HEADER
    return verdicts


def tally(source: SectorSource, track: Track, area: range) -> Tally:
    """Read `area` of `track` and count what its sectors say."""
    result = Tally()
    for block in blocks_of(source, area, _BATCH):
        result.add(block, judge(block, track))
    return result
