# SPDX-License-Identifier: Apache-2.0
"""Drives and discs: each is one row for good, however often it is seen."""

from __future__ import annotations

from sqlalchemy import select

from imagerd.catalog import rows
from imagerd.catalog.database import Database
from imagerd.catalog.events import log
from imagerd.catalog.models import DiscRow, DriveRow
from imagerd.catalog.records import Disc, Drive, NewDisc, NewDrive, utc_now


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
        now = utc_now()
        with self._database.write() as session:
            row = session.scalar(select(DriveRow).where(DriveRow.key == key))
            known = row is not None
            if row is None:
                row = DriveRow(
                    key=key,
                    vendor=rows.clean(drive.vendor)[:64],
                    product=rows.clean(drive.product)[:64],
                    serial=rows.clean(drive.serial)[:128],
                    first_seen=now,
                )
                session.add(row)
            row.revision = rows.clean(drive.revision)[:32]
            row.address = rows.clean(drive.address)
            row.capabilities = dict(drive.capabilities)
            row.last_seen = now
            if drive.read_offset is not None:
                row.read_offset = drive.read_offset
            session.flush()
            if not known:
                log(session, "drive-found", f"drive:{row.id}")
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
        with self._database.write() as session:
            row = session.scalar(select(DiscRow).where(DiscRow.fingerprint == disc.fingerprint))
            known = row is not None
            if row is None:
                row = DiscRow(
                    fingerprint=disc.fingerprint,
                    medium=disc.medium,
                    toc=disc.toc,
                    sectors=disc.sectors,
                    layout=dict(disc.layout),
                    first_seen=utc_now(),
                )
                session.add(row)
            row.musicbrainz_id = row.musicbrainz_id or disc.musicbrainz_id
            row.cddb_id = row.cddb_id or disc.cddb_id
            row.volume_id = row.volume_id or rows.clean_or_none(disc.volume_id)
            row.title = row.title or rows.clean_or_none(disc.title)
            session.flush()
            if not known:
                log(session, "disc-found", f"disc:{row.id}")
            return rows.disc_of(row)

    def by_fingerprint(self, fingerprint: str) -> Disc | None:
        """The disc, or None."""
        with self._database.read() as session:
            row = session.scalar(select(DiscRow).where(DiscRow.fingerprint == fingerprint))
            return None if row is None else rows.disc_of(row)


def _drive_key(drive: NewDrive) -> str:
    """What stays the same of a drive: many have no serial number, then its place must do."""
    which = drive.serial.strip() or f"@{drive.address}"
    return rows.clean(f"{drive.vendor.strip()}|{drive.product.strip()}|{which}")[:255]
