# SPDX-License-Identifier: Apache-2.0
"""The tables, as SQLAlchemy models. Nothing outside this room sees them: see `records`.

A change here needs a migration in `migrations/versions`, and its revision in `revisions`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

# Names for every constraint: a migration can only drop what has a name.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite gives row ids only to a key of type INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")
JsonValue = dict[str, object]


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC; aware on both sides, also where the database knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a time zone: {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of all models."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime(),
        JsonValue: JSON(),
        list[str]: JSON(),
    }


class DriveRow(Base):
    """A drive; `key` is what makes it the same drive tomorrow."""

    __tablename__ = "drive"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    vendor: Mapped[str] = mapped_column(String(64))
    product: Mapped[str] = mapped_column(String(64))
    revision: Mapped[str] = mapped_column(String(32))
    serial: Mapped[str] = mapped_column(String(128))
    address: Mapped[str] = mapped_column(Text)
    read_offset: Mapped[int | None]
    capabilities: Mapped[JsonValue]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]


class DriveModelRow(Base):
    """A model of drive with one firmware: what was found out, and evidence on its C2 pointers."""

    __tablename__ = "drive_model"
    __table_args__ = (UniqueConstraint("vendor", "product", "revision"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    vendor: Mapped[str] = mapped_column(String(64))
    product: Mapped[str] = mapped_column(String(64))
    revision: Mapped[str] = mapped_column(String(32))
    knowledge: Mapped[JsonValue]
    probed: Mapped[datetime]
    wrong_silent: Mapped[int] = mapped_column(BigInteger)
    wrong_marked: Mapped[int] = mapped_column(BigInteger)
    right_marked: Mapped[int] = mapped_column(BigInteger)
    right_silent: Mapped[int] = mapped_column(BigInteger)


class DiscRow(Base):
    """A disc, known by its fingerprint."""

    __tablename__ = "disc"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(128), unique=True)
    medium: Mapped[str] = mapped_column(String(16))
    toc: Mapped[str] = mapped_column(Text)
    musicbrainz_id: Mapped[str | None] = mapped_column(String(28), index=True)
    cddb_id: Mapped[str | None] = mapped_column(String(8))
    volume_id: Mapped[str | None] = mapped_column(String(255))
    title: Mapped[str | None] = mapped_column(Text)
    sectors: Mapped[int]
    layout: Mapped[JsonValue]
    first_seen: Mapped[datetime]


class JobRow(Base):
    """A job."""

    __tablename__ = "job"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    policy: Mapped[JsonValue]
    workspace: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int]
    error: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(index=True)
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    progress: Mapped[JsonValue | None] = mapped_column(JSON(none_as_null=True))
    drive_id: Mapped[int | None] = mapped_column(ForeignKey("drive.id"), index=True)
    disc_id: Mapped[int | None] = mapped_column(ForeignKey("disc.id"), index=True)

    drive: Mapped[DriveRow | None] = relationship(lazy="joined")
    disc: Mapped[DiscRow | None] = relationship(lazy="joined")


class RunRow(Base):
    """One pass of a job."""

    __tablename__ = "run"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), index=True)
    drive_id: Mapped[int | None] = mapped_column(ForeignKey("drive.id"))
    name: Mapped[str] = mapped_column(String(64))
    speed: Mapped[int | None]
    started: Mapped[datetime]
    ended: Mapped[datetime | None]
    asked: Mapped[int]
    good: Mapped[int]
    bad: Mapped[int]
    software: Mapped[str] = mapped_column(String(64))


class ImageRow(Base):
    """A finished image."""

    __tablename__ = "image"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), index=True)
    disc_id: Mapped[int | None] = mapped_column(ForeignKey("disc.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text, index=True)
    format: Mapped[str] = mapped_column(String(16))
    folder: Mapped[str] = mapped_column(Text, index=True)
    main: Mapped[str] = mapped_column(Text)
    proven: Mapped[int]
    good: Mapped[int]
    suspect: Mapped[int]
    failed: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int]
    read_offset: Mapped[int | None]
    fill: Mapped[str | None] = mapped_column(Text)
    verified: Mapped[datetime | None]
    created: Mapped[datetime] = mapped_column(index=True)
    notes: Mapped[list[str]]

    disc: Mapped[DiscRow | None] = relationship(lazy="joined")
    files: Mapped[list[FileRow]] = relationship(order_by="FileRow.id", lazy="raise")
    tracks: Mapped[list[TrackRow]] = relationship(order_by="TrackRow.number", lazy="raise")


class ErrorRangeRow(Base):
    """A range of bad sectors, of a running job (no image yet) or of an image."""

    __tablename__ = "error_range"
    __table_args__ = (
        Index(None, "job_id", "image_id"),
        Index(None, "image_id", "lba"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"))
    image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id"))
    lba: Mapped[int]
    count: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str | None] = mapped_column(String(16))
    sense_key: Mapped[int | None]
    asc: Mapped[int | None]
    ascq: Mapped[int | None]
    attempts: Mapped[int]
    first: Mapped[datetime | None]
    last: Mapped[datetime | None]
    repaired: Mapped[bool]


class FileRow(Base):
    """A file of an image."""

    __tablename__ = "image_file"
    __table_args__ = (UniqueConstraint("image_id", "path"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    path: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    crc32: Mapped[str] = mapped_column(String(8))
    md5: Mapped[str] = mapped_column(String(32))
    sha1: Mapped[str] = mapped_column(String(40), index=True)
    sha256: Mapped[str] = mapped_column(String(64))


class TrackRow(Base):
    """A track of an image."""

    __tablename__ = "track"
    __table_args__ = (UniqueConstraint("image_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    number: Mapped[int]
    session: Mapped[int]
    mode: Mapped[str] = mapped_column(String(16))
    start: Mapped[int]
    index1: Mapped[int]
    end: Mapped[int]
    pregap: Mapped[int]
    isrc: Mapped[str | None] = mapped_column(String(12))
    control: Mapped[int]
    size: Mapped[int | None] = mapped_column(BigInteger)
    crc32: Mapped[str | None] = mapped_column(String(8))
    md5: Mapped[str | None] = mapped_column(String(32))
    sha1: Mapped[str | None] = mapped_column(String(40), index=True)
    sha256: Mapped[str | None] = mapped_column(String(64))


class EventRow(Base):
    """Something that happened. Only ever appended."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    time: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(128), index=True)
    detail: Mapped[JsonValue]


