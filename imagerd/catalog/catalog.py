# SPDX-License-Identifier: Apache-2.0
"""The catalog: one database, its topics as attributes."""

from __future__ import annotations

from types import TracebackType

from imagerd.catalog.database import Database
from imagerd.catalog.dats import Dats
from imagerd.catalog.discs import Discs, Drives
from imagerd.catalog.drive_models import DriveModels
from imagerd.catalog.errors import Errors
from imagerd.catalog.events import Events
from imagerd.catalog.images import Images
from imagerd.catalog.jobs import Jobs
from imagerd.catalog.sounds import Sounds
from imagerd.catalog.upgrade import prepare


class Catalog:
    """Use `open`. Every method of the topics is one short transaction; threads may share one.

    All raise `NotAvailable` where the database cannot be reached or written (its disk is full, its
    server is gone): the caller may wait and try again, nothing of the transaction was kept.

    >>> with Catalog.open("sqlite:////var/lib/imagerd/catalog.sqlite") as catalog:  # doctest: +SKIP
    ...     catalog.images.search("encarta")
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.name = database.name
        self.drives = Drives(database)
        self.models = DriveModels(database)
        self.discs = Discs(database)
        self.jobs = Jobs(database)
        self.errors = Errors(database)
        self.images = Images(database)
        self.events = Events(database)
        self.dats = Dats(database)
        self.sounds = Sounds(database)

    @classmethod
    def open(cls, url: str, *, read_only: bool = False, durable: bool = False) -> Catalog:
        """Open a SQLAlchemy URL; make or migrate the schema where it is needed.

        `read_only` for SQLite needs no right to write, makes no file and migrates nothing.
        `durable` (SQLite) syncs at every commit. Raises `BadInput`, `NotAvailable`.
        """
        database = Database(url, read_only=read_only, durable=durable)
        try:
            prepare(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close the connections; idempotent."""
        self._database.close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
