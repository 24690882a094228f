# SPDX-License-Identifier: Apache-2.0
"""All that is particular to SQLite: its files, pragmas, locks and transactions.

Several processes write to one file. What makes that work: WAL (readers and the writer do not wait
for each other), a busy timeout, and `BEGIN IMMEDIATE` for whoever is going to write: a transaction
that begins by reading and then wants to write is refused at once where another wrote in between,
whatever the timeout. So `database is locked` cannot come up, but for a writer of half a minute.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from imagerd.base.errors import BadInput, InternalError, NotAvailable

BUSY_SECONDS = 60.0
_PAUSE_SECONDS = 0.02
WRITES = "imagerd_writes"  # execution option of an engine whose transactions write


class _Dbapi(Protocol):
    """What we use of sqlite3.Connection, as the pool hands it out."""

    isolation_level: str | None

    def execute(self, statement: str, /) -> sqlite3.Cursor: ...


def database_path(url: URL) -> Path:
    """The absolute path of the file that `url` names. Raises `BadInput` for none."""
    if not url.database or url.database == ":memory:":
        raise BadInput("A catalog in memory would be lost at once; name a file: sqlite:////path.")
    return Path(url.database).expanduser().absolute()


def make_engine(url: URL, *, read_only: bool, durable: bool) -> Engine:
    """An engine on the file of `url`, which may not exist yet.

    `read_only` never makes or changes a file and needs no right to write. `durable` syncs at every
    commit (synchronous=FULL): without it, a power cut may undo the last commits, never damage.
    """
    path = database_path(url)
    uri = _uri(path, read_only=read_only)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    if read_only and not path.exists():
        raise NotAvailable(f"There is no catalog at {path}; the first job of imagerd makes it.")
    if not read_only:
        _make_folder(path.parent)
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    _listen(engine, "FULL" if durable else "NORMAL")
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotAvailable(
            f"Cannot make the catalog's folder {folder}: {error.strerror}."
        ) from error


def _uri(path: Path, *, read_only: bool) -> str:
    """How sqlite3 is to open `path`.

    A reader without the right to write cannot open a WAL file that nobody has open, because it
    would have to make the `-shm` file. Without a `-wal` file there is no writer, and what the main
    file says is all there is: so read it as it stands.
    """
    base = f"file:{quote(str(path))}"
    if not read_only:
        return base
    alone = not path.with_name(path.name + "-wal").exists()
    return f"{base}?mode=ro&immutable=1" if alone and not _may_write(path) else f"{base}?mode=ro"


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _listen(engine: Engine, synchronous: str) -> None:
    def on_connect(connection: _Dbapi, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        _patiently(lambda: connection.execute(f"PRAGMA synchronous={synchronous}"))

    def on_begin(connection: Connection) -> None:
        # sqlite3 itself never begins (isolation_level None): it would begin too late and deferred
        # not driver_connection, which a detached connection has none of
        raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        if connection.get_execution_options().get(WRITES, False):
            _patiently(lambda: raw.execute("BEGIN IMMEDIATE"))
        else:
            _patiently(lambda: _begin_reading(raw))

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def _begin_reading(raw: sqlite3.Connection) -> None:
    """Begin with the picture that all later queries will see: `BEGIN` alone takes none."""
    raw.execute("BEGIN")
    try:
        raw.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.Error:
        raw.rollback()
        raise


def _patiently(work: Callable[[], object]) -> None:
    """Do `work` again while the database is busy in a way that SQLite itself does not wait for.

    Its busy timeout does not hold while the last connection of another process cleans up the WAL,
    nor while another recovers it after a crash (sqlite.org/wal.html, "Sometimes Queries Return
    SQLITE_BUSY In WAL Mode").
    """
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            work()
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= end:
                raise _as_sqlalchemy(error) from error
        else:
            return
        time.sleep(_PAUSE_SECONDS)


def _as_sqlalchemy(error: sqlite3.OperationalError) -> OperationalError:
    """As the driver's errors come out of a query, whoever raised them."""
    return OperationalError(None, None, error)


@contextmanager
def migrating(engine: Engine, path: Path) -> Iterator[Connection]:
    """A transaction for migrations, one process at a time; WAL on, foreign keys off.

    Migrations on SQLite copy and drop tables, which foreign keys would forbid; they are checked
    before the commit. The lock file stays: if it were removed, two processes could hold two.
    """
    with _lock_file(path.with_name(path.name + ".lock")), engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        connection.detach()  # with its foreign keys off it must not go back into the pool
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA foreign_keys=OFF")
        connection = connection.execution_options(**{WRITES: True})
        with connection.begin():
            yield connection
            broken = raw.execute("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise InternalError(f"Migrating {path} left {len(broken)} rows that point nowhere.")


@contextmanager
def _lock_file(path: Path) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise NotAvailable(f"Cannot lock the catalog by {path}: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
