# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagerd.base.errors import NotAvailable
from imagerd.catalog import sqlite
from imagerd.catalog.catalog import Catalog


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/catalog.sqlite"
    with Catalog.open(url):
        return url


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite answers "busy" at once, as it does while another connection recovers the WAL."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def at_once(*arguments: object, **options: object) -> sqlite3.Connection:
        return connect(*arguments, **(options | {"timeout": 0.0}))

    monkeypatch.setattr("imagerd.catalog.sqlite.sqlite3.connect", at_once)


def _hold(url: str, seconds: float) -> threading.Thread:
    """Lock the file against everybody for a while, readers and openers too."""
    held = threading.Event()

    def work() -> None:
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("CREATE TABLE passing (x)")
        connection.execute("ROLLBACK")
        held.set()
        time.sleep(seconds)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    held.wait()
    return thread


@pytest.mark.usefixtures("impatient")
def test_a_catalog_that_is_locked_for_a_moment_is_waited_for(url: str) -> None:
    holder = _hold(url, 0.5)
    with Catalog.open(url) as catalog:
        job = catalog.jobs.create(policy={})
        assert [found.id for found in catalog.jobs.list()] == [job.id]
    holder.join()


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_stays_is_told_in_one_sentence(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    holder = _hold(url, 1.0)
    with pytest.raises(NotAvailable, match="cannot be opened: database is locked"):
        Catalog.open(url)
    holder.join()
