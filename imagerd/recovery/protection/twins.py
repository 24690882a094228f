# SPDX-License-Identifier: Apache-2.0
"""Twin sectors (Tages): two sectors of one address, the one found going up, the other going down.

They show only in two readings of the whole area, one in ascending and one in descending order.
Each sector of both readings must prove itself; so damage is never taken for a twin.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from imagerd.disc.source import Sectors, SectorSource
from imagerd.recovery.protection.facts import Confidence, Finding
from imagerd.sectors.geometry import RAW
from imagerd.sectors.verify import check_data

_BLOCK = 512  # sectors
_ENOUGH = 2
_BASIS = (
    "That forward and backward readings of twin sectors differ is what DiscImageCreator makes use"
    " of; that both must prove themselves is our demand."
)


def twin_sectors(
    forward: SectorSource, backward: SectorSource, areas: Iterable[range]
) -> Finding | None:
    """Compare two readings of the same CD; sectors in both of which the EDC is right and that
    differ are twins. They are good, each of them: nothing is expected to be bad.
    """
    twins: list[int] = []
    for area in areas:
        at = area.start
        while at < area.stop:
            one = forward.read(at, min(_BLOCK, area.stop - at))
            other = backward.read(at, len(one))
            count = min(len(one), len(other))
            twins += _differing(one, other, count)
            at += count
    if len(twins) < _ENOUGH:
        return None
    evidence = (
        f"{len(twins)} sectors, the first at LBA {twins[0]}, have two contents, both with a right"
        " EDC: one when read upward, another when read downward.",
    )
    return Finding("Tages", Confidence.CERTAIN, evidence, _BASIS)


def _differing(one: Sectors, other: Sectors, count: int) -> list[int]:
    if one.format.size < RAW or other.format.size < RAW:
        return []
    a, b = one.data[:count, :RAW], other.data[:count, :RAW]
    differ = np.flatnonzero((a != b).any(axis=1))
    if not len(differ):
        return []
    return [
        one.lba + int(row)
        for row in differ
        if _proven(a[row : row + 1], one.lba + int(row))
        and _proven(b[row : row + 1], one.lba + int(row))
    ]


def _proven(row: np.ndarray[tuple[int, int], np.dtype[np.uint8]], lba: int) -> bool:
    return bool(check_data(np.ascontiguousarray(row), lba, parity=False).proven[0])
