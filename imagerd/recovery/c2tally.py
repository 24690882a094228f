# SPDX-License-Identifier: Apache-2.0
"""What a drive's C2 pointers said of the data sectors of a disc, which prove themselves.

A sector counts once, as it first came with C2 in a run, and as wrong only if it came right in the
end: then it was the reading that was wrong. A sector that never comes right may have been mastered
so, as copy protections do; silence about that speaks against no drive.
"""

from __future__ import annotations

import numpy as np

from imagerd.devices.knowledge.c2 import C2Counts
from imagerd.disc.layout import Layout
from imagerd.disc.source import Bytes2D, SectorState
from imagerd.recovery.sectormap import SectorMap
from imagerd.sectors.geometry import Flags

_SEEN, _WRONG, _MARKED = 1, 2, 4


class C2Tally:
    """A byte for each sector of the disc."""

    def __init__(self, layout: Layout) -> None:
        self._start = layout.start
        self._first = np.zeros(layout.end - layout.start, np.uint8)

    def add(self, lba: int, proven: Flags, wrong: Flags, c2: Bytes2D | None) -> None:
        """A block from `lba` on: (n,) which rows prove themselves, and which are wrong for sure.

        Rows that are neither do not count; without C2 nothing does.
        """
        if c2 is None:
            return
        first = self._first[lba - self._start : lba - self._start + len(c2)]
        fresh = (first == 0) & (proven | wrong)
        told = _SEEN | _WRONG * wrong | _MARKED * c2.any(axis=1)
        first[fresh] = told[fresh]

    def counts(self, sectors: SectorMap) -> C2Counts:
        """What it comes to with `sectors` as they are known in the end."""
        proven = sectors.states(self._start, len(self._first)) == SectorState.PROVEN
        told = np.bincount(self._first[proven], minlength=8)
        return C2Counts(
            wrong_silent=int(told[_SEEN | _WRONG]),
            wrong_marked=int(told[_SEEN | _WRONG | _MARKED]),
            right_marked=int(told[_SEEN | _MARKED]),
            right_silent=int(told[_SEEN]),
        )
