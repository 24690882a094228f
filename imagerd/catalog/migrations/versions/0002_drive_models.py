# SPDX-License-Identifier: Apache-2.0
"""What is known of models of drives."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "drive_model",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("vendor", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("knowledge", sa.JSON(), nullable=False),
        sa.Column("probed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wrong_silent", sa.BigInteger(), nullable=False),
        sa.Column("wrong_marked", sa.BigInteger(), nullable=False),
        sa.Column("right_marked", sa.BigInteger(), nullable=False),
        sa.Column("right_silent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drive_model"),
        sa.UniqueConstraint(
            "vendor", "product", "revision", name="uq_drive_model_vendor_product_revision"
        ),
    )
