# SPDX-License-Identifier: Apache-2.0
"""One's own images as games of a DAT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imagerd.base.digests import Digests
from imagerd.base.progress import Task
from imagerd.disc.source import SectorSource
from imagerd.sectors.views import RawView
from imagerd.toolkit.dat.records import Game, Rom, Status
from imagerd.toolkit.hashing import hash_source


def game_of(name: str, source: SectorSource, *, iso: bool, bad: bool = False) -> Task[Game]:
    """Hash an image as `match` does: the raw sectors of each track, an .iso as it is.

    `bad`: something is known to be wrong with it; what cannot be read makes it so, too.
    """
    iso = iso or not source.layout.is_cd
    hashes = yield from hash_source(source if iso else RawView(source))
    tracks = [(track.number, track.digests) for track in hashes.tracks]
    return listed(name, tracks, iso=iso, bad=bad or bool(hashes.unreadable))


def listed(name: str, tracks: Iterable[tuple[int, Digests]], *, iso: bool, bad: bool) -> Game:
    """The game of these tracks (number and digests), its files called as Redump calls them.

    `bad`: sectors of it were not read, so it is a bad dump.
    """
    known = list(tracks)
    names = file_names(name, [number for number, _ in known], ".iso" if iso else ".bin")
    status = Status.BAD_DUMP if bad else Status.GOOD
    roms = (
        Rom(called, of.size, of.crc32, of.md5, of.sha1, of.sha256, status)
        for called, (_, of) in zip(names, known, strict=True)
    )
    return Game(name, tuple(roms))


def file_names(name: str, numbers: Sequence[int], suffix: str) -> list[str]:
    """``NAME.bin``, or ``NAME (Track n).bin`` of several tracks, with two digits from ten on."""
    if len(numbers) == 1:
        return [f"{name}{suffix}"]
    digits = 1 if len(numbers) < 10 else 2
    return [f"{name} (Track {number:0{digits}}){suffix}" for number in numbers]
