# SPDX-License-Identifier: Apache-2.0
"""Sector maps of discs that are hurt as real ones are; ``python -m tests.damaged`` draws one.

The hurts are those of the virtual drive; what a drive would make of them is only guessed here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagerd.devices.virtual.surface import Hurt, SurfaceFault, wear_of
from imagerd.disc.layout import Layout, TrackMode, single_track
from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import ErrorRange, Why
from imagerd.recovery.picture.surface import state_picture
from imagerd.recovery.picture.svg import svg
from imagerd.recovery.sectormap import SectorMap

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "surface.svg"
HURTS = (
    SurfaceFault(what=Hurt.SCRATCH, angle=0.12, inner=30, outer=54, width=3.2, slant=0.004),
    SurfaceFault(what=Hurt.RING, inner=41, outer=41.4, width=4, arc=0.4, angle=0.5),
    SurfaceFault(what=Hurt.ROT, inner=57.2, size=0.3, strength=40),
)


def damaged(layout: Layout, hurts: tuple[SurfaceFault, ...] = HURTS) -> SectorMap:
    """What is left of a disc of one session: ruined sectors FAILED, hurt ones SUSPECT or mended."""
    wear = wear_of(hurts, layout, seed=1)
    touched = wear.touched(8.0)
    luck = np.random.default_rng(3).random(layout.end)
    states = np.full(layout.end, SectorState.PROVEN, np.uint8)
    states[touched & (luck < 0.2)] = SectorState.SUSPECT
    states[wear.core > 300] = SectorState.FAILED
    sectors = SectorMap(layout.ranges())
    sectors.raise_to(0, states)
    for lba in np.flatnonzero(touched).tolist():
        tries = min(1 + int(wear.core[lba] / 60), 16)
        sectors.errors.add(ErrorRange(lba, 1, Why.MEDIUM, (3, 17, 5), tries, tries, 1e9, 1e9))
    for lba in np.flatnonzero(touched & (luck > 0.9)).tolist():
        if states[lba] == SectorState.PROVEN:
            sectors.repaired.add(range(lba, lba + 1))
    return sectors


def main() -> None:
    """Draw the picture of docs/report.md."""
    layout = single_track(333_000, TrackMode.MODE1)
    PICTURE.write_text(svg(state_picture(damaged(layout), layout, "FIELD_NOTES")))


if __name__ == "__main__":
    main()
