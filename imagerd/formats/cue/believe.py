# SPDX-License-Identifier: Apache-2.0
"""Whether the data of a track are what its sheet declares; where they differ, the data win."""

from __future__ import annotations

from collections.abc import Callable

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.formats.cue.program import Program, TrackEntry
from imagerd.formats.datafile import DataFile
from imagerd.formats.probe import Probed, probe

StartOf = Callable[[SectorFormat], int]  # byte where the track's first sector lies, stored so

_CANDIDATES = (SectorFormat.RAW, SectorFormat.USER, SectorFormat.MODE2, SectorFormat.RAW_SUB)


def settle(
    program: Program, files: list[DataFile], entry: TrackEntry, leading: int, start_of: StartOf
) -> SectorFormat:
    """The stored format of `entry`; sets its mode. `leading` sectors lie before its first index.

    Where nothing in the data speaks (audio, a damaged start), the sheet's word stands.
    """
    for stored in dict.fromkeys((entry.stored, *_CANDIDATES)):
        found = None if stored is None else _look(files, entry, leading, stored, start_of)
        if found is not None and found.stored is stored:
            return _believe(program, entry, found)
    if entry.stored is None:
        program.note(entry.line, "the data do not tell their type; taken for audio")
        entry.mode = TrackMode.AUDIO
        return SectorFormat.RAW
    return entry.stored


def _look(
    files: list[DataFile], entry: TrackEntry, leading: int, stored: SectorFormat, start_of: StartOf
) -> Probed | None:
    """Look where INDEX 01 lies if the track is stored as `stored`."""
    position = entry.indexes[1]
    file = files[position.file]
    if file.swap:
        return None
    if position.file == entry.first.file:
        begin, frames = start_of(stored), leading + position.frames - entry.first.frames
    else:
        begin, frames = file.begin, position.frames
    offset = begin + frames * stored.size
    return probe(file, offset, file.end - offset) if frames >= 0 else None


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
