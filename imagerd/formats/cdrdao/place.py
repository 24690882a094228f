# SPDX-License-Identifier: Apache-2.0
"""From what a cdrdao TOC says and its data files to a layout: one session from LBA 0 on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from imagerd.base.errors import BadInput
from imagerd.disc.layout import (
    DiscType,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.msf import LBA_MAX
from imagerd.formats.cdrdao.program import Part, Program, Sub, TrackEntry
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent
from imagerd.formats.probe import probe
from imagerd.sectors.geometry import SUB

Files = Mapping[tuple[int, bool], DataFile]  # by number, and whether samples are swapped
_WITH_SUB = {
    SectorFormat.RAW: SectorFormat.RAW_SUB,
    SectorFormat.USER: SectorFormat.USER_SUB,
}
_RAW = (SectorFormat.RAW, SectorFormat.RAW_SUB)


@dataclass(frozen=True, slots=True)
class _Rows:
    """How the sectors of a track lie in its files: `stored`, then `skip` bytes of no use."""

    stored: SectorFormat
    skip: int = 0

    @property
    def size(self) -> int:
        return self.stored.size + self.skip


def swapped(part: Part, track: TrackEntry, *, wave: bool) -> bool:
    """Whether the samples of `part` are big-endian: cdrdao's raw files are, WAVE is not."""
    return track.mode is TrackMode.AUDIO and part.swap is wave


def place(program: Program, files: Files, waves: frozenset[int]) -> tuple[Layout, list[Extent]]:
    """Lay `program` out over `files`; `waves` are the numbers of those that are WAVE.

    Notes oddities in `program`. Raises `BadInput` (no file name in it) for what no disc has.
    """
    tracks: list[Track] = []
    extents: list[Extent] = []
    lba = missing = 0
    for number, entry in enumerate(program.tracks, 1):
        rows = _rows(program, entry)
        own = [
            _extent(program, entry, part, rows, files, waves, part is entry.parts[-1])
            for part in entry.parts
        ]
        mode = _mode(program, entry, own)
        for at, extent in enumerate(own):
            own[at] = replace(extent, lba=lba + sum(e.count for e in own[:at]), mode=mode)
            missing += _missing(own[at])
        tracks.append(_track(program, replace(entry, mode=mode), number, rows, own, lba))
        lba = tracks[-1].end
        if lba > LBA_MAX + 1:
            raise BadInput(f"line {entry.line}: the tracks are longer than a disc")
        extents += own
    if lba == 0:
        raise BadInput("its tracks hold no sectors")
    if missing:
        program.note(None, f"{missing} sectors of the disc are in no file")
    session = Session(1, tuple(tracks), lba)
    return Layout(Medium.CD, (session,), _disc_type(program, tracks), program.catalog), extents


def _disc_type(program: Program, tracks: list[Track]) -> DiscType:
    if program.disc_type is not None:
        return program.disc_type
    xa = any(track.mode is TrackMode.MODE2 for track in tracks)
    return DiscType.XA if xa else DiscType.CDDA_OR_ROM


def _rows(program: Program, entry: TrackEntry) -> _Rows:
    if entry.sub is Sub.NONE:
        return _Rows(entry.stored)
    if entry.sub is Sub.RAW and entry.stored in _WITH_SUB:
        return _Rows(_WITH_SUB[entry.stored])
    program.note(entry.line, f"the {entry.sub.value} subchannel of this track is passed over")
    return _Rows(entry.stored, SUB)


def _extent(
    program: Program,
    entry: TrackEntry,
    part: Part,
    rows: _Rows,
    files: Files,
    waves: frozenset[int],
    last: bool,
) -> Extent:
    """Where `part` lies; its LBA is to be set by the caller."""
    length = None if part.length is None else part.length.bytes(rows.size, samples=part.samples)
    if part.file is None:
        return Extent(0, _whole(program, part, length or 0, rows, last), entry.mode, rows.stored)
    file = files[part.file, swapped(part, entry, wave=part.file in waves)]
    offset = file.begin + part.offset + part.start.bytes(rows.size, samples=part.samples)
    if length is None:
        count, left = file.sectors_from(offset, rows.size), (file.end - offset) % rows.size
        if left and count and not file.pad:
            program.note(
                part.line,
                f"{file.path.name} ends in the middle of a sector: {left} of {rows.size} bytes",
            )
    else:
        count = _whole(program, part, length, rows, last)
    return Extent(0, count, entry.mode, rows.stored, file, offset, rows.skip)


def _whole(program: Program, part: Part, length: int, rows: _Rows, last: bool) -> int:
    """`length` bytes as sectors. Only the last part of a track may end within one."""
    count, left = divmod(length, rows.size)
    if count > LBA_MAX:
        raise BadInput(f"line {part.line}: a part of {count} sectors is longer than a disc")
    if not left:
        return count
    if not last:
        raise BadInput(f"line {part.line}: the part ends within a sector, and another one follows")
    program.note(part.line, f"the part ends within a sector: {left} of {rows.size} bytes")
    return count + 1


def _mode(program: Program, entry: TrackEntry, extents: list[Extent]) -> TrackMode:
    """The mode that the headers of raw sectors tell; what the TOC says where none do."""
    if entry.mode is TrackMode.AUDIO or entry.stored is not SectorFormat.RAW:
        return entry.mode
    first = next((e for e in extents if e.file is not None and e.count), None)
    if first is None or first.file is None:
        return entry.mode
    size = first.stored.size + first.skip
    found = probe(first.file, first.offset, first.count * size)
    if found is None or found.stored not in _RAW or found.mode is entry.mode:
        return entry.mode
    if found.mode is not TrackMode.MODE0:  # for which a TOC has no raw form
        program.note(
            entry.line, f"the track is declared {entry.mode}, but its data are {found.mode}"
        )
    return found.mode


def _missing(extent: Extent) -> int:
    if extent.file is None:
        return 0
    return max(0, extent.count - extent.file.sectors_from(extent.offset, extent.row_size))


def _track(
    program: Program,
    entry: TrackEntry,
    number: int,
    rows: _Rows,
    extents: list[Extent],
    start: int,
) -> Track:
    total = sum(extent.count for extent in extents)
    pregap = entry.start
    if pregap is None:
        pregap = sum(extent.count for extent in extents[: entry.pregap_parts])
    if pregap > total:
        raise BadInput(f"line {entry.line}: START of track {number} lies after its end")
    indexes = [Index(0, start)] if pregap else []
    indexes.append(Index(1, start + pregap))
    for line, sectors in entry.indexes:
        index = Index(indexes[-1].number + 1, start + pregap + sectors)
        if index.number > 99 or not indexes[-1].lba <= index.lba <= start + total:
            program.note(line, f"an INDEX of track {number} lies outside it; passed over")
            continue
        indexes.append(index)
    leading, trailing = _zeros(extents), _zeros(extents[::-1])
    leading = min(leading, pregap)
    trailing = min(trailing, total - leading)
    return Track(
        number,
        1,
        entry.mode,
        tuple(indexes),
        start + total,
        rows.stored,
        entry.control,
        entry.isrc,
        leading,
        trailing if start + total - trailing >= indexes[-1].lba else 0,
    )


def _zeros(extents: list[Extent]) -> int:
    """Sectors that no file holds, before the first that one holds."""
    count = 0
    for extent in extents:
        if extent.file is not None and extent.count:
            break
        count += extent.count
    return count
