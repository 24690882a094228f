# SPDX-License-Identifier: Apache-2.0
"""What a source came with besides its sectors, and that a writer keeps where it can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from imagerd.formats.density import Density
from imagerd.formats.features import Feature
from imagerd.formats.keptsheet import KeptSheet


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a source comes from.

    `sheet`: the cue sheet that it is described by, or was once. `densities`: measurements of the
    pressing. `files`: those that are read, which nothing may replace. `stem`: of the name of the
    sheet, where it is opened by that.
    """

    sheet: KeptSheet | None = None
    densities: tuple[Density, ...] = ()
    files: tuple[Path, ...] = ()
    stem: str | None = None

    @property
    def kept_sheet(self) -> KeptSheet | None:
        """The sheet, if another container may keep it."""
        return None if self.sheet is None or self.sheet.too_long else self.sheet

    def within(self, holds: frozenset[Feature]) -> Origin:
        """The same on the way into a container that holds those features."""
        if self.sheet is None:
            return self
        lost = {*self.sheet.lost, *(frozenset(Feature) - holds)}
        sheet = msgspec.structs.replace(self.sheet, lost=tuple(sorted(map(str, lost))))
        return replace(self, sheet=sheet)

    @property
    def holds(self) -> frozenset[Feature]:
        """The features for which not the sheet alone speaks."""
        lost = self.sheet.lost if self.sheet is not None else ()
        return frozenset(feature for feature in Feature if feature.value not in lost)

    def not_kept(self) -> Iterator[str]:
        """Sentences about what no container keeps of it."""
        if self.sheet is not None and self.sheet.too_long:
            yield f"the cue sheet of the source, whose {len(self.sheet.sheet)} bytes are too many"


@runtime_checkable
class _InFiles(Protocol):
    path: Path
    format: str
    files: tuple[Path, ...]


@runtime_checkable
class _Described(Protocol):
    sheet: KeptSheet | None
    densities: tuple[Density, ...]


def origin_of(image: object) -> Origin:
    """What `image` came with: nothing, where it is no image in files."""
    files: tuple[Path, ...] = ()
    stem = None
    if isinstance(image, _InFiles):
        files = image.files
        stem = image.path.stem if image.format == "cue" else None
    if isinstance(image, _Described):
        return Origin(image.sheet, image.densities, files, stem)
    return Origin(files=files, stem=stem)
