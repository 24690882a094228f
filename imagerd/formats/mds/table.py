# SPDX-License-Identifier: Apache-2.0
"""The structures of a version 1 .mds, little-endian: 88, 24, 80, 8 and 16 bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from imagerd.base.errors import BadInput
from imagerd.disc.layout import DiscType, Layout, SectorFormat, Session, Track, TrackMode
from imagerd.disc.msf import PREGAP, Msf
from imagerd.formats.binary import Fields
from imagerd.formats.density import Density, bounded, read_density, render_density
from imagerd.formats.keptsheet import KeptSheet, pack, unpack

SIGN = b"MEDIA DESCRIPTOR"
FIRST, LAST, LEAD_OUT = 0xA0, 0xA1, 0xA2
TRACK = 80
# Stored forms by the bytes of a sector, and what they are with P–W behind them.
STORED = {
    2352: SectorFormat.RAW,
    2048: SectorFormat.USER,
    2336: SectorFormat.MODE2,
    2332: SectorFormat.XA_USER,
    2324: SectorFormat.FORM2,
}
WITH_SUB = {SectorFormat.RAW: SectorFormat.RAW_SUB, SectorFormat.USER: SectorFormat.USER_SUB}
_HEADER, _SESSION, _EXTRA, _FOOTER = 88, 24, 8, 16
_MOST_SESSIONS = 99
_LONGEST_NAME = 1024
_DPM = 0x54  # of the header: where the densities are
_MOST_DENSITIES = 16
_OURS = struct.Struct("<I4s")  # the length of the cue sheet before it, and a sign
_SIGN_OURS = b"IMGD"
_SUB = 8  # interleaved P–W behind each sector
_DVD_ROM, _DVD_MODE = 0x10, 0x02
_MODES = {
    TrackMode.AUDIO: 0xA9,
    TrackMode.MODE0: 0xAA,  # there is no word for it; its headers tell
    TrackMode.MODE1: 0xAA,
    TrackMode.MODE2: 0xEC,
}


@dataclass(frozen=True, slots=True)
class TrackBlock:
    """A point of the table of contents. `name` is the data file of a track, "*.mdf" usually.

    `pregap` sectors before `start` belong to the track, `length` from there on. For a DVD
    `extra` is the length, for a CD where pregap and length stand.
    """

    session: int
    mode: int
    sub: int
    control: int
    point: int
    p: tuple[int, int, int]
    size: int
    start: int
    offset: int
    extra: int = 0
    pregap: int = 0
    length: int = 0
    files: int = 0
    name: str = ""

    @property
    def is_track(self) -> bool:
        """Whether it is a track and not one of A0–A2."""
        return 1 <= self.point <= 99


@dataclass(frozen=True, slots=True)
class Table:
    """A whole .mds. `ends` are where the sessions end, `sheet` is ours, `notes` are oddities."""

    medium: int
    ends: dict[int, int]
    blocks: tuple[TrackBlock, ...]
    densities: tuple[Density, ...]
    sheet: KeptSheet | None
    notes: tuple[str, ...] = ()

    @property
    def is_dvd(self) -> bool:
        """Whether the medium has blocks and no raw sectors."""
        return self.medium >= 0x10


def read_table(data: bytes) -> Table:
    """The table that `data` is. Raises `BadInput` (no file name in it) for what is none."""
    fields = Fields(data)
    if data[:16] != SIGN:
        raise BadInput("it has no sign of Alcohol 120%")
    if fields.bytes(16, 1) != b"\1":
        raise BadInput("it is of a version that is not known")
    medium, sessions = fields.unpack("<HH", 0x12)
    start, dpm = fields.unpack("<II", 0x50)
    if not 1 <= sessions <= _MOST_SESSIONS:
        raise BadInput(f"it has {sessions} sessions")
    blocks: list[TrackBlock] = []
    ends: dict[int, int] = {}
    for number in range(1, sessions + 1):
        at = start + (number - 1) * _SESSION
        end, _, count, _, _, _, _, tracks = fields.unpack("<iHBBHHII", at + 4)
        ends[number] = end
        blocks += [
            _block(fields, tracks + row * TRACK, number, dvd=medium >= 0x10) for row in range(count)
        ]
    sheet = _sheet(data)
    try:
        densities = _densities(fields, dpm) if dpm else ()
    except BadInput as error:  # the disc is there all the same
        note = f"its measurements of density are damaged, and were left aside: {error}"
        return Table(medium, ends, tuple(blocks), (), sheet, (note,))
    return Table(medium, ends, tuple(blocks), densities, sheet)


def _densities(fields: Fields, at: int) -> tuple[Density, ...]:
    """How many measurements, then where each is: its number, and what `read_density` reads."""
    (count,) = fields.unpack("<I", at)
    if count > _MOST_DENSITIES:
        raise BadInput(f"it tells {count} measurements of density")
    return bounded(
        tuple(
            read_density(fields, place + 4, fields.unpack("<I", place)[0])
            for place in fields.unpack(f"<{count}I", at + 4)
        )
    )


def _sheet(data: bytes) -> KeptSheet | None:
    """The cue sheet, which lies at the end, before its length and our sign."""
    length, sign = _OURS.unpack(data[-_OURS.size :]) if len(data) > _OURS.size else (0, b"")
    if sign != _SIGN_OURS or length > len(data) - _OURS.size:
        return None
    return unpack(data[-_OURS.size - length : -_OURS.size])


def _block(fields: Fields, at: int, session: int, *, dvd: bool) -> TrackBlock:
    block, footer = read_block(fields, at, session, dvd=dvd)
    if not block.is_track or not footer:
        return block
    where, wide = fields.unpack("<II", footer)
    return replace(block, name=read_name(fields, where, wide=bool(wide)))


def read_block(
    fields: Fields, at: int, session: int, *, dvd: bool = False
) -> tuple[TrackBlock, int]:
    """A point without its name, and where its footer is; version 2 has the same."""
    mode, sub, adr, _, point = fields.unpack("<5B", at)
    minute, second, frame = fields.unpack("<3B", at + 9)
    extra, size = fields.unpack("<IH", at + 12)
    start, offset, files, footer = fields.unpack("<iQII", at + 0x24)
    pregap = length = 0
    if 1 <= point <= 99 and extra and not dvd:
        pregap, length = fields.unpack("<II", extra)
    p = (minute, second, frame)
    block = TrackBlock(
        session, mode, sub, adr & 15, point, p, size, start, offset, extra, pregap, length, files
    )
    return block, footer


def read_name(fields: Fields, at: int, *, wide: bool = False) -> str:
    """The name of a data file; "" where none is told."""
    if not at:
        return ""
    data = fields.data[at : at + _LONGEST_NAME]
    if wide:
        return data.decode("utf-16-le", "replace").partition("\0")[0]
    return data.partition(b"\0")[0].decode("cp1252", "replace")


# -- writing --------------------------------------------------------------------------------------


def with_more(table: bytes, densities: Sequence[Density], sheet: KeptSheet | None = None) -> bytes:
    """The .mds `table` with what its disc came with: densities, and a cue sheet at the end."""
    if densities:
        first = len(table) + 4 + 4 * len(densities)
        blocks = [struct.pack("<I", one.number) + render_density(one) for one in densities]
        starts = [first + sum(map(len, blocks[:number])) for number in range(len(blocks))]
        head = table[:_DPM] + struct.pack("<I", len(table)) + table[_DPM + 4 :]
        counts = struct.pack(f"<{1 + len(starts)}I", len(starts), *starts)
        table = b"".join((head, counts, *blocks))
    if sheet is not None:
        ours = pack(sheet)
        table += ours + _OURS.pack(len(ours), _SIGN_OURS)
    return table


def render_table(layout: Layout, offsets: dict[int, int]) -> bytes:
    """The .mds of a `layout` that is stored whole; `offsets` tell where INDEX 01 of each track
    lies in the .mdf, which is called like the .mds.
    """
    tracks = layout.tracks
    first_block = _HEADER + len(layout.sessions) * _SESSION
    extra = first_block + (len(tracks) + 3 * len(layout.sessions)) * TRACK
    footer = extra + len(tracks) * _EXTRA
    name = footer + _FOOTER
    sessions, blocks, extras = b"", b"", b""
    for session in layout.sessions:
        sessions += _session(session, first_block + len(blocks))
        blocks += _points(layout, session)
        for track in session.tracks:
            blocks += _track(track, offsets[track.number], extra + len(extras), footer)
            opening = PREGAP if track is session.tracks[0] else 0
            extras += struct.pack("<II", track.pregap + opening, track.end - track.index1)
    head = SIGN + bytes((1, 3)) + struct.pack("<HHH", 0, len(layout.sessions), 2)
    head = head.ljust(0x50, b"\0") + struct.pack("<II", _HEADER, 0)
    tail = struct.pack("<IIII", name, 0, 0, 0) + b"*.mdf\0"
    return head + sessions + blocks + extras + tail


def render_dvd(blocks: int) -> bytes:
    """The .mds of a DVD of `blocks` blocks in the .mdf, which is called like the .mds."""
    track = _HEADER + _SESSION
    footer = track + TRACK
    head = SIGN + bytes((1, 3)) + struct.pack("<HHH", _DVD_ROM, 1, 2)
    head = head.ljust(0x50, b"\0") + struct.pack("<II", _HEADER, 0)
    session = struct.pack("<iiHBBHHII", 0, blocks, 1, 1, 0, 1, 1, 0, track)
    row = bytes((_DVD_MODE, 0, 0x14, 0, 1)).ljust(12, b"\0")
    row += struct.pack("<IH", blocks, SectorFormat.USER.size).ljust(24, b"\0")
    row += struct.pack("<iQII", 0, 0, 1, footer)
    tail = struct.pack("<IIII", footer + _FOOTER, 0, 0, 0) + b"*.mdf\0"
    return head + session + row.ljust(TRACK, b"\0") + tail


def _session(session: Session, blocks: int) -> bytes:
    first, last = session.tracks[0].number, session.tracks[-1].number
    return struct.pack(
        "<iiHBBHHII",
        session.start - PREGAP,
        session.lead_out,
        session.number,
        len(session.tracks) + 3,
        3,
        first,
        last,
        0,
        blocks,
    )


def _points(layout: Layout, session: Session) -> bytes:
    """A0, A1 and A2."""
    first, last = session.tracks[0], session.tracks[-1]
    kind: DiscType = layout.disc_type
    out = Msf.from_lba(session.lead_out)
    rows = (
        (first.control, FIRST, (first.number, kind.value, 0)),
        (last.control, LAST, (last.number, 0, 0)),
        (last.control, LEAD_OUT, (out.minute, out.second, out.frame)),
    )
    return b"".join(
        bytes((0, 0, 0x10 | control, 0, point, 0, 0, 0, 0, *p)).ljust(TRACK, b"\0")
        for control, point, p in rows
    )


def _track(track: Track, offset: int, extra: int, footer: int) -> bytes:
    at = Msf.from_lba(track.index1)
    sub = _SUB if track.stored is SectorFormat.RAW_SUB else 0
    head = bytes((_MODES[track.mode], sub, 0x10 | track.control, 0, track.number, 0, 0, 0, 0))
    head += bytes((at.minute, at.second, at.frame))
    head += struct.pack("<IHB", extra, track.stored.size, 2).ljust(24, b"\0")
    body = struct.pack("<iQII", track.index1, offset, 1, footer)
    return (head + body).ljust(TRACK, b"\0")
