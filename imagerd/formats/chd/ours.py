# SPDX-License-Identifier: Apache-2.0
"""What a CHD has no words for, kept beside its own metadata in a block "IMGD", as JSON.

The block holds the whole layout (sessions, indexes, CONTROL, ISRC, MCN, CD-Text), the sectors that
could not be read, and what the disc came with: its cue sheet, densities. It is not hashed, so that
the SHA-1 of a disc is the same as MAME's, and MAME's tools pass it over and keep it in copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.formats.chd.metadata import Block
from imagerd.formats.density import Density
from imagerd.formats.keptsheet import KeptSheet, pack, unpack
from imagerd.formats.origin import Origin

TAG = b"IMGD"
_VERSION = 1


class _Track(msgspec.Struct, frozen=True, omit_defaults=True):
    number: int
    mode: TrackMode
    indexes: list[tuple[int, int]]  # number, LBA
    end: int
    control: int = 0
    isrc: str | None = None
    pregap_virtual: int = 0
    postgap_virtual: int = 0


class _Session(msgspec.Struct, frozen=True):
    lead_out: int
    tracks: list[_Track]


class _Disc(msgspec.Struct, frozen=True, omit_defaults=True):
    version: int
    sessions: list[_Session]
    medium: Medium = Medium.CD
    disc_type: int = 0
    mcn: str | None = None
    cd_text: bytes = b""  # packs, in base64
    layers: list[int] = []
    unread: list[tuple[int, int]] = []  # LBA, count
    densities: list[Density] = []
    sheet: bytes = b""  # as `keptsheet.pack` gives it


@dataclass(frozen=True, slots=True)
class Kept:
    """What the block says; `unread` in the order of their LBAs."""

    layout: Layout
    unread: tuple[range, ...]
    densities: tuple[Density, ...] = ()
    sheet: KeptSheet | None = None


def render(layout: Layout, unread: tuple[range, ...], origin: Origin) -> Block:
    """The block of a layout, and of what its disc came with."""
    kept = origin.kept_sheet
    sessions = [
        _Session(session.lead_out, [_track(track) for track in session.tracks])
        for session in layout.sessions
    ]
    disc = _Disc(
        _VERSION,
        sessions,
        layout.medium,
        layout.disc_type.value,
        layout.mcn,
        layout.cd_text.packs if layout.cd_text else b"",
        list(layout.layers),
        [(run.start, len(run)) for run in unread],
        list(origin.densities),
        pack(kept) if kept is not None else b"",
    )
    return Block(TAG, msgspec.json.encode(disc), 0)


def _track(track: Track) -> _Track:
    return _Track(
        track.number,
        track.mode,
        [(index.number, index.lba) for index in track.indexes],
        track.end,
        int(track.control),
        track.isrc,
        track.pregap_virtual,
        track.postgap_virtual,
    )


def parse(data: bytes, stored: list[SectorFormat]) -> Kept | None:
    """What the block says, or None for one that contradicts itself. `stored`: of each track."""
    try:
        disc = msgspec.json.decode(data.rstrip(b"\0"), type=_Disc)
        formats = iter(stored)
        sessions = tuple(
            Session(
                number,
                tuple(_read_track(track, number, next(formats)) for track in session.tracks),
                session.lead_out,
            )
            for number, session in enumerate(disc.sessions, 1)
        )
        layout = Layout(
            disc.medium,
            sessions,
            DiscType(disc.disc_type),
            disc.mcn,
            CdText(disc.cd_text) if disc.cd_text else None,
            tuple(disc.layers),
        )
    except (msgspec.MsgspecError, ValueError, StopIteration, RuntimeError):
        return None
    runs = sorted((lba, count) for lba, count in disc.unread if count > 0)
    unread = tuple(range(lba, lba + count) for lba, count in runs)
    good = disc.version == _VERSION and _ascends(layout) and next(formats, None) is None
    sheet = unpack(disc.sheet) if disc.sheet else None
    return Kept(layout, unread, tuple(disc.densities), sheet) if good else None


def _read_track(track: _Track, session: int, stored: SectorFormat) -> Track:
    made = Track(
        track.number,
        session,
        track.mode,
        tuple(Index(number, lba) for number, lba in track.indexes),
        track.end,
        stored,
        Control(track.control & 0xF),
        track.isrc,
        track.pregap_virtual,
        track.postgap_virtual,
    )
    if not 1 <= made.number <= 99 or min(made.pregap_virtual, made.postgap_virtual) < 0:
        raise ValueError("a track that no disc has")
    return made


def _ascends(layout: Layout) -> bool:
    """Whether tracks and sessions follow each other without overlapping."""
    at = 0
    for session in layout.sessions:
        if not session.tracks or session.start < at:
            return False
        at = session.start
        for track in session.tracks:
            if track.start != at or track.stored_range.start > track.stored_range.stop:
                return False
            at = track.end
        if session.lead_out != at:
            return False
    numbers = [track.number for track in layout.tracks]
    return bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
