# SPDX-License-Identifier: Apache-2.0
"""The medium in a virtual drive: a sector source, seen as this drive delivers it.

What follows from the layout alone (areas, subchannel, table of contents) is computed once, at the
insertion. Main channel rows come in windows of some hundred sectors, read or generated at once.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
import numpy.typing as npt

from imagerd.devices.virtual.layers import with_layers
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.recordable import Recordable
from imagerd.disc.layout import DiscType, Layout, Medium, SectorFormat, Track, TrackMode
from imagerd.disc.source import Bytes2D, SectorSource, SectorState
from imagerd.sectors.convert import to_raw
from imagerd.sectors.scramble import scramble
from imagerd.sectors.subgen import Subchannel
from imagerd.sectors.views import RawView

RAW = 2352
BLOCK = 2048
SUB = 96
_SAMPLE = 4
_AHEAD = 512  # sectors of a window when reading goes on where it stopped

Kinds = npt.NDArray[np.uint8]


class Kind(IntEnum):
    """What a sector is; 1 to 5 are the expected sector types of READ CD (MMC-6, 6.15.2.1)."""

    CDDA = 1
    MODE1 = 2
    FORMLESS = 3
    FORM1 = 4
    FORM2 = 5
    MODE0 = 6


class AreaType(Enum):
    """What lies at an address."""

    TRACK = "track"
    BLANK = "blank"  # readable, outside the tracks: silence or empty sectors
    GAP = "gap"  # between sessions: lead-out and lead-in


@dataclass(frozen=True, slots=True)
class Area:
    """LBAs `start` to `end` of one nature; `track` gives the mode."""

    start: int
    end: int
    type: AreaType
    track: Track


class Window:
    """Consecutive rows as the drive delivers them. `lost` LBAs are not in the image."""

    __slots__ = ("_kinds", "area", "end", "lba", "lost", "rows")

    def __init__(self, lba: int, area: Area, rows: Bytes2D, lost: frozenset[int]) -> None:
        self.lba = lba
        self.end = lba + len(rows)
        self.area = area
        self.rows = rows
        self.lost = lost
        self._kinds: Kinds | None = None

    def holds(self, lba: int, count: int) -> bool:
        """Whether it has `lba` and as many of the sectors after it as its area has."""
        if not self.lba <= lba < self.end:
            return False
        return lba + count <= self.end or self.end == self.area.end

    def kinds(self, xa: bool) -> Kinds:
        """(n,) of `Kind`."""
        if self._kinds is None:
            self._kinds = _kinds(self.rows, self.area.track.mode, xa)
        return self._kinds


def _kinds(rows: Bytes2D, mode: TrackMode, xa: bool) -> Kinds:
    kinds = np.full(len(rows), Kind.MODE1, np.uint8)
    if mode is TrackMode.AUDIO:
        kinds[:] = Kind.CDDA
    elif mode is TrackMode.MODE0:
        kinds[:] = Kind.MODE0
    elif mode is TrackMode.MODE2:
        # Two equal copies of a subheader are what makes a sector XA, on a disc not marked so.
        marked = np.all(rows[:, 16:20] == rows[:, 20:24], axis=1) | xa
        forms = np.where(rows[:, 18] & 0x20, np.uint8(Kind.FORM2), np.uint8(Kind.FORM1))
        kinds = np.where(marked, forms, np.uint8(Kind.FORMLESS))
    return kinds


class Disc:
    """A medium, from insertion to removal. Takes over `source` and closes it.

    `kind`: the recordable disc that it is and that the drive takes it for; None for a pressed one.
    """

    def __init__(
        self, source: SectorSource, profile: DriveProfile, kind: Recordable | None = None
    ) -> None:
        self.layout: Layout = with_layers(source.layout)
        self.kind = kind if profile.tells_recordable else None
        self.is_cd = self.layout.is_cd
        self._source: SectorSource = RawView(source) if self.is_cd else source
        self._profile = profile
        self._areas = _areas(self.layout, profile)
        self._starts = [area.start for area in self._areas]
        self._xa = self.layout.disc_type is not DiscType.CDDA_OR_ROM
        self._sub = Subchannel(self.layout) if self.is_cd else None
        self._stored_sub = any(
            track.stored in (SectorFormat.RAW_SUB, SectorFormat.USER_SUB)
            for track in source.layout.tracks
        )
        self._window: Window | None = None

    @property
    def readable(self) -> bool:
        """Whether this drive takes this kind of medium."""
        return self.layout.medium.value in self._profile.media

    @property
    def size(self) -> int:
        """Bytes of a sector of the main channel."""
        return RAW if self.is_cd else BLOCK

    @property
    def profile_number(self) -> int:
        """The current profile (MMC-6, table 93): that of the kind, or CD-ROM, DVD-ROM, BD-ROM …"""
        if self.kind is not None:
            return self.kind.profile
        numbers = {Medium.CD: 0x08, Medium.DVD: 0x10, Medium.BD: 0x40, Medium.HDDVD: 0x50}
        return numbers[self.layout.medium]

    def area_at(self, lba: int) -> Area | None:
        """What lies at `lba`; None outside of all that the drive can reach."""
        at = bisect_right(self._starts, lba) - 1
        if at < 0 or lba >= self._areas[at].end:
            return None
        return self._areas[at]

    def window(self, lba: int, count: int) -> Window:
        """A window that holds `lba` and, if its area does, the `count` - 1 sectors after it.

        `lba` must be readable. The rows are never changed afterwards.
        """
        window = self._window
        if window is not None and window.holds(lba, count):
            return window
        area = self.area_at(lba)
        if area is None or area.type is AreaType.GAP:
            raise ValueError(f"LBA {lba} cannot be read")
        ahead = window is not None and window.end - count <= lba <= window.end
        wanted = max(count, _AHEAD) if ahead else count
        window = self._window = self._deliver(area, lba, min(wanted, area.end - lba))
        return window

    def kinds(self, lba: int, count: int) -> Kinds:
        """(count,) of `Kind`; all sectors must be readable."""
        parts = []
        at = lba
        while at < lba + count:
            window = self.window(at, lba + count - at)
            part = window.kinds(self._xa)[at - window.lba : lba + count - window.lba]
            parts.append(part)
            at += len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _deliver(self, area: Area, lba: int, count: int) -> Window:
        offset = self._profile.read_offset
        if offset and self.is_cd and area.track.mode is TrackMode.AUDIO:
            rows, lost = self.stream(lba, count)
        else:
            rows, lost = self._true(area, lba, count)
        return Window(lba, area, rows, lost)

    def stream(self, lba: int, count: int) -> tuple[Bytes2D, frozenset[int]]:
        """Rows read as audio, wherever they lie: data scrambled, moved by the read offset.

        The second is the LBAs to which a sector that is missing in the image contributes.
        """
        shift = self._profile.read_offset * _SAMPLE
        first = lba + (-shift // RAW)  # the sector in which the first delivered byte lies
        needed = count + (1 if shift % RAW else 0)
        raw = np.zeros((needed, RAW), np.uint8)
        lost: set[int] = set()
        at = first
        while at < first + needed:
            area = self.area_at(at)
            if area is None or area.type is AreaType.GAP:
                at += 1  # silence
                continue
            rows, missing = self._true(area, at, min(first + needed, area.end) - at)
            data = area.track.mode is not TrackMode.AUDIO
            raw[at - first : at - first + len(rows)] = scramble(rows) if data else rows
            lost |= missing
            at += len(rows)
        start = -shift % RAW
        flat = raw.reshape(-1)[start : start + count * RAW]
        ahead = lba - first
        touched = {
            owner
            for missing in lost
            for owner in (missing + ahead - (1 if start else 0), missing + ahead)
        }
        return flat.reshape(count, RAW), frozenset(touched)

    def _true(self, area: Area, lba: int, count: int) -> tuple[Bytes2D, frozenset[int]]:
        """`count` rows of one area as they are on the disc, and the LBAs that the image lacks."""
        if area.type is AreaType.BLANK:
            return self._blank(area.track.mode, lba, count), frozenset()
        blocks: list[Bytes2D] = []
        lost: set[int] = set()
        at = lba
        while at < lba + count:
            block = self._source.read(at, lba + count - at)
            blocks.append(block.data)
            if block.states.min() <= SectorState.FAILED:
                lost.update((at + np.flatnonzero(block.states <= SectorState.FAILED)).tolist())
            at = block.end
        rows = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return rows, frozenset(lost)

    def _blank(self, mode: TrackMode, lba: int, count: int) -> Bytes2D:
        if mode is TrackMode.AUDIO:
            return np.zeros((count, RAW), np.uint8)
        if mode is TrackMode.BLOCKS:
            return np.zeros((count, BLOCK), np.uint8)
        return to_raw(np.zeros((count, BLOCK), np.uint8), SectorFormat.USER, mode, lba)

    def sub(self, lba: int, count: int) -> Bytes2D:
        """(count, 96) raw P–W as the drive gives it for these sectors; may be shared."""
        if self._sub is None:
            raise ValueError("only CDs have a subchannel")
        lba -= self._profile.sub_shift
        made = self._sub.read(lba, count)
        return self._with_stored(made, lba, count) if self._stored_sub else made

    def _with_stored(self, made: Bytes2D, lba: int, count: int) -> Bytes2D:
        """`made` where the image has no subchannel, else the image's."""
        made = made.copy()
        at = lba
        while at < lba + count:
            area = self.area_at(at)
            if area is None or area.type is not AreaType.TRACK:
                at += 1
                continue
            block = self._source.read(at, lba + count - at)
            if block.sub is not None:
                made[at - lba : block.end - lba] = block.sub
            at = block.end
        return made

    def close(self) -> None:
        """Close the source."""
        self._window = None
        self._source.close()


def _areas(layout: Layout, profile: DriveProfile) -> tuple[Area, ...]:
    """The addresses that the drive can reach, in order, without holes from first to last."""
    tracks = layout.tracks
    areas: list[Area] = []
    if layout.is_cd and profile.overread_before:
        start = layout.start - profile.overread_before
        areas.append(Area(start, layout.start, AreaType.BLANK, tracks[0]))
    for track in tracks:
        if areas and areas[-1].end < track.start:
            areas.append(Area(areas[-1].end, track.start, AreaType.GAP, track))
        areas.append(Area(track.start, track.end, AreaType.TRACK, track))
    if areas[-1].end < layout.end:
        areas.append(Area(areas[-1].end, layout.end, AreaType.GAP, tracks[-1]))
    if layout.is_cd and profile.overread_after:
        end = layout.end + profile.overread_after
        areas.append(Area(layout.end, end, AreaType.BLANK, tracks[-1]))
    return tuple(areas)
