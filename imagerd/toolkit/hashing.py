# SPDX-License-Identifier: Apache-2.0
"""`hash`: CRC-32, MD5, SHA-1 and SHA-256 of tracks and files, each byte hashed as rarely as can be.

A file that turns out to be just the sectors of a track, or of the disc, takes over their digests:
it is read along and compared, which is ten times cheaper than hashing it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from imagerd.base.digests import Digests, Hasher
from imagerd.base.errors import NotAvailable
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import SectorFormat, Track
from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import SectorSource, SectorState
from imagerd.sectors.blocks import blocks_of
from imagerd.sectors.views import MainView

_BATCH = 1024
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class TrackHash:
    """The digests of a track's stored sectors, its pregap included as far as it is stored.

    Subchannel is no part of them, wherever the container keeps it: raw sectors are 2352 bytes.
    """

    number: int
    mode: str
    stored: SectorFormat
    digests: Digests


@dataclass(frozen=True, slots=True)
class FileHash:
    """The digests of a file, byte by byte."""

    path: Path
    digests: Digests


@dataclass(frozen=True, slots=True)
class HashResult:
    """`whole`: all tracks joined in order. `unreadable` sectors were hashed as their filling."""

    tracks: tuple[TrackHash, ...]
    files: tuple[FileHash, ...]
    whole: Digests | None
    unreadable: Extent


def hash_source(
    source: SectorSource, files: Sequence[Path] = (), *, whole: bool = False
) -> Task[HashResult]:
    """Hash the tracks of `source`, the `files` it is made of and, if asked, the whole disc.

    What has no files (a drive) is always hashed as a whole.
    """
    source = MainView(source)
    tracks = source.layout.tracks
    sizes = [len(track.stored_range) * track.stored.size for track in tracks]
    work = _Work(source, sum(sizes))
    echoes = _echoes(files, sizes)
    whole = whole or not files
    wanted = len(tracks) > 1 and (whole or echoes.whole is not None)
    joined = Hasher(threads=True) if wanted else None
    hashed: list[TrackHash] = []
    try:
        for at, track in enumerate(tracks):
            echo = echoes.whole or echoes.tracks.get(at)
            digests = yield from work.track(track, joined, echo)
            hashed.append(TrackHash(track.number, track.mode.value, track.stored, digests))
        total = joined.digests() if joined is not None else hashed[0].digests
    finally:
        if joined is not None:
            joined.close()
        echoes.close()
    known = _taken_over(echoes, hashed, total)
    done = yield from _hash_files(files, known, work)
    return HashResult(
        tracks=tuple(hashed),
        files=done,
        whole=total if whole else None,
        unreadable=Extent.of(work.unreadable),
    )


class _Echo:
    """A file that may hold just the bytes that are hashed anyway; `same` tells."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.same = True
        self._stream: BinaryIO = path.open("rb", buffering=0)
        self._buffer = bytearray()

    def follow(self, data: memoryview) -> None:
        """Read as many bytes as `data` has and compare."""
        if not self.same:
            return
        if len(self._buffer) != data.nbytes:
            self._buffer = bytearray(data.nbytes)
        size = self._stream.readinto(self._buffer)  # type: ignore[attr-defined]  # unbuffered
        # Compared as numpy arrays of words: memoryviews would compare byte by byte.
        word = np.uint64 if data.nbytes % 8 == 0 else np.uint8
        self.same = size == data.nbytes and bool(
            np.array_equal(np.frombuffer(self._buffer, word), np.frombuffer(data, word))
        )

    def close(self) -> None:
        self._stream.close()


@dataclass(frozen=True, slots=True)
class _Echoes:
    whole: _Echo | None
    tracks: dict[int, _Echo]

    def close(self) -> None:
        for echo in [self.whole, *self.tracks.values()]:
            if echo is not None:
                echo.close()


def _echoes(files: Sequence[Path], sizes: list[int]) -> _Echoes:
    """Files whose size says that they may be the disc, or one track each in order."""
    by_size = [(path, path.stat().st_size) for path in files]
    for path, size in by_size:
        if size == sum(sizes):
            return _Echoes(_Echo(path), {})
    order = [path for path, size in by_size if size in sizes]
    if [path.stat().st_size for path in order] == sizes:
        return _Echoes(None, {at: _Echo(path) for at, path in enumerate(order)})
    return _Echoes(None, {})


def _taken_over(echoes: _Echoes, tracks: list[TrackHash], total: Digests) -> dict[Path, Digests]:
    known: dict[Path, Digests] = {}
    if echoes.whole is not None and echoes.whole.same:
        known[echoes.whole.path] = total
    for at, echo in echoes.tracks.items():
        if echo.same:
            known[echo.path] = tracks[at].digests
    return known


class _Work:
    """The pass over the source, with its progress."""

    def __init__(self, source: SectorSource, total: int) -> None:
        self._source = source
        self._total = total
        self._done = 0
        self.unreadable: list[range] = []

    def track(self, track: Track, joined: Hasher | None, echo: _Echo | None) -> Task[Digests]:
        """Hash one track, and feed `joined` and `echo` with the same bytes."""
        hasher = Hasher(threads=True)
        try:
            for block in blocks_of(self._source, track.stored_range, _BATCH):
                data = np.ascontiguousarray(block.data).data.cast("B")
                hasher.update(data)
                if joined is not None:
                    joined.update(data)
                if echo is not None:
                    echo.follow(data)
                self.unreadable += from_mask(block.lba, block.states <= SectorState.FAILED)
                yield self.advance(data.nbytes, f"track {track.number}")
            return hasher.digests()
        finally:
            hasher.close()

    def expect(self, size: int) -> None:
        """More bytes to come than was thought."""
        self._total += size

    def advance(self, size: int, what: str) -> Progress:
        """Count `size` bytes as done."""
        self._done += size
        return Progress(self._done, self._total, "bytes", what)


def _hash_files(
    files: Sequence[Path], known: dict[Path, Digests], work: _Work
) -> Task[tuple[FileHash, ...]]:
    work.expect(sum(path.stat().st_size for path in files if path not in known))
    done: list[FileHash] = []
    for path in files:
        digests = known.get(path)
        if digests is None:
            digests = yield from _hash_file(path, work)
        done.append(FileHash(path, digests))
    return tuple(done)


def _hash_file(path: Path, work: _Work) -> Task[Digests]:
    hasher = Hasher(threads=True)
    try:
        with path.open("rb", buffering=0) as stream:
            while data := stream.read(_BLOCK):
                hasher.update(data)
                yield work.advance(len(data), path.name)
        return hasher.digests()
    except OSError as error:
        raise NotAvailable(f"Cannot read {path}: {error.strerror}.") from error
    finally:
        hasher.close()
