# SPDX-License-Identifier: Apache-2.0
"""The ranges of bad sectors: of a job while it reads, of an image afterwards."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from imagerd.catalog import rows
from imagerd.catalog.database import Database
from imagerd.catalog.models import ErrorRangeRow
from imagerd.catalog.records import ErrorRange, RangeState


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
        query = (
            select(ErrorRangeRow)
            .where(ErrorRangeRow.job_id == job_id, ErrorRangeRow.image_id.is_(None))
            .order_by(ErrorRangeRow.lba)
        )
        with self._database.read() as session:
            return tuple(rows.range_of(row) for row in session.scalars(query))

    def of_image(
        self, image_id: int, states: Iterable[RangeState] = RangeState
    ) -> tuple[ErrorRange, ...]:
        """Of an image, by LBA; those in one of `states`."""
        query = (
            select(ErrorRangeRow)
            .where(
                ErrorRangeRow.image_id == image_id,
                ErrorRangeRow.state.in_([state.value for state in states]),
            )
            .order_by(ErrorRangeRow.lba)
        )
        with self._database.read() as session:
            return tuple(rows.range_of(row) for row in session.scalars(query))


def store(session: Session, job_id: str, image_id: int | None, ranges: Iterable[ErrorRange]) -> int:
    """Drop the ranges that the job has without an image, and insert these in bulk."""
    session.execute(
        delete(ErrorRangeRow).where(
            ErrorRangeRow.job_id == job_id, ErrorRangeRow.image_id.is_(None)
        )
    )
    values = rows.range_values(ranges, job_id, image_id)
    if values:
        session.execute(insert(ErrorRangeRow), values)
    return len(values)
