# SPDX-License-Identifier: Apache-2.0
"""Three damaged copies of one disc, none readable alone: how often do they make the whole disc?

Each copy is read for a short while, as a person would who has three; then `imagerctl merge` puts
the images together. A case counts only if every copy lacks sectors.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.recovery.bench import Held, bench_of, right_rows
from benchmarks.recovery.discs import Disc, copies
from benchmarks.recovery.imagerd_client import by
from imagerd.devices.drive import OpticalDrive
from imagerd.recovery.budget import Budget
from imagerd.sectors.combine import combine

KINDS = ("radial scratches", "circumferential scratches", "rot from the rim", "fingerprints",
         "CD-R fading")  # fmt: skip
_SECONDS = 60.0


def markdown(images: Path) -> str:
    """A table of all cases."""
    images.mkdir(exist_ok=True)
    lines = ["| damage | each copy lacks | together |", "|---|---|---|"]
    whole = cases = 0
    for kind in KINDS:
        for seed in (7001, 7002):
            discs = copies(kind, "mode1", "office", seed, 3)
            helds = [_read(disc, images) for disc in discs]
            missing = [int((~held.good).sum()) for held in helds]
            if not all(missing):
                continue
            cases += 1
            left = _together(helds, discs[0], images)
            whole += left == 0
            together = "complete" if left == 0 else f"{left} missing"
            lines.append(f"| {kind} | {', '.join(map(str, missing))} | {together} |")
    return "\n".join(lines) + f"\n\nComplete: {whole} of {cases}."


def _read(disc: Disc, images: Path) -> Held:
    with tempfile.TemporaryDirectory() as folder, bench_of(disc, images, 4 * _SECONDS) as bench:
        drive = OpticalDrive(bench)
        drive.wait_ready(60)
        drive.identify()
        return by(Budget(seconds=_SECONDS))(bench, drive, Path(folder) / "work")


def _together(helds: list[Held], disc: Disc, images: Path) -> int:
    """Sectors that no combination of the three images proves."""
    good = np.logical_or.reduce([held.good for held in helds])
    left = 0
    for lba in np.flatnonzero(~good).tolist():
        rows = np.stack([held.rows[lba] for held in helds])
        found = combine(rows, lba=lba, mode2=False)
        if found is None:
            left += 1
        else:
            assert right_rows(disc, images, found.data[np.newaxis], lba).all()
    return left
