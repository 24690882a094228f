# SPDX-License-Identifier: Apache-2.0
"""The ranges of bad sectors: of a job while it reads, of an image afterwards."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.orm import Session

from imagerd.catalog import rows
from imagerd.catalog.database import Database
from imagerd.catalog.models import Base
from imagerd.catalog.records import ErrorRange, RangeState

# the table, not the model: a hundred thousand rows are quick without objects of the ORM
TABLE = Base.metadata.tables["error_range"]


class Errors:
    """Ranges, never single sectors; written by the thousand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, job_id: str, ranges: Iterable[ErrorRange]) -> int:
        """Put `ranges` in the place of what the running job had; how many there are now."""
        with self._database.write() as session:
            return store(session, job_id, None, ranges)

    def of_job(self, job_id: str) -> tuple[ErrorRange, ...]:
        """Of a job that has no image yet, by LBA."""
        return self._select(TABLE.c.job_id == job_id, TABLE.c.image_id.is_(None))

    def of_image(
        self, image_id: int, states: Iterable[RangeState] = RangeState
    ) -> tuple[ErrorRange, ...]:
        """Of an image, by LBA; those in one of `states`."""
        wanted = [state.value for state in states]
        return self._select(TABLE.c.image_id == image_id, TABLE.c.state.in_(wanted))

    def _select(self, *conditions: ColumnElement[bool]) -> tuple[ErrorRange, ...]:
        query = select(TABLE).where(*conditions).order_by(TABLE.c.lba)
        with self._database.read() as session:
            return tuple(rows.range_of(row) for row in session.execute(query).mappings())


def store(session: Session, job_id: str, image_id: int | None, ranges: Iterable[ErrorRange]) -> int:
    """Drop the ranges that the job has without an image, and insert these in bulk."""
    values = rows.range_values(ranges, job_id, image_id)
    old = delete(TABLE).where(TABLE.c.job_id == job_id, TABLE.c.image_id.is_(None))
    session.execute(old)
    if values:
        session.execute(insert(TABLE), values)
    return len(values)
