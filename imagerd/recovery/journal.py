# SPDX-License-Identifier: Apache-2.0
"""The journal of a job: one record per command, appended after the image bytes were written.

Layout (little-endian; docs/recovery.md has the table). The file is a header, then records::

    header  magic 8 | version u16 | reserved u16 | fingerprint 32 | CRC-32 u32
    record  length u16 | type u8 | flags u8 | body | CRC-32 u32

Every CRC is seeded with the one before it, so a record counts only in its own place in its own
journal, and stale bytes behind a torn tail can never be taken for records.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import BinaryIO, TypeAlias
from uuid import UUID

from imagerd.base.errors import BadInput, WrongDisc
from imagerd.disc.source import SectorState
from imagerd.recovery.evidence import Code, Why

MAGIC = b"IMGDJRNL"
VERSION = 1
_HEADER = struct.Struct("<8sHH32s")
_HEAD = struct.Struct("<HBB")
_CRC = struct.Struct("<I")
# LBA, count, time in ms, duration in µs, why, sense key, ASC, ASCQ, approach
_ATTEMPT = struct.Struct("<iIQIBBBBB")
_RUN = struct.Struct("<IB")
_DOUBT = struct.Struct("<iIQB")
_BARRIER = struct.Struct("<Q16s")
_NO_SENSE = (0xFF, 0xFF, 0xFF)

HEADER_SIZE = _HEADER.size + _CRC.size
Runs = tuple[tuple[int, SectorState], ...]


class RecordType(IntEnum):
    """The type byte of a record."""

    ATTEMPT = 1
    BARRIER = 2
    NOTE = 3
    DOUBT = 4


class Flags(IntFlag):
    """Of an attempt."""

    NONE = 0
    REPAIRED = 1  # the bytes were corrected by us, not read
    ALONE = 2  # the command was for one sector only: none but that one is to blame
    CONFIRMED = 4  # independent readings agree on the bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One command and what came of it: `count` sectors from `lba`, `runs` of (count, state).

    `time` is Unix time, `seconds` the duration; `approach` is the number of the schedule's way of
    reading (0: plainly). `why` and `sense` say what was wrong with the sectors that are not good.
    """

    lba: int
    count: int
    runs: Runs
    time: float
    seconds: float = 0.0
    why: Why = Why.NONE
    sense: Code | None = None
    approach: int = 0
    flags: Flags = Flags.NONE


@dataclass(frozen=True, slots=True)
class Doubt:
    """`count` sectors from `lba` that were called READ, and that later evidence speaks against.

    With `why` LOST also what was PROVEN is to be read again: the file does not hold its bytes.
    """

    lba: int
    count: int
    time: float
    why: Why


@dataclass(frozen=True, slots=True)
class Barrier:
    """All image bytes of the records before are on the disk itself, not only in its cache."""

    time: float
    boot: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A named piece of JSON: the beginning of a session of work or of a pass."""

    kind: str
    body: bytes


Record: TypeAlias = Attempt | Barrier | Note | Doubt


def boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> bytes:
    """The 16 bytes that name this boot of the machine."""
    return UUID(path.read_text("ascii").strip()).bytes


def fingerprint_key(fingerprint: str) -> bytes:
    """A fingerprint in the header's 32 bytes."""
    return hashlib.sha256(fingerprint.encode()).digest()


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a journal counts: `size` bytes, ending in `crc`; `dropped` bytes do not.

    `safe` is (size, CRC) behind the last barrier: what counts whatever happens to the machine.
    """

    size: int
    crc: int
    dropped: int
    safe: tuple[int, int]


class Journal:
    """An open journal. `append` is one write; nothing is buffered in the process."""

    def __init__(self, fd: int, size: int, crc: int, name: Path) -> None:
        self._fd, self._size, self._crc, self._name = fd, size, crc, name
        self._safe = (size, crc)

    @classmethod
    def create(cls, path: Path, fingerprint: str) -> Journal:
        """A new, empty journal."""
        head = _HEADER.pack(MAGIC, VERSION, 0, fingerprint_key(fingerprint))
        crc = zlib.crc32(head)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        journal = cls(fd, 0, crc, path)
        journal._write(head + _CRC.pack(crc))
        return journal

    @classmethod
    def open(cls, path: Path, fingerprint: str, boot: bytes) -> Journal:
        """Open for going on; what does not count any more (see `measure`) is cut off."""
        extent = measure(path, fingerprint, boot)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if extent.dropped:
            os.ftruncate(fd, extent.size)
        journal = cls(fd, extent.size, extent.crc, path)
        journal._safe = extent.safe
        return journal

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._size

    def append(self, record: Record) -> None:
        """Add one record. Raises `OSError`; the file then is as it was before."""
        raw, crc = _sealed(record, self._crc)
        self._write(raw)
        self._crc = crc
        if isinstance(record, Barrier):
            self._safe = (self._size, crc)

    def cut_to_barrier(self) -> None:
        """Take back all behind the last barrier: the image bytes of it are lost."""
        self._size, self._crc = self._safe
        os.ftruncate(self._fd, self._size)

    def sync(self) -> None:
        """Force it to the disk."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, raw: bytes) -> None:
        done = 0
        try:
            while done < len(raw):
                done += os.pwrite(self._fd, raw[done:], self._size + done)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(raw)


def _sealed(record: Record, crc: int) -> tuple[bytes, int]:
    kind, flags, body = _body(record)
    raw = _HEAD.pack(_HEAD.size + len(body) + _CRC.size, kind, flags) + body
    crc = zlib.crc32(raw, crc)
    return raw + _CRC.pack(crc), crc


