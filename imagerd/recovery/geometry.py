# SPDX-License-Identifier: Apache-2.0
"""Where sectors lie on the disc: damage is round or radial, so skips are measured in turns.

All media are one spiral at constant linear density: see `imagerd.disc.spiral`. Of several layers
the odd ones are read inward (opposite track path), from where the one before them ended.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Layout
from imagerd.disc.spiral import SPIRALS, Places


class Geometry:
    """Places, turns and speeds of one disc."""

    def __init__(self, layout: Layout) -> None:
        self.spiral = SPIRALS[layout.medium]
        self._layers = layout.layers
        self._bounds = (layout.start, *layout.layers, max(layout.end, *layout.layers, 0))

    @property
    def layers(self) -> tuple[range, ...]:
        """The LBAs of each layer, from the first."""
        bounds = self._bounds
        return tuple(range(a, b) for a, b in pairwise(bounds))

    def sectors_per_turn(self, lba: int) -> int:
        """Sectors of the turn that `lba` lies in: 9 to 22 on a CD, up to 75 on a DVD."""
        layer = bisect_right(self._layers, lba)
        return max(1, round(self.spiral.sectors_per_turn(float(self._inside(layer, lba)))))

    def turns(self, layer: int, lbas: npt.ArrayLike) -> Places:
        """Turns of `layer` between its inner edge and the beginnings of `lbas`.

        The fraction is the angle: in the direction of reading on even layers, against it on odd
        ones, where turns fall as LBAs rise.
        """
        return self.spiral.turns(self._inside(layer, lbas))

    def radii(self, lbas: npt.ArrayLike) -> Places:
        """Metres from the centre to the beginning of each of `lbas`."""
        wanted = np.asarray(lbas, np.float64)
        layer = np.searchsorted(self._layers, wanted, side="right")
        result = np.empty_like(wanted)
        for number in np.unique(layer).tolist():
            here = layer == number
            result[here] = self.spiral.radii(self._inside(number, wanted[here]))
        return result

    def kb_s(self, times: int) -> int:
        """`times` the medium's 1x in kB/s, rounded up as drives like it."""
        return math.ceil(self.spiral.rate * times)

    def _inside(self, layer: int, lbas: npt.ArrayLike) -> Places:
        """Sectors between the inner edge of `layer` and each of `lbas`."""
        since = np.asarray(lbas, np.float64) - (self._layers[layer - 1] if layer else 0)
        return np.maximum(self._layers[0] - since if layer % 2 else since, 0.0)
