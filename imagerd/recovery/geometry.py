# SPDX-License-Identifier: Apache-2.0
"""Where sectors lie on the disc: damage is round or radial, so skips are measured in turns.

All media are one spiral at constant linear density. Figures: ECMA-130 (CD), ECMA-267 (DVD),
ISO/IEC 30190 (BD).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from imagerd.disc.layout import Layout, Medium


@dataclass(frozen=True, slots=True)
class Spiral:
    """Metres: `inner` radius of LBA 0, track `pitch`, length of a `sector` along the track.

    `rate` is kB/s at 1x; `block` the sectors that are corrected together.
    """

    inner: float
    pitch: float
    sector: float
    rate: float
    block: int


_SPIRALS = {
    Medium.CD: Spiral(25.0e-3, 1.6e-6, 1.3 / 75, 176.4, 1),
    Medium.DVD: Spiral(24.0e-3, 0.74e-6, 3.49 / 676.1, 1385.0, 16),
    Medium.HDDVD: Spiral(24.0e-3, 0.4e-6, 6.61 / 2231.0, 4568.0, 32),
    Medium.BD: Spiral(24.0e-3, 0.32e-6, 4.917 / 2195.0, 4495.5, 32),
}


class Geometry:
    """Turns and speeds of one disc."""

    def __init__(self, layout: Layout) -> None:
        self.spiral = _SPIRALS[layout.medium]
        self._layers = layout.layers

    def sectors_per_turn(self, lba: int) -> int:
        """Sectors of the turn that `lba` lies in: 9 to 22 on a CD, up to 75 on a DVD."""
        along = max(self._from_inside(lba), 0)
        spiral = self.spiral
        radius = math.sqrt(spiral.inner**2 + along * spiral.sector * spiral.pitch / math.pi)
        return max(1, round(2 * math.pi * radius / spiral.sector))

    def kb_s(self, times: int) -> int:
        """`times` the medium's 1x in kB/s, rounded up as drives like it."""
        return math.ceil(self.spiral.rate * times)

    def _from_inside(self, lba: int) -> int:
        """Sectors between the inner edge and `lba` on its layer; odd layers run inward."""
        layer = bisect_right(self._layers, lba)
        since = lba - self._layers[layer - 1] if layer else lba
        # Opposite track path: an odd layer goes back from where the one before it ended.
        return max(self._layers[0] - since, 0) if layer % 2 else since