def _body(record: Record) -> tuple[RecordType, int, bytes]:
    if isinstance(record, Attempt):
        runs = b"".join(_RUN.pack(count, state) for count, state in record.runs)
        head = _ATTEMPT.pack(
            record.lba,
            record.count,
            round(record.time * 1000),
            min(round(record.seconds * 1e6), 0xFFFFFFFF),
            record.why,
            *(record.sense or _NO_SENSE),
            record.approach,
        )
        return RecordType.ATTEMPT, record.flags, head + runs
    if isinstance(record, Doubt):
        moment = round(record.time * 1000)
        return RecordType.DOUBT, 0, _DOUBT.pack(record.lba, record.count, moment, record.why)
    if isinstance(record, Barrier):
        return RecordType.BARRIER, 0, _BARRIER.pack(round(record.time * 1000), record.boot)
    return RecordType.NOTE, 0, record.kind.encode() + b"\0" + record.body


def _parsed(kind: int, flags: int, body: bytes) -> Record | None:
    """The record of a body whose CRC is right; None for a type of a later version."""
    if kind == RecordType.ATTEMPT:
        lba, count, time, micros, why, *rest = _ATTEMPT.unpack_from(body)
        runs = tuple((n, SectorState(s)) for n, s in _RUN.iter_unpack(body[_ATTEMPT.size :]))
        sense = None if tuple(rest[:3]) == _NO_SENSE else (rest[0], rest[1], rest[2])
        return Attempt(
            lba, count, runs, time / 1000, micros / 1e6, Why(why), sense, rest[3], Flags(flags)
        )
    if kind == RecordType.DOUBT:
        lba, count, time, why = _DOUBT.unpack(body)
        return Doubt(lba, count, time / 1000, Why(why))
    if kind == RecordType.BARRIER:
        time, boot = _BARRIER.unpack(body)
        return Barrier(time / 1000, boot)
    if kind == RecordType.NOTE:
        name, _, payload = body.partition(b"\0")
        return Note(name.decode(), payload)
    return None


def measure(path: Path, fingerprint: str, boot: bytes) -> Extent:
    """Find how much of a journal counts, without changing it.

    Records behind the last barrier count only if that barrier was written during boot `boot`:
    after a power failure the image bytes that they speak of may never have reached the disk. (A
    session of work begins with a barrier.) Raises `BadInput` if it is no journal of ours,
    `WrongDisc` if it is another disc's.
    """
    with path.open("rb") as file:
        crc = _check_header(file.read(HEADER_SIZE), path, fingerprint)
        safe = last = (HEADER_SIZE, crc)
        this_boot = False
        for kind, _, body, end, seal in _scan(file, crc):
            last = (end, seal)
            if kind == RecordType.BARRIER:
                safe = last
                this_boot = _BARRIER.unpack(body)[1] == boot
        size, crc = last if this_boot else safe
        return Extent(size, crc, os.fstat(file.fileno()).st_size - size, safe)


def replay(path: Path, fingerprint: str, size: int) -> Iterator[Record]:
    """The records in the first `size` bytes, one after another: memory stays small."""
    with path.open("rb") as file:
        crc = _check_header(file.read(HEADER_SIZE), path, fingerprint)
        for kind, flags, body, end, _ in _scan(file, crc):
            if end > size:
                return
            record = _parsed(kind, flags, body)
            if record is not None:
                yield record


class Follower:
    """A journal read while another process writes it. Locks nothing; close it."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._file = path.open("rb")
        try:
            self._crc = _check_header(self._file.read(HEADER_SIZE), path, fingerprint)
        except BaseException:
            self._file.close()
            raise
        self._at = HEADER_SIZE

    @property
    def size(self) -> int:
        """Bytes that the file has now."""
        return os.fstat(self._file.fileno()).st_size

    def records(self, size: int | None = None) -> Iterator[Record]:
        """Those that were added since the last time, up to `size` of the file."""
        begin = self._at
        self._file.seek(begin)
        for kind, flags, body, end, crc in _scan(self._file, self._crc):
            if size is not None and begin + end - HEADER_SIZE > size:
                return
            self._at, self._crc = begin + end - HEADER_SIZE, crc
            record = _parsed(kind, flags, body)
            if record is not None:
                yield record

    @property
    def was_cut(self) -> bool:
        """Whether the writer took back some of what was read here: then begin anew."""
        return self.size < self._at

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()


def _check_header(raw: bytes, path: Path, fingerprint: str) -> int:
    if len(raw) < HEADER_SIZE:
        raise BadInput(f"{path} is too short to be the journal of a job; remove the job's folder.")
    magic, version, _, key = _HEADER.unpack_from(raw)
    crc = zlib.crc32(raw[: _HEADER.size])
    if magic != MAGIC or _CRC.unpack_from(raw, _HEADER.size)[0] != crc:
        raise BadInput(f"{path} is not the journal of a job; remove the job's folder.")
    if version != VERSION:
        raise BadInput(f"{path} was written by a later imagerd (version {version}); use that one.")
    if key != fingerprint_key(fingerprint):
        raise WrongDisc(f"{path} belongs to another disc; put in the disc that it was begun with.")
    return crc


def _scan(file: BinaryIO, crc: int) -> Iterator[tuple[int, int, bytes, int, int]]:
    """(type, flags, body, size and CRC behind it) of each record, up to the first not whole."""
    at = HEADER_SIZE
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        length, kind, flags = _HEAD.unpack(head)
        rest = file.read(max(length - _HEAD.size, 0))
        if len(rest) != length - _HEAD.size or len(rest) < _CRC.size:
            return
        crc = zlib.crc32(rest[: -_CRC.size], zlib.crc32(head, crc))
        if crc != _CRC.unpack_from(rest, len(rest) - _CRC.size)[0]:
            return
        at += length
        yield kind, flags, rest[: -_CRC.size], at, crc
