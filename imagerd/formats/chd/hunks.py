# SPDX-License-Identifier: Apache-2.0
"""The hunks of an opened CHD, decoded and checked: numbers in, bytes out, what is wrong marked."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
from fastcrc import crc16

from imagerd.base.digests import Buffer
from imagerd.disc.source import Bytes2D
from imagerd.formats.chd.bits import Corrupt
from imagerd.formats.chd.decoders import CD, FRAME, PLAIN, SECTOR, SUB, Frames, decode_frames
from imagerd.formats.chd.header import Header
from imagerd.formats.chd.hunkmap import Entries, Kind
from imagerd.formats.chd.metadata import Block
from imagerd.formats.datafile import DataFile
from imagerd.sectors.geometry import HEADER, MODE, SYNC_ROW, Flags
from imagerd.sectors.parity import generate

_PLAIN, _SELF = int(Kind.PLAIN), int(Kind.SELF)  # looked up for every hunk
_TOGETHER = 128  # hunks whose parity is made at once


@dataclass(frozen=True, slots=True)
class Hunks:
    """An opened CHD below its disc. `decode` may be called from several threads at once."""

    file: DataFile
    header: Header
    entries: Entries
    blocks: tuple[Block, ...] = ()
    parent: Hunks | None = None

    def decode(self, first: int, count: int, into: Bytes2D | None = None) -> tuple[Bytes2D, Flags]:
        """(count, bytes of a hunk) from hunk `first`, and (count,) whether each is good.

        A hunk that is cut short, does not decode or has a wrong CRC is zeros and not good. The
        bytes are left in `into`, where that is given.
        """
        data = np.empty((count, self.header.hunk), np.uint8) if into is None else into
        batch = _Batch(self, data, _Window.of(self, first, count))
        for row, number in enumerate(range(first, first + count)):
            if self.entries["kind"][number] == _SELF:
                number = int(self.entries["offset"][number])
            batch.take(row, number)
        batch.finish()
        return batch.data, batch.good

    def bytes_at(self, offset: int, size: int) -> bytes:
        """`size` bytes from byte `offset` of the data. Raises `Corrupt` where they are not good."""
        first, skip = divmod(offset, self.header.hunk)
        count = -(-(skip + size) // self.header.hunk)
        if first + count > self.header.hunks:
            raise Corrupt("a hunk lies past the end of the parent")
        data, good = self.decode(first, count)
        if not good.all():
            raise Corrupt("a hunk of the parent is damaged")
        return data.tobytes()[skip : skip + size]

    def close(self) -> None:
        """Close the file and its parents; idempotent."""
        self.file.close()
        if self.parent is not None:
            self.parent.close()


@dataclass(frozen=True, slots=True)
class _Window:
    """A piece of the file that was read at once: hunks mostly lie there in their order."""

    file: DataFile
    start: int
    data: memoryview

    @staticmethod
    def of(hunks: Hunks, first: int, count: int) -> _Window:
        """What holds `count` hunks from `first`, if it is hardly larger than they are."""
        entries = hunks.entries[first : first + count]
        entries = entries[entries["kind"] <= _PLAIN]
        start, size = 0, 0
        if len(entries) > 1:
            starts, lengths = entries["offset"].astype(np.int64), entries["length"].astype(np.int64)
            start = int(starts.min())
            size = int((starts + lengths).max()) - start
            if start < 0 or not 0 < size <= 2 * hunks.header.hunk * len(entries):
                start = size = 0  # scattered, or damaged
        return _Window(hunks.file, start, memoryview(hunks.file.peek(start, size)))

    def peek(self, offset: int, length: int) -> memoryview:
        """As `DataFile.peek`."""
        at = offset - self.start
        if at >= 0 and at + length <= len(self.data):
            return self.data[at : at + length]
        return memoryview(self.file.peek(offset, length))


@dataclass(slots=True)
class _Batch:
    """Hunks that are decoded together, so that lost parity is computed for all of them at once."""

    hunks: Hunks
    data: Bytes2D  # what it held before does not matter
    window: _Window
    good: Flags = field(init=False)
    _rows: dict[int, int] = field(default_factory=dict)  # where a hunk was decoded already
    _copies: list[tuple[int, int]] = field(default_factory=list)
    _bare: list[tuple[int, Frames]] = field(default_factory=list)
    _checks: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.good = np.ones(len(self.data), np.bool_)

    def take(self, row: int, number: int) -> None:
        """Decode hunk `number` into `row`."""
        if number in self._rows:
            self._copies.append((row, self._rows[number]))
            return
        self._rows[number] = row
        entry = self.hunks.entries[number]
        if entry["checked"]:
            self._checks.append((row, int(entry["check"])))
        try:
            content = self._content(entry, number)
        except Corrupt:
            self.good[row] = False
            return
        if isinstance(content, Frames):
            self._bare.append((row, content))
        else:
            self.data[row] = 0 if content is None else np.frombuffer(content, np.uint8)

    def _content(self, entry: np.void, number: int) -> Buffer | Frames | None:
        kind, offset = int(entry["kind"]), int(entry["offset"])
        header = self.hunks.header
        if kind <= _PLAIN:
            return self._stored(kind, offset, int(entry["length"]))
        if kind == Kind.MINI:
            return (offset.to_bytes(8, "big") * (header.hunk // 8 + 1))[: header.hunk]
        if kind == Kind.EMPTY and self.hunks.parent is None:
            return None
        if kind in (Kind.PARENT, Kind.EMPTY) and self.hunks.parent is not None:
            step = header.unit if header.version >= 5 else header.hunk
            at = number * header.hunk if kind == Kind.EMPTY else offset * step
            size = min(header.hunk, self.hunks.parent.header.logical - at)
            if size <= 0:
                raise Corrupt("a hunk lies past the end of the parent")
            return self.hunks.parent.bytes_at(at, size).ljust(header.hunk, b"\0")
        raise Corrupt("the map names no hunk")

    def _stored(self, kind: int, offset: int, length: int) -> Buffer | Frames:
        header = self.hunks.header
        # No codec makes more than it got, but for a few bytes.
        if length > 2 * header.hunk:
            raise Corrupt("a hunk is too long")
        stored = self.window.peek(offset, length)
        if len(stored) < length or (kind == _PLAIN and length != header.hunk):
            raise Corrupt("a hunk is cut short")
        if kind == _PLAIN:
            return stored
        codec = header.codecs[kind] if kind < len(header.codecs) else b""
        if codec in PLAIN:
            return PLAIN[codec](stored, header.hunk)
        if codec not in CD or header.hunk % FRAME:
            raise Corrupt("a hunk of a codec that the header does not name")
        return decode_frames(codec, stored, header.hunk // FRAME)

    def finish(self) -> None:
        """Put frames together, check all CRCs, copy what occurs more than once."""
        if self._bare:
            self._frames()
        crc = zlib.crc32 if self.hunks.header.version < 5 else crc16.ibm_3740
        for row, check in self._checks:
            if self.good[row] and crc(self.data[row].data) != check:
                self.good[row] = False
        self.data[~self.good] = 0
        for row, source in self._copies:
            self.data[row] = self.data[source]
            self.good[row] = self.good[source]

    def _frames(self) -> None:
        """Put sectors and subchannel together; lost parity is made for all at once."""
        count = self.hunks.header.hunk // FRAME
        view = self.data.reshape(-1, count, FRAME)
        stripped: list[tuple[int, Frames]] = []
        for row, frames in self._bare:
            view[row, :, SECTOR:] = np.frombuffer(frames.sub, np.uint8).reshape(count, SUB)
            if any(frames.flags):
                stripped.append((row, frames))
            else:
                sectors = np.frombuffer(frames.sectors, np.uint8)
                view[row, :, :SECTOR] = sectors.reshape(count, SECTOR)
        for at in range(0, len(stripped), _TOGETHER):
            some = stripped[at : at + _TOGETHER]
            view[[row for row, _ in some], :, :SECTOR] = _whole([frames for _, frames in some])


def _whole(stripped: list[Frames]) -> Bytes2D:
    """(n, sectors of a hunk, 2352): the sectors of some hunks with what was left out of them."""
    flags = np.frombuffer(b"".join(frames.flags for frames in stripped), np.uint8)
    sectors = np.frombuffer(bytearray().join(frames.sectors for frames in stripped), np.uint8)
    sectors = sectors.reshape(-1, SECTOR)
    count = len(sectors) // len(stripped)
    bits = flags.reshape(len(stripped), -1)
    bare = np.unpackbits(bits, axis=1, count=count, bitorder="little").reshape(-1)
    _complete(sectors, bare.view(np.bool_))
    return sectors.reshape(len(stripped), count, SECTOR)


def _complete(sectors: Bytes2D, bare: Flags) -> None:
    """Give `bare` sectors their sync and parity; mode 2 takes its header for zeros in it."""
    sectors[bare, :HEADER] = SYNC_ROW
    mode2 = sectors[:, MODE] == 2
    for rows, is_mode2 in ((bare & ~mode2, False), (bare & mode2, True)):
        if rows.all():
            generate(sectors, mode2=is_mode2)
        elif rows.any():
            part = sectors[rows]
            generate(part, mode2=is_mode2)
            sectors[rows] = part
