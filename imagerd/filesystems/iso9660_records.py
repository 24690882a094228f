# SPDX-License-Identifier: Apache-2.0
"""The records of ISO 9660 and High Sierra as they lie in a block: no I/O, no exceptions.

After ECMA-119 (8: volume descriptors, 9.1: directory records, 9.4: path table records), the Joliet
specification (escape sequences, UCS-2 names), and the High Sierra proposal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Literal

from imagerd.filesystems.blocks import BLOCK

DIRECTORY, ASSOCIATED, MULTI_EXTENT = 0x02, 0x04, 0x80  # file flags (9.1.6)
SELF, PARENT = b"\0", b"\1"
_JOLIET = (b"%/@", b"%/C", b"%/E")  # escape sequences of its three levels
_BOOT, _PRIMARY, _SUPPLEMENTARY, _TERMINATOR = 0, 1, 2, 255
_HEAD = Struct("<BBI4xI4x")  # of a directory record: length, EAR, extent, size
_BIG = Struct(">2x4xI4xI")
_LEAST = 34  # bytes of the shortest directory record

Plausible = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Record:
    """A directory record. `extent` in logical blocks, its extended attributes left out; `size` in
    bytes. `unit` and `gap` in logical blocks (0, 0: not interleaved). `torn` tells that the two
    byte orders of a number differ; `system_use` is what other systems add (Rock Ridge, XA).
    """

    name: bytes
    extent: int
    size: int
    flags: int
    unit: int = 0
    gap: int = 0
    torn: bool = False
    system_use: bytes = b""


@dataclass(frozen=True, slots=True)
class PathRecord:
    """A directory in a path table: `parent` counts records from 0; the root is its own."""

    name: bytes
    extent: int
    parent: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A volume descriptor; `tree` tells whether it leads to a tree of directories.

    `root` is None if its record makes no sense. `path_table` is the table's size in bytes, `tables`
    where copies of it lie: (logical block, big-endian).
    """

    what: str
    tree: bool = False
    system: str = "ISO 9660"
    joliet: bool = False
    sierra: bool = False
    block_size: int = BLOCK
    root: Record | None = None
    path_table: int = 0
    tables: tuple[tuple[int, bool], ...] = ()
    boot_catalogue: int | None = None
    last: bool = False


def descriptor(block: bytes, plausible: Plausible) -> Descriptor | None:
    """The volume descriptor in a block; None if it holds none."""
    sierra = block[9:14] == b"CDROM"
    if not sierra and block[1:6] != b"CD001":
        return None
    kind = block[8] if sierra else block[0]
    if kind == _TERMINATOR:
        return Descriptor("volume descriptor set terminator", last=True)
    if kind == _BOOT:
        where = int.from_bytes(block[71:75], "little")
        torito = block[7:39].rstrip(b"\0 ") == b"EL TORITO SPECIFICATION" and not sierra
        return Descriptor("boot record", boot_catalogue=where if torito else None)
    if kind not in (_PRIMARY, _SUPPLEMENTARY):
        return Descriptor(f"volume descriptor of type {kind}")
    return _with_tree(block, kind == _PRIMARY, sierra, plausible)


def _with_tree(block: bytes, primary: bool, sierra: bool, plausible: Plausible) -> Descriptor:
    shift = 8 if sierra else 0
    joliet = not primary and not sierra and block[88:91] in _JOLIET
    # Two copies of each byte order (8.4.15–18); High Sierra has four.
    first = 148 if sierra else 140
    other = first + (16 if sierra else 8)
    tables = [(int.from_bytes(block[at : at + 4], "little"), False) for at in (first, first + 4)]
    tables += [(int.from_bytes(block[at : at + 4], "big"), True) for at in (other, other + 4)]
    system = "High Sierra" if sierra else "Joliet" if joliet else "ISO 9660"
    return Descriptor(
        "primary volume descriptor" if primary else "supplementary volume descriptor",
        True,
        system,
        joliet,
        sierra,
        both(block, 128 + shift, 2) or BLOCK,
        record(block, 180 if sierra else 156, plausible, sierra=sierra),
        both(block, 132 + shift, 4),
        tuple((where, big) for where, big in tables if where),
    )


def record(block: bytes, at: int, plausible: Plausible, *, sierra: bool = False) -> Record | None:
    """The directory record at `at`; None if there is none that holds together.

    Of numbers whose byte orders differ that one counts of which `plausible` holds.
    """
    length = block[at]
    if length < _LEAST or at + length > len(block):
        return None
    size_of_name = block[at + 32]
    if not size_of_name or 33 + size_of_name > length:
        return None
    _, attributes, extent, size = _HEAD.unpack_from(block, at)
    other_extent, other_size = _BIG.unpack_from(block, at)
    torn = extent != other_extent or size != other_size
    if torn:
        if extent != other_extent and not plausible(extent) and plausible(other_extent):
            extent = other_extent
        if size != other_size and not plausible(extent + size // BLOCK):
            size = min(size, other_size)
    end = at + 33 + size_of_name
    return Record(
        block[at + 33 : end],
        extent + attributes,
        size,
        block[at + (24 if sierra else 25)],
        block[at + 26],
        block[at + 27],
        torn,
        block[end + (size_of_name + 1) % 2 : at + length],
    )


def records(block: bytes, plausible: Plausible, *, sierra: bool = False) -> Iterator[Record | None]:
    """The directory records of a block; a last None if what follows makes no sense."""
    at = 0
    while at < len(block) and block[at]:
        found = record(block, at, plausible, sierra=sierra)
        yield found
        if found is None:
            return
        at += block[at]


def path_records(table: bytes, *, big: bool, sierra: bool) -> Iterator[PathRecord]:
    """The records of a path table, up to the first that makes no sense."""
    order: Literal["big", "little"] = "big" if big else "little"
    at = count = 0
    while at + 8 <= len(table):
        # High Sierra puts the address first (its 9.4), ISO 9660 the lengths.
        length = table[at + 5] if sierra else table[at]
        where = table[at : at + 4] if sierra else table[at + 2 : at + 6]
        parent = int.from_bytes(table[at + 6 : at + 8], order)
        end = at + 8 + length
        if not length or end > len(table) or not 1 <= parent <= max(count, 1):
            return
        attributes = table[at + 4] if sierra else table[at + 1]
        extent = int.from_bytes(where, order) + attributes
        yield PathRecord(table[at + 8 : end], extent, parent - 1)
        at, count = end + length % 2, count + 1


def both(block: bytes, at: int, size: int) -> int:
    """A number in both byte orders (7.2.3): little-endian unless that is 0."""
    little = int.from_bytes(block[at : at + size], "little")
    return little or int.from_bytes(block[at + size : at + 2 * size], "big")


def name_of(raw: bytes, *, joliet: bool) -> str:
    """A name as people read it: without version and empty extension, and without a slash."""
    if joliet:
        text = raw.decode("utf-16-be", "replace")
    else:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("iso-8859-1")
    stem, semicolon, version = text.rpartition(";")
    if semicolon and version.isdigit():
        text = stem
    if text.endswith(".") and len(text) > 1:
        text = text[:-1]
    if text.isprintable() and "/" not in text:
        return text
    return "".join(x if x.isprintable() and x != "/" else "\N{REPLACEMENT CHARACTER}" for x in text)
