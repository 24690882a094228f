# SPDX-License-Identifier: Apache-2.0
"""Drives and discs: each is one row for good, however often it is seen."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from imagerd.catalog import rows
from imagerd.catalog.database import Database
from imagerd.catalog.events import log
from imagerd.catalog.models import DiscRow, DriveRow
from imagerd.catalog.records import Disc, Drive, NewDisc, NewDrive, utc_now

Row = TypeVar("Row", DriveRow, DiscRow)


class Drives:
    """The drives that were ever used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, drive: NewDrive) -> Drive:
        """Find the drive by its serial number, or else by model and address; or add it.

        What may change (firmware, address, capabilities) is brought up to date. A read offset once
        known stays until another is given.
        """
        key = _drive_key(drive)
        query = select(DriveRow).where(DriveRow.key == key)
        with self._database.write() as session:
            row = session.scalar(query) or _added(session, _new_drive(drive, key), query, "drive")
            row.revision = rows.clean(drive.revision)[:32]
            row.address = rows.clean(drive.address)
            row.capabilities = dict(drive.capabilities)
            row.last_seen = utc_now()
            if drive.read_offset is not None:
                row.read_offset = drive.read_offset
            session.flush()
            return rows.drive_of(row)

    def list(self) -> tuple[Drive, ...]:
        """All, by id."""
        with self._database.read() as session:
            return tuple(
                rows.drive_of(row)
                for row in session.scalars(select(DriveRow).order_by(DriveRow.id))
            )


class Discs:
    """The discs that were ever identified."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_or_create(self, disc: NewDisc) -> Disc:
        """The disc with this fingerprint; what was not known of it before is filled in."""
        query = select(DiscRow).where(DiscRow.fingerprint == disc.fingerprint)
        with self._database.write() as session:
            row = session.scalar(query) or _added(session, _new_disc(disc), query, "disc")
            row.musicbrainz_id = row.musicbrainz_id or disc.musicbrainz_id
            row.cddb_id = row.cddb_id or disc.cddb_id
            row.volume_id = row.volume_id or rows.clean_or_none(disc.volume_id)
            row.title = row.title or rows.clean_or_none(disc.title)
            session.flush()
            return rows.disc_of(row)

    def by_fingerprint(self, fingerprint: str) -> Disc | None:
        """The disc, or None."""
        with self._database.read() as session:
            row = session.scalar(select(DiscRow).where(DiscRow.fingerprint == fingerprint))
            return None if row is None else rows.disc_of(row)


def _added(session: Session, row: Row, query: Select[Row], what: str) -> Row:
    """`row`, inserted; or the one of another writer who was quicker (not on SQLite)."""
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return session.scalars(query).one()
    log(session, f"{what}-found", f"{what}:{row.id}")
    return row


def _new_drive(drive: NewDrive, key: str) -> DriveRow:
    now = utc_now()
    return DriveRow(
        key=key,
        vendor=rows.clean(drive.vendor)[:64],
        product=rows.clean(drive.product)[:64],
        serial=rows.clean(drive.serial)[:128],
        revision="",
        address="",
        capabilities={},
        first_seen=now,
        last_seen=now,
    )


def _new_disc(disc: NewDisc) -> DiscRow:
    return DiscRow(
        fingerprint=disc.fingerprint,
        medium=disc.medium,
        toc=disc.toc,
        sectors=disc.sectors,
        layout=dict(disc.layout),
        first_seen=utc_now(),
    )


def _drive_key(drive: NewDrive) -> str:
    """What stays the same of a drive: many have no serial number, then its place must do."""
    which = drive.serial.strip() or f"@{drive.address}"
    return rows.clean(f"{drive.vendor.strip()}|{drive.product.strip()}|{which}")[:255]
