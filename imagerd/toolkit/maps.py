# SPDX-License-Identifier: Apache-2.0
"""Map files of ddrescue beside images: the account of one found, and one for what we write."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Layout
from imagerd.disc.ranges import Extent, join
from imagerd.disc.source import SectorState
from imagerd.formats.image import Image
from imagerd.recovery.mapfile import (
    Block,
    MapFile,
    Status,
    read_mapfile,
    write_mapfile,
)
from imagerd.recovery.sectormap import SectorMap
from imagerd.toolkit.account import Account, Origin
from imagerd.toolkit.beside import Piece, map_name

_UNFINISHED = frozenset(Status) - {Status.FINISHED}


def account_of_map(image: Image, file: Path) -> Account:
    """What `file` tells about `image`. Raises `BadInput` if it is no map, or that of another."""
    found, pieces = _read(image, file)
    unclear = Extent.of(_sectors_of(found, pieces, _UNFINISHED))
    return Account(Origin.MAP, f"The map {file.name}", unclear=unclear)


def sector_map_of(image: Image, file: Path) -> SectorMap:
    """`file` as a sector map: finished is READ, what was not tried UNREAD, the rest FAILED.

    Raises `BadInput` as `account_of_map` does.
    """
    found, pieces = _read(image, file)
    sectors = SectorMap(image.layout.ranges())
    unfinished = Extent.of(_sectors_of(found, pieces, _UNFINISHED))
    for area in sectors.areas:
        for run, status in _runs(area, unfinished):
            if status is Status.FINISHED:
                sectors.raise_to(run.start, SectorState.READ, len(run))
    for run in _sectors_of(found, pieces, _UNFINISHED - {Status.NON_TRIED}):
        sectors.raise_to(run.start, SectorState.FAILED, len(run))
    return sectors


def _read(image: Image, file: Path) -> tuple[MapFile, tuple[Piece, ...]]:
    found = read_mapfile(file)
    pieces = stored_pieces(image.layout)
    size = sum(len(piece.area) * piece.size for piece in pieces)
    end = found.blocks[-1].pos + found.blocks[-1].size if found.blocks else 0
    if not size - pieces[-1].size < end <= size:
        raise BadInput(f"{file} is the map of {end} bytes, the image has {size}: not heeded.")
    return found, pieces


def stored_pieces(layout: Layout) -> tuple[Piece, ...]:
    """The sectors of a disc as images hold them: track after track."""
    return tuple(Piece(track.stored_range, track.stored.size) for track in layout.tracks)


def _sectors_of(
    found: MapFile, pieces: Sequence[Piece], statuses: Container[Status]
) -> Iterator[range]:
    """The sectors of which any byte has one of `statuses`."""
    bad = join(
        range(block.pos, block.pos + block.size)
        for block in found.blocks
        if block.status in statuses
    )
    pos = 0
    for piece in pieces:
        end = pos + len(piece.area) * piece.size
        for run in bad:
            first, last = max(run.start, pos), min(run.stop, end)
            if first < last:
                yield range(
                    piece.area.start + (first - pos) // piece.size,
                    piece.area.start + -(-(last - pos) // piece.size),
                )
        pos = end


def write_map(target: Path, pieces: Iterable[Piece], bad: Extent, *, overwrite: bool) -> Path:
    """Write the map of the image `target`, whose files hold `pieces`; `bad` are LBAs of these.

    Raises `AlreadyThere` rather than replace one unasked.
    """
    file = map_name(target)
    write_mapfile(file, _blocks(pieces, bad), overwrite=overwrite)
    return file


def _blocks(pieces: Iterable[Piece], bad: Extent) -> Iterator[Block]:
    pos, last = 0, None
    for piece in pieces:
        for run, status in _runs(piece.area, bad):
            size = len(run) * piece.size
            if last is not None and last.status is status:
                last = Block(last.pos, last.size + size, status)
            else:
                if last is not None:
                    yield last
                last = Block(pos, size, status)
            pos += size
    if last is not None:
        yield last


def _runs(area: range, bad: Extent) -> Iterator[tuple[range, Status]]:
    at = area.start
    for run in bad.ranges:
        first, last = max(run.start, area.start), min(run.stop, area.stop)
        if first >= last:
            continue
        if at < first:
            yield range(at, first), Status.FINISHED
        yield range(first, last), Status.BAD
        at = last
    if at < area.stop:
        yield range(at, area.stop), Status.FINISHED
