# SPDX-License-Identifier: Apache-2.0
"""What is known of models of drives, one row for each firmware; `devices.knowledge` makes it."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from imagerd.catalog import rows
from imagerd.catalog.database import Database
from imagerd.catalog.models import DriveModelRow
from imagerd.catalog.records import DriveModel, utc_now
from imagerd.devices.knowledge.c2 import C2Counts
from imagerd.devices.knowledge.record import DriveKnowledge, from_json, merged, to_json

_Key = tuple[str, str, str]  # as the columns hold it


class DriveModels:
    """The models that were ever tried out. A model's name is what INQUIRY says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, vendor: str, product: str, revision: str) -> DriveModel | None:
        """What is known of a model with that firmware, None if it was never tried out."""
        with self._database.read() as session:
            row = session.scalar(_query(_key(vendor, product, revision)))
            return None if row is None else _model_of(row)

    def list(self) -> tuple[DriveModel, ...]:
        """All, by name."""
        order = (DriveModelRow.vendor, DriveModelRow.product, DriveModelRow.revision)
        with self._database.read() as session:
            found = session.scalars(select(DriveModelRow).order_by(*order))
            return tuple(_model_of(row) for row in found)

    def learn(self, vendor: str, product: str, revision: str, known: DriveKnowledge) -> DriveModel:
        """Keep `known`; what it does not tell stays as it was known before.

        Two drives of one model may be tried out at once: both are kept, the later one on top.
        """
        with self._database.write() as session:
            row = _row(session, _key(vendor, product, revision))
            before = from_json(row.knowledge)
            row.knowledge = to_json(known if before is None else merged(before, known))
            row.probed = known.probed
            session.flush()
            return _model_of(row)

    def add_c2(self, vendor: str, product: str, revision: str, counts: C2Counts) -> None:
        """Add evidence for or against the model's C2 pointers: of one disc, read once."""
        if not counts:
            return
        with self._database.write() as session:
            row = _row(session, _key(vendor, product, revision))
            # In the database, not here: two workers may add at once.
            row.wrong_silent = DriveModelRow.wrong_silent + counts.wrong_silent
            row.wrong_marked = DriveModelRow.wrong_marked + counts.wrong_marked
            row.right_marked = DriveModelRow.right_marked + counts.right_marked
            row.right_silent = DriveModelRow.right_silent + counts.right_silent


def _key(vendor: str, product: str, revision: str) -> _Key:
    return rows.clean(vendor)[:64], rows.clean(product)[:64], rows.clean(revision)[:32]


def _query(key: _Key) -> Select[DriveModelRow]:
    vendor, product, revision = key
    return (
        select(DriveModelRow)
        .where(DriveModelRow.vendor == vendor)
        .where(DriveModelRow.product == product)
        .where(DriveModelRow.revision == revision)
    )


def _row(session: Session, key: _Key) -> DriveModelRow:
    """The model's row, locked where the database can; made if there is none."""
    query = _query(key).with_for_update()
    found = session.scalar(query)
    if found is not None:
        return found
    vendor, product, revision = key
    row = DriveModelRow(
        vendor=vendor,
        product=product,
        revision=revision,
        knowledge={},
        probed=utc_now(),
        wrong_silent=0,
        wrong_marked=0,
        right_marked=0,
        right_silent=0,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # another writer was quicker (not on SQLite)
        return session.scalars(query).one()
    return row


def _model_of(row: DriveModelRow) -> DriveModel:
    return DriveModel(
        vendor=row.vendor,
        product=row.product,
        revision=row.revision,
        knowledge=from_json(row.knowledge),
        c2=C2Counts(row.wrong_silent, row.wrong_marked, row.right_marked, row.right_silent),
    )
