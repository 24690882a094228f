# SPDX-License-Identifier: Apache-2.0
"""imagerd by its policies."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.recovery.bench import Bench, Client, Held, OutOfTime
from imagerd.devices.drive import OpticalDrive
from imagerd.recovery.budget import Budget, Clock
from imagerd.recovery.engine import Recovery
from imagerd.recovery.job import Job, LayoutRecord, ReadFeatures
from imagerd.recovery.sectormap import GOOD
from imagerd.recovery.workspace import Workspace


def by(budget: Budget) -> Client:
    """A client that reads with this budget."""

    def client(bench: Bench, drive: OpticalDrive, folder: Path) -> Held:
        clock = Clock(
            monotonic=lambda: bench.seconds, unix=time.time, sleep=bench.virtual.clock.spend
        )
        return recover(drive, folder, budget, clock, bench.claim)

    return client


def recover(
    drive: OpticalDrive,
    folder: Path,
    budget: Budget,
    clock: Clock,
    claim: Callable[[int], None] = lambda good: None,
) -> Held:
    """What imagerd has of the disc when it ends, or when its transport says `OutOfTime`."""
    features = drive.probe_read_features()
    read = ReadFeatures(c2=bool(features.c2), sub=False)
    job = Job("bench", LayoutRecord.of(drive.layout), features=read)
    with Workspace.create(folder, job) as work:
        recovery = Recovery(drive, work, budget, clock=clock)
        try:
            for _ in recovery.run():
                claim(work.map.count(*GOOD))
        except OutOfTime:
            recovery.settle()
        claim(work.map.count(*GOOD))
        good = np.isin(work.map.states(work.map.start, len(work.map)), GOOD)
        return Held(work.read_rows(work.map.start, len(work.map)), good)
