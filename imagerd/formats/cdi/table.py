# SPDX-License-Identifier: Apache-2.0
"""The description at the end of a DiscJuggler image, little-endian; fields lie one after another.

The last eight bytes tell the version and where it begins: from the start of the file in versions
2 and 3, from its end since 3.5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PACK
from imagerd.formats.binary import Fields
from imagerd.formats.datafile import DataFile

VERSION_2, VERSION_3, VERSION_35 = 0x80000004, 0x80000005, 0x80000006
_LARGEST = 4 << 20
_MARK = bytes((0, 0, 1, 0, 0, 0, 255, 255, 255, 255))
_MOST_SESSIONS = _MOST_TRACKS = _MOST_INDEXES = 99
_MOST_TEXTS = 8
_TEXT_FIELDS = 18  # of a CD-Text block of a track: each a length and so many bytes


@dataclass(frozen=True, slots=True)
class CdiTrack:
    """A track. `lengths` are those of its indexes from 0 on; `address` is where index 0 lies,
    counted from MSF 00:00:00; `total` sectors are in the file.
    """

    lengths: tuple[int, ...]
    mode: int
    address: int
    total: int
    read_mode: int
    control: int
    isrc: str


@dataclass(slots=True)
class Table:
    """All sessions, the media catalogue number and the packs of CD-Text."""

    begin: int
    sessions: list[list[CdiTrack]] = field(default_factory=list)
    mcn: str = ""
    packs: bytes = b""


def table_at(file: DataFile) -> tuple[int, int] | None:
    """Version and first byte of the description of `file`; None if it has none."""
    tail = file.peek(max(0, file.size - 8), 8)
    if len(tail) < 8:
        return None
    version, where = struct.unpack("<II", tail)
    if version not in (VERSION_2, VERSION_3, VERSION_35):
        return None
    begin = file.size - where if version == VERSION_35 else where
    return (version, begin) if 0 <= begin < file.size - 8 else None


def read_table(file: DataFile) -> Table:
    """The description of `file`. Raises `BadInput` (no file name in it) if there is none."""
    found = table_at(file)
    if found is None:
        raise BadInput("it does not end as a DiscJuggler image does")
    version, begin = found
    if file.size - begin > _LARGEST:
        raise BadInput(f"its description has {file.size - begin} bytes, which is too long")
    return _Reader(file.peek(begin, file.size - begin), begin, version).run()


class _Reader:
    def __init__(self, data: bytes, begin: int, version: int) -> None:
        self.fields = Fields(data, begin)
        self.version = version
        self.table = Table(begin)
        self.at = 0

    def _skip(self, count: int) -> None:
        self.fields.bytes(self.at, count)
        self.at += count

    def _take(self, form: str) -> int:
        (value,) = self.fields.unpack(form, self.at)
        self.at += struct.calcsize(form)
        return value

    def run(self) -> Table:
        sessions = self._take("<H")
        if not 1 <= sessions <= _MOST_SESSIONS:
            raise BadInput(f"it has {sessions} sessions")
        for _ in range(sessions):
            tracks = self._take("<H")
            if tracks > _MOST_TRACKS:
                raise BadInput(f"it has a session of {tracks} tracks")
            self.table.sessions.append([self._track() for _ in range(tracks)])
            self._skip(12 if self.version == VERSION_2 else 13)
        if self.version == VERSION_35:
            self._disc()
        return self.table

    def _head(self) -> None:
        """What begins each track: marks, the name of the image, the capacity of the disc."""
        if self._take("<I"):
            self._skip(8)  # since 3.00.780
        if self.fields.bytes(self.at, 2 * len(_MARK)) != 2 * _MARK:
            raise BadInput("its description has no mark where a track begins")
        self._skip(2 * len(_MARK) + 4)
        self._skip(self._take("<B") + 19)
        if self._take("<I") == 0x80000000:
            self._skip(8)  # since 4

    def _track(self) -> CdiTrack:
        self._head()
        indexes = self._take("<H")
        if not 2 <= indexes <= _MOST_INDEXES:
            raise BadInput(f"it has a track of {indexes} indexes")
        lengths = tuple(self._take("<I") for _ in range(indexes))
        self._texts()
        self._skip(2)
        mode = self._take("<I")
        self._skip(12)  # session and track number among them
        address, total = self._take("<i"), self._take("<I")
        self._skip(16)
        read_mode, control = self._take("<I"), self._take("<I")
        self._skip(9)
        code = self.fields.bytes(self.at, 12)
        self._skip(12)
        isrc = code.decode("ascii", "replace") if self._take("<I") else ""
        if self.version != VERSION_2:
            self._skip(5)
            if self._take("<I") == 0xFFFFFFFF:
                self._skip(78)
        return CdiTrack(lengths, mode, address, total, read_mode, control & 15, isrc)

    def _texts(self) -> None:
        """CD-Text of a track, which the packs of the disc hold as well."""
        blocks = self._take("<I")
        if blocks > _MOST_TEXTS:
            raise BadInput(f"it has a track with {blocks} blocks of CD-Text")
        for _ in range(blocks * _TEXT_FIELDS):
            self._skip(self._take("<B"))

    def _disc(self) -> None:
        """What follows the sessions; where it is not as expected, it tells nothing."""
        try:
            self._skip(2)  # the rest of the block that says that no session follows
            self._head()
            self._skip(4)  # sectors of the disc
            self._skip(self._take("<B") + 9)  # volume identifier
            code = self.fields.bytes(self.at, 13)
            self._skip(13)
            valid, length = self._take("<I"), self._take("<I")
            packs = self.fields.bytes(self.at, length)
        except BadInput:
            return
        if valid:
            self.table.mcn = code.decode("ascii", "replace")
        self.table.packs = packs[: length // PACK * PACK]
