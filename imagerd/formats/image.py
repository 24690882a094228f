# SPDX-License-Identifier: Apache-2.0
"""What opening a container gives: a sector source that also knows its files and its oddities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from imagerd.base.progress import Task
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.source import Sectors


@dataclass(frozen=True, slots=True)
class Warning_:  # noqa: N801 - the plain name is Python's own
    """Something odd in an image that opened all the same. `line` counts from 1, in a sheet."""

    file: Path
    line: int | None
    sentence: str

    def __str__(self) -> str:
        where = f"{self.file.name}:{self.line}" if self.line else self.file.name
        return f"{where}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sector lies as it is: from byte `offset` of `file` on, in the form `stored`."""

    file: Path
    offset: int
    stored: SectorFormat


@runtime_checkable
class Placed(Protocol):
    """An image whose sectors lie plainly in its files, so that they can be changed in place."""

    def where(self, lba: int) -> Place | None:
        """Where the sector lies; None if it is in no file, or not as it is there."""
        ...


@dataclass(frozen=True, slots=True)
class OwnDigest:
    """A SHA-1 that an image carries of what is in it: `name` says of what; hexadecimal."""

    name: str
    expected: str
    actual: str


@runtime_checkable
class SelfDigested(Protocol):
    """An image that carries digests of its own."""

    def digest_on_the_way(self) -> None:
        """Compute them of what is read from now on, in its order, so that less is left to read."""
        ...

    def own_digests(self) -> Task[tuple[OwnDigest, ...]]:
        """Compute them, and read what is left to be read for that."""
        ...


class Image(Protocol):
    """An image in files: a `SectorSource`, whatever the container."""

    @property
    def path(self) -> Path:
        """The file that was opened: the sheet, where there is one."""
        ...

    @property
    def format(self) -> str:
        """The container: "iso", "cue", "bin"."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the image consists of, `path` first."""
        ...

    @property
    def warnings(self) -> tuple[Warning_, ...]:
        """What is odd about it, in the order found."""
        ...

    @property
    def layout(self) -> Layout:
        """The disc's layout."""
        ...

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`; see `SectorSource`."""
        ...

    def close(self) -> None:
        """Close the files; idempotent."""
        ...
