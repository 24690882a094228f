# SPDX-License-Identifier: Apache-2.0
"""Open a Nero image, version 1 or 2, disc at once or track at once."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PACK, CdText
from imagerd.disc.layout import (
    Control,
    DiscType,
    Layout,
    Medium,
    SectorFormat,
    TrackMode,
    single_track,
)
from imagerd.disc.msf import LBA_MAX, PREGAP
from imagerd.formats.codes import is_isrc, is_mcn
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent, ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.keptsheet import unpack
from imagerd.formats.nrg.chunks import OURS, Chunk, Chunks, read_chunks
from imagerd.formats.nrg.tables import (
    LEAD_OUT,
    MODES,
    CueRow,
    Dao,
    DaoTrack,
    TaoTrack,
    cue_rows,
    read_dao,
    read_tao,
)
from imagerd.formats.placed import Placed, assemble, header_mode
from imagerd.formats.sheettext import with_path

_CD = 1  # bit of MTYP
_LARGEST_DISC = 1 << 27  # blocks: 256 GiB
_TRACK_AT_ONCE = ("TINF", "ETNF", "ETN2")
_TABLES = ("CUES", "CUEX", *_TRACK_AT_ONCE)


@dataclass(slots=True)
class _Reading:
    """What the chunks have told so far."""

    file: DataFile
    tracks: list[Placed] = field(default_factory=list)
    lead_outs: dict[int, int] = field(default_factory=dict)
    mcn: str | None = None
    kind: DiscType | None = None
    notes: list[str] = field(default_factory=list)


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open `path`, which is all of the image."""
    file = DataFile(path)
    try:
        chunks = read_chunks(file)
        file.end = chunks.offset
        layout, extents, notes = _open(file, chunks)
    except BadInput as error:
        file.close()
        raise with_path(path, error) from error
    warnings = tuple(Warning_(path, None, note) for note in notes)
    kept = next((unpack(chunk.body) for chunk in chunks.all(OURS)), None)
    return ExtentImage(path, "nrg", layout, extents, files=(path,), warnings=warnings, sheet=kept)


def _open(file: DataFile, chunks: Chunks) -> tuple[Layout, list[Extent], list[str]]:
    reading = _Reading(file)
    daos = iter(chunks.all("DAOI", "DAOX"))
    tables = chunks.all(*_TABLES)
    for session, table in enumerate(tables, 1):
        if table.name in _TRACK_AT_ONCE:
            rows = read_tao(table.name, table.body)
            blocks = _as_blocks(chunks, rows, reading) if len(tables) == 1 else None
            if blocks is not None:
                return blocks
            _tao_session(reading, session, rows)
            continue
        where = next(daos, None)
        if where is None:
            raise BadInput("it tells the indexes of a session, but not where its tracks lie")
        dao = read_dao(where.body, new=where.name == "DAOX")
        _dao_session(reading, session, _cue(table, dao), dao)
    for track in reading.tracks:
        _settle_mode(reading, track)
    made = assemble(
        reading.tracks,
        reading.lead_outs,
        disc_type=reading.kind,
        mcn=reading.mcn,
        cd_text=_cd_text(chunks, reading),
    )
    return made.layout, made.extents, reading.notes + made.notes


def _stored(mode: int, size: int | None, reading: _Reading) -> tuple[TrackMode, SectorFormat]:
    if mode not in MODES:
        raise BadInput(f"it has a track of mode {mode:#04x}, which is not known")
    kind, stored = MODES[mode]
    if size in (None, stored.size):
        return kind, stored
    for other in (SectorFormat.RAW, SectorFormat.RAW_SUB, SectorFormat.USER, SectorFormat.MODE2):
        if other.size == size and not (kind is TrackMode.AUDIO and size < SectorFormat.RAW.size):
            reading.notes.append(f"a track of mode {mode:#04x} has sectors of {size} bytes")
            return kind, other
    raise BadInput(f"it has a track with sectors of {size} bytes, which no disc has")


# -- disc at once ---------------------------------------------------------------------------------


def _cue(table: Chunk, dao: Dao) -> list[CueRow]:
    """The indexes of a session. Programs differ in the times of version 1, which are binary or
    BCD: the reading is right whose tracks are as long as those in the file.
    """
    if table.name == "CUEX":
        return cue_rows(table.body, new=True)
    readings = []
    for bcd in (False, True):
        with suppress(BadInput):
            readings.append(cue_rows(table.body, new=False, bcd=bcd))
    if not readings:
        raise BadInput("its table of indexes is damaged")
    return next((rows for rows in readings if _fits(rows, dao)), readings[0])


