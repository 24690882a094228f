# SPDX-License-Identifier: Apache-2.0
"""Whether the data of a track are what its sheet declares; where they differ, the data win."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.formats.cue.program import Program, TrackEntry
from imagerd.formats.datafile import DataFile
from imagerd.formats.probe import Probed, probe


@dataclass(frozen=True, slots=True)
class Look:
    """Where to look: `start` is the byte where the track's first sector lies in its file,
    `leading` sectors of which come before its first index; `sectors` from INDEX 01 on are its own
    (None: all to the end of the file).
    """

    start: int
    leading: int
    sectors: int | None


_CANDIDATES = (SectorFormat.RAW, SectorFormat.USER, SectorFormat.MODE2, SectorFormat.RAW_SUB)


def settle(
    program: Program, files: list[DataFile], entry: TrackEntry, look: Look
) -> tuple[SectorFormat, int | None]:
    """The stored format of `entry`, and the LBA that its INDEX 01 gives itself; sets its mode.

    Where nothing in the data speaks (audio, a damaged start), the sheet's word stands.
    """
    for stored in dict.fromkeys((entry.stored, *_CANDIDATES)):
        found = None if stored is None else _look(files, entry, look, stored)
        if found is not None and found.stored is stored:
            return _believe(program, entry, found), found.lba
    if entry.stored is None:
        program.note(entry.line, "the data do not tell their type; taken for audio")
        entry.mode = TrackMode.AUDIO
        return SectorFormat.RAW, None
    return entry.stored, None


def _look(
    files: list[DataFile], entry: TrackEntry, look: Look, stored: SectorFormat
) -> Probed | None:
    """Look where INDEX 01 lies if the track is stored as `stored`."""
    position = entry.indexes[1]
    file = files[position.file]
    if file.swap:
        return None
    if position.file == entry.first.file:
        begin, frames = look.start, look.leading + position.frames - entry.first.frames
    else:
        begin, frames = file.begin, position.frames
    offset = begin + frames * stored.size
    limit = file.end - offset
    if look.sectors is not None:
        limit = min(limit, look.sectors * stored.size)
    return probe(file, offset, limit) if frames >= 0 and limit > 0 else None


def _believe(program: Program, entry: TrackEntry, found: Probed) -> SectorFormat:
    # Only headers tell the mode; where a volume's magic told the size, the sheet's mode stays.
    by_header = found.stored in (SectorFormat.RAW, SectorFormat.RAW_SUB)
    mode = found.mode if by_header or entry.mode is TrackMode.AUDIO else entry.mode
    if (mode, found.stored) != (entry.mode, entry.stored):
        said = f"{entry.mode}/{entry.stored.size}" if entry.stored else "of no known type"
        program.note(
            entry.line,
            f"track {entry.number} is declared {said}, but its data are"
            f" {mode}/{found.stored.size}; the data were believed",
        )
    entry.mode = mode
    return found.stored
