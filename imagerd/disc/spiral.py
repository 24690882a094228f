# SPDX-License-Identifier: Apache-2.0
"""Where a sector lies on its disc: radius and angle on the spiral, which every medium is.

The linear density is constant, so the place follows from the sector's number. Figures: ECMA-130
(CD), ECMA-267 (DVD), ISO/IEC 30190 (BD).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Medium

Places = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spiral:
    """Metres: `inner` radius of sector 0, track `pitch`, length of a `sector` along the track.

    `rate` is kB/s at 1x; `block` the sectors that are corrected together; `outer` the radius where
    the data of the largest disc end.
    """

    inner: float
    outer: float
    pitch: float
    sector: float
    rate: float
    block: int

    def radius(self, sector: float) -> float:
        """Metres from the centre to the beginning of a sector, counted from the inner edge."""
        along = max(sector, 0) * self.sector
        return math.sqrt(self.inner**2 + along * self.pitch / math.pi)

    def radii(self, sectors: npt.ArrayLike) -> Places:
        """`radius` of many sectors."""
        along = np.maximum(np.asarray(sectors, np.float64), 0) * self.sector
        result: Places = np.sqrt(self.inner**2 + along * self.pitch / np.pi)
        return result

    def turns(self, sectors: npt.ArrayLike) -> Places:
        """Turns since sector 0; what lies behind the point is the angle."""
        result: Places = (self.radii(sectors) - self.inner) / self.pitch
        return result

    def sector_at(self, turns: npt.ArrayLike) -> Places:
        """The (fractional) sector that is reached after so many turns: `turns` backwards."""
        radius = self.inner + np.asarray(turns, np.float64) * self.pitch
        result: Places = (radius**2 - self.inner**2) * np.pi / self.pitch / self.sector
        return result

    def sectors_per_turn(self, sector: float) -> float:
        """How many sectors the turn at `sector` has."""
        return 2 * math.pi * self.radius(sector) / self.sector


SPIRALS: Final = {
    Medium.CD: Spiral(25.0e-3, 58.0e-3, 1.6e-6, 1.3 / 75, 176.4, 1),
    Medium.DVD: Spiral(24.0e-3, 58.0e-3, 0.74e-6, 3.49 / 676.1, 1385.0, 16),
    Medium.HDDVD: Spiral(24.0e-3, 58.0e-3, 0.4e-6, 6.61 / 2231.0, 4568.0, 32),
    Medium.BD: Spiral(24.0e-3, 58.0e-3, 0.32e-6, 4.917 / 2195.0, 4495.5, 32),
}