def _fits(rows: list[CueRow], dao: Dao) -> bool:
    """Whether the lead-out is as far from the first track as the file has sectors."""
    ones = [row.lba for row in rows if row.index == 1]
    count = sum((t.end - t.pregap) // t.size for t in dao.tracks if t.size)
    first = dao.tracks[0]
    before = (first.start - first.pregap) // first.size if first.size else 0
    return len(ones) > 1 and ones[-1] - ones[0] == count - before


def _dao_session(reading: _Reading, session: int, rows: list[CueRow], dao: Dao) -> None:
    if is_mcn(dao.mcn):
        reading.mcn = dao.mcn
    reading.kind = next((kind for kind in DiscType if kind.value == dao.kind), reading.kind)
    ends = [row.lba for row in rows if row.track == LEAD_OUT]
    if ends:
        reading.lead_outs[session] = ends[-1]
    numbers = list(dict.fromkeys(row.track for row in rows if row.track not in (0, LEAD_OUT)))
    if len(numbers) != len(dao.tracks):
        raise BadInput(f"it has indexes of {len(numbers)} tracks, and {len(dao.tracks)} tracks")
    for number, track in zip(numbers, dao.tracks, strict=True):
        own = [row for row in rows if row.track == number]
        opening = number == numbers[0]
        reading.tracks.append(_dao_track(reading, session, own, track, opening=opening))


def _dao_track(
    reading: _Reading, session: int, rows: list[CueRow], track: DaoTrack, *, opening: bool
) -> Placed:
    number = rows[0].track
    mode, stored = _stored(track.mode, track.size, reading)
    one = next((row for row in rows if row.index == 1), None)
    if one is None:
        raise BadInput(f"track {number} has no index 1")
    if not track.pregap <= track.start <= track.end:
        raise BadInput(f"track {number} ends in the file before it begins")
    pregap = (track.start - track.pregap) // stored.size
    first = one.lba - pregap  # LBA of the first sector in the file
    start = first
    if opening:
        # The two seconds before a session are in the file, and are no part of a layout.
        start = max(first, 0) if session == 1 else min(first + PREGAP, one.lba)
    indexes = {row.index: row.lba for row in rows if row.index > 0}
    if start < one.lba:
        indexes[0] = start
    return Placed(
        number,
        session,
        mode,
        indexes,
        one.lba + (track.end - track.start) // stored.size,
        reading.file,
        track.pregap + (start - first) * stored.size,
        stored,
        one.control,
        track.isrc if is_isrc(track.isrc) else None,
    )


# -- track at once --------------------------------------------------------------------------------


def _tao_session(reading: _Reading, session: int, rows: list[TaoTrack]) -> None:
    """Tracks one by one: between two there are a pregap and link blocks, which no file holds."""
    previous: Placed | None = None
    for row in rows:
        mode, stored = _stored(row.mode, None, reading)
        lba = row.lba
        if lba is None:
            lba = 0 if previous is None else previous.end + PREGAP
        indexes = {1: lba}
        if previous is not None and previous.end < lba:
            indexes[0] = previous.end
        previous = Placed(
            len(reading.tracks) + 1,
            session,
            mode,
            indexes,
            lba + row.size // stored.size,
            reading.file,
            row.offset,
            stored,
            Control.NONE if mode is TrackMode.AUDIO else Control.DATA,
            stored_from=lba,
        )
        reading.tracks.append(previous)


def _as_blocks(
    chunks: Chunks, rows: list[TaoTrack], reading: _Reading
) -> tuple[Layout, list[Extent], list[str]] | None:
    """One track of 2048 bytes is a DVD where MTYP tells of no CD, or where it is too long."""
    if len(rows) != 1 or MODES.get(rows[0].mode) != MODES[0]:
        return None
    row, size = rows[0], SectorFormat.USER.size
    count = row.size // size
    types = [struct.unpack(">I", c.body[:4])[0] for c in chunks.all("MTYP") if len(c.body) >= 4]
    if count <= LBA_MAX + 1 and (not types or not types[0] or types[0] & _CD):
        return None
    if not 0 < count <= _LARGEST_DISC:
        raise BadInput(f"it has a track of {count} sectors, which no disc has")
    stored = SectorFormat.USER
    layout = single_track(count, TrackMode.BLOCKS, medium=Medium.DVD, stored=stored)
    missing = count - reading.file.sectors_from(row.offset, size)
    notes = [f"{missing} sectors of the disc are in no file"] if missing > 0 else []
    return layout, [Extent(0, count, TrackMode.BLOCKS, stored, reading.file, row.offset)], notes


# -- the rest -------------------------------------------------------------------------------------


def _settle_mode(reading: _Reading, track: Placed) -> None:
    """Believe the headers of the track's own sectors."""
    one = track.indexes[1]
    first = track.start if track.stored_from is None else track.stored_from
    offset = track.offset + (one - first) * track.stored.size
    count = min(track.end - one, LBA_MAX)
    track.mode, sentence = header_mode(track.mode, track.stored, reading.file, offset, count)
    if sentence:
        reading.notes.append(f"track {track.number} {sentence}")


def _cd_text(chunks: Chunks, reading: _Reading) -> CdText | None:
    body = b"".join(chunk.body for chunk in chunks.all("CDTX")[:1])
    whole = len(body) // PACK * PACK
    if whole != len(body):
        reading.notes.append("its CD-Text is not a whole number of packs")
    text = CdText(body[:whole])
    if text.bad_packs():
        reading.notes.append(f"{len(text.bad_packs())} packs of its CD-Text have a wrong CRC")
    return text if whole else None
