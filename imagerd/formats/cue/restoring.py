# SPDX-License-Identifier: Apache-2.0
"""The very sheet and the very files that a disc came from, out of whatever it is in by now.

The kept sheet says which sectors lay in which file. It is believed only where all of this holds:
the sectors that were in no file are empty, those that were stored shorter than raw are made again
from what is stored without a difference, and the sheet, laid over the files that were written,
gives the disc that the source is, as far as the source's container can tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import Control, DiscType, Index, Layout, SectorFormat, Track, TrackMode
from imagerd.disc.source import Bytes2D, Sectors, SectorSource
from imagerd.formats.cue.kept import RESTORED, runs_of
from imagerd.formats.cue.opening import cd_text
from imagerd.formats.cue.place import place
from imagerd.formats.cue.program import Program
from imagerd.formats.cue.reader import read_program
from imagerd.formats.cue.sheet import Sheet
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent
from imagerd.formats.features import Feature
from imagerd.formats.keptsheet import KeptSheet, Run, Runs
from imagerd.formats.packed.opening import unpacked
from imagerd.formats.rawform import empty_sectors, to_raw, unread
from imagerd.sectors import convert
from imagerd.sectors.blocks import blocks_of

BATCH = 1024
_RAWS = (SectorFormat.RAW, SectorFormat.RAW_SUB)


class UntrueError(Exception):
    """The kept sheet is not true of these sectors. Nothing is wrong with them: it is not used."""


@dataclass(frozen=True, slots=True)
class RestoredFile:
    """A data file: the sectors in it, and whether the bytes of their samples are exchanged."""

    runs: Runs
    swap: bool

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(run.count * run.stored.size for run in self.runs)


@dataclass(frozen=True, slots=True)
class Restoration:
    """A kept sheet that may be true. `program` is what it says."""

    kept: KeptSheet
    sheet: Sheet
    program: Program
    files: tuple[RestoredFile, ...]


def restoration(kept: KeptSheet, layout: Layout, *, raw: bool) -> Restoration | None:
    """What `kept` would make of a disc of that layout; None if nothing. `raw`: only raw files."""
    sheet = Sheet.parse(kept.sheet)
    try:
        program = read_program(sheet)
    except BadInput:
        return None
    runs = [run for file in kept.files for run in file]
    if not runs or len(kept.files) != len(program.files) or not _within(runs, layout):
        return None
    if any(entry.kind not in RESTORED for entry in program.files):
        return None
    if raw and any(run.stored is not SectorFormat.RAW for run in runs):
        return None
    files = tuple(
        RestoredFile(file, entry.kind == "MOTOROLA")
        for file, entry in zip(kept.files, program.files, strict=True)
    )
    return Restoration(kept, sheet, program, files)


def _within(runs: Sequence[Run], layout: Layout) -> bool:
    """Whether the runs follow each other, each within a session."""
    areas, at = list(layout.ranges()), 0
    for run in runs:
        stop = run.lba + run.count
        if run.lba < at or not any(run.lba in area and stop <= area.stop for area in areas):
            return False
        at = stop
    return True


def check_gaps(source: SectorSource, wanted: Restoration) -> None:
    """Raise `UntrueError` unless what is in none of the files is empty."""
    layout = source.layout
    for gap in _gaps(layout, [run for file in wanted.files for run in file.runs]):
        for track, area, _ in pieces(layout, [Run(gap.start, len(gap), "RAW")]):
            for block in blocks_of(source, area, BATCH):
                if len(unread(block)) or not _is_empty(block, track.mode):
                    raise UntrueError


def pieces(layout: Layout, runs: Sequence[Run]) -> Iterator[tuple[Track, range, SectorFormat]]:
    """The runs, cut where a track ends."""
    for run in runs:
        for track in layout.tracks:
            area = range(max(run.lba, track.start), min(run.lba + run.count, track.end))
            if area:
                yield track, area, run.stored


def _gaps(layout: Layout, runs: Sequence[Run]) -> Iterator[range]:
    for area in layout.ranges():
        at = area.start
        for run in runs:
            if run.lba in area:
                yield range(at, run.lba)
                at = run.lba + run.count
        yield range(at, area.stop)


def _is_empty(block: Sectors, mode: TrackMode) -> bool:
    """Whether it is what a gap that no file holds is read as, raw or made of user data."""
    raw = to_raw(block.data, block.format, mode, block.lba)
    count = len(block)
    made = [empty_sectors(mode, SectorFormat.RAW, block.lba, count)]
    if mode is not TrackMode.AUDIO:
        zeros = np.zeros((count, SectorFormat.USER.size), np.uint8)
        made.append(to_raw(zeros, SectorFormat.USER, mode, block.lba))
    return any(np.array_equal(raw, rows) for rows in made)


def stored_rows(block: Sectors, stored: SectorFormat, mode: TrackMode, *, proven: bool) -> Bytes2D:
    """The rows of `block` in the form `stored`. Raises `UntrueError` where that loses or invents.

    `proven`: what is made of shorter sectors will be held against a digest.
    """
    if block.format is stored:
        return block.data
    raw = to_raw(block.data, block.format, mode, block.lba)
    if stored is SectorFormat.RAW:
        if block.format not in _RAWS and not proven:
            raise UntrueError  # nobody knows whether sync and parity were as they would be made
        return raw
    try:
        rows = convert.from_raw(raw, stored, mode, block.sub)
        again = to_raw(rows, stored, mode, block.lba)
    except ValueError:
        raise UntrueError from None
    good = np.ones(len(raw), np.bool_)
    good[unread(block)] = False
    if not np.array_equal(again[good], raw[good]):
        raise UntrueError
    return rows


def swapped(rows: Bytes2D) -> Bytes2D:
    """The rows with the bytes of each 16-bit sample exchanged (MOTOROLA)."""
    if rows.shape[1] > SectorFormat.RAW.size:
        raise UntrueError  # subchannel follows, which is bytes
    return np.ascontiguousarray(rows).view("<u2").byteswap().view(np.uint8)


def check_written(
    wanted: Restoration, parts: Sequence[Path], layout: Layout, holds: frozenset[Feature]
) -> None:
    """Raise `UntrueError` unless the sheet makes of the files `parts` the disc of the source.

    `holds`: what the source's container can say of a disc; the rest is the sheet's word alone.
    """
    with ExitStack() as stack:
        files = []
        for path, file in zip(parts, wanted.files, strict=True):
            files.append(unpacked(path)[0])
            stack.callback(files[-1].close)
            files[-1].swap = file.swap
        try:
            program = read_program(wanted.sheet)
            said, extents = place(program, files)
        except BadInput:
            raise UntrueError from None
        said = replace(said, cd_text=cd_text(program, wanted.kept.cdt))
        placed = _placed(files, extents)
    if placed != [file.runs for file in wanted.files]:
        raise UntrueError
    if _told(said, holds) != _told(layout, holds):
        raise UntrueError
    if Feature.CD_TEXT in holds and not _same_texts(said.cd_text, layout.cd_text):
        raise UntrueError


def _placed(files: Sequence[DataFile], extents: list[Extent]) -> list[Runs | None]:
    return [runs_of(file, extents) for file in files]


def _same_texts(one: CdText | None, other: CdText | None) -> bool:
    """Not every container keeps the packs themselves."""
    if one is None or other is None:
        return one is other
    return one == other or one.texts() == other.texts()


def _told(layout: Layout, holds: frozenset[Feature]) -> Layout:
    """`layout` with nothing in it but what containers that hold `holds` can tell alike."""
    first = layout.tracks[0].number
    kept = layout.with_tracks(lambda track: _told_of(track, first, holds))
    if Feature.PREGAPS not in holds:
        # Where sectors of a pregap are kept at the end of the track before, that ends later.
        ends = {
            track.number: after.start if after.session == track.session else track.end
            for track, after in zip(kept.tracks, kept.tracks[1:], strict=False)
        }
        kept = kept.with_tracks(lambda track: replace(track, end=ends.get(track.number, track.end)))
    return replace(
        kept,
        disc_type=layout.disc_type if Feature.DISC_TYPE in holds else DiscType.CDDA_OR_ROM,
        mcn=layout.mcn if Feature.MCN in holds else None,
        cd_text=None,
    )


def _told_of(track: Track, first: int, holds: frozenset[Feature]) -> Track:
    least = 0 if Feature.PREGAPS in holds else 1
    most = 99 if Feature.INDEXES in holds else 1
    indexes = tuple(
        index
        for index in track.indexes
        if least <= index.number <= most and (index.number or index.lba < track.index1)
    )
    flags = track.control if Feature.FLAGS in holds else track.control & Control.DATA
    return replace(
        track,
        number=track.number - first + 1,
        indexes=indexes or (Index(1, track.index1),),
        stored=SectorFormat.RAW,
        control=flags,
        isrc=track.isrc if Feature.ISRC in holds else None,
        pregap_virtual=0,
        postgap_virtual=0,
    )
