# SPDX-License-Identifier: Apache-2.0
"""What the form asks of the data track: bytes of the volume descriptor and of consoles' headers,
and when the program of a PlayStation disc was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imagerd.disc.source import SectorSource
from imagerd.filesystems.blocks import BLOCK, Blocks
from imagerd.filesystems.filetable import FileTable
from imagerd.filesystems.gathering import Entry
from imagerd.filesystems.volume import VolumeInfo, volume_id

_DESCRIPTOR: Final = 16  # ECMA-119, 6.2.1
_DATES: Final = slice(0x320, 0x380)  # of the primary descriptor: its four dates, and around them
_HEADERS: Final = (
    # what sector 0 begins with, and which bytes of it tell of the program
    (b"SEGA SEGASATURN", slice(0x000, 0x100)),
    (b"SEGA SEGAKATANA", slice(0x000, 0x100)),
    (b"SEGADISCSYSTEM", slice(0x100, 0x200)),
    (b"SEGABOOTDISC", slice(0x100, 0x200)),
    (b"SEGADISC ", slice(0x100, 0x200)),
)
_BOOT: Final = re.compile(rb"BOOT2?\s*=\s*cdrom0?:\\*([^;\s]+)", re.IGNORECASE)
_SERIAL: Final = re.compile(r"([A-Z]{4})[_-]?(\d{3})\.(\d{2})")
_LONGEST: Final = 2048  # bytes of SYSTEM.CNF
_DATE: Final = 18  # of a directory record (ECMA-119, 9.1.5)
_NAME: Final = 33  # (ECMA-119, 9.1.11)


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """What the first data track tells. `pvd` and `header` are hex dumps; `program` is the path of
    what a console starts, `program_date` its date as the directory has it, `serial` is out of its
    name.
    """

    info: VolumeInfo | None = None
    pvd: str | None = None
    header: str | None = None
    program: str | None = None
    program_date: str | None = None
    serial: str | None = None


def volume_facts(source: SectorSource) -> VolumeFacts:
    """Read them; a disc without a data track has none, damage gives less."""
    disc = Blocks(source, most=1 << 14, failures=64)
    if not disc.tracks:
        return VolumeFacts()
    start = disc.tracks[0].index1
    info = volume_id(source)
    descriptor = disc.read(start + _DESCRIPTOR).block(0)
    primary = descriptor[1:6] == b"CD001" or descriptor[1:6] == b"CD-I "
    pvd = hex_dump(descriptor[_DATES], _DATES.start) if primary else None
    header = _header(disc.read(start).block(0))
    if info is None or not info.system_id.startswith("PLAYSTATION"):
        return VolumeFacts(info, pvd, header)
    program, date = _program(source, disc)
    serial = _SERIAL.search((program or "").upper())
    return VolumeFacts(
        info,
        pvd,
        header,
        program,
        date,
        None if serial is None else "{}-{}{}".format(*serial.groups()),
    )


def hex_dump(data: bytes, start: int) -> str:
    """Lines of sixteen bytes as redump.org has them: address, two groups of eight, letters."""
    return "\n".join(_dump(data, start))


def _dump(data: bytes, start: int) -> Iterator[str]:
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        groups = "  ".join(row[part : part + 8].hex(" ").upper() for part in (0, 8))
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start + at:04X} : {groups:<48}   {letters}"


def _header(block: bytes) -> str | None:
    for sign, part in _HEADERS:
        if block.startswith(sign):
            return hex_dump(block[part], part.start)
    return None


def _program(source: SectorSource, disc: Blocks) -> tuple[str | None, str | None]:
    """What SYSTEM.CNF starts, and its date."""
    table = FileTable.of(source)
    settings = table.find("SYSTEM.CNF")
    named = None if settings is None else _BOOT.search(_content(disc, settings))
    if named is None:
        return None, None
    path = named.group(1).decode("ascii", "replace").replace("\\", "/")
    file = table.find(path)
    return path, None if file is None else _date(disc, table, file)


def _content(disc: Blocks, file: Entry) -> bytes:
    if not file.extents:
        return b""
    return disc.read(file.extents[0].start).block(0)[: min(file.size, _LONGEST)]


def _date(disc: Blocks, table: FileTable, file: Entry) -> str | None:
    """The date in the record of `file` in its directory: year, month, day."""
    folder, _, name = file.path.rpartition("/")
    path = f"{folder}/"
    own = next((e for e in table.entries if e.path == path and e.session == file.session), None)
    if own is None:
        return None
    for lba in (lba for extent in own.extents for lba in extent):
        found = _record_date(disc.read(lba).block(0), name.encode("ascii", "replace"))
        if found is not None:
            return found
    return None


def _record_date(block: bytes, name: bytes) -> str | None:
    at = 0
    while at + _NAME < min(len(block), BLOCK) and block[at]:
        record = block[at : at + block[at]]
        if len(record) > _NAME:
            own = record[_NAME : _NAME + record[32]].partition(b";")[0]
            year, month, day = record[_DATE : _DATE + 3]
            if own.upper() == name.upper() and 1 <= month <= 12 and 1 <= day <= 31:
                return f"{1900 + year:04}-{month:02}-{day:02}"
        at += block[at]
    return None
