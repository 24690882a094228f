# SPDX-License-Identifier: Apache-2.0
"""What the bytes themselves tell of a sector's state, where nobody remembers how it was read."""

from __future__ import annotations

from typing import Final

import numpy as np

from imagerd.disc.layout import SectorFormat, Track
from imagerd.disc.source import Bytes2D, Sectors, SectorState, States
from imagerd.formats.written import MARKER
from imagerd.sectors.geometry import BODY, EDC_FORM1, Flags
from imagerd.sectors.verify import check_data

_USER_DATA: Final = (0, BODY, BODY + 8)  # as stored; of mode 1; of mode 2
_RAW: Final = (SectorFormat.RAW, SectorFormat.RAW_SUB)


def stored_raw(track: Track) -> bool:
    """Whether all 2352 bytes of its sectors were read; an EDC that is generated proves nothing."""
    return track.stored in _RAW


def judged_data(block: Sectors, track: Track) -> States:
    """The states of raw sectors of a data track.

    One whose EDC, as it was read, proves it is PROVEN. One that it does not prove and whose body is
    one byte all over, or our marker, is filling: FAILED.
    """
    states = block.states.copy()
    proven = np.zeros(len(block), np.bool_)
    if stored_raw(track):
        proven = check_data(block.data, block.lba, parity=False).proven
    read = states == SectorState.READ
    states[read & proven] = SectorState.PROVEN
    for row in np.flatnonzero((states > SectorState.FAILED) & ~proven).tolist():
        if _is_filling(block.data[row : row + 1]):
            states[row] = SectorState.FAILED
    return states


def has_marker(rows: Bytes2D) -> Flags:
    """(n,): rows that hold the marker which our images have for what could not be read: from their
    first byte on, or in the user data that raw sectors were generated of.
    """
    marker = np.frombuffer(MARKER, np.uint8)
    found: Flags = np.zeros(len(rows), np.bool_)
    for start in _USER_DATA:
        found |= (rows[:, start : start + len(marker)] == marker).all(axis=1)
    return found


def _is_filling(row: Bytes2D) -> bool:
    body = row[:, BODY:EDC_FORM1]
    return bool((body == body[:, :1]).all() or has_marker(row)[0])
