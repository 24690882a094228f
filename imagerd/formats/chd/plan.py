# SPDX-License-Identifier: Apache-2.0
"""From a layout to the entries of a CHD: which sectors go where.

A CD has an entry for each track, a stored pregap at its beginning. A GD-ROM is laid out as MAME's
chdman 0.264 to 0.289 does, after TOSEC: an entry runs from INDEX 01 to the next track's INDEX 01,
so that a stored pregap ends the entry before its own, and what is stored nowhere is padded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.formats.chd.tracks import MOST_FRAMES, Entry
from imagerd.formats.cue.render import stored_raw
from imagerd.formats.features import is_gd

_RAW = (SectorFormat.RAW, SectorFormat.RAW_SUB, SectorFormat.XA_USER)
_RAW_TYPES = {
    TrackMode.AUDIO: "AUDIO",
    TrackMode.MODE0: "MODE1_RAW",  # there is no word for it; headers and our block tell
    TrackMode.MODE1: "MODE1_RAW",
    TrackMode.MODE2: "MODE2_RAW",
}
_SHORT_TYPES = {
    (TrackMode.MODE1, SectorFormat.USER): "MODE1",
    (TrackMode.MODE1, SectorFormat.USER_SUB): "MODE1",
    (TrackMode.MODE2, SectorFormat.USER): "MODE2_FORM1",
    (TrackMode.MODE2, SectorFormat.USER_SUB): "MODE2_FORM1",
    (TrackMode.MODE2, SectorFormat.FORM2): "MODE2_FORM2",
    (TrackMode.MODE2, SectorFormat.MODE2): "MODE2_FORM_MIX",
}
SUBS = (SectorFormat.RAW_SUB, SectorFormat.USER_SUB)


@dataclass(frozen=True, slots=True)
class Planned:
    """An entry and the LBAs of its frames, in their order; `pad` frames of zeros follow."""

    entry: Entry
    areas: tuple[range, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be written. `layout` is that of the file: formats and gaps as it has them."""

    layout: Layout
    entries: tuple[Planned, ...]
    gd: bool

    @property
    def sectors(self) -> int:
        """Sectors to be read from the source."""
        return sum(len(area) for planned in self.entries for area in planned.areas)

    @property
    def frames(self) -> int:
        """Frames of the file."""
        return sum(planned.entry.padded for planned in self.entries)


def plan_cd(layout: Layout) -> Plan:
    """The plan of a CD or GD-ROM. Raises `BadInput` for what no CHD holds."""
    if layout.start < 0:
        raise BadInput(f"The disc begins at LBA {layout.start}; a CHD begins at 0.")
    gd = is_gd(layout)
    # Gaps stay virtual where a sheet, too, can say so.
    kept = stored_raw(layout)
    if not gd:
        kept = _in_their_formats(layout, kept)
    entries = _gd_entries(kept) if gd else tuple(_entry(n, t) for n, t in _numbered(kept))
    planned = Plan(kept, entries, gd)
    if planned.frames > MOST_FRAMES:
        raise BadInput(f"The disc has {planned.frames} frames, more than a CHD of a CD can hold.")
    return planned


def _numbered(layout: Layout) -> list[tuple[int, Track]]:
    return list(enumerate(layout.tracks, 1))


def _in_their_formats(layout: Layout, raw: Layout) -> Layout:
    """`raw` with the formats of `layout` that a CHD knows."""
    formats = {track.number: _format(track) for track in layout.tracks}
    return raw.with_tracks(lambda track: replace(track, stored=formats[track.number]))


def _format(track: Track) -> SectorFormat:
    if track.stored in _RAW:
        return SectorFormat.RAW_SUB if track.stored in SUBS else SectorFormat.RAW
    return track.stored if (track.mode, track.stored) in _SHORT_TYPES else SectorFormat.RAW


def _type(track: Track) -> str:
    return _SHORT_TYPES.get((track.mode, track.stored)) or _RAW_TYPES[track.mode]


def _entry(number: int, track: Track) -> Planned:
    entry = Entry(
        number,
        _type(track),
        len(track.stored_range),
        "RW_RAW" if track.stored in SUBS else "NONE",
        0,
        # Of a pregap that is in part stored, the rest counts: so the length of the disc is right.
        track.pregap_virtual or track.pregap,
        track.pregap > 0 and not track.pregap_virtual,
        track.postgap_virtual,
    )
    return Planned(entry, (track.stored_range,) if track.stored_range else ())


def _gd_entries(layout: Layout) -> tuple[Planned, ...]:
    """Entries from INDEX 01 to INDEX 01; those of the first area end at LBA 45000."""
    result = []
    for number, track in _numbered(layout):
        after = next((t for n, t in _numbered(layout) if n == number + 1), None)
        begin = (
            track.stored_range.start if number == 1 else max(track.index1, track.stored_range.start)
        )
        areas = [range(begin, track.stored_range.stop)]
        pad = 0
        if after is not None:
            gap = range(after.stored_range.start, max(after.stored_range.start, after.index1))
            areas.append(gap)
            pad = after.index1 - track.stored_range.stop - len(gap)
        count = sum(map(len, areas))
        own = track.index1 - begin if number == 1 else 0
        entry = Entry(number, _type(track), count + pad, "NONE", pad, own, own > 0)
        result.append(Planned(entry, tuple(area for area in areas if area)))
    return tuple(result)
