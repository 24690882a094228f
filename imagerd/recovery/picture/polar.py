# SPDX-License-Identifier: Apache-2.0
"""Cells of a layer in polar coordinates, and which of them stretches of the spiral cover.

Exact and independent of the number of sectors: a stretch is cut into a piece in its first ring,
one in its last, and whole rings between; what is covered is then a sum over differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Cells = npt.NDArray[np.uint8]  # (rings, cells a ring)
Covered = npt.NDArray[np.bool_]
_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grid:
    """`rings` of `per` turns each, from the inner edge outwards; `cells` in each."""

    rings: int
    per: int
    cells: int

    @classmethod
    def of(cls, turns: float, most: int, cells: int) -> Grid:
        """For a disc of so many turns: a ring per turn, or the fewest turns that make `most`."""
        whole = max(int(np.ceil(turns)), 1)
        per = -(-whole // max(most, 1))
        return cls(-(-whole // per), per, cells)

    def covered(self, begins: npt.ArrayLike, ends: npt.ArrayLike) -> Covered:
        """(rings, cells): those that the stretches touch, given in turns from the inner edge.

        Every stretch touches a cell, however short it is.
        """
        steps, top = self.per * self.cells, self.rings * self.per * self.cells
        first = np.floor(np.asarray(begins, np.float64) * self.cells).astype(np.int64)
        last = np.ceil(np.asarray(ends, np.float64) * self.cells).astype(np.int64)
        first = np.clip(first, 0, top - 1)
        last = np.clip(last, first + 1, top)
        inner, outer = first // steps, (last - 1) // steps
        sums = _Sums(self)
        same = inner == outer
        sums.add(inner[same], first[same], last[same])
        inner, outer, first, last = (part[~same] for part in (inner, outer, first, last))
        sums.add(inner, first, (inner + 1) * steps)
        sums.add(outer, outer * steps, last)
        sums.add_rings(inner + 1, outer)
        return sums.covered()


class _Sums:
    """Differences along each ring, and along the rings, whose running sums count the covers."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._edges = np.zeros(grid.rings * (grid.cells + 1), np.int64)
        self._rings = np.zeros(grid.rings + 1, np.int64)

    def add(self, ring: _Numbers, first: _Numbers, last: _Numbers) -> None:
        """Cells `first` … `last`, counted along the spiral, of one ring each."""
        cells = self._grid.cells
        length = last - first
        whole = length >= cells
        self.add_rings(ring[whole], ring[whole] + 1)
        ring, first, length = ring[~whole], first[~whole] % cells, length[~whole]
        end = first + length
        beyond = end > cells  # past the angle 0
        self._arc(ring, first, np.minimum(end, cells))
        self._arc(ring[beyond], np.zeros_like(end[beyond]), end[beyond] - cells)

    def add_rings(self, first: _Numbers, last: _Numbers) -> None:
        """The whole rings `first` … `last`."""
        size = len(self._rings)
        self._rings += np.bincount(first, minlength=size) - np.bincount(last, minlength=size)

    def covered(self) -> Covered:
        """Where a sum is not 0."""
        edges = self._edges.reshape(self._grid.rings, -1)[:, :-1]
        whole = np.cumsum(self._rings)[:-1, None]
        result: Covered = (np.cumsum(edges, axis=1) + whole) > 0
        return result

    def _arc(self, ring: _Numbers, first: _Numbers, last: _Numbers) -> None:
        at, size = ring * (self._grid.cells + 1), len(self._edges)
        self._edges += np.bincount(at + first, minlength=size)
        self._edges -= np.bincount(at + last, minlength=size)
