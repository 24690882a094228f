# SPDX-License-Identifier: Apache-2.0
"""Run by Alembic: migrates on the connection, and in the transaction, that `upgrade` hands over."""

from alembic import context
from sqlalchemy import Connection

from imagerd.catalog.models import Base

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
