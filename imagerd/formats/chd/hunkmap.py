# SPDX-License-Identifier: Apache-2.0
"""Where each hunk lies: the maps of versions 3 to 5 in one form."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from fastcrc import crc16

from imagerd.base.errors import BadInput
from imagerd.formats.chd.bits import BitReader, Corrupt
from imagerd.formats.chd.header import Header
from imagerd.formats.chd.huffman import read_map_tree
from imagerd.formats.datafile import DataFile

ENTRY = np.dtype(
    [("kind", "u1"), ("length", ">u4"), ("offset", ">u8"), ("check", ">u4"), ("checked", "?")]
)
Entries = npt.NDArray[np.void]
CHUNK = 1 << 16  # hunks worked on at a time: a DVD has two million
_LONGEST_ENTRY = 8  # bytes of a compressed map for a hunk: 8 + 48 bits
MAP_HEAD = struct.Struct(">I6sHBBBB")


class Kind(IntEnum):
    """How a hunk is held. 0 to 3 are the codecs of the header; 7 and above are our own numbers."""

    CODEC0 = 0
    CODEC3 = 3
    PLAIN = 4
    SELF = 5  # `offset` is the number of another hunk of this file
    PARENT = 6  # `offset` counts units of the parent, its hunks before version 5
    EMPTY = 7  # nowhere: zeros, or the parent's own
    MINI = 8  # `offset` is itself the eight bytes that are repeated
    BAD = 9  # what the map says cannot be


class Code(IntEnum):
    """Symbols of the compressed map beyond the kinds 0 to 6."""

    RLE_SHORT = 7
    RLE_LONG = 8
    SELF_SAME = 9
    SELF_NEXT = 10
    PARENT_SELF = 11
    PARENT_SAME = 12
    PARENT_NEXT = 13


def read_map(file: DataFile, header: Header) -> Entries:
    """One entry of `ENTRY` for each hunk. Raises `BadInput` (no file name) for a damaged map."""
    if header.version < 5:
        return _old_map(file, header)
    if not header.compressed:
        return _plain_map(file, header)
    head = file.peek(header.map_offset, MAP_HEAD.size)
    if len(head) < MAP_HEAD.size:
        raise BadInput("its map is missing: the file is cut short, or was never finished")
    length, first, crc, length_bits, self_bits, parent_bits, _ = MAP_HEAD.unpack(head)
    if length > _LONGEST_ENTRY * header.hunks + 64:
        raise BadInput("its map is damaged: it is longer than its hunks need")
    body = file.peek(header.map_offset + MAP_HEAD.size, length)
    if len(body) < length or length_bits > 24 or max(self_bits, parent_bits) > 48:
        raise BadInput("its map is damaged: it does not end in the file")
    try:
        widths = (length_bits, self_bits, parent_bits)
        entries = _unpack(header, body, widths, int.from_bytes(first, "big"))
    except Corrupt as error:
        raise BadInput(f"its map is damaged: {error}") from error
    if map_crc(entries) != crc:
        raise BadInput("its map is damaged: the CRC is wrong")
    return _resolved(entries)


def map_crc(entries: Entries) -> int:
    """The CRC-16 of the map: over 12 bytes for each hunk, kind, length, offset, CRC."""
    crc = 0xFFFF
    for start in range(0, len(entries), CHUNK):
        part = entries[start : start + CHUNK]
        out = np.zeros((len(part), 12), np.uint8)
        out[:, 0] = part["kind"]
        out[:, 1:4] = _bytes_of(part["length"], ">u4")[:, 1:]
        out[:, 4:10] = _bytes_of(part["offset"], ">u8")[:, 2:]
        out[:, 10:12] = _bytes_of(part["check"], ">u4")[:, 2:]
        crc = crc16.ibm_3740(out.data.cast("B"), crc)
    return crc


def _bytes_of(values: npt.NDArray[np.void], kind: str) -> npt.NDArray[np.uint8]:
    whole = np.ascontiguousarray(values.astype(kind))
    return whole.view(np.uint8).reshape(len(whole), -1)


def _unpack(header: Header, body: bytes, widths: tuple[int, int, int], first: int) -> Entries:
    """Decode a compressed map: first all its symbols, then for each the numbers that it needs."""
    bits = BitReader(body)
    symbols = _symbols(bits, header.hunks)
    if (symbols > max(Code)).any():
        raise Corrupt("a hunk is of no known kind")
    entries = np.zeros(header.hunks, ENTRY)
    state = _State(bits.position, first)
    for start in range(0, header.hunks, CHUNK):
        part = slice(start, start + CHUNK)
        state.unpack(header, body, widths, symbols[part], entries[part])
    return entries


@dataclass(slots=True)
class _State:
    """Where the unpacking stands: bits and hunks done, the running values of the map."""

    position: int
    offset: int
    hunks: int = 0
    own: int = 0
    parent: int = 0

    def unpack(
        self,
        header: Header,
        body: bytes,
        widths: tuple[int, int, int],
        symbols: npt.NDArray[np.uint8],
        entries: Entries,
    ) -> None:
        """Fill `entries` for the next `symbols`."""
        numbers = np.zeros(16, np.int64)  # bits of the number that follows each symbol
        numbers[: Kind.PLAIN] = widths[0]
        numbers[Kind.SELF], numbers[Kind.PARENT] = widths[1:]
        checked = symbols <= Kind.PLAIN
        width = numbers[symbols] + 16 * checked
        end = self.position + np.cumsum(width)
        if end[-1] > len(body) * 8:
            raise Corrupt("it ends too early")
        value = _take(body, end - width, numbers[symbols])
        value[symbols == Kind.PLAIN] = header.hunk
        length = np.where(checked, value, 0)
        offset = self.offset + np.cumsum(length)
        own = _running(value, symbols == Kind.SELF, symbols == Code.SELF_NEXT, 1, self.own)
        step = header.hunk // header.unit
        here = symbols == Code.PARENT_SELF
        value[here] = (np.flatnonzero(here) + self.hunks) * step
        absolute = (symbols == Kind.PARENT) | here
        parent = _running(value, absolute, symbols == Code.PARENT_NEXT, step, self.parent)
        kind = _KIND_OF[symbols]
        where = np.where(kind == Kind.PARENT, parent, offset - length)
        entries["kind"] = kind
        entries["length"] = length
        entries["offset"] = np.where(kind == Kind.SELF, own, where) & ((1 << 48) - 1)
        entries["checked"] = checked
        entries["check"][checked] = _take(body, end[checked] - 16, 16)
        self.position, self.offset = int(end[-1]), int(offset[-1])
        self.own, self.parent = int(own[-1]), int(parent[-1])
        self.hunks += len(symbols)


_KIND_OF = np.array([0, 1, 2, 3, 4, 5, 6, 0, 0, 5, 5, 6, 6, 6, 0, 0], np.uint8)
Numbers = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


def _symbols(bits: BitReader, count: int) -> npt.NDArray[np.uint8]:
    tree = read_map_tree(bits)
    symbols = bytearray()
    last = 0
    while len(symbols) < count:
        symbol = tree.one(bits)
        if symbol == Code.RLE_SHORT:
            repeat = 3 + tree.one(bits)
        elif symbol == Code.RLE_LONG:
            high = tree.one(bits)
            repeat = 19 + (high << 4) + tree.one(bits)
        else:
            last, repeat = symbol, 1
        symbols += bytes((last,)) * repeat
        if bits.overrun:
            raise Corrupt("it ends too early")
    return np.frombuffer(symbols, np.uint8)[:count]


def _take(body: bytes, position: Numbers, width: Numbers | int) -> Numbers:
    """The numbers of `width` bits (at most 48) at the bits `position`."""
    padded = np.frombuffer(body + bytes(8), np.uint8)
    windows = np.zeros(len(position), np.uint64)
    at = position >> 3
    for byte in range(8):
        windows |= padded[np.minimum(at + byte, len(padded) - 1)].astype(np.uint64) << np.uint64(
            56 - 8 * byte
        )
    shift = np.asarray(64 - (position & 7) - width, np.uint64)
    wide: Numbers = (windows >> np.minimum(shift, np.uint64(63))).astype(np.int64)
    wide &= (np.int64(1) << np.asarray(width, np.int64)) - 1
    return wide


def _running(value: Numbers, absolute: Marks, following: Marks, step: int, before: int) -> Numbers:
    """What a number is that `absolute` entries set and `following` ones advance by `step`."""
    index = np.maximum.accumulate(np.where(absolute, np.arange(len(value)), -1))
    advanced = np.cumsum(following) * step
    known = index >= 0
    base = np.where(known, value[index] - advanced[index], before)
    result: Numbers = base + advanced
    return result


def _resolved(entries: Entries) -> Entries:
    """References to hunks of the same file made to name the hunk that is really there.

    MAME refers to earlier hunks only, and never to one that refers itself. What does is followed
    for a while; what leads nowhere is BAD.
    """
    own = np.flatnonzero(entries["kind"] == Kind.SELF)
    targets = entries["offset"][own].astype(np.int64)
    for _ in range(4):
        inside = (targets >= 0) & (targets < len(entries))
        targets = np.where(inside, targets, 0)
        entries["kind"][own[~inside]] = Kind.BAD
        again = entries["kind"][targets] == Kind.SELF
        if not again.any():
            break
        targets[again] = entries["offset"][targets[again]].astype(np.int64)
    entries["offset"][own] = targets
    looping = entries["kind"][targets] == Kind.SELF
    entries["kind"][own[looping]] = Kind.BAD
    return entries


def _table(file: DataFile, header: Header, size: int) -> bytes:
    """A map of `size` bytes for each hunk."""
    whole = size * header.hunks
    data = b""
    if header.map_offset + whole <= file.size:
        data = file.peek(header.map_offset, whole)
    if len(data) < whole:
        raise BadInput("its map is missing: the file is cut short")
    return data


def _plain_map(file: DataFile, header: Header) -> Entries:
    data = _table(file, header, 4)
    entries = np.zeros(header.hunks, ENTRY)
    where = np.frombuffer(data, ">u4").astype(np.uint64)
    entries["kind"] = np.where(where > 0, Kind.PLAIN, Kind.EMPTY)
    entries["offset"] = where * np.uint64(header.hunk)
    entries["length"] = header.hunk
    return entries


_OLD_ENTRY = np.dtype(
    [("offset", ">u8"), ("crc", ">u4"), ("low", ">u2"), ("high", "u1"), ("flags", "u1")]
)
_OLD_KINDS = (Kind.BAD, Kind.CODEC0, Kind.PLAIN, Kind.MINI, Kind.SELF, Kind.PARENT, Kind.BAD)
_NO_CRC = 0x10


def _old_map(file: DataFile, header: Header) -> Entries:
    data = _table(file, header, 16)
    old = np.frombuffer(data, _OLD_ENTRY)
    entries = np.zeros(header.hunks, ENTRY)
    kinds = np.array((*_OLD_KINDS, *[Kind.BAD] * 9), np.uint8)[old["flags"] & 0x0F]
    entries["kind"] = kinds
    entries["length"] = old["low"].astype(np.uint32) | (old["high"].astype(np.uint32) << 16)
    entries["offset"] = old["offset"]
    entries["check"] = old["crc"]
    entries["checked"] = (old["flags"] & _NO_CRC == 0) & (kinds != Kind.SELF)
    return _resolved(entries)
