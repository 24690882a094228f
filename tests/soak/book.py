# SPDX-License-Identifier: Apache-2.0
"""What the catalog says, read as anyone with `sqlite3` would: our own queries judge nothing here.

`Book` is one reader's view of it, `Ledger` what it has to say in the end.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_JOBS = """
SELECT job.id, job.state, job.attempts, coalesce(job.error, '')
FROM job JOIN disc ON disc.id = job.disc_id
WHERE disc.volume_id = ? ORDER BY job.created, job.id
"""
_IMAGES = """
SELECT image.job_id, image.folder, image.main, image.failed + image.suspect
FROM image WHERE image.job_id = ? ORDER BY image.id
"""
_WITHOUT_DISC = """
SELECT job.id, job.state, job.attempts, coalesce(job.error, '')
FROM job JOIN drive ON drive.id = job.drive_id
WHERE job.disc_id IS NULL AND drive.address = ? ORDER BY job.created, job.id
"""


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job. `attempts` counts how often a worker began with it."""

    id: str
    state: str
    attempts: int
    sentence: str


@dataclass(frozen=True, slots=True)
class ImageLine:
    """An image: its main file, and how many of its sectors are bad."""

    job: str
    path: Path
    bad: int


class Book:
    """The catalog, for one thread at a time. Each look is a transaction of its own."""

    def __init__(self, file: Path) -> None:
        # opened here, used in one thread at a time
        self._connection = sqlite3.connect(
            f"file:{file}?mode=ro", uri=True, timeout=60.0, check_same_thread=False
        )

    def jobs(self, label: str) -> list[JobLine]:
        """The jobs of the disc with that label, oldest first."""
        return [JobLine(*row) for row in self.ask(_JOBS, label)]

    def jobs_without_disc(self, address: str) -> list[JobLine]:
        """The jobs of that drive of which nobody knows what disc they were about."""
        return [JobLine(*row) for row in self.ask(_WITHOUT_DISC, address)]

    def images(self, job: str) -> list[ImageLine]:
        """The images that a job made, oldest first."""
        rows = self.ask(_IMAGES, job)
        return [ImageLine(of, Path(folder, main), bad) for of, folder, main, bad in rows]

    def ask(self, query: str, *values: object) -> list[tuple]:
        """All rows of a query."""
        return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Ledger:
    """What was done and what came of it, by all hands. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.jobs: dict[str, list[str]] = {}  # states by label, oldest first
        self.images: dict[str, int] = {}  # by label
        self.unreadable = 0
        self.cycles: Counter[str] = Counter()  # by kind
        self.killed = 0

    def enter(self, label: str, states: list[str], images: int) -> None:
        """What the catalog must have of a disc from now on."""
        with self._lock:
            self.jobs[label] = states
            self.images[label] = images

    def cycle(self, kind: str) -> None:
        """One more insertion."""
        with self._lock:
            self.cycles[kind] += 1

    def failed_without_disc(self) -> None:
        """One more disc that nothing could be made of."""
        with self._lock:
            self.unreadable += 1

    def kill(self) -> None:
        """One more worker that was killed by us."""
        with self._lock:
            self.killed += 1
