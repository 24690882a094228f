# SPDX-License-Identifier: Apache-2.0
"""Open a .mdx, or a .mds of version 2 with its .mdf: images of DAEMON Tools, not encrypted.

Little-endian, in the description (see ``descriptor``) whose offsets count from its prefix::

    18  2  medium: 0 CD, 3 DVD      80  4  where the sessions are
    20  2  sessions                 84  4  densities
    30  2  bytes of CD-Text         88  4  the key of encrypted data, or 0
    40  4  where it is

A session has 32 bytes: 8 first LBA, 2 number, 1 points, 1 of them no tracks, 2 first, 2 last track,
4 zero, 4 where the points are, 8 end. A point is that of version 1, with its LBA and length once
more at 56 and 64. The footer of a track has 32 bytes: 4 name, 1 flags (1: packed), 7 more, 4
sectors of a group, 8 sectors in the file, 8 where the table of groups is, from the data on.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
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
from imagerd.formats import names
from imagerd.formats.binary import Fields
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent, ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.mds.descriptor import read_descriptor
from imagerd.formats.mds.groups import grouped
from imagerd.formats.mds.table import (
    FIRST,
    LEAD_OUT,
    STORED,
    TRACK,
    WITH_SUB,
    TrackBlock,
    read_block,
    read_name,
)
from imagerd.formats.placed import Placed, assemble, header_mode
from imagerd.formats.sheettext import with_path

_CD, _DVD = 0, 3
_SESSION = 32
_MOST_SESSIONS = 99
_LARGEST_DISC = 1 << 27  # blocks: 256 GiB
_PACKED = 1
_MODES = {
    1: TrackMode.AUDIO,
    2: TrackMode.MODE1,
    3: TrackMode.MODE2,
    4: TrackMode.MODE2,
    5: TrackMode.MODE2,
}
_SUBS = (0, 96, 16)  # bytes behind a sector: none, P to W, P and Q


@dataclass(frozen=True, slots=True)
class _Footer:
    name: str
    packed: bool
    group: int
    sectors: int
    table: int


@dataclass(frozen=True, slots=True)
class _Point:
    block: TrackBlock
    footer: _Footer | None
    length: int  # as it stands once more, of a DVD


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open the .mdx or .mds `path`. Raises `BadInput` for one whose data are encrypted."""
    with ExitStack() as stack:
        file = DataFile(path)
        stack.callback(file.close)
        try:
            data, end = read_descriptor(file)
            opening = _Opening(path, file, Fields(data), end, stack, allow_outside=allow_outside)
            layout, extents = opening.run()
        except BadInput as error:
            raise with_path(path, error) from error
        warnings = tuple(Warning_(path, None, note) for note in opening.notes)
        files = (path, *(found.path for found in opening.files.values() if found.path != path))
        stack.pop_all()
        if end is None:
            file.close()
        return ExtentImage(
            path, "mdx", layout, extents, files=tuple(dict.fromkeys(files)), warnings=warnings
        )


