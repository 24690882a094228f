# SPDX-License-Identifier: Apache-2.0
"""The evidence of a job: every doubtful reading, with how it was had, and its bytes.

Append-only file `evidence` in the job's folder; docs/recovery.md has the layout. A record names
the reading (LBA, time, drive's answer, way of reading, where the head came from, a hash of the
bytes), and carries the bytes and their C2 pointers if they are unlike any kept before. Each record
has its own CRC; what follows a torn one does not count. Nothing that is called good depends on it.

A sector keeps up to twelve distinct readings, and four more if each is flagged less than all
before. All but the first are stored as what they have unlike it, which is little, and in all no
more than nine sectors' bytes; so the store stays below ten times what is bad.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.recovery.reader import Reading, Row
from imagerd.sectors.geometry import RAW

MAGIC = b"IMGDEVID"
VERSION = 1
_ANY_KEPT, MOST_KEPT = 12, 16  # distinct readings of a sector
_MOST_BYTES = 9 * RAW  # of them
_HEADER = struct.Struct("<8sHH")
# size, LBA, time in µs, duration in µs, previous LBA, approach, flags, sense, hash of the bytes
_RECORD = struct.Struct("<HiQIiBB3s8s")
_CRC = struct.Struct("<I")
_NO_SENSE = b"\xff\xff\xff"
_C2_SIZE = 294
_BYTES, _C2, _CLEAN, _ALONE, _UNLIKE = 1, 2, 4, 8, 16


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a reading's payload lies; `unlike`: it is XORed with the sector's first one."""

    offset: int
    size: int
    unlike: bool


@dataclass(frozen=True, slots=True)
class Observation:
    """One doubtful reading of one sector.

    `time` is Unix time, `seconds` what the command took; `approach` the number of the way of
    reading (see `Approach`), `previous` the LBA that was read before it (-1: not known); `sense`
    the drive's complaint; `digest` 8 bytes of BLAKE2b over the sector, empty if none came; `clean`:
    C2 was asked for and flagged nothing; `independent`: it cannot have come from the drive's cache.
    """

    lba: int
    time: float
    seconds: float
    approach: int
    previous: int
    digest: bytes = b""
    sense: tuple[int, int, int] | None = None
    clean: bool = False
    independent: bool = False


def digest_of(data: Row) -> bytes:
    """What names the bytes of a reading."""
    return blake2b(data.tobytes(), digest_size=8).digest()


