# SPDX-License-Identifier: Apache-2.0
"""What the programs of a DVD-Video play: the LBAs of all cells that a program chain names.

The .IFO files hold tables of program chains (PGC), each a list of cells: first and last sector
within the .VOB files of its title set. A .BUP is a copy of the .IFO. Layout after the DVD-Video
book as the dvdnav and dvdread projects document it. Tolerant: what makes no sense is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.disc.source import SectorSource
from imagerd.filesystems.blocks import BLOCK, Blocks
from imagerd.filesystems.filetable import FileTable
from imagerd.filesystems.gathering import Entry

_FOLDER = "VIDEO_TS"
_MOST_BLOCKS = 1024  # of an .IFO: 2 MiB
_MOST_CHAINS = 4096  # of one table
_CELL = 24  # bytes of a cell's playback information


def played(source: SectorSource, table: FileTable) -> tuple[range, ...] | None:
    """LBAs that are played, joined and ascending; None if the disc is no DVD-Video, or if one of
    its .IFO files can be read in no copy: then nothing can be called unplayed.
    """
    if table.find(f"{_FOLDER}/VIDEO_TS.IFO") is None:
        return None
    disc = Blocks(source, most=1 << 16, failures=256)
    cells: list[range] = []
    for file in table.files:
        if file.path.casefold().startswith("video_ts/") and file.path.upper().endswith(".IFO"):
            copies = (file, table.find(file.path[:-3] + "BUP"))
            data = next((d for copy in copies if (d := _read(disc, copy))), b"")
            if not data or not file.extents:
                return None
            cells += _cells(data, file.extents[0].start)
    return tuple(_joined(cells)) if cells else None


def _read(disc: Blocks, file: Entry | None) -> bytes:
    """All of the file; b"" if any of it is unreadable or it is no .IFO."""
    if file is None or not file.extents or len(file.extents[0]) > _MOST_BLOCKS:
        return b""
    stretch = disc.read(file.extents[0].start, len(file.extents[0]))
    whole = all(stretch.readable(index) for index in range(len(stretch)))
    return stretch.data if whole and stretch.data[:8] == b"DVDVIDEO" else b""


def _cells(data: bytes, lba: int) -> Iterator[range]:
    """Cells of one .IFO that begins at `lba`."""
    titles = data[8:12] == b"-VTS"
    # The menus of the disc (VMG) and of a title set (VTS) have their table in another place.
    units = _number(data, 0xD0 if titles else 0xC8)
    if units:
        menu = lba + _number(data, 0xC0)
        for at in _languages(data, units * BLOCK):
            yield from _chains(data, at, menu)
    if titles and (chains := _number(data, 0xCC)):
        yield from _chains(data, chains * BLOCK, lba + _number(data, 0xC4))


def _languages(data: bytes, at: int) -> Iterator[int]:
    for number in range(min(_number(data, at, 2), _MOST_CHAINS)):
        yield at + _number(data, at + 8 + 8 * number + 4)


def _chains(data: bytes, at: int, vob: int) -> Iterator[range]:
    for number in range(min(_number(data, at, 2), _MOST_CHAINS)):
        chain = at + _number(data, at + 8 + 8 * number + 4)
        cells = chain + _number(data, chain + 0xE8, 2)
        for cell in range(_number(data, chain + 3, 1)):
            where = cells + cell * _CELL
            first, last = _number(data, where + 8), _number(data, where + 20)
            if where + _CELL <= len(data) and first <= last:
                yield range(vob + first, vob + last + 1)


def _number(data: bytes, at: int, size: int = 4) -> int:
    """A big-endian number; 0 where the data ends before."""
    return int.from_bytes(data[at : at + size], "big") if at + size <= len(data) else 0


def _joined(areas: list[range]) -> Iterator[range]:
    begin = end = -1
    for area in sorted(areas, key=lambda area: area.start):
        if area.start > end:
            if end >= 0:
                yield range(begin, end)
            begin, end = area.start, area.stop
        end = max(end, area.stop)
    if end >= 0:
        yield range(begin, end)
