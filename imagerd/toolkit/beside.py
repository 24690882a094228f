# SPDX-License-Identifier: Apache-2.0
"""Where the map file of an image lies, and which sectors its positions mean.

``NAME.SUFFIX.map`` belongs to that file alone; ``NAME.map`` is how the archive and most people call
it, and may belong to another file of that stem: then its length is another.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_HEADS = (b"# Mapfile", b"# Rescue Logfile")  # of ddrescue since 1.20, and before


class Piece(NamedTuple):
    """Sectors that lie one after another in an image's files, `size` bytes each."""

    area: range
    size: int


def opened_by(target: Path) -> Path:
    """The file by which all that was written as `target` opens: of X.bin.ecm its sheet, X.cue."""
    if target.suffix.lower() != ".ecm":
        return target
    return target.with_suffix("").with_suffix(".cue")


def map_name(path: Path) -> Path:
    """What we call the map file of `path` when we write it."""
    return path.with_name(path.name + ".map")


def map_beside(path: Path) -> Path | None:
    """The map file of the image `path`, if there is one."""
    candidates = (map_name(path), path.with_suffix(".map"), map_name(opened_by(path)))
    return next((file for file in candidates if file.is_file()), None)


def is_map(path: Path) -> bool:
    """Whether a file begins as map files of ddrescue, and ours, do."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(max(map(len, _HEADS))).startswith(_HEADS)
    except OSError:
        return False
