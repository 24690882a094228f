# SPDX-License-Identifier: Apache-2.0
"""An opened CHD as a sector source."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from imagerd.base.progress import Task
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorState, States
from imagerd.formats.chd.ahead import Frames
from imagerd.formats.chd.checking import Checking
from imagerd.formats.chd.hunks import Hunks
from imagerd.formats.chd.place import Piece
from imagerd.formats.density import Density
from imagerd.formats.features import Feature
from imagerd.formats.image import OwnDigest, Warning_
from imagerd.formats.keptsheet import KeptSheet
from imagerd.formats.rawform import empty_sectors
from imagerd.sectors.geometry import Flags
from imagerd.sectors.subchannel import interleave

_MOST_ROWS = 2048  # of one read


@dataclass(frozen=True, slots=True)
class Disc:
    """What `opening` found out: a layout and where its sectors lie; `unread` hold filling."""

    layout: Layout
    pieces: tuple[Piece, ...]
    warnings: tuple[Warning_, ...] = ()
    unread: tuple[range, ...] = ()
    densities: tuple[Density, ...] = ()
    sheet: KeptSheet | None = None


class ChdImage:
    """An opened CHD. A context manager; closing ends its threads and closes its files."""

    format = "chd"

    def __init__(self, path: Path, hunks: Hunks, disc: Disc) -> None:
        self.path = path
        self.layout = disc.layout
        self.warnings = disc.warnings
        self.files = _files(hunks)
        self.sheet = disc.sheet
        self.densities = disc.densities
        self._hunks = hunks
        self._pieces = disc.pieces
        self._starts = [piece.lba for piece in disc.pieces]
        self._unread = disc.unread
        self._frames = Frames(hunks)
        self._checking: Checking | None = None

    @property
    def features(self) -> frozenset[Feature]:
        """See `Featured`."""
        return frozenset({Feature.DPM} if self.densities else ())

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`; see `SectorSource`. Damaged hunks come FAILED."""
        if count < 1:
            raise ValueError(f"cannot read {count} sectors")
        at = bisect_right(self._starts, lba) - 1
        if at < 0 or lba >= self._pieces[at].end:
            raise ValueError(f"LBA {lba} is in no session of {self.path}")
        piece = self._pieces[at]
        count = min(count, piece.end - lba, _MOST_ROWS)
        if piece.frame is None:
            empty = empty_sectors(piece.mode, piece.stored, lba, count)
            return _with_sub(Sectors.good(lba, empty, piece.stored))
        frames, good = self._read_frames(piece.frame + lba - piece.lba, count)
        count = len(frames)
        sectors = Sectors(lba, piece.stored, _sectors(piece, frames), _states(good))
        faults = _faults(lba, ~good, FaultKind.MEDIUM) if not good.all() else ()
        for part in self._filling(lba, count):
            sectors.states[part.start - lba : part.stop - lba] = SectorState.FAILED
            faults += (Fault(part.start, len(part), FaultKind.FILLING),)
        return _with_sub(replace(sectors, faults=faults))

    def _read_frames(self, frame: int, count: int) -> tuple[Bytes2D, Flags]:
        if self._checking is None:
            return self._frames.read(frame, count)
        self._checking.come_to(frame)
        rows, good = self._frames.read(frame, count)
        self._checking.passed(frame, rows)
        return rows, good

    def _filling(self, lba: int, count: int) -> Iterator[range]:
        """The runs of `count` sectors from `lba` that were not read when the image was made."""
        first = bisect_right(self._unread, lba, key=lambda run: run.start)
        for run in self._unread[max(0, first - 1) :]:
            if run.start >= lba + count:
                break
            part = range(max(run.start, lba), min(run.stop, lba + count))
            if part:
                yield part

    @property
    def hunks(self) -> Hunks:
        """What lies below the sectors: header, metadata, where each hunk is."""
        return self._hunks

    def digest_on_the_way(self) -> None:
        """See `SelfDigested`."""
        self._checking = Checking(self._hunks, self._frames)

    def own_digests(self) -> Task[tuple[OwnDigest, ...]]:
        """The SHA-1s of the header, and of all that is here."""
        checking = self._checking or Checking(self._hunks, self._frames)
        self._checking = None
        return checking.finish()

    def close(self) -> None:
        """End the threads and close all files; idempotent."""
        self._frames.close()
        self._hunks.close()

    def __enter__(self) -> ChdImage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _files(hunks: Hunks) -> tuple[Path, ...]:
    parents = _files(hunks.parent) if hunks.parent is not None else ()
    return (hunks.file.path, *parents)


def _sectors(piece: Piece, frames: Bytes2D) -> Bytes2D:
    """(n, size of the stored format) of frames, always a copy."""
    size = piece.stored.size
    if piece.stored is SectorFormat.USER_SUB:
        data = np.hstack((frames[:, :2048], frames[:, 2352:]))
    else:
        data = frames[:, :size].copy()
    if piece.stored in (SectorFormat.RAW_SUB, SectorFormat.USER_SUB) and piece.sub == "RW":
        data[:, -96:] = interleave(np.ascontiguousarray(data[:, -96:]))
    if piece.swap:
        if size == 2352:
            data.view(np.uint16).byteswap(inplace=True)
        else:
            data[:, :2352] = (
                np.ascontiguousarray(data[:, :2352]).view(np.uint16).byteswap().view(np.uint8)
            )
    return data


def _states(good: Flags) -> States:
    return np.where(good, SectorState.READ, SectorState.FAILED).astype(np.uint8)


def _faults(lba: int, rows: Flags, kind: FaultKind) -> tuple[Fault, ...]:
    """A fault for each run of `rows`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], rows, [False])).astype(np.int8)))
    return tuple(
        Fault(lba + int(start), int(stop - start), kind)
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    )


def _with_sub(sectors: Sectors) -> Sectors:
    if sectors.format in (SectorFormat.RAW_SUB, SectorFormat.USER_SUB):
        return replace(sectors, sub=sectors.data[:, -96:])
    return sectors
