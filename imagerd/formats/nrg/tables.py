# SPDX-License-Identifier: Apache-2.0
"""What is in the chunks of a Nero image: positions on the disc, and positions in the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Control, SectorFormat, Track, TrackMode
from imagerd.disc.msf import PREGAP, Msf, from_bcd

LEAD_OUT = 0xAA
_HEADER = 22  # of DAOI and DAOX
_MOST = 100
MODES: dict[int, tuple[TrackMode, SectorFormat]] = {
    0x00: (TrackMode.MODE1, SectorFormat.USER),
    0x02: (TrackMode.MODE2, SectorFormat.USER),
    0x03: (TrackMode.MODE2, SectorFormat.MODE2),
    0x05: (TrackMode.MODE1, SectorFormat.RAW),
    0x06: (TrackMode.MODE2, SectorFormat.RAW),
    0x07: (TrackMode.AUDIO, SectorFormat.RAW),
    0x0F: (TrackMode.MODE1, SectorFormat.RAW_SUB),
    0x10: (TrackMode.AUDIO, SectorFormat.RAW_SUB),
    0x11: (TrackMode.MODE2, SectorFormat.RAW_SUB),
}


@dataclass(frozen=True, slots=True)
class CueRow:
    """A row of CUES or CUEX: index `index` of track `track` (0 or `LEAD_OUT` too) is at `lba`."""

    control: Control
    track: int
    index: int
    lba: int


@dataclass(frozen=True, slots=True)
class DaoTrack:
    """A track of DAOI or DAOX: bytes of the file where its pregap and it begin, and its end."""

    isrc: str
    size: int
    mode: int
    pregap: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dao:
    """DAOI or DAOX of a session. `kind` is PSEC of point A0."""

    mcn: str
    kind: int
    tracks: tuple[DaoTrack, ...]


@dataclass(frozen=True, slots=True)
class TaoTrack:
    """A row of TINF, ETNF or ETN2: `size` bytes at `offset`, which begin at `lba`.

    TINF does not tell the LBA. Nero's own counts sectors in the file, without the two seconds that
    lie between two tracks; see `opening`.
    """

    offset: int
    size: int
    mode: int
    lba: int | None = None


def cue_rows(body: bytes, *, new: bool, bcd: bool = False) -> list[CueRow]:
    """Rows of 8 bytes; `bcd`: the times of version 1 are BCD, as some say, and not binary.

    Raises `BadInput` for numbers that are no BCD and times that are none.
    """
    rows = []
    for at in range(0, len(body) - 7, 8):
        control, number, index = body[at], body[at + 1], body[at + 2]
        try:
            track = number if number == LEAD_OUT else from_bcd(number)
            if new:
                lba = struct.unpack(">i", body[at + 4 : at + 8])[0]
            else:
                time = body[at + 5 : at + 8]
                lba = (Msf.from_bcd(time) if bcd else Msf(*time)).frames - PREGAP
            rows.append(CueRow(Control(control >> 4), track, from_bcd(index), lba))
        except ValueError as error:
            raise BadInput(f"its table of indexes is damaged ({error})") from None
    return rows


def read_dao(body: bytes, *, new: bool) -> Dao:
    """The header, then 42 (or 30) bytes for each track."""
    head, form = body[:_HEADER], ">12sHB3x3Q" if new else ">12sHB3x3I"
    size = struct.calcsize(form)
    rows = range(_HEADER, len(body) - size + 1, size)
    if len(head) < _HEADER or not 1 <= len(rows) < _MOST:
        raise BadInput(f"its table of tracks has {len(body)} bytes, which are no tracks")
    tracks = []
    for at in rows:
        isrc, *rest = struct.unpack(form, body[at : at + size])
        tracks.append(DaoTrack(_text(isrc), *rest))
    return Dao(_text(head[4:17]), head[18], tuple(tracks))


_TAO = {"TINF": ">III", "ETNF": ">IIIi4x", "ETN2": ">QQIi8x"}


def read_tao(name: str, body: bytes) -> list[TaoTrack]:
    """12, 20 or 32 bytes for each track, by the name of the chunk."""
    form = _TAO[name]
    size = struct.calcsize(form)
    rows = range(0, len(body) - size + 1, size)
    if not 1 <= len(rows) < _MOST:
        raise BadInput(f"its table of tracks has {len(body)} bytes, which are no tracks")
    return [TaoTrack(*struct.unpack(form, body[at : at + size])) for at in rows]


def _text(data: bytes) -> str:
    return data.rstrip(b"\0 ").decode("ascii", "replace")


def mode_of(track: Track) -> int:
    """The number for a track's mode as it is stored; mode 0 has none, and its headers tell."""
    mode = TrackMode.MODE1 if track.mode is TrackMode.MODE0 else track.mode
    return next(code for code, entry in MODES.items() if entry == (mode, track.stored))


def render_cue(rows: list[CueRow], *, new: bool) -> bytes:
    """The body of a CUEX, or of a CUES with its times in binary."""
    return b"".join(
        struct.pack(
            ">BBBx4s",
            row.control << 4 | 1,
            row.track if row.track == LEAD_OUT else row.track // 10 << 4 | row.track % 10,
            row.index // 10 << 4 | row.index % 10,
            struct.pack(">i", row.lba) if new else _time(row.lba),
        )
        for row in rows
    )


def _time(lba: int) -> bytes:
    at = Msf.from_frames(lba + PREGAP)
    return bytes((0, at.minute, at.second, at.frame))


def render_tao(rows: list[TaoTrack], *, new: bool) -> bytes:
    """The body of an ETN2, or of an ETNF."""
    form = _TAO["ETN2" if new else "ETNF"]
    return b"".join(struct.pack(form, row.offset, row.size, row.mode, row.lba) for row in rows)


def render_dao(dao: Dao, first: int, *, new: bool) -> bytes:
    """The body of a DAOX, or of a DAOI, whose tracks count from `first`. The length comes twice,
    once little-endian.
    """
    rows = b"".join(
        struct.pack(
            ">12sHB3s3Q" if new else ">12sHB3s3I",
            track.isrc.encode("ascii"),
            track.size,
            track.mode,
            b"\0\0\1",
            track.pregap,
            track.start,
            track.end,
        )
        for track in dao.tracks
    )
    length = _HEADER + len(rows)
    head = struct.pack("<I", length) + dao.mcn.encode("ascii").ljust(14, b"\0")
    return head + bytes((dao.kind, 1, first, first + len(dao.tracks) - 1)) + rows
