# SPDX-License-Identifier: Apache-2.0
"""The schema: models and migrations agree, and a catalog opens right or says why not."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from imagerd.base.errors import BadInput, InternalError, NotAvailable
from imagerd.catalog import upgrade
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.database import Database
from imagerd.catalog.models import Base
from imagerd.catalog.records import Pass
from tests.catalogs import NOON, an_image, open_catalog, url_of


def test_migrations_and_models_agree(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/c.sqlite")
    upgrade.prepare(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_the_revisions_are_those_of_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    steps = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(step.revision for step in steps)[::-1] == upgrade.REVISIONS


def test_opening_a_current_catalog_does_not_import_alembic(tmp_path: Path) -> None:
    open_catalog(tmp_path).close()
    code = (
        "import sys\nfrom imagerd.catalog.catalog import Catalog\n"
        f"Catalog.open('sqlite:///{tmp_path}/catalog.sqlite', read_only=True).close()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_is_made_and_its_signs_do_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / "100% a?b#c&d é"
    with open_catalog(folder) as catalog:
        an_image(catalog, "A")
    assert (folder / "catalog.sqlite").exists()
    with Catalog.open(url_of(folder), read_only=True) as catalog:
        assert len(catalog.images.search()) == 1


def test_wal_and_foreign_keys_are_on(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/c.sqlite")
    upgrade.prepare(database)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
    database.close()
    durable = Database(f"sqlite:///{tmp_path}/c.sqlite", durable=True)
    with durable.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    durable.close()


def test_a_row_that_points_nowhere_is_a_bug(tmp_path: Path) -> None:
    with open_catalog(tmp_path) as catalog, pytest.raises(InternalError, match="FOREIGN KEY"):
        catalog.jobs.record_pass("no-such-job", Pass("first", NOON))


def test_a_catalog_of_a_newer_imagerd_is_left_alone(tmp_path: Path) -> None:
    open_catalog(tmp_path).close()
    with sqlite3.connect(tmp_path / "catalog.sqlite") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(NotAvailable, match="newer imagerd"):
        open_catalog(tmp_path)


def test_a_reader_does_not_migrate(tmp_path: Path) -> None:
    open_catalog(tmp_path).close()
    with sqlite3.connect(tmp_path / "catalog.sqlite") as raw:
        raw.execute("DROP TABLE alembic_version")
    raw.close()
    with pytest.raises(NotAvailable, match="older imagerd"):
        Catalog.open(url_of(tmp_path), read_only=True)


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="no catalog at"):
        Catalog.open(f"sqlite:///{tmp_path}/none.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_may_not_write(tmp_path: Path) -> None:
    open_catalog(tmp_path).close()
    with (
        Catalog.open(url_of(tmp_path), read_only=True) as catalog,
        pytest.raises(InternalError, match="reading only"),
    ):
        catalog.events.append("x", "y")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize("daemon_runs", [True, False])
def test_a_reader_needs_no_right_to_write(tmp_path: Path, daemon_runs: bool) -> None:
    folder = tmp_path / "state"
    catalog = open_catalog(folder)
    an_image(catalog, "A")
    if not daemon_runs:
        catalog.close()
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o555)
    code = (
        "import os\nfrom imagerd.catalog.catalog import Catalog\nos.setuid(65534)\n"
        f"c = Catalog.open('sqlite:///{folder}/catalog.sqlite', read_only=True)\n"
        "print(len(c.images.search()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1", done.stderr
    catalog.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "is not one of SQLAlchemy's"),
        ("sqlite://", "name a file"),
        ("oracle9://x/y", "knows no database of the kind"),
    ],
)
def test_a_wrong_url_is_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        Catalog.open(url)


def test_a_missing_driver_is_named() -> None:
    with pytest.raises(NotAvailable, match="needs the Python module"):
        Catalog.open("mysql+aiomysql://x/y")


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite"
    file.write_bytes(b"this is a letter to my aunt, not a database" * 30)
    before = file.read_bytes()
    with pytest.raises(BadInput, match="not a catalog of imagerd, or is damaged"):
        open_catalog(tmp_path)
    assert file.read_bytes() == before


def test_a_full_disk_is_told_and_keeps_what_was_there(tmp_path: Path) -> None:
    with open_catalog(tmp_path) as catalog:
        an_image(catalog, "A")
        with catalog._database.read() as session:
            session.connection().exec_driver_sql("PRAGMA max_page_count=1")  # a full disk
        with pytest.raises(NotAvailable, match="cannot be written: database or disk is full"):
            catalog.events.append("long", "x", {"text": "x" * 1_000_000})
        assert len(catalog.images.search()) == 1


def test_the_queries_of_the_page_work(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent / "docs" / "catalog.md"
    queries = page.read_text().split("```sql\n")[1].split("```")[0].split(";\n")
    with open_catalog(tmp_path) as catalog:
        an_image(catalog, "A")
        an_image(catalog, "B")
    raw = sqlite3.connect(tmp_path / "catalog.sqlite")
    answers = [raw.execute(query).fetchall() for query in queries if query.strip()]
    raw.close()
    assert answers[0] == [("GAME", 2)]
    assert len(answers) == 3


def test_the_page_tells_every_table(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "catalog.md").read_text()
    for name in Base.metadata.tables:
        assert f"| `{name}` |" in page
