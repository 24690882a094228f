# SPDX-License-Identifier: Apache-2.0
"""Sectors that are wrong in the same way at every reading: to go on with them seldom pays."""

from __future__ import annotations

import numpy as np

from imagerd.recovery.conclude import Kind
from imagerd.recovery.keeping import Keeper

_SAME = 6  # readings of the same wrong bytes
_FLAGGED = 5  # distinct readings of audio that have a flagged byte in common


def is_stuck(keeper: Keeper, lba: int) -> bool:
    """Whether all readings are alike, or, of audio, all are flagged at one and the same byte.

    Where random bytes are wrong, five readings hardly ever flag one together; a hole in the disc is
    flagged each time, and nothing but a reading without a flag there can tell what it was.
    """
    evidence = keeper.workspace.evidence
    seen = [one for one in evidence.observations(lba) if one.independent]
    if len(seen) >= _SAME and len({one.digest for one in seen}) == 1:
        return True
    if len(seen) < _FLAGGED or keeper.kind_of(lba) is not Kind.AUDIO:
        return False
    c2 = [reading.c2 for _, reading in evidence.readings(lba)]
    if len(c2) < _FLAGGED or any(flags is None for flags in c2):
        return False
    return bool(np.bitwise_and.reduce([flags for flags in c2 if flags is not None]).any())
