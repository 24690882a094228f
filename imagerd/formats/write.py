# SPDX-License-Identifier: Apache-2.0
"""Write any sector source as an image; the suffix of the target names the container."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.disc.source import SectorSource
from imagerd.formats.registry import ROWS
from imagerd.formats.written import WriteOptions, WrittenImage


class _Writer(Protocol):
    def write_image(
        self, source: SectorSource, target: Path, options: WriteOptions
    ) -> Task[WrittenImage]: ...


def writable_suffixes() -> tuple[str, ...]:
    """The suffixes that `write_image` understands."""
    return tuple(row.suffixes[0] for row in ROWS.values() if row.writer)


def write_image(
    source: SectorSource, target: Path, options: WriteOptions | None = None
) -> Task[WrittenImage]:
    """Write `source` as the image `target`, in the container that its suffix names.

    A task: yields `Progress` in sectors, returns a `WrittenImage`. The files appear under their
    names only when all are whole. Raises `BadInput` for a suffix that cannot be written and for
    a source that the container cannot hold, `AlreadyThere` for targets that exist.
    """
    for row in ROWS.values():
        if row.writer and target.suffix.lower() in row.suffixes:
            writer = cast("_Writer", import_module(row.writer))
            return writer.write_image(source, target, options or WriteOptions())
    raise BadInput(
        f"Cannot write {target}: its suffix names no image that imagerd writes"
        f" ({', '.join(writable_suffixes())})."
    )
