# SPDX-License-Identifier: Apache-2.0
"""A job's folder seen from outside, also while another process works there.

Nothing is written and nothing locked: the job is replayed from its journal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from imagerd.base.errors import NotAvailable
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.recovery.engine import PassNote
from imagerd.recovery.history import History
from imagerd.recovery.job import Job, load_job
from imagerd.recovery.journal import (
    Follower,
    Note,
    Record,
    boot_id,
    measure,
    replay,
)
from imagerd.recovery.replaying import joined, replayed
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
        self._begin()
        self._open()
        try:
            self.catch_up()
        except BaseException:
            self.close()
            raise

    def catch_up(self) -> bool:
        """Read what was added to the journal; returns whether there was anything."""
        if self._follower.was_cut:
            self.close()
            self._begin()
            self._open()
        came = self._take(self._follower.records(self._counting()))
        # A file that was cut short holds none of what the journal says of its end.
        size = SectorFormat.RAW.size if self.layout.is_cd else SectorFormat.USER.size
        whole = self.map.start + os.fstat(self._sectors.fileno()).st_size // size
        self.map.lose(min(whole, self.map.end), self.map.end)
        return came

    @property
    def passing(self) -> str:
        """The name of the latest pass; empty before the first."""
        for note in reversed(self.notes):
            if note.kind == "pass":
                return msgspec.json.decode(note.body, type=PassNote).name
        return ""

    def close(self) -> None:
        """Close the files; idempotent. What was read stays."""
        self._follower.close()
        self._sectors.close()

    def __enter__(self) -> Look:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        self.map = SectorMap(self.layout.ranges())
        self.notes: list[Note] = []
        self.history = History()

    def _open(self) -> None:
        """Open the files; they can be read on when the job is done and its folder is gone."""
        journal, fingerprint = self.folder / "journal", self.job.fingerprint
        try:
            self._left = measure(journal, fingerprint, boot_id())
            self._sectors = (self.folder / "sectors.bin").open("rb")
            self._follower = Follower(journal, fingerprint)
        except OSError as error:
            raise NotAvailable(
                f"Cannot read the job in {self.folder}: {error.strerror}."
            ) from error

    def _counting(self) -> int | None:
        """How much of the journal counts. None: all, as its writer sees to that."""
        left = self._left
        # What was left behind by a power failure counts no more; its writer will cut it off.
        dead = left.dropped and self._follower.size == left.size + left.dropped
        return left.size if dead else None

    def _take(self, records: Iterable[Record]) -> bool:
        came = False
        for record in joined(_told(records, self.history)):
            came = True
            replayed(self.map, self.notes, record)
        return came


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
