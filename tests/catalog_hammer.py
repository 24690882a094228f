# SPDX-License-Identifier: Apache-2.0
"""A worker that writes as fast as it can: ``python -m tests.catalog_hammer FOLDER N ROUNDS``."""

from __future__ import annotations

import sys
from pathlib import Path

from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import JobState, Pass
from tests.catalogs import NOON, a_disc, a_drive, new_image, some_errors, url_of


def work(folder: Path, number: int, rounds: int) -> None:
    """Whole jobs, each step a transaction of its own; opens the catalog anew each round."""
    for turn in range(rounds):
        with Catalog.open(url_of(folder)) as catalog:
            drive = a_drive(catalog, f"S{number}")
            job = catalog.jobs.create(policy={}, drive_id=drive.id)
            catalog.jobs.set_state(job.id, JobState.IDENTIFYING)
            catalog.jobs.set_disc(job.id, a_disc(catalog, f"{turn}").id)
            catalog.jobs.set_state(job.id, JobState.READING)
            for step in range(10):
                catalog.jobs.snapshot(job.id, {"done": step})
                catalog.errors.replace(job.id, some_errors(100 * step))
                catalog.jobs.record_pass(job.id, Pass(f"{step}", NOON))
                catalog.images.of_disc(f"{turn}")
            catalog.jobs.set_state(job.id, JobState.WRITING)
            catalog.jobs.set_state(job.id, JobState.VERIFYING)
            catalog.images.commit(job.id, new_image(f"{number}-{turn}"), some_errors(500))


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
