# SPDX-License-Identifier: Apache-2.0
"""The containers that imagerd knows, and which module knows each; modules load when needed.

A container is one member of `Container`, one row in `_ROWS` and one module with the functions
`open_image(path, *, allow_outside)` and, where it can be written, `write_image(source, target,
options)`. See docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.disc.source import SectorSource
from imagerd.formats import signs
from imagerd.formats.datafile import DataFile
from imagerd.formats.image import Image
from imagerd.formats.written import WriteOptions, WrittenImage


class Container(StrEnum):
    """All containers; a closed list."""

    CUE = "cue"
    ISO = "iso"
    BIN = "bin"


@dataclass(frozen=True, slots=True)
class _Row:
    """`sign` tells by content; `suffixes` are asked only where no content speaks."""

    reader: str
    suffixes: tuple[str, ...]
    sign: Callable[[DataFile], bool]
    writer: str | None = None


_ROWS = {
    Container.CUE: _Row(
        "imagerd.formats.cue.opening",
        (".cue",),
        signs.is_sheet,
        "imagerd.formats.cue.writing",
    ),
    Container.BIN: _Row("imagerd.formats.bare", (".bin", ".img"), signs.is_raw),
    Container.ISO: _Row(
        "imagerd.formats.iso",
        (".iso", ".udf"),
        signs.is_iso,
        "imagerd.formats.iso_writing",
    ),
}


class _Reader(Protocol):
    def open_image(self, path: Path, *, allow_outside: bool = False) -> Image: ...


class _Writer(Protocol):
    def write_image(
        self, source: SectorSource, target: Path, options: WriteOptions
    ) -> Task[WrittenImage]: ...


def identify(path: Path) -> Container:
    """The container of the file `path`. Raises `BadInput` if it is none that we know."""
    file = DataFile(path)
    try:
        if file.size == 0:
            raise BadInput(f"{path} is empty; there is no image in it.")
        for container, row in _ROWS.items():
            if row.sign(file):
                return container
        if signs.is_cdrdao_toc(file):
            raise BadInput(f"{path} is a cdrdao TOC, which is not read yet; convert it by toc2cue.")
    finally:
        file.close()
    for container, row in _ROWS.items():
        if path.suffix.lower() in row.suffixes:
            return container
    known = ", ".join(suffix for row in _ROWS.values() for suffix in row.suffixes)
    raise BadInput(f"{path} is no image that imagerd knows (by content, or by suffix: {known}).")


def open_image(path: Path, *, allow_outside: bool = False) -> Image:
    """Open the image `path`, whatever its container; content decides before the suffix.

    `allow_outside` lets a sheet name files outside its own folder. Raises `BadInput` with one
    sentence for what cannot be opened; oddities that can be lived with are in its `warnings`.
    """
    reader = cast("_Reader", import_module(_ROWS[identify(path)].reader))
    return reader.open_image(path, allow_outside=allow_outside)


def writable_suffixes() -> tuple[str, ...]:
    """The suffixes that `write_image` understands."""
    return tuple(row.suffixes[0] for row in _ROWS.values() if row.writer)


def write_image(
    source: SectorSource, target: Path, options: WriteOptions | None = None
) -> Task[WrittenImage]:
    """Write `source` as the image `target`, in the container that its suffix names.

    A task: yields `Progress` in sectors, returns a `WrittenImage`. The files appear under their
    names only when all are whole. Raises `BadInput` for a suffix that cannot be written and for
    a source that the container cannot hold, `AlreadyThere` for targets that exist.
    """
    for row in _ROWS.values():
        if row.writer and target.suffix.lower() in row.suffixes:
            writer = cast("_Writer", import_module(row.writer))
            return writer.write_image(source, target, options or WriteOptions())
    raise BadInput(
        f"Cannot write {target}: its suffix names no image that imagerd writes"
        f" ({', '.join(writable_suffixes())})."
    )
