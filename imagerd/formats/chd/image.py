# SPDX-License-Identifier: Apache-2.0
"""An opened CHD as a sector source: a few decoded stretches kept, those to come decoded ahead."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from imagerd.base.progress import Task
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorState, States
from imagerd.formats.chd.checking import check
from imagerd.formats.chd.hunks import Hunks
from imagerd.formats.chd.place import Piece
from imagerd.formats.image import OwnDigest, Warning_
from imagerd.formats.rawform import empty_sectors
from imagerd.sectors.geometry import Flags
from imagerd.sectors.subchannel import interleave

_STRETCH = 1 << 20  # bytes that are decoded at once when reading on and on
_KEPT = 4  # stretches, besides those on their way
_AHEAD = 3
_THREADS = 2
_MOST_ROWS = 2048  # of one read


@dataclass(frozen=True, slots=True)
class Disc:
    """What `opening` found out: a layout and where its sectors lie; `unread` hold filling."""

    layout: Layout
    pieces: tuple[Piece, ...]
    warnings: tuple[Warning_, ...] = ()
    unread: tuple[range, ...] = ()


class ChdImage:
    """An opened CHD. A context manager; closing ends its threads and closes its files."""

    format = "chd"

    def __init__(self, path: Path, hunks: Hunks, disc: Disc) -> None:
        self.path = path
        self.layout = disc.layout
        self.warnings = disc.warnings
        self.files = _files(hunks)
        self._hunks = hunks
        self._pieces = disc.pieces
        self._starts = [piece.lba for piece in disc.pieces]
        self._unread = disc.unread
        self._frames = _Frames(hunks)

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
        frames, good = self._frames.read(piece.frame + lba - piece.lba, count)
        count = len(frames)
        sectors = Sectors(lba, piece.stored, _sectors(piece, frames), _states(good))
        faults = _faults(lba, ~good, FaultKind.MEDIUM) if not good.all() else ()
        for part in self._filling(lba, count):
            sectors.states[part.start - lba : part.stop - lba] = SectorState.FAILED
            faults += (Fault(part.start, len(part), FaultKind.FILLING),)
        return _with_sub(replace(sectors, faults=faults))

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

    def units(self) -> Iterator[tuple[Bytes2D, Flags]]:
        """All units of the data in their order, in pieces: (n, bytes of a unit), whether good."""
        header = self._hunks.header
        total, at = header.logical // header.unit, 0
        while at < total:
            rows, good = self._frames.read(at, min(_MOST_ROWS, total - at))
            yield rows, good
            at += len(rows)

    def own_digests(self) -> Task[tuple[OwnDigest, ...]]:
        """The SHA-1s of the header, and of all that is here."""
        return check(self._hunks, self.units())

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


class _Frames:
    """Frames by number. Whole stretches are decoded ahead while frames are read in their order."""

    def __init__(self, hunks: Hunks) -> None:
        self._hunks = hunks
        self._unit = hunks.header.unit
        self._per_hunk = hunks.header.hunk // self._unit
        self._length = max(1, _STRETCH // hunks.header.hunk)  # hunks of a stretch
        self._kept: OrderedDict[tuple[int, int], tuple[Bytes2D, Flags]] = OrderedDict()
        self._coming: dict[int, Future[tuple[Bytes2D, Flags]]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._next = -1  # the frame after those read last

    def read(self, frame: int, count: int) -> tuple[Bytes2D, Flags]:
        """At least one of `count` frames from `frame`: (n, unit) and whether each is good.

        The rows are a view of what is kept: copy them.
        """
        hunk = frame // self._per_hunk
        in_order = frame == self._next
        first, (data, good) = self._find(hunk) or self._decode(frame, count, in_order=in_order)
        skip = frame - first * self._per_hunk
        rows = data.reshape(-1, self._unit)[skip : skip + count]
        self._next = frame + len(rows)
        return rows, np.repeat(good, self._per_hunk)[skip : skip + count]

    def _find(self, hunk: int) -> tuple[int, tuple[Bytes2D, Flags]] | None:
        for first, count in self._kept:
            if first <= hunk < first + count:
                self._kept.move_to_end((first, count))
                return first, self._kept[first, count]
        return None

    def _decode(
        self, frame: int, count: int, *, in_order: bool
    ) -> tuple[int, tuple[Bytes2D, Flags]]:
        hunk = frame // self._per_hunk
        if in_order:
            first = hunk // self._length * self._length
            self._look_ahead(first)
            found = self._coming.pop(first).result()
            self._keep(first, found)
            return first, found
        last = (frame + count - 1) // self._per_hunk
        length = min(last - hunk + 1, self._length)
        found = self._hunks.decode(hunk, length)
        self._keep(hunk, found)
        return hunk, found

    def _look_ahead(self, first: int) -> None:
        """See that the stretch from hunk `first` is on its way, and some that follow."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="chd")
        ends = first + (_AHEAD + 1) * self._length
        for start in [start for start in self._coming if not first <= start < ends]:
            self._coming.pop(start).cancel()
        total = self._hunks.header.hunks
        for start in range(first, min(ends, total), self._length):
            if start not in self._coming:
                length = min(self._length, total - start)
                self._coming[start] = self._pool.submit(self._hunks.decode, start, length)

    def _keep(self, first: int, found: tuple[Bytes2D, Flags]) -> None:
        self._kept[first, len(found[0])] = found
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def close(self) -> None:
        """End the threads."""
        self._coming.clear()
        self._kept.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


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
