# SPDX-License-Identifier: Apache-2.0
"""Bring a database to the schema of this version, one process at a time, or say why not.

Alembic takes half a second to import, so it is imported only when there is something to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, column, func, inspect, select, table

from imagerd.base.errors import NotAvailable
from imagerd.catalog import sqlite
from imagerd.catalog.database import Database

REVISIONS = ("0001", "0002", "0003")  # all migrations, in order
HEAD = REVISIONS[-1]
_ADVISORY_LOCK = 0x696D6167  # any number that nobody else uses: "imag"


def prepare(database: Database) -> None:
    """Create or migrate the schema if it is not at `HEAD`.

    Raises `NotAvailable` for a catalog of a newer imagerd, and for an older one that may only be
    read.
    """
    with database.told("opened"):
        if _is_current(database):
            return
        if database.read_only:
            raise NotAvailable(
                f"The catalog {database.name} is of an older imagerd; start imagerd once, "
                "which brings it up to date."
            )
        with _migrating(database) as connection:
            if revision(connection) != HEAD:
                _migrate(connection)


def revision(connection: Connection) -> str | None:
    """The schema's revision; None for a database without one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    versions = table("alembic_version", column("version_num"))
    found: str | None = connection.scalar(select(versions.c.version_num))
    return found


def _is_current(database: Database) -> bool:
    if database.path is not None and not _has_content(database.path):
        return False  # someone may just be creating it: do not even look without the lock
    with database.engine.connect() as connection:
        found = revision(connection)
    if found is not None and found not in REVISIONS:
        raise NotAvailable(
            f"The catalog {database.name} is of a newer imagerd (schema {found}); "
            "update imagerd on this machine."
        )
    return found == HEAD


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@contextmanager
def _migrating(database: Database) -> Iterator[Connection]:
    if database.path is not None:
        with sqlite.migrating(database.engine, database.path) as connection:
            yield connection
        return
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        yield connection


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
