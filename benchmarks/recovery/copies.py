# SPDX-License-Identifier: Apache-2.0
"""Three damaged copies of one disc, none readable alone: how often do they make the whole disc?

Each copy is read for a short while, as a person would who has three; then the jobs are merged, as
`imagerctl merge` does it. A case counts only if every copy lacks sectors.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from itertools import repeat
from pathlib import Path

from benchmarks.recovery.bench import Held, bench_of, right_rows
from benchmarks.recovery.discs import Disc, copies, image_of
from benchmarks.recovery.imagerd_client import by
from imagerd.base.progress import run
from imagerd.devices.drive import OpticalDrive
from imagerd.disc.source import SectorState
from imagerd.recovery.budget import Budget
from imagerd.toolkit.jobs import JobSource
from imagerd.toolkit.merge import merged_source

CASES = (
    *(("radial scratches", seed) for seed in (7001, 7002, 7003, 7004)),
    *(("circumferential scratches", seed) for seed in (7001, 7002, 7003)),
    *(("rot from the rim", seed) for seed in (7001, 7002, 7003)),
)
_SECONDS = 60.0


def markdown(images: Path) -> str:
    """A table of all cases."""
    images.mkdir(exist_ok=True)
    image_of("mode1", images)
    lines = ["| damage | each copy lacks | together |", "|---|---|---|"]
    whole = cases = 0
    with ProcessPoolExecutor() as pool:
        for (kind, _), found in zip(CASES, pool.map(_case, CASES, repeat(images)), strict=True):
            if found is None:
                continue
            missing, left = found
            cases += 1
            whole += left == 0
            together = "complete" if left == 0 else f"{left} missing"
            lines.append(f"| {kind} | {', '.join(map(str, missing))} | {together} |")
    return "\n".join(lines) + f"\n\nComplete: {whole} of {cases}."


def _case(which: tuple[str, int], images: Path) -> tuple[list[int], int] | None:
    with tempfile.TemporaryDirectory() as folder:
        return case(*which, images, Path(folder))


def case(kind: str, seed: int, images: Path, folder: Path) -> tuple[list[int], int] | None:
    """Sectors that each of three copies lacks, and all together; None if one lacks none."""
    discs = copies(kind, "mode1", "office", seed, 3)
    folders = [folder / str(number) for number in range(len(discs))]
    helds = [_read(disc, images, job) for disc, job in zip(discs, folders, strict=True)]
    missing = [int((~held.good).sum()) for held in helds]
    return (missing, _together(folders, discs[0], images)) if all(missing) else None


def _read(disc: Disc, images: Path, folder: Path) -> Held:
    with bench_of(disc, images, 4 * _SECONDS) as bench:
        drive = OpticalDrive(bench)
        drive.wait_ready(60)
        drive.identify()
        return by(Budget(seconds=_SECONDS))(bench, drive, folder)


def _together(folders: Sequence[Path], disc: Disc, images: Path) -> int:
    """Sectors that the merged jobs lack; what they have is right."""
    with ExitStack() as stack:
        jobs = [stack.enter_context(closing(JobSource.open(folder))) for folder in folders]
        merged = run(merged_source(jobs))
        lba, left = merged.layout.start, 0
        while lba < merged.layout.end:
            block = merged.read(lba, merged.layout.end - lba)
            good = block.states >= SectorState.READ
            assert right_rows(disc, images, block.data, lba)[good].all()
            left += int((~good).sum())
            lba = block.end
    return left
