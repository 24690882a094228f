# SPDX-License-Identifier: Apache-2.0
"""Open a .ccd with its .img and, where there is one, its .sub."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.layout import Control, DiscType, SectorFormat, TrackMode
from imagerd.disc.msf import PREGAP
from imagerd.disc.source import Sectors
from imagerd.formats import names
from imagerd.formats.ccd.pregap import pregap_start
from imagerd.formats.ccd.table import FIRST, LEAD_OUT, Entry, Table, read_table
from imagerd.formats.codes import is_isrc, is_mcn
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.placed import Placed, assemble, header_mode
from imagerd.formats.sheettext import read_text, with_path
from imagerd.sectors.geometry import SUB
from imagerd.sectors.subchannel import interleave

_RAW = SectorFormat.RAW.size
_MODES = {0: TrackMode.AUDIO, 1: TrackMode.MODE1, 2: TrackMode.MODE2}


@dataclass(frozen=True, slots=True)
class Area:
    """A session's sectors: LBAs from `start`, the first of them being number `row` of the .img."""

    start: int
    lead_out: int
    row: int

    def row_of(self, lba: int) -> int:
        """The number of the sector `lba` in the .img."""
        return self.row + lba - self.start


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open the .ccd `path`; the other files are called like it."""
    text = read_text(path, ".ccd")
    image = names.beside(path, (".img", ".bin"))
    if image is None:
        raise BadInput(f"{path}: there is no {path.stem}.img beside it; put it there.")
    found = names.beside(path, (".sub",))
    with ExitStack() as stack:
        data = DataFile(image)
        stack.callback(data.close)
        sub = None if found is None else DataFile(found)
        if sub is not None:
            stack.callback(sub.close)
            if sub.size < SUB:
                sub = None
        try:
            table = read_table(text)
            opened = _open(path, table, data, sub)
        except BadInput as error:
            raise with_path(path, error) from error
        stack.pop_all()
        return opened


def _open(path: Path, table: Table, data: DataFile, sub: DataFile | None) -> ExtentImage:
    if table.scrambled:
        raise BadInput("its data tracks are scrambled, which is not read")
    areas = _areas(table, data)
    placed = _place(table, areas, data, sub)
    made = assemble(
        placed,
        {number: area.lead_out for number, area in areas.items()},
        disc_type=_disc_type(table),
        mcn=table.catalog if is_mcn(table.catalog) else None,
        cd_text=table.cd_text(),
    )
    count = data.size // _RAW
    if sub is not None and sub.size != count * SUB:
        made.notes.append(f"{sub.path.name} is not of {count} sectors, as {data.path.name} is")
    notes = [*table.notes, *((None, note) for note in made.notes)]
    files = (path, data.path) if sub is None else (path, data.path, sub.path)
    warnings = tuple(Warning_(path, line, sentence) for line, sentence in notes)
    return _CcdImage(
        path,
        "ccd",
        made.layout,
        made.extents,
        files=files,
        warnings=warnings,
        sheet=table.sheet,
    ).with_sub(sub, tuple(areas.values()))


class _CcdImage(ExtentImage):
    """Its subchannel lies in a file of its own, channel by channel."""

    _sub: DataFile | None = None
    _areas: tuple[Area, ...] = ()

    def with_sub(self, sub: DataFile | None, areas: tuple[Area, ...]) -> _CcdImage:
        self._sub, self._areas = sub, areas
        return self

    def read(self, lba: int, count: int) -> Sectors:
        block = super().read(lba, count)
        if self._sub is None:
            return block
        area = next(area for area in self._areas if area.start <= lba < area.lead_out)
        # Rows that the file does not have are zeros, whose Q has a wrong CRC.
        channels, _ = self._sub.rows(area.row_of(lba) * SUB, len(block), SUB)
        return replace(block, sub=interleave(channels))

    def close(self) -> None:
        super().close()
        if self._sub is not None:
            self._sub.close()


# -- sessions -------------------------------------------------------------------------------------


def _areas(table: Table, data: DataFile) -> dict[int, Area]:
    """Where each session lies in the .img, which has no gap between sessions.

    Some have the last 150 sectors of it (a session's pregap), some all, and some tell INDEX 0 of
    a session's first track in that pregap, which is not there: the length tells.
    """
    spans = _spans(table)
    count, compact = data.size // _RAW, _sectors(spans)
    later = (len(spans) - 1) * PREGAP
    whole = max(end for _, end in spans.values())
    extra, gaps = 0, False
    if later and count == compact - later:
        spans = _without_pregaps(spans)
    elif later and count == compact + later:
        extra = PREGAP
    elif later and count == whole:
        gaps = True
    elif count != compact:
        table.notes.append((None, f"{data.path.name} has {count} sectors, the tracks {compact}"))
    areas: dict[int, Area] = {}
    row = 0
    for number, (start, end) in spans.items():
        row += extra if areas else 0
        areas[number] = Area(start, end, start if gaps else row)
        row += end - start
    return areas


def _sectors(spans: dict[int, tuple[int, int]]) -> int:
    return sum(end - start for start, end in spans.values())


def _without_pregaps(spans: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """The sessions, all but the first beginning two seconds later."""
    first = min(spans)
    return {
        number: (start if number == first else min(start + PREGAP, end), end)
        for number, (start, end) in spans.items()
    }


def _spans(table: Table) -> dict[int, tuple[int, int]]:
    """Start and lead-out of each session. The first begins at LBA 0, whatever its indexes say."""
    spans: dict[int, tuple[int, int]] = {}
    for number in sorted({entry.session for entry in _track_entries(table)}):
        own = [entry for entry in _track_entries(table) if entry.session == number]
        start = min(_start(_indexes(table, entry)) for entry in own) if spans else 0
        ends = [e.plba for e in table.entries if (e.session, e.point) == (number, LEAD_OUT)]
        if not ends:
            raise BadInput(f"session {number} has no lead-out (point A2)")
        previous = max((end for _, end in spans.values()), default=0)
        if not previous <= start <= ends[0]:
            raise BadInput(f"session {number} overlaps the one before or ends before it begins")
        spans[number] = (start, ends[0])
    if not spans:
        raise BadInput("its table of contents has no tracks")
    return spans


def _track_entries(table: Table) -> list[Entry]:
    return [entry for entry in table.entries if 1 <= entry.point <= 99 and entry.adr in (0, 1)]


def _disc_type(table: Table) -> DiscType | None:
    for entry in table.entries:
        if entry.point == FIRST:
            known = {kind.value: kind for kind in DiscType}
            return known.get(entry.p[1])
    return None


# -- tracks ---------------------------------------------------------------------------------------


def _indexes(table: Table, entry: Entry) -> dict[int, int]:
    """LBAs by number. Some count them from their session: INDEX 1 is what the entry points to."""
    section = table.tracks.get(entry.point)
    given = dict(section.indexes) if section is not None else {}
    one = given.get(1, given[0] if given.keys() == {0} else entry.plba)
    return {**{n: lba + entry.plba - one for n, lba in given.items()}, 1: entry.plba}


def _start(indexes: dict[int, int]) -> int:
    """The first LBA of a track: further indexes that lie before it are damage."""
    return min(indexes[1], indexes.get(0, indexes[1]))


def _place(
    table: Table, areas: dict[int, Area], data: DataFile, sub: DataFile | None
) -> list[Placed]:
    placed: list[Placed] = []
    entries = sorted(_track_entries(table), key=lambda entry: (entry.session, entry.plba))
    for entry in entries:
        area = areas[entry.session]
        indexes = _indexes(table, entry)
        opening = not placed or placed[-1].session != entry.session
        if opening and area.start != indexes.get(0, entry.plba):
            indexes.pop(0, None)
        if opening and area.start < entry.plba:
            indexes[0] = area.start
        elif 0 not in indexes and sub is not None and not opening:
            start = pregap_start(sub, area.row_of, entry.point, placed[-1].indexes[1], entry.plba)
            if start < entry.plba:
                indexes[0] = start
                table.notes.append((None, f"INDEX 0 of track {entry.point} is from the .sub"))
        if not opening:
            placed[-1].end = _start(indexes)
        placed.append(_track(table, entry, indexes, area, data))
    for track in placed:
        _settle_mode(table, track, areas[track.session], data)
    return placed


def _track(
    table: Table, entry: Entry, indexes: dict[int, int], area: Area, data: DataFile
) -> Placed:
    section = table.tracks.get(entry.point)
    word = 1 if entry.control & Control.DATA else 0
    if section is not None and section.mode is not None:
        word = section.mode
    isrc = section.isrc if section is not None else None
    return Placed(
        entry.point,
        entry.session,
        _MODES.get(word, TrackMode.MODE1),
        indexes,
        area.lead_out,
        data,
        area.row_of(_start(indexes)) * _RAW,
        control=Control(entry.control),
        isrc=isrc if is_isrc(isrc) else None,
    )


def _settle_mode(table: Table, track: Placed, area: Area, data: DataFile) -> None:
    """Believe the headers of the track's own sectors, and note what contradicts."""
    one = track.indexes[1]
    offset = area.row_of(one) * _RAW
    track.mode, sentence = header_mode(track.mode, track.stored, data, offset, track.end - one)
    if sentence:
        table.notes.append((None, f"track {track.number} {sentence}"))
    if (Control.DATA in track.control) is (track.mode is TrackMode.AUDIO):
        word = "data" if Control.DATA in track.control else "audio"
        table.notes.append((None, f"track {track.number} has CONTROL of {word}, not {track.mode}"))
