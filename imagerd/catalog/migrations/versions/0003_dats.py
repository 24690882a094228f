# SPDX-License-Identifier: Apache-2.0
"""DATs, and the sound of images."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "dat",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("publisher", sa.String(length=255), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("date", sa.String(length=64), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("imported", sa.DateTime(timezone=True), nullable=False),
        sa.Column("games", sa.Integer(), nullable=False),
        sa.Column("roms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dat"),
        sa.UniqueConstraint("name", "publisher", name="uq_dat_name_publisher"),
    )
    op.create_table(
        "dat_game",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("dat_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["dat_id"], ["dat.id"], name="fk_dat_game_dat_id"),
        sa.PrimaryKeyConstraint("id", name="pk_dat_game"),
    )
    op.create_index("ix_dat_game_dat_id", "dat_game", ["dat_id"])
    op.create_table(
        "dat_rom",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("game_id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("crc32", sa.String(length=8), nullable=True),
        sa.Column("md5", sa.String(length=32), nullable=True),
        sa.Column("sha1", sa.String(length=40), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["game_id"], ["dat_game.id"], name="fk_dat_rom_game_id"),
        sa.PrimaryKeyConstraint("id", name="pk_dat_rom"),
    )
    op.create_index("ix_dat_rom_game_id", "dat_rom", ["game_id"])
    op.create_index("ix_dat_rom_sha1", "dat_rom", ["sha1"])
    op.create_index("ix_dat_rom_md5", "dat_rom", ["md5"])
    op.create_index("ix_dat_rom_size_crc32", "dat_rom", ["size", "crc32"])
    op.create_table(
        "sound",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("track", sa.Integer(), nullable=False),
        sa.Column("sha1", sa.String(length=40), nullable=False),
        sa.Column("lead", sa.BigInteger(), nullable=False),
        sa.Column("tail", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_sound_image_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sound"),
        sa.UniqueConstraint("image_id", "track", name="uq_sound_image_id_track"),
    )
    op.create_index("ix_sound_sha1", "sound", ["sha1"])
