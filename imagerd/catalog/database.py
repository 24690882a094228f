# SPDX-License-Identifier: Apache-2.0
"""A database and its transactions: short ones, that say beforehand whether they write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    StatementError,
)
from sqlalchemy.orm import Session

from imagerd.base.errors import BadInput, InternalError, NotAvailable
from imagerd.catalog import sqlite


class Database:
    """An engine with a name for sentences. Do not carry one over a fork: open another."""

    def __init__(self, url: str, *, read_only: bool = False, durable: bool = False) -> None:
        """Raises `BadInput` for a URL that is none, `NotAvailable` for what it needs."""
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise BadInput(f"The catalog's URL {url!r} is not one of SQLAlchemy's.") from error
        self.path: Path | None = None
        self.read_only = read_only
        if parsed.get_backend_name() == "sqlite":
            self.path = sqlite.database_path(parsed)
            self.engine = sqlite.make_engine(parsed, read_only=read_only, durable=durable)
            self.name = str(self.path)
        else:
            self.engine = _other_engine(url)
            self.name = parsed.render_as_string(hide_password=True)
        self._writer = self.engine.execution_options(**{sqlite.WRITES: True})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads; a consistent picture from its first query on."""
        with self.told("read"), Session(self.engine, autoflush=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that writes: committed at the end of the block, rolled back on any error."""
        if self.read_only:
            raise InternalError(f"The catalog {self.name} was opened for reading only.")
        with (
            self.told("written"),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Close all connections; idempotent."""
        self.engine.dispose()

    @contextmanager
    def told(self, doing: str) -> Iterator[None]:
        """Turn the database's errors into ours; `doing`: read, written, opened."""
        try:
            yield
        except IntegrityError as error:
            raise InternalError(f"The catalog {self.name} refuses a row: {error.orig}.") from error
        except OperationalError as error:
            raise NotAvailable(
                f"The catalog {self.name} cannot be {doing}: {error.orig}."
            ) from error
        except DatabaseError as error:
            raise BadInput(
                f"{self.name} is not a catalog of imagerd, or is damaged: {error.orig}."
            ) from error
        except StatementError as error:  # a value that the database is not even asked to take
            raise InternalError(f"Not for the catalog {self.name}: {error.orig}.") from error


def _other_engine(url: str) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True)
    except NoSuchModuleError as error:
        raise BadInput(
            f"SQLAlchemy knows no database of the kind in {url.split(':')[0]!r}."
        ) from error
    except ModuleNotFoundError as error:
        raise NotAvailable(
            f"The catalog's URL needs the Python module {error.name}; install it beside imagerd."
        ) from error