class DatRow(Base):
    """A DAT: a list of known dumps, of one publisher."""

    __tablename__ = "dat"
    __table_args__ = (UniqueConstraint("name", "publisher"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    publisher: Mapped[str] = mapped_column(String(255))
    form: Mapped[str] = mapped_column(String(16))
    description: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(String(64))
    date: Mapped[str] = mapped_column(String(64))
    system: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    imported: Mapped[datetime]
    games: Mapped[int]
    roms: Mapped[int]


class DatGameRow(Base):
    """A dump that a DAT lists."""

    __tablename__ = "dat_game"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dat_id: Mapped[int] = mapped_column(ForeignKey("dat.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)


class DatRomRow(Base):
    """A file of such a dump."""

    __tablename__ = "dat_rom"
    __table_args__ = (
        Index(None, "sha1"),
        Index(None, "md5"),
        Index(None, "size", "crc32"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    game_id: Mapped[int] = mapped_column(ForeignKey("dat_game.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    size: Mapped[int | None] = mapped_column(BigInteger)
    crc32: Mapped[str | None] = mapped_column(String(8))
    md5: Mapped[str | None] = mapped_column(String(32))
    sha1: Mapped[str | None] = mapped_column(String(40))
    sha256: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16))


class SoundRow(Base):
    """The sound of an image without the silence around it; `track` 0 is all of its audio."""

    __tablename__ = "sound"
    __table_args__ = (UniqueConstraint("image_id", "track"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    track: Mapped[int]
    sha1: Mapped[str] = mapped_column(String(40), index=True)
    lead: Mapped[int] = mapped_column(BigInteger)
    tail: Mapped[int] = mapped_column(BigInteger)
