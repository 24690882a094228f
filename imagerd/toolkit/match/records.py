# SPDX-License-Identifier: Apache-2.0
"""What match asks of those who know: of a library of DATs, and of images that were heard before.

Light: the catalog answers, and imports this for every verb.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from imagerd.base.digests import Digests
from imagerd.toolkit.dat.records import Game


@dataclass(frozen=True, slots=True)
class Listed:
    """A game and the DAT that lists it."""

    game: Game
    dat: str
    publisher: str = ""
    system: str = ""
    version: str = ""


class Library(Protocol):
    """All that is known of dumps; answers are bounded, the likeliest first."""

    def with_digests(self, digests: Iterable[Digests]) -> tuple[Listed, ...]:
        """Games with a file that may be one of these."""
        ...

    def with_sizes(self, sizes: Iterable[int]) -> tuple[Listed, ...]:
        """Games with files of these sizes."""
        ...

    def near_size(self, low: int, high: int) -> tuple[Listed, ...]:
        """Games with a file of `low` to `high` bytes, both included."""
        ...

    def with_sha1(self, sha1: str) -> tuple[Listed, ...]:
        """Games with a file of this SHA-1."""
        ...


@dataclass(frozen=True, slots=True)
class Sound:
    """The universal hash of some audio, with the silent samples before and behind the sound."""

    sha1: str
    lead: int
    tail: int


@dataclass(frozen=True, slots=True)
class Heard:
    """An image whose audio is known; `image` its id in the catalog, None if it is in none."""

    path: str
    sound: Sound
    image: int | None = None


@dataclass(frozen=True, slots=True)
class SameSound:
    """Another image with the same sound. `offset`: samples by which ours is late against it."""

    path: str
    image: int | None
    offset: int
