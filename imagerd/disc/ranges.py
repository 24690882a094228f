# SPDX-License-Identifier: Apache-2.0
"""LBA ranges out of masks, joined where they touch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Extent:
    """How many sectors, and where: half-open LBA ranges, ascending, never touching."""

    count: int = 0
    ranges: tuple[range, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[range]) -> Extent:
        """Join touching or overlapping ranges, in any order."""
        joined = tuple(join(ranges))
        return cls(sum(len(item) for item in joined), joined)

    def __bool__(self) -> bool:
        return self.count > 0


NOWHERE = Extent()


def from_mask(lba: int, mask: npt.NDArray[np.bool_]) -> list[range]:
    """The runs of true rows; row 0 is `lba`."""
    if not mask.any():
        return []
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [
        range(lba + int(first), lba + int(stop))
        for first, stop in zip(edges[::2], edges[1::2], strict=True)
    ]


def join(ranges: Iterable[range]) -> list[range]:
    """Sorted, touching ones made one; empty ones dropped."""
    joined: list[range] = []
    for item in sorted((item for item in ranges if item), key=lambda item: item.start):
        if joined and item.start <= joined[-1].stop:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, item.stop))
        else:
            joined.append(item)
    return joined


def pieces(area: range, most: int) -> list[range]:
    """Cut `area` into ranges of at most `most` sectors."""
    return [range(at, min(at + most, area.stop)) for at in range(area.start, area.stop, most)]


def without(areas: Iterable[range], holes: Iterable[range]) -> list[range]:
    """What is left of `areas` when `holes` are cut out."""
    left = join(areas)
    for hole in join(holes):
        cut: list[range] = []
        for area in left:
            cut.append(range(area.start, min(area.stop, hole.start)))
            cut.append(range(max(area.start, hole.stop), area.stop))
        left = [area for area in cut if area]
    return left
