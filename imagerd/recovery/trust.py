# SPDX-License-Identifier: Apache-2.0
"""Whether a drive's C2 pointers can be believed: learned from what it reads of this disc.

Two readings of one audio sector that differ cannot both be right. Where they differ, one of them
should have been flagged; a byte that differs and is flagged in neither was missed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from imagerd.recovery.reader import Reading

_MOST_MISSED = 1 / 200  # of the bytes that differ


class C2Trust:
    """Counts. `known`: the drive gives C2 pointers at all."""

    def __init__(self, *, known: bool) -> None:
        self.known = known
        self.differing = 0  # bytes in which two readings differ
        self.missed = 0  # of these, flagged in neither

    def compare(self, reading: Reading, others: Iterable[Reading]) -> None:
        """Learn from a reading and earlier ones of the same sector."""
        if reading.c2 is None:
            return
        flags = np.unpackbits(reading.c2)
        for other in others:
            if other.c2 is None:
                continue
            other_flags = np.unpackbits(other.c2)
            differ = reading.data != other.data
            self.differing += int(differ.sum())
            self.missed += int((differ & (flags == 0) & (other_flags == 0)).sum())

    @property
    def trusted(self) -> bool:
        """Whether a byte that several readings do not flag may be taken for right."""
        return self.known and self.missed <= self.differing * _MOST_MISSED

    @property
    def blind(self) -> bool:
        """Whether it was seen to miss anything."""
        return not self.known or self.missed > 0
