# SPDX-License-Identifier: Apache-2.0
"""The images in folders: sheets with what they name, and files that no sheet names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from imagerd.base.errors import NotAvailable, OperatorError
from imagerd.formats.cue.opening import LARGEST_SHEET
from imagerd.formats.registry import ROWS, Container, open_image
from imagerd.toolkit.match.chd import SUFFIX

_SUFFIXES = frozenset({SUFFIX, *(suffix for row in ROWS.values() for suffix in row.suffixes)})
_DATA = frozenset({*ROWS[Container.BIN].suffixes, *ROWS[Container.ISO].suffixes})


def gather(paths: Iterable[Path]) -> Iterator[Path]:
    """Each image once: a path that is no folder as it is, of a folder all below it, by name.

    Hidden files and folders are passed over (imagerd keeps unfinished images in such), and links
    to folders are not followed.
    """
    seen: set[Path] = set()
    for path in paths:
        for image in _below(path) if path.is_dir() else (path,):
            where = image.resolve()
            if where not in seen:
                seen.add(where)
                yield image


def _below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise NotAvailable(f"Cannot look into {error.filename}: {error.strerror}.") from error

    for here, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from _images(Path(here), sorted(name for name in names if not name.startswith(".")))


def _images(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    files = [folder / name for name in names]
    known = [file for file in files if file.suffix.lower() in _SUFFIXES and file.is_file()]
    taken = {data.resolve() for file in known for data in _named_in(file)}
    for file in known:
        if file.resolve() not in taken:
            yield file


def _named_in(file: Path) -> Iterable[Path]:
    """The other files of a sheet; of one that does not open, those called like it."""
    if file.stat().st_size > LARGEST_SHEET:
        return ()
    try:
        with closing(open_image(file)) as image:
            return image.files[1:]
    except OperatorError:
        alone = file.suffix.lower() in _DATA
        return () if alone else [file.with_suffix(suffix) for suffix in _DATA]
