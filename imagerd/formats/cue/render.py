# SPDX-License-Identifier: Apache-2.0
"""From a layout to a sheet, in the manner of Redump: CRLF, two blanks before TRACK, four before
INDEX.

Several sessions: in a sheet with a file for each track, REM LEAD-OUT is a duration (Redump, DIC,
redumper); in one with a single file it is a position in that file (IsoBuster, ImgBurn). The gap
itself is in no file. Where a session does not begin at the usual distance, REM MSF tells its LBA.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from imagerd.disc.cdtext import CdText, PackType
from imagerd.disc.layout import (
    Control,
    DiscType,
    Layout,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.msf import PREGAP, format_duration
from imagerd.formats.cue.gaps import LEAD_IN, gap_after, lead_out_length
from imagerd.formats.features import is_gd

_TYPES = {
    TrackMode.AUDIO: "AUDIO",
    TrackMode.MODE0: "MODE1/2352",  # there is no word for it; its headers tell
    TrackMode.MODE1: "MODE1/2352",
    TrackMode.MODE2: "MODE2/2352",
}
_COOKED = {TrackMode.MODE1: "MODE1/2048", TrackMode.MODE2: "MODE2/2048"}
_FLAGS = (
    (Control.COPY_PERMITTED, "DCP"),
    (Control.FOUR_CHANNEL, "4CH"),
    (Control.PRE_EMPHASIS, "PRE"),
)
_DISC_TYPES = {DiscType.CDI: "CD-I", DiscType.XA: "XA", DiscType.CDDA_OR_ROM: "CD-ROM"}
_TEXTS = (
    (PackType.TITLE, "TITLE"),
    (PackType.PERFORMER, "PERFORMER"),
    (PackType.SONGWRITER, "SONGWRITER"),
)
_LONGEST_TEXT = 80  # CDRWIN guide, appendix A


@dataclass(frozen=True, slots=True)
class SheetFile:
    """A data file of the sheet and the tracks in it."""

    name: str
    tracks: tuple[Track, ...]


def stored_raw(layout: Layout) -> Layout:
    """The layout that a sheet of ours describes: raw throughout."""
    return as_written(layout, raw=True)


def as_written(layout: Layout, *, raw: bool) -> Layout:
    """As `stored_raw`; unless `raw`, as stored where all is one track of 2048 bytes a sector.

    Gaps stay virtual where a sheet can say so; where it cannot (an index inside the gap), their
    sectors are stored.
    """
    stored = SectorFormat.RAW
    if not raw and len(layout.tracks) == 1 and layout.tracks[0].mode in _COOKED:
        kept = layout.tracks[0].stored
        stored = kept if kept is SectorFormat.USER else stored
    return layout.with_tracks(lambda track: _as_written(track, stored))


def _as_written(track: Track, stored: SectorFormat) -> Track:
    pregap = track.pregap_virtual if track.pregap_virtual <= track.pregap else 0
    last = track.indexes[-1].lba
    postgap = track.postgap_virtual if last <= track.end - track.postgap_virtual else 0
    return replace(track, stored=stored, pregap_virtual=pregap, postgap_virtual=postgap)


def render(layout: Layout, files: tuple[SheetFile, ...], cdt: str | None) -> str:
    """The sheet of `layout`, which `as_written` gave, over `files`."""
    lines = [*_head(layout, cdt), *_Body(layout, files).lines()]
    return "".join(f"{line}\r\n" for line in lines)


def _head(layout: Layout, cdt: str | None) -> Iterator[str]:
    if layout.mcn and re.fullmatch(r"[0-9]{13}", layout.mcn):
        yield f"CATALOG {layout.mcn}"
    if cdt is not None:
        yield f'CDTEXTFILE "{cdt}"'
    xa = any(track.mode is TrackMode.MODE2 for track in layout.tracks)
    if layout.disc_type is not (DiscType.XA if xa else DiscType.CDDA_OR_ROM):
        yield f"REM DISC-TYPE {_DISC_TYPES[layout.disc_type]}"
    yield from _texts(layout.cd_text, 0, "")


def _texts(cd_text: CdText | None, track: int, indent: str) -> Iterator[str]:
    """The texts once more for people and programs that do not read packs."""
    if cd_text is None:
        return
    for kind, word in _TEXTS:
        text = cd_text.get(kind, track)
        if text:
            clean = " ".join(text.replace('"', "'").split())[:_LONGEST_TEXT]
            yield f'{indent}{word} "{clean}"'


class _Body:
    def __init__(self, layout: Layout, files: tuple[SheetFile, ...]) -> None:
        self.layout = layout
        self.file_of = {track.number: file for file in files for track in file.tracks}
        self.single = len(files) == 1
        self.current: SheetFile | None = None
        self.position = 0  # sectors into the current file

    def lines(self) -> Iterator[str]:
        gd = is_gd(self.layout)
        for number, session in enumerate(self.layout.sessions, 1):
            previous = self.layout.sessions[number - 2] if number > 1 else None
            if gd:
                yield f"REM {'SINGLE' if previous is None else 'HIGH'}-DENSITY AREA"
            elif len(self.layout.sessions) > 1:
                yield from self._session(number)
            usual = gd and previous is not None
            address = None if usual else _address(session.tracks[0], previous, number)
            for track in session.tracks:
                yield from self._track(track, address)
                address = None

    def _session(self, number: int) -> Iterator[str]:
        if number > 1:
            length = self.position if self.single else lead_out_length(number - 1)
            yield f"REM LEAD-OUT {format_duration(length)}"
        yield f"REM SESSION {number:02}"
        if number > 1:
            yield f"REM LEAD-IN {format_duration(LEAD_IN)}"
            yield f"REM PREGAP {format_duration(PREGAP)}"

    def _track(self, track: Track, address: int | None) -> Iterator[str]:
        file = self.file_of[track.number]
        if file is not self.current:
            yield f'FILE "{file.name}" BINARY'
            self.current, self.position = file, 0
        types = _COOKED if track.stored is SectorFormat.USER else _TYPES
        yield f"  TRACK {track.number:02} {types[track.mode]}"
        yield from _texts(self.layout.cd_text, track.number, "    ")
        flags = [name for flag, name in _FLAGS if flag in track.control]
        if flags:
            yield f"    FLAGS {' '.join(flags)}"
        if track.isrc and re.fullmatch(r"[A-Z0-9]{5}[0-9]{7}", track.isrc):
            yield f"    ISRC {track.isrc}"
        if track.pregap_virtual:
            yield f"    PREGAP {format_duration(track.pregap_virtual)}"
        yield from self._indexes(track, address)
        if track.postgap_virtual:
            yield f"    POSTGAP {format_duration(track.postgap_virtual)}"
        self.position += len(track.stored_range)

    def _indexes(self, track: Track, address: int | None) -> Iterator[str]:
        stored = track.stored_range
        for index in track.indexes:
            if index.number == 0 and track.pregap_virtual == track.pregap > 0:
                continue  # PREGAP says it
            lba = max(index.lba, stored.start)
            time = format_duration(self.position + lba - stored.start)
            yield f"    INDEX {index.number:02} {time}"
            if address is not None:
                yield f"    REM MSF: {format_duration(address + PREGAP)} = LBA: {address}"
                address = None


def _address(track: Track, previous: Session | None, number: int) -> int | None:
    """The LBA of the first index in the file of a session's first track, where it is unusual."""
    if previous is None:
        # Two seconds of PREGAP before data would be read as those that every disc has.
        usual = track.start == 0 and not (track.pregap_virtual == PREGAP and track.is_data)
    else:
        usual = track.start == previous.lead_out + gap_after(number - 1)
    return None if usual else track.start + track.pregap_virtual
