# SPDX-License-Identifier: Apache-2.0
"""From a name in a sheet to a file: other systems' spellings, and no way out of the folder."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from imagerd.base.errors import BadInput

_MOST_ENTRIES = 100_000  # of a folder looked through for another spelling


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and in a few words each, how its name differs from what the sheet says."""

    path: Path
    notes: tuple[str, ...] = ()


def find(sheet: Path, names: tuple[str, ...], *, allow_outside: bool = False) -> Found | None:
    """The file that `sheet` means by one of `names` (the same name in several decodings).

    Tried in turn: the name as it stands, with slashes for backslashes, its last part only; each
    also without regard to case. Raises `BadInput` for a name that leads out of the sheet's folder,
    by "..", absolutely or by a symbolic link, unless `allow_outside`.
    """
    outside: str | None = None
    for name in names:
        for spelling, note in _spellings(name):
            path = PurePosixPath(spelling)
            if _leaves(path) and not allow_outside:
                outside = name
                continue
            found = _look_up(sheet.parent, path)
            if found is None:
                continue
            if not allow_outside and not _within(found, sheet.parent):
                outside = name
                continue
            other_case = found.name != path.name
            notes = (note,) if note else ()
            return Found(found, (*notes, "in another spelling") if other_case else notes)
    if outside is not None:
        raise BadInput(
            f"{sheet} names {outside!r}, outside its folder; put the file beside the sheet or"
            " allow names outside."
        )
    return None


def beside(sheet: Path, suffixes: tuple[str, ...] = (".bin", ".img", ".iso")) -> Path | None:
    """The data file called like the sheet itself, for sheets whose FILE is wrong or missing."""
    for suffix in suffixes:
        found = _look_up(sheet.parent, PurePosixPath(sheet.stem + suffix))
        if found is not None and _within(found, sheet.parent):
            return found
    return None


def _spellings(name: str) -> Iterator[tuple[str, str]]:
    yield name, ""
    slashed = name.replace("\\", "/")
    note = "with slashes for its backslashes" if slashed != name else ""
    if len(slashed) > 1 and slashed[1] == ":" and slashed[0].isalpha():
        slashed, note = slashed[2:], "without its Windows folders"
    elif note:
        yield slashed, note
    last = slashed.rstrip("/").rpartition("/")[2]
    if last and last != name:
        yield last, note if slashed == last else "beside the sheet, without its folders"


def _leaves(path: PurePosixPath) -> bool:
    return path.is_absolute() or ".." in path.parts


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def is_file(path: Path) -> bool:
    """Whether there is a regular file; False, too, for a name that no file can have."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # not there, a name too long, a NUL in it
        return False


def _look_up(folder: Path, name: PurePosixPath) -> Path | None:
    """`name` under `folder`: as it is, or else each part without regard to case."""
    exact = folder / name
    if is_file(exact):
        return exact
    here = Path("/") if name.is_absolute() else folder
    for part in name.parts:
        if part in ("/", ".."):
            here = here / part
            continue
        entry = _entry(here, part)
        if entry is None:
            return None
        here = here / entry
    return here if is_file(here) else None


def _entry(folder: Path, name: str) -> str | None:
    """The entry of `folder` that equals `name` but for case and Unicode normal form."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _MOST_ENTRIES)]
    except (OSError, ValueError):
        return None
    if name in names:
        return name
    wanted = _folded(name)
    # Most names of a large folder are ASCII, and folding these alike without a call is fast.
    alike = (one for one in names if (one.lower() if one.isascii() else _folded(one)) == wanted)
    return min(alike, default=None)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
