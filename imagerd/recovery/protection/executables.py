# SPDX-License-Identifier: Apache-2.0
"""The section names of Windows programs (PE/COFF): some protections name theirs."""

from __future__ import annotations

from collections.abc import Iterator

from imagerd.disc.source import SectorSource
from imagerd.filesystems.blocks import Blocks
from imagerd.filesystems.filetable import FileTable

_ENDINGS = (".exe", ".dll")
_MOST_PROGRAMS = 200
_HEAD = 4  # blocks of a program to read: headers lie within 8 KiB
_SECTION = 40  # bytes of a section header
_MOST_SECTIONS = 96


def programs(source: SectorSource, table: FileTable) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Programs on the disc by path with their sections' names; those without any left out."""
    disc = Blocks(source, most=_MOST_PROGRAMS * _HEAD, failures=64)
    return tuple(_programs(disc, table))


def _programs(disc: Blocks, table: FileTable) -> Iterator[tuple[str, tuple[str, ...]]]:
    named = [file for file in table.files if file.path.casefold().endswith(_ENDINGS)]
    for file in named[:_MOST_PROGRAMS]:
        if file.extents:
            first = file.extents[0]
            stretch = disc.read(first.start, min(_HEAD, len(first)))
            names = section_names(stretch.data[: file.size]) if stretch.readable(0) else ()
            if names:
                yield file.path, names


def section_names(data: bytes) -> tuple[str, ...]:
    """Of the beginning of a program; () if it is no PE file or makes no sense."""
    if data[:2] != b"MZ" or len(data) < 64:
        return ()
    at = int.from_bytes(data[60:64], "little")
    if data[at : at + 4] != b"PE\0\0" or at + 24 > len(data):
        return ()
    count = int.from_bytes(data[at + 6 : at + 8], "little")
    table = at + 24 + int.from_bytes(data[at + 20 : at + 22], "little")
    names = []
    for number in range(min(count, _MOST_SECTIONS)):
        raw = data[table + number * _SECTION :][:8].rstrip(b"\0")
        if not raw:
            break
        names.append(raw.decode("iso-8859-1"))
    return tuple(names)
