# SPDX-License-Identifier: Apache-2.0
"""The cells of a disc as pixels: each pixel shows the cell at its middle, and each cell that
stands out shows in the pixel at its own middle, so none falls between two pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagerd.recovery.picture.polar import Cells
from imagerd.recovery.picture.surface import HOLE, HUB_END, RADIUS, Disc, Picture

Pixels = npt.NDArray[np.uint8]
Distances = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Canvas:
    """A square of `size` pixels around a disc that fills it."""

    size: int

    def radii(self) -> Distances:
        """(size, size) mm of each pixel's middle from the centre."""
        x, y = self._axes()
        result: Distances = np.hypot(x, y)
        return result

    def values(self, picture: Picture, disc: Disc) -> Pixels:
        """(size, size) values of the scheme; 0 where no sector lies."""
        x, y = self._axes()
        rings, cells = disc.cells.shape
        step = (picture.outer - picture.inner) / rings
        ring = np.floor((np.hypot(x, y) - picture.inner) / step).astype(np.int64)
        cell = np.floor(np.arctan2(x, -y) / (2 * np.pi) * cells).astype(np.int64) % cells
        found = disc.cells[np.clip(ring, 0, rings - 1), cell]
        pixels: Pixels = np.where((ring >= 0) & (ring < rings), found, 0).astype(np.uint8)
        self._scatter(pixels, picture, disc.cells)
        return pixels

    def _scatter(self, pixels: Pixels, picture: Picture, cells: Cells) -> None:
        ring, cell = np.nonzero(cells)
        values = cells[ring, cell]
        loud = values > picture.scheme.calm
        if self.size * (picture.outer - picture.inner) < 2 * RADIUS * len(cells):
            loud[:] = True  # several rings to a pixel: the worst of all, the ground's too
        ring, cell, values = ring[loud], cell[loud], values[loud]
        radius = picture.inner + (ring + 0.5) * (picture.outer - picture.inner) / len(cells)
        angle = (cell + 0.5) * 2 * np.pi / cells.shape[1]
        scale = self.size / (2 * RADIUS)
        row = (self.size / 2 - radius * np.cos(angle) * scale).astype(np.int64)
        column = (self.size / 2 + radius * np.sin(angle) * scale).astype(np.int64)
        np.maximum.at(pixels, (row, column), values)

    def _axes(self) -> tuple[Distances, Distances]:
        """mm of the pixels' middles to the right of the centre (1, size), and below (size, 1)."""
        at = (np.arange(self.size) + 0.5 - self.size / 2) * 2 * RADIUS / self.size
        return at[None, :], at[:, None]


def on_disc(radii: Distances) -> npt.NDArray[np.bool_]:
    """Whether there is disc at all."""
    result: npt.NDArray[np.bool_] = (radii >= HOLE) & (radii <= RADIUS)
    return result


def on_hub(radii: Distances) -> npt.NDArray[np.bool_]:
    """Whether it is the clear inner part."""
    result: npt.NDArray[np.bool_] = (radii >= HOLE) & (radii <= HUB_END)
    return result
