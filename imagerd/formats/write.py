# SPDX-License-Identifier: Apache-2.0
"""Write any sector source as an image; the suffix of the target names the container."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.disc.source import SectorSource
from imagerd.formats.features import Feature, Trait, lost
from imagerd.formats.origin import Origin, origin_of
from imagerd.formats.registry import ROWS, Container
from imagerd.formats.written import WriteOptions, WrittenImage

_SHEETS = (Container.CUE, Container.ECM)  # the sheet itself is what is written


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
    container = container_of(target)
    row = ROWS[container]
    writer = cast("_Writer", import_module(row.writer or ""))
    wanted = options or WriteOptions()
    origin = origin_of(source) if wanted.origin is None else wanted.origin
    if row.holds is not None and container not in _SHEETS:
        origin = origin.within(row.holds)
    wanted = replace(wanted, origin=origin)
    return writer.write_image(source, target, wanted)


def container_of(target: Path) -> Container:
    """The container that `write_image` writes for the name `target`. Raises `BadInput`."""
    for container, row in ROWS.items():
        if row.writer and target.suffix.lower() in row.suffixes:
            return container
    raise BadInput(
        f"Cannot write {target}: its suffix names no image that imagerd writes"
        f" ({', '.join(writable_suffixes())})."
    )


def losses(
    source: SectorSource,
    container: Container,
    *,
    track: int | None = None,
    origin: Origin | None = None,
) -> tuple[Trait, ...] | None:
    """What of `source` the container cannot hold, known before anything is written.

    `track`: the data track that is written where it holds only one. `origin`: what the source
    came with, where it does not say so itself. None where the container's row does not say what
    it holds.
    """
    row = ROWS[container]
    holds = row.holds_of(source.layout)
    if holds is None:
        return None
    more = {Feature.DPM} if origin is not None and origin.densities else set[Feature]()
    return lost(
        source,
        holds,
        track=track,
        more=frozenset(more),
        empty_pregaps=row.empty_pregaps,
    )
