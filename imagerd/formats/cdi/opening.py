# SPDX-License-Identifier: Apache-2.0
"""Open a DiscJuggler image."""

from __future__ import annotations

from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import Control, SectorFormat, TrackMode
from imagerd.disc.msf import LBA_MAX, PREGAP
from imagerd.formats.cdi.table import CdiTrack, Table, read_table
from imagerd.formats.codes import is_isrc, is_mcn
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.placed import Assembly, Placed, assemble, header_mode
from imagerd.formats.sheettext import with_path

_MODES = {0: TrackMode.AUDIO, 1: TrackMode.MODE1, 2: TrackMode.MODE2}
_STORED = {  # by read mode, with the bytes to pass over after each sector
    0: (SectorFormat.USER, 0),
    1: (SectorFormat.MODE2, 0),
    2: (SectorFormat.RAW, 0),
    3: (SectorFormat.RAW, 16),  # P and Q, not as on the disc
    4: (SectorFormat.RAW_SUB, 0),
}


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open `path`, which is all of the image."""
    file = DataFile(path)
    try:
        table = read_table(file)
        file.end = table.begin
        made = _place(file, table)
    except BadInput as error:
        file.close()
        raise with_path(path, error) from error
    warnings = tuple(Warning_(path, None, note) for note in made.notes)
    return ExtentImage(path, "cdi", made.layout, made.extents, files=(path,), warnings=warnings)


def _place(file: DataFile, table: Table) -> Assembly:
    placed: list[Placed] = []
    notes: list[str] = []
    offset = 0
    for session, tracks in enumerate(table.sessions, 1):
        for track in tracks:
            opening = track is tracks[0]
            made = _track(file, track, session, len(placed) + 1, offset, opening=opening)
            one = made.indexes[1]
            size = made.stored.size + made.skip
            at = made.offset + (one - made.start) * size
            made.mode, sentence = header_mode(made.mode, made.stored, file, at, made.end - one)
            if sentence:
                notes.append(f"track {made.number} {sentence}")
            if made.skip:
                notes.append(f"the P and Q of track {made.number} are passed over")
            if track.total != sum(track.lengths):
                notes.append(f"track {made.number} has {track.total} sectors, its indexes others")
            placed.append(made)
            offset += track.total * size
    text = CdText(table.packs) if table.packs else None
    mcn = table.mcn if is_mcn(table.mcn) else None
    made_all = assemble(placed, {}, mcn=mcn, cd_text=text)
    made_all.notes[:0] = notes
    return made_all


def _track(
    file: DataFile, track: CdiTrack, session: int, number: int, offset: int, *, opening: bool
) -> Placed:
    if track.mode not in _MODES or track.read_mode not in _STORED:
        raise BadInput(
            f"track {number} is of mode {track.mode} and read mode {track.read_mode}, which are"
            " not known"
        )
    mode, (stored, skip) = _MODES[track.mode], _STORED[track.read_mode]
    if mode is TrackMode.AUDIO and stored.size < SectorFormat.RAW.size:
        raise BadInput(f"track {number} is audio with sectors of {stored.size} bytes")
    if max(track.total, sum(track.lengths)) > LBA_MAX + PREGAP:
        raise BadInput(f"track {number} is longer than a disc")
    first = track.address - PREGAP  # LBA of the first sector in the file
    one = first + track.lengths[0]
    start = first
    if opening:
        # The two seconds before a session are in the file, and are no part of a layout.
        start = max(first, 0) if session == 1 else min(first + PREGAP, one)
    indexes = {0: start} if start < one else {}
    lba = first
    for index, length in enumerate(track.lengths[:-1], 1):
        lba += length
        indexes[index] = lba
    return Placed(
        number,
        session,
        mode,
        indexes,
        first + sum(track.lengths),
        file,
        offset + (start - first) * (stored.size + skip),
        stored,
        Control(track.control),
        track.isrc if is_isrc(track.isrc) else None,
        skip=skip,
    )