class _Opening:
    """`end`: where the data of a .mdx end; None for a .mds, whose data are in other files."""

    def __init__(
        self,
        path: Path,
        file: DataFile,
        fields: Fields,
        end: int | None,
        stack: ExitStack,
        *,
        allow_outside: bool,
    ) -> None:
        self.path = path
        self.own = file
        self.fields = fields
        self.end = end
        self.stack = stack
        self.allow_outside = allow_outside
        self.files: dict[str, DataFile] = {}
        self.notes: list[str] = []
        self.ends: dict[int, int] = {}

    def run(self) -> tuple[Layout, list[Extent]]:
        """The disc."""
        medium, sessions = self.fields.unpack("<HH", 18)
        (text_size,), (text_at,) = self.fields.unpack("<H", 30), self.fields.unpack("<I", 40)
        sessions_at, densities, key = self.fields.unpack("<III", 80)
        if key:
            raise BadInput(
                "its data are encrypted, which is not read; mount it with its password by CDEmu,"
                " and image that drive"
            )
        if medium not in (_CD, _DVD) or not 1 <= sessions <= _MOST_SESSIONS:
            raise BadInput(f"it has {sessions} sessions on a medium of the unknown kind {medium}")
        if densities:
            self.notes.append("it tells the density of the disc, which stays in it only")
        points = [
            point
            for number in range(1, sessions + 1)
            for point in self._points(number, sessions_at + (number - 1) * _SESSION)
        ]
        if medium == _DVD:
            return self._dvd(points)
        text = self.fields.bytes(text_at, text_size // PACK * PACK) if text_at else b""
        return self._cd(points, CdText(text) if text else None)

    def _points(self, session: int, at: int) -> list[_Point]:
        count, _, _, _, _, points = self.fields.unpack("<BBHHII", at + 10)
        (self.ends[session],) = self.fields.unpack("<q", at + 24)
        return [self._point(session, points + row * TRACK) for row in range(count)]

    def _point(self, session: int, at: int) -> _Point:
        block, footer_at = read_block(self.fields, at, session)
        footer: _Footer | None = None
        if block.is_track and footer_at:
            name, flags, group, sectors, table = self.fields.unpack("<IB7xIQQ", footer_at)
            wide = self.fields.data[name + 1 : name + 2] == b"\0"  # of UTF-16
            text = read_name(self.fields, name, wide=wide)
            footer = _Footer(text, bool(flags & _PACKED), group, sectors, table)
        return _Point(block, footer, self.fields.unpack("<Q", at + 64)[0])

    # -- a CD -------------------------------------------------------------------------------------

    def _cd(self, points: list[_Point], text: CdText | None) -> tuple[Layout, list[Extent]]:
        tracks = [point for point in points if point.block.is_track]
        placed: list[Placed] = []
        for at, point in enumerate(tracks):
            opening = not placed or placed[-1].session != point.block.session
            after = tracks[at + 1] if at + 1 < len(tracks) else None
            placed.append(self._track(point, after, first=not placed, opening=opening))
        lead_outs = {p.block.session: _lba(p.block) for p in points if p.block.point == LEAD_OUT}
        made = assemble(
            placed, {**self.ends, **lead_outs}, disc_type=_disc_type(points), cd_text=text
        )
        self.notes += made.notes
        return made.layout, made.extents

    def _track(self, point: _Point, after: _Point | None, *, first: bool, opening: bool) -> Placed:
        block, footer = point.block, self._footer(point)
        one = _lba(block)
        if not 0 <= one <= LBA_MAX or max(block.length, block.pregap) > LBA_MAX:
            raise BadInput(f"track {block.point} lies outside every disc")
        pregap = block.pregap
        if opening:  # the two seconds before a session are no part of a layout
            pregap = one if first else max(0, pregap - PREGAP)
        pregap = min(pregap, one)
        before = max(0, footer.sectors - block.length)  # sectors in the file before INDEX 01
        in_file = min(before, pregap)
        declared = _MODES.get(block.mode & 7)
        plain = STORED.get(block.size)
        if declared is None or plain is None or footer.sectors > LBA_MAX:
            raise BadInput(
                f"track {block.point} is of mode {block.mode:#04x} with sectors of {block.size}"
                " bytes, which is not known"
            )
        file, offset = self._file(footer, block), block.offset
        sub = self._sub(block, footer, file, after)
        if footer.packed:
            file, offset = self._unpacked(footer, block, file, block.size + sub), 0
        stored, skip = (WITH_SUB[plain], 0) if sub == 96 and plain in WITH_SUB else (plain, sub)
        if skip:
            self.notes.append(
                f"{skip} bytes after each sector of track {block.point} are passed over"
            )
        row = stored.size + skip
        begin = offset + before * row
        mode, sentence = header_mode(declared, stored, file, begin, block.length)
        if sentence:
            self.notes.append(f"track {block.point} {sentence}")
        indexes = {1: one, 0: one - pregap} if pregap else {1: one}
        return Placed(
            block.point,
            block.session,
            mode,
            indexes,
            one + block.length,
            file,
            begin - in_file * row,
            stored,
            Control(block.control),
            stored_from=one - in_file,
            skip=skip,
        )

    def _sub(self, block: TrackBlock, footer: _Footer, file: DataFile, after: _Point | None) -> int:
        """How many bytes stand behind each sector. The word for it is not always there: of what is
        not packed, the room up to the next track tells, too.
        """
        told = {0: 0, 1: 96, 2: 16, 4: 96}.get(block.sub >> 3 & 7, 0)
        if footer.packed or told:
            return told
        follows = (
            after is not None
            and after.footer is not None
            and (self.end is not None or after.footer.name == footer.name)
        )
        end = after.block.offset if after is not None and follows else file.end
        if end < block.offset:
            return told
        rooms = [sub for sub in _SUBS if footer.sectors * (block.size + sub) == end - block.offset]
        return rooms[0] if rooms else told

    # -- a DVD ------------------------------------------------------------------------------------

    def _dvd(self, points: list[_Point]) -> tuple[Layout, list[Extent]]:
        point = next((point for point in points if point.block.is_track), None)
        if point is None:
            raise BadInput("it has no tracks")
        block, footer, stored = point.block, self._footer(point), SectorFormat.USER
        count = point.length or footer.sectors
        if block.size != stored.size or not 0 < count <= _LARGEST_DISC:
            raise BadInput(f"a DVD of {count} sectors of {block.size} bytes is not read")
        file, offset = self._file(footer, block), block.offset
        if footer.packed:
            file, offset = self._unpacked(footer, block, file, stored.size), 0
        missing = count - file.sectors_from(offset, stored.size)
        if missing > 0:
            self.notes.append(f"{missing} sectors of the disc are in no file")
        layout = single_track(count, TrackMode.BLOCKS, medium=Medium.DVD, stored=stored)
        return layout, [Extent(0, count, TrackMode.BLOCKS, stored, file, offset)]

    # -- files ------------------------------------------------------------------------------------

    def _footer(self, point: _Point) -> _Footer:
        if point.footer is None:
            raise BadInput(f"track {point.block.point} does not say where its data are")
        if point.block.files > 1:
            raise BadInput(
                f"its data are split over {point.block.files} files; join them to one .mdf"
            )
        return point.footer

    def _file(self, footer: _Footer, block: TrackBlock) -> DataFile:
        name = "" if self.end is not None else footer.name or "*.mdf"
        if name in self.files:
            return self.files[name]
        if self.end is not None:
            file = self.own
            file.end = self.end
        else:
            file = DataFile(self._found(name))
            self.stack.callback(file.close)
        self.files[name] = file
        return file

    def _found(self, name: str) -> Path:
        if name.startswith("*"):
            found = names.beside(self.path, (Path(name).suffix or ".mdf", ".mdf"))
        else:
            named = names.find(self.path, (name,), allow_outside=self.allow_outside)
            found = named.path if named else names.beside(self.path, (".mdf",))
        if found is None:
            raise BadInput(f"{self.path} names {name!r}, which is not there; put it beside it.")
        return found

    def _unpacked(self, footer: _Footer, block: TrackBlock, file: DataFile, row: int) -> DataFile:
        at = block.offset + footer.table
        made = grouped(file, block.offset, at, footer.sectors, footer.group, row)
        self.stack.callback(made.close)
        return made


def _lba(block: TrackBlock) -> int:
    minute, second, frame = block.p
    return (minute * 60 + second) * 75 + frame - PREGAP


def _disc_type(points: list[_Point]) -> DiscType | None:
    known = {kind.value: kind for kind in DiscType}
    return next((known.get(p.block.p[1]) for p in points if p.block.point == FIRST), None)
