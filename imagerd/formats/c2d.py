# SPDX-License-Identifier: Apache-2.0
"""Open a .c2d of WinOnCD (CeQuadrat, Adaptec, Roxio): a header, rows of 44 bytes, the sectors.

After what libMirage and Aaru found out about them; no image that WinOnCD itself wrote was at hand.
Compressed tracks are refused. See docs/formats-sheets.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PACK, CdText
from imagerd.disc.layout import Control, SectorFormat, TrackMode
from imagerd.disc.msf import LBA_MAX
from imagerd.formats.binary import Fields
from imagerd.formats.codes import is_isrc, is_mcn
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.placed import Assembly, Placed, assemble, header_mode
from imagerd.formats.sheettext import with_path

_ROW = 44
_MOST_ROWS = 99 * 100
_LARGEST = 4 << 20  # of header, CD-Text and rows
_MODE2 = 2
_STORED = {
    2048: SectorFormat.USER,
    2324: SectorFormat.FORM2,
    2336: SectorFormat.MODE2,
    2352: SectorFormat.RAW,
    2448: SectorFormat.RAW_SUB,
}


@dataclass(frozen=True, slots=True)
class _Row:
    """Index `index` of track `point`: LBAs `first` to `last`, at byte `offset` of the file."""

    first: int
    last: int
    offset: int
    size: int
    isrc: str
    control: Control
    session: int
    point: int
    index: int
    mode: int


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open `path`, which is all of the image."""
    file = DataFile(path)
    try:
        made = _read(file)
    except BadInput as error:
        file.close()
        raise with_path(path, error) from error
    warnings = tuple(Warning_(path, None, note) for note in made.notes)
    return ExtentImage(path, "c2d", made.layout, made.extents, files=(path,), warnings=warnings)


def _read(file: DataFile) -> Assembly:
    fields = Fields(file.peek(0, _LARGEST))
    header, has_mcn = fields.unpack("<HH", 32)
    count, text, rows_at = fields.unpack("<HII", 50)
    if not 1 <= count <= _MOST_ROWS:
        raise BadInput(f"it has {count} rows of tracks")
    rows = [_row(fields, rows_at + number * _ROW) for number in range(count)]
    mcn = fields.bytes(36, 13).decode("ascii", "replace") if has_mcn else None
    packs = _packs(fields, text, (header, rows_at + count * _ROW))
    notes: list[str] = []
    placed = _place(file, rows, notes)
    made = assemble(placed, {}, mcn=mcn if is_mcn(mcn) else None, cd_text=packs)
    made.notes[:0] = notes
    return made


def _row(fields: Fields, at: int) -> _Row:
    first, last, offset, size = fields.unpack("<iiQI", at + 4)
    isrc = fields.bytes(at + 24, 12).decode("ascii", "replace")
    flags, session, point, index, mode, compressed = fields.unpack("<6B", at + 36)
    if compressed:
        raise BadInput(f"track {point} is compressed, which is not read")
    control = Control(flags & Control.DATA)
    if flags & 2:
        control |= Control.PRE_EMPHASIS
    return _Row(first, last, offset, size, isrc, control, session, point, index, mode)


def _packs(fields: Fields, size: int, places: tuple[int, ...]) -> CdText | None:
    """CD-Text, behind the header or behind the rows: where its CRCs are right."""
    for at in places:
        if 0 < size <= len(fields.data) - at:
            text = CdText(fields.data[at : at + size // PACK * PACK])
            if text.packs and not text.bad_packs():
                return text
    return None


def _place(file: DataFile, rows: list[_Row], notes: list[str]) -> list[Placed]:
    groups: dict[tuple[int, int], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row.session, row.point), []).append(row)
    placed = []
    for (session, point), own in groups.items():
        head = own[0]
        if head.size not in _STORED or not 0 <= head.first <= head.last <= LBA_MAX:
            raise BadInput(f"track {point} lies outside every disc or has sectors of {head.size}")
        indexes = {row.index: row.first for row in own}
        indexes.setdefault(1, head.first)
        end = max(row.last for row in own) + 1
        if end > LBA_MAX + 1:
            raise BadInput(f"track {point} lies outside every disc")
        stored = _STORED[head.size]
        mode = TrackMode.AUDIO
        if Control.DATA in head.control:
            mode = TrackMode.MODE2 if head.mode == _MODE2 else TrackMode.MODE1
        elif stored.size < SectorFormat.RAW.size:
            raise BadInput(f"track {point} is audio with sectors of {head.size} bytes")
        mode, sentence = header_mode(mode, stored, file, head.offset, end - head.first)
        if sentence:
            notes.append(f"track {point} {sentence}")
        placed.append(
            Placed(
                point,
                session,
                mode,
                indexes,
                end,
                file,
                head.offset,
                stored,
                head.control,
                head.isrc if is_isrc(head.isrc) else None,
                stored_from=head.first,
            )
        )
    return placed
