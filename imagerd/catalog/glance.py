# SPDX-License-Identifier: Apache-2.0
"""Whether it is worth opening a catalog: a look without SQLAlchemy, whose import takes a while.

Verbs on images ask the catalog about every image, and most of those are in no archive.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

_PREFIX = "sqlite:///"
_QUERY = """\
SELECT 1 FROM image_file JOIN image ON image.id = image_file.image_id
WHERE image.folder = ? AND image_file.path = ?
"""


def surely_unknown(url: str, paths: Iterable[Path]) -> bool:
    """Whether no file of `paths` (absolute) is of an image in the catalog; False if in doubt."""
    if not url.startswith(_PREFIX):
        return False
    name = url.removeprefix(_PREFIX).partition("?")[0]
    files = [file for file in (Path(name), Path(unquote(name))) if file.exists()]
    if not files:
        return True
    try:
        uri = f"file:{quote(str(files[0].absolute()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return not any(_knows(connection, path) for path in paths)
    except sqlite3.Error:
        return False


def _knows(connection: sqlite3.Connection, path: Path) -> bool:
    """An image's files may lie in folders below its own."""
    for folder in path.parents:
        where = (str(folder), str(path.relative_to(folder)))
        try:
            if connection.execute(_QUERY, where).fetchone() is not None:
                return True
        except UnicodeEncodeError:  # no catalog can hold a name that is not UTF-8
            return False
    return False
