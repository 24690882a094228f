# SPDX-License-Identifier: Apache-2.0
"""From a layout to the text of a cdrdao TOC."""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.disc.layout import Control, DiscType, Layout, Track, TrackMode
from imagerd.disc.msf import format_duration
from imagerd.formats.cdrdao.program import DISC_TYPES
from imagerd.formats.cdrdao.texts import Rendered
from imagerd.formats.codes import is_isrc, is_mcn

_MODES = {
    TrackMode.AUDIO: "AUDIO",
    TrackMode.MODE0: "MODE1_RAW",  # there is no raw form of it; its headers tell
    TrackMode.MODE1: "MODE1_RAW",
    TrackMode.MODE2: "MODE2_RAW",
}


def render(layout: Layout, name: str, *, sub: bool) -> str:
    """The TOC of `layout`, of one session, over the file `name` with raw sectors and, with `sub`,
    their subchannel. Gaps that no file holds are SILENCE or ZERO.
    """
    texts = Rendered(layout.cd_text, layout.tracks[0].number)
    return "".join(f"{line}\n" for line in _lines(layout, name, texts, sub=sub))


def _lines(layout: Layout, name: str, texts: Rendered, *, sub: bool) -> Iterator[str]:
    yield _disc_type(layout)
    yield ""
    if is_mcn(layout.mcn):
        yield f'CATALOG "{layout.mcn}"'
    yield from texts.lines(0)
    size = 2448 if sub else 2352
    offset = 0
    for position, track in enumerate(layout.tracks, 1):
        yield ""
        yield f"// Track {position}"
        yield f"TRACK {_MODES[track.mode]}{' RW_RAW' if sub else ''}"
        yield from _flags(track)
        yield from texts.lines(position)
        yield from _parts(track, name, offset, sub=sub)
        offset += len(track.stored_range) * size


def _disc_type(layout: Layout) -> str:
    """CD_DA or CD_ROM, which are one kind of disc, by whether there are data."""
    if layout.disc_type is DiscType.CDDA_OR_ROM:
        return "CD_ROM" if any(track.is_data for track in layout.tracks) else "CD_DA"
    return next(name for name, kind in DISC_TYPES.items() if kind is layout.disc_type)


def _flags(track: Track) -> Iterator[str]:
    yield "COPY" if Control.COPY_PERMITTED in track.control else "NO COPY"
    if not track.is_data or Control.PRE_EMPHASIS in track.control:
        yield f"{'' if Control.PRE_EMPHASIS in track.control else 'NO '}PRE_EMPHASIS"
    if not track.is_data or Control.FOUR_CHANNEL in track.control:
        four = Control.FOUR_CHANNEL in track.control
        yield "FOUR_CHANNEL_AUDIO" if four else "TWO_CHANNEL_AUDIO"
    if is_isrc(track.isrc):
        yield f'ISRC "{track.isrc}"'


def _parts(track: Track, name: str, offset: int, *, sub: bool) -> Iterator[str]:
    stored = len(track.stored_range)
    audio = track.mode is TrackMode.AUDIO and not sub  # else cdrdao asks for the words of data
    kind = f" {_MODES[track.mode]}{' RW_RAW' if sub else ''}"
    zeros = "SILENCE" if audio else f"ZERO{kind}"
    if track.pregap_virtual:
        yield f"{zeros} {format_duration(track.pregap_virtual)}"
    if stored:
        where = f" #{offset}" if offset else ""
        begin = "FILE" if audio else "DATAFILE"
        start = " 0" if audio else ""
        yield f'{begin} "{name}"{where}{start} {format_duration(stored)}'
    if track.postgap_virtual:
        yield f"{zeros} {format_duration(track.postgap_virtual)}"
    if track.pregap:
        yield f"START {format_duration(track.pregap)}"
    for index in track.indexes:
        if index.number > 1:
            yield f"INDEX {format_duration(index.lba - track.index1)}"
