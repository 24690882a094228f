# SPDX-License-Identifier: Apache-2.0
"""What happened, in order: append and read, nothing else."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from imagerd.catalog import rows
from imagerd.catalog.database import Database
from imagerd.catalog.models import EventRow
from imagerd.catalog.records import Event, JsonObject, utc_now


class Events:
    """The journal of the archive. Changes of jobs and images write their own events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, kind: str, subject: str, detail: JsonObject | None = None) -> None:
        """Add one, now. `subject` is like ``job:UUID``, ``drive:3``, ``image:12``."""
        with self._database.write() as session:
            log(session, kind, subject, detail)

    def since(self, event_id: int, limit: int = 1000) -> tuple[Event, ...]:
        """Up to `limit` events after the one with that id, oldest first; 0 is before all."""
        query = select(EventRow).where(EventRow.id > event_id).order_by(EventRow.id).limit(limit)
        with self._database.read() as session:
            return tuple(rows.event_of(row) for row in session.scalars(query))

    def of(self, subject: str) -> tuple[Event, ...]:
        """All events of one subject, oldest first."""
        query = select(EventRow).where(EventRow.subject == subject).order_by(EventRow.id)
        with self._database.read() as session:
            return tuple(rows.event_of(row) for row in session.scalars(query))

    def last_id(self) -> int:
        """The id of the newest event; 0 if there is none."""
        with self._database.read() as session:
            return session.scalar(select(func.max(EventRow.id))) or 0


def log(session: Session, kind: str, subject: str, detail: JsonObject | None = None) -> None:
    """Add an event to the transaction under way."""
    session.add(EventRow(time=utc_now(), kind=kind, subject=subject, detail=dict(detail or {})))
