# SPDX-License-Identifier: Apache-2.0
"""The description of a BlindWrite image, little-endian: blocks of told lengths, in a row."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PACK
from imagerd.formats.binary import Fields
from imagerd.formats.density import Density, read_density

SIGN = b"BWT5 STREAM SIGN"
_HEAD = 16 + 112  # the sign and the first disc block
_BETWEEN = 32 + 48 + 32  # unknown bytes, the drive, the volume
_BLOCK, _SESSION, _ENTRY, _ENTRY_MORE = 52, 16, 64, 8
_DVD = 0x10
_DPM_HEAD, _BWA_HEAD = 32, 12  # before the densities: counts and lengths of their block
_MOST = 1000
_LONGEST_NAME = 2048
DVD_TRACK = 6


@dataclass(frozen=True, slots=True)
class DataBlock:
    """`sectors` sectors from LBA `start`, `length` bytes at `offset` of the file `name`."""

    length: int
    offset: int
    start: int
    sectors: int
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A track: `pregap` of its `length` sectors from LBA `start` lie before INDEX 01."""

    session: int
    kind: int
    control: int
    point: int
    pregap: int
    start: int
    length: int


@dataclass(slots=True)
class Table:
    """The whole description; `starts` and `ends` are LBAs by session."""

    dvd: bool
    mcn: str = ""
    packs: bytes = b""
    blocks: list[DataBlock] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    densities: tuple[Density, ...] = ()
    notes: list[str] = field(default_factory=list)


def read_table(data: bytes) -> Table:
    """The table that `data` is. Raises `BadInput` (no file name in it) for what is none."""
    if data[:16] != SIGN:
        raise BadInput("it has no sign of BlindWrite")
    fields = Fields(data)
    kind, sessions = fields.unpack("<HH", 16 + 32)
    (has_mcn,) = fields.unpack("<B", 16 + 48)
    pma, atip, text, info = fields.unpack("<4H", 16 + 80)
    (bca,) = fields.unpack("<I", 16 + 88)
    structures, dvd_info = fields.unpack("<II", 16 + 104)
    page, unknown, _, _, dpm = fields.unpack("<5I", _HEAD + _BETWEEN)
    if not 1 <= sessions <= 99:
        raise BadInput(f"it has {sessions} sessions")
    table = Table(kind >= _DVD)
    if has_mcn:
        table.mcn = fields.bytes(16 + 49, 13).decode("ascii", "replace")
    at = _HEAD + _BETWEEN + 20 + page + unknown + pma + atip
    table.packs = _packs(fields.bytes(at, text))
    at += text + bca + structures + (dvd_info if table.dvd else info)
    at = _read_blocks(fields, at, table)
    for _ in range(sessions):
        at = _read_session(fields, at, table)
    if dpm:
        try:
            table.densities = (read_density(fields, at + _DPM_HEAD),)
        except BadInput as error:  # the disc is there all the same
            note = f"its measurement of density is damaged, and was left aside: {error}"
            table.notes.append(note)
    return table


def read_bwa(data: bytes) -> Density:
    """The densities of a .bwa, in which BlindWrite 5 keeps them. Raises `BadInput` as above."""
    return read_density(Fields(data), _BWA_HEAD)


def _packs(data: bytes) -> bytes:
    """CD-Text with or without the 4-byte header of READ TOC."""
    if len(data) % PACK == 4:
        data = data[4:]
    return data[: len(data) // PACK * PACK]


def _read_blocks(fields: Fields, at: int, table: Table) -> int:
    count, drive = fields.unpack("<II", at)
    if count > _MOST:
        raise BadInput(f"it has {count} data blocks")
    at += 8 + drive
    for _ in range(count):
        values = fields.unpack("<10I2iI", at)
        length, offset, start, sectors, size = (values[n] for n in (1, 6, 10, 11, 12))
        if size > _LONGEST_NAME:
            raise BadInput(f"it names a file in {size} bytes")
        name = fields.bytes(at + _BLOCK, size).decode("utf-16-le", "replace").rstrip("\0")
        table.blocks.append(DataBlock(length, offset, start, sectors, name))
        at += _BLOCK + size + 4
    return at


def _read_session(fields: Fields, at: int, table: Table) -> int:
    number, count, _, start, end, _, _ = fields.unpack("<HBBiiHH", at)
    table.starts[number], table.ends[number] = start, end
    at += _SESSION
    for _ in range(count):
        kind, control, point = (fields.unpack("<B", at + n)[0] for n in (0, 10, 12))
        (pregap,) = fields.unpack("<I", at + 22)
        first, length = fields.unpack("<ii", at + 42)
        at += _ENTRY
        if kind == 0:  # A0, A1, A2
            continue
        table.entries.append(Entry(number, kind, control & 15, point, pregap, first, length))
        at += 0 if kind == DVD_TRACK else _ENTRY_MORE
    return at