class EvidenceStore:
    """An open store: appends, and gives back what is known of a sector."""

    def __init__(self, path: Path) -> None:
        """Open or begin the store at `path`. Raises `BadInput` for another file, `OSError`."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._kept: dict[int, dict[bytes, _Place]] = {}  # by LBA and digest, in order
        self._told: dict[int, list[Observation]] = {}
        self._size = 0
        try:
            self._load(path)
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Let go of the file; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def sync(self) -> None:
        """Bring what was added onto the disk."""
        os.fdatasync(self._fd)

    @property
    def size(self) -> int:
        """Bytes of the store."""
        return self._size

    def add(self, seen: Observation, reading: Reading | None) -> bool:
        """Append an observation, and its bytes if they are new. Returns whether they were."""
        body, unlike = b"", False
        kept = self._kept.get(seen.lba, {})
        if reading is not None and seen.digest not in kept:
            first = self._first(seen.lba)
            body, unlike = _payload(reading, first), first is not None
            if kept and not self._worth(seen.lba, reading, len(body)):
                body = b""
        record = _packed(
            seen,
            body,
            has_c2=bool(body) and reading is not None and _flagged(reading),
            unlike=unlike and bool(body),
        )
        self._append(record)
        self._note(seen, self._size - len(record), len(body), unlike=unlike)
        return bool(body)

    def _worth(self, lba: int, reading: Reading, size: int) -> bool:
        """Whether a further reading, of `size` bytes as stored, is worth its space."""
        places = self._kept[lba].values()
        if len(places) >= MOST_KEPT or size + sum(one.size for one in places) > _MOST_BYTES:
            return False
        if len(places) < _ANY_KEPT:
            return True
        return _count(reading) < min(_count(one) for one in self._all(lba).values())

    def observations(self, lba: int) -> tuple[Observation, ...]:
        """All that was seen of a sector, in the order of time."""
        return tuple(self._told.get(lba, ()))

    def readings(self, lba: int) -> tuple[tuple[Observation, Reading], ...]:
        """Every observation of a sector whose bytes are kept, with them."""
        loaded = self._all(lba)
        return tuple(
            (seen, _as_seen(seen, loaded[seen.digest]))
            for seen in self._told.get(lba, ())
            if seen.digest in loaded
        )

    def sectors(self) -> Iterator[int]:
        """LBAs of which anything is known, ascending."""
        yield from sorted(self._told)

    # -- inside ----------------------------------------------------------------------------

    def _append(self, record: bytes) -> None:
        view, at = memoryview(record), self._size
        while view:
            done = os.pwrite(self._fd, view, at)
            view, at = view[done:], at + done
        self._size = at

    def _note(self, seen: Observation, at: int, payload: int, *, unlike: bool) -> None:
        self._told.setdefault(seen.lba, []).append(seen)
        if payload:
            kept = self._kept.setdefault(seen.lba, {})
            kept[seen.digest] = _Place(at + _RECORD.size, payload, unlike)

    def _first(self, lba: int) -> Row | None:
        """The bytes of the first reading that was kept of a sector."""
        for place in self._kept.get(lba, {}).values():
            return self._read(place, None).data
        return None

    def _all(self, lba: int) -> dict[bytes, Reading]:
        first: Row | None = None
        found: dict[bytes, Reading] = {}
        for digest, place in self._kept.get(lba, {}).items():
            found[digest] = self._read(place, first)
            first = found[digest].data if first is None else first
        return found

    def _read(self, place: _Place, first: Row | None) -> Reading:
        raw = zlib.decompress(os.pread(self._fd, place.size, place.offset))
        length = min(len(raw), RAW)
        data = np.frombuffer(raw[:length], np.uint8)
        if place.unlike and first is not None:
            data = data ^ first
        c2 = np.frombuffer(raw[length:], np.uint8) if length < len(raw) else None
        return Reading(data, c2)

    def _load(self, path: Path) -> None:
        raw = os.pread(self._fd, _HEADER.size, 0)
        if not raw:
            self._append(_HEADER.pack(MAGIC, VERSION, 0))
            return
        if len(raw) < _HEADER.size or raw[:8] != MAGIC or _HEADER.unpack(raw)[1] != VERSION:
            raise BadInput(f"{path} is no evidence of imagerd's; move it away to go on.")
        whole = os.fstat(self._fd).st_size
        self._size = _HEADER.size
        for seen, payload, size, unlike in self._records(whole):
            self._note(seen, self._size, payload, unlike=unlike)
            self._size += size
        if self._size < whole:  # a torn tail: what a crash left
            os.ftruncate(self._fd, self._size)

    def _records(self, whole: int) -> Iterator[tuple[Observation, int, int, bool]]:
        at = _HEADER.size
        while at + _RECORD.size + _CRC.size <= whole:
            head = os.pread(self._fd, _RECORD.size, at)
            payload = _RECORD.unpack(head)[0]
            size = _RECORD.size + payload + _CRC.size
            rest = os.pread(self._fd, payload + _CRC.size, at + _RECORD.size)
            if len(rest) < payload + _CRC.size:
                return
            if zlib.crc32(head + rest[:payload]) != _CRC.unpack(rest[payload:])[0]:
                return
            yield _seen(head), payload, size, bool(_RECORD.unpack(head)[6] & _UNLIKE)
            at += size


def _as_seen(seen: Observation, reading: Reading) -> Reading:
    """C2 pointers without a bit are not stored: the observation tells that they were clean."""
    return Reading(reading.data, np.zeros(_C2_SIZE, np.uint8)) if seen.clean else reading


def _count(reading: Reading) -> int:
    return 0 if reading.c2 is None else int(np.bitwise_count(reading.c2).sum())


def _flagged(reading: Reading) -> bool:
    return reading.c2 is not None and bool(reading.c2.any())


def _payload(reading: Reading, first: Row | None) -> bytes:
    """The bytes, XORed with those of `first`, then C2 where any bit is set; compressed."""
    raw = (reading.data if first is None else reading.data ^ first).tobytes()
    if _flagged(reading):
        assert reading.c2 is not None
        raw += reading.c2.tobytes()
    return zlib.compress(raw, 1)


def _packed(seen: Observation, body: bytes, *, has_c2: bool, unlike: bool) -> bytes:
    flags = _BYTES * bool(seen.digest) | _C2 * has_c2
    flags |= _CLEAN * seen.clean | _ALONE * seen.independent | _UNLIKE * unlike
    head = _RECORD.pack(
        len(body),
        seen.lba,
        round(seen.time * 1e6),
        min(round(seen.seconds * 1e6), 0xFFFFFFFF),
        seen.previous,
        seen.approach,
        flags,
        _NO_SENSE if seen.sense is None else bytes(seen.sense),
        seen.digest.ljust(8, b"\0"),
    )
    return head + body + _CRC.pack(zlib.crc32(head + body))


def _seen(head: bytes) -> Observation:
    _, lba, time, duration, previous, approach, flags, sense, digest = _RECORD.unpack(head)
    return Observation(
        lba,
        time / 1e6,
        duration / 1e6,
        approach,
        previous,
        digest if flags & _BYTES else b"",
        None if sense == _NO_SENSE else (sense[0], sense[1], sense[2]),
        bool(flags & _CLEAN),
        bool(flags & _ALONE),
    )
