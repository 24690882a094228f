# SPDX-License-Identifier: Apache-2.0
"""A job's folder seen from outside, also while another process works there.

Nothing is written and nothing locked: the job is replayed from its journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from imagerd.base.errors import NotAvailable
from imagerd.disc.layout import Layout
from imagerd.recovery.engine import PassNote
from imagerd.recovery.history import History
from imagerd.recovery.job import Job, load_job
from imagerd.recovery.journal import (
    Attempt,
    Extent,
    Follower,
    Note,
    Record,
    boot_id,
    measure,
    replay,
)
from imagerd.recovery.replaying import apply, joined
from imagerd.recovery.sectormap import SectorMap


class Standing(Protocol):
    """A job as it stands: a `Workspace`, or a `Look` into its folder."""

    @property
    def folder(self) -> Path:
        """The job's."""
        ...

    @property
    def job(self) -> Job:
        """What it was begun with."""
        ...

    @property
    def layout(self) -> Layout:
        """Of the disc."""
        ...

    @property
    def map(self) -> SectorMap:
        """What was read."""
        ...

    @property
    def notes(self) -> list[Note]:
        """Of the journal."""
        ...


class Look:
    """The job in `folder` as it stood at the last `catch_up`. Close it, or use a `with` block.

    Raises `BadInput` if there is no job, `NotAvailable` if it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = load_job(folder / "job.json")
        self.layout = self.job.layout.layout()
        self._journal = folder / "journal"
        self._follower: Follower | None = None
        self._left: Extent | None = None
        self._begin()
        self.catch_up()

    def catch_up(self) -> bool:
        """Read what was added to the journal; returns whether there was anything."""
        follower = self._follower
        if follower is None or follower.was_cut:
            self.close()
            self._begin()
            follower = self._follower = self._opened()
        return self._take(follower.records(self._counting(follower)))

    @property
    def passing(self) -> str:
        """The name of the latest pass; empty before the first."""
        for note in reversed(self.notes):
            if note.kind == "pass":
                return msgspec.json.decode(note.body, type=PassNote).name
        return ""

    def close(self) -> None:
        """Close the journal; idempotent. What was read stays."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def __enter__(self) -> Look:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _counting(self, follower: Follower) -> int | None:
        """How much of the journal counts. None: all, as its writer sees to that."""
        if self._left is None:
            self._left = measure(self._journal, self.job.fingerprint, boot_id())
        left = self._left
        # What was left behind by a power failure counts no more; its writer will cut it off.
        return left.size if left.dropped and follower.size == left.size + left.dropped else None

    def _begin(self) -> None:
        self._left = None
        self.map = SectorMap(self.layout.ranges())
        self.notes: list[Note] = []
        self.history = History()

    def _opened(self) -> Follower:
        try:
            return Follower(self._journal, self.job.fingerprint)
        except OSError as error:
            raise NotAvailable(
                f"Cannot read the job in {self.folder}: {error.strerror}."
            ) from error

    def _take(self, records: Iterable[Record]) -> bool:
        any_came = False
        for record in joined(_told(records, self.history)):
            any_came = True
            if isinstance(record, Attempt):
                apply(self.map, record)
            elif isinstance(record, Note):
                self.notes.append(record)
        return any_came


def _told(records: Iterable[Record], history: History) -> Iterator[Record]:
    for record in records:
        history.add(record)
        yield record


def history_of(work: Standing) -> History:
    """The history of a job: that of what counts of its journal."""
    history = History()
    path, fingerprint = work.folder / "journal", work.job.fingerprint
    size = measure(path, fingerprint, boot_id()).size
    for record in replay(path, fingerprint, size):
        history.add(record)
    return history
