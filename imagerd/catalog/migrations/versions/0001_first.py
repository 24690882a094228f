# SPDX-License-Identifier: Apache-2.0
"""The first schema: drives, discs, jobs, runs, images, errors, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables, those that others point at first."""
    _drive()
    _disc()
    _job()
    _run()
    _image()
    _error_range()
    _image_file()
    _track()
    _event()


def _drive() -> None:
    op.create_table(
        "drive",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("vendor", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("serial", sa.String(length=128), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("read_offset", sa.Integer(), nullable=True),
        sa.Column("capabilities", sa.JSON(), nullable=False),
        sa.Column("first_seen", TIME, nullable=False),
        sa.Column("last_seen", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drive"),
        sa.UniqueConstraint("key", name="uq_drive_key"),
    )


def _disc() -> None:
    op.create_table(
        "disc",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("medium", sa.String(length=16), nullable=False),
        sa.Column("toc", sa.Text(), nullable=False),
        sa.Column("musicbrainz_id", sa.String(length=28), nullable=True),
        sa.Column("cddb_id", sa.String(length=8), nullable=True),
        sa.Column("volume_id", sa.String(length=255), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("sectors", sa.Integer(), nullable=False),
        sa.Column("layout", sa.JSON(), nullable=False),
        sa.Column("first_seen", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_disc"),
        sa.UniqueConstraint("fingerprint", name="uq_disc_fingerprint"),
    )
    op.create_index("ix_disc_musicbrainz_id", "disc", ["musicbrainz_id"])


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created", TIME, nullable=False),
        sa.Column("started", TIME, nullable=True),
        sa.Column("ended", TIME, nullable=True),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("drive_id", sa.Integer(), nullable=True),
        sa.Column("disc_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["disc_id"], ["disc.id"], name="fk_job_disc_id"),
        sa.ForeignKeyConstraint(["drive_id"], ["drive.id"], name="fk_job_drive_id"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index("ix_job_created", "job", ["created"])
    op.create_index("ix_job_disc_id", "job", ["disc_id"])
    op.create_index("ix_job_drive_id", "job", ["drive_id"])
    op.create_index("ix_job_state", "job", ["state"])


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("drive_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("speed", sa.Integer(), nullable=True),
        sa.Column("started", TIME, nullable=False),
        sa.Column("ended", TIME, nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("good", sa.Integer(), nullable=False),
        sa.Column("bad", sa.Integer(), nullable=False),
        sa.Column("software", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["drive_id"], ["drive.id"], name="fk_run_drive_id"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_run_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_job_id", "run", ["job_id"])


def _image() -> None:
    op.create_table(
        "image",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("disc_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("main", sa.Text(), nullable=False),
        sa.Column("proven", sa.Integer(), nullable=False),
        sa.Column("good", sa.Integer(), nullable=False),
        sa.Column("suspect", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("read_offset", sa.Integer(), nullable=True),
        sa.Column("fill", sa.Text(), nullable=True),
        sa.Column("verified", TIME, nullable=True),
        sa.Column("created", TIME, nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["disc_id"], ["disc.id"], name="fk_image_disc_id"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_image_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
    )
    op.create_index("ix_image_created", "image", ["created"])
    op.create_index("ix_image_disc_id", "image", ["disc_id"])
    op.create_index("ix_image_folder", "image", ["folder"])
    op.create_index("ix_image_job_id", "image", ["job_id"])
    op.create_index("ix_image_name", "image", ["name"])


def _error_range() -> None:
    op.create_table(
        "error_range",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=True),
        sa.Column("lba", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=True),
        sa.Column("sense_key", sa.Integer(), nullable=True),
        sa.Column("asc", sa.Integer(), nullable=True),
        sa.Column("ascq", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first", TIME, nullable=True),
        sa.Column("last", TIME, nullable=True),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_error_range_image_id"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_error_range_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_error_range"),
    )
    op.create_index("ix_error_range_image_id_lba", "error_range", ["image_id", "lba"])
    op.create_index("ix_error_range_job_id_image_id", "error_range", ["job_id", "image_id"])


def _image_file() -> None:
    op.create_table(
        "image_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("crc32", sa.String(length=8), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("sha1", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_image_file_image_id"),
        sa.PrimaryKeyConstraint("id", name="pk_image_file"),
        sa.UniqueConstraint("image_id", "path", name="uq_image_file_image_id_path"),
    )
    op.create_index("ix_image_file_sha1", "image_file", ["sha1"])


def _track() -> None:
    op.create_table(
        "track",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("index1", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("pregap", sa.Integer(), nullable=False),
        sa.Column("isrc", sa.String(length=12), nullable=True),
        sa.Column("control", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("crc32", sa.String(length=8), nullable=True),
        sa.Column("md5", sa.String(length=32), nullable=True),
        sa.Column("sha1", sa.String(length=40), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_track_image_id"),
        sa.PrimaryKeyConstraint("id", name="pk_track"),
        sa.UniqueConstraint("image_id", "number", name="uq_track_image_id_number"),
    )
    op.create_index("ix_track_sha1", "track", ["sha1"])


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_subject", "event", ["subject"])
    op.create_index("ix_event_time", "event", ["time"])
