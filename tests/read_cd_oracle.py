# SPDX-License-Identifier: Apache-2.0
"""What READ CD must deliver, worked out once more: sector by sector, from what a sector is made of.

Nothing here comes from the virtual drive but the shape of a disc in memory. The rule for byte 9 is
that of the standard's prose: fields come in the order of the sector, a field that is not there
counts as no bytes, and what is asked for must lie together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imagerd.disc.layout import Track, TrackMode
from tests.sources import MemorySource

SYNC, SUBHEADER, HEADER, USER, EDC = 0x80, 0x40, 0x20, 0x10, 0x08
CDDA, MODE1, FORMLESS, FORM1, FORM2 = range(1, 6)

# The fields of a sector in their order, with their bytes (ECMA-130; the XA forms).
FIELDS = {
    MODE1: ((SYNC, 12), (HEADER, 4), (USER, 2048), (EDC, 288)),
    FORMLESS: ((SYNC, 12), (HEADER, 4), (USER, 2336)),
    FORM1: ((SYNC, 12), (HEADER, 4), (SUBHEADER, 8), (USER, 2048), (EDC, 280)),
    FORM2: ((SYNC, 12), (HEADER, 4), (SUBHEADER, 8), (USER, 2328)),
}


@dataclass(frozen=True)
class Asked:
    """READ CD, field by field. `error`: bits 2–1 of byte 9."""

    lba: int
    count: int
    kind: int
    parts: int
    error: int
    sub: int


class Oracle:
    """A disc whose tracks are all stored raw, in a drive without quirks; from LBA 0 on."""

    def __init__(self, source: MemorySource, c2_sizes: Sequence[int]) -> None:
        self._source = source
        self._layout = source.layout
        self._c2 = {0: 0, **{code: size for code, size in ((1, 294), (2, 296)) if size in c2_sizes}}

    def answer(self, asked: Asked) -> tuple[str, bytes]:
        """The sense, or "ok", and the bytes."""
        if asked.kind > 5 or asked.error not in self._c2 or asked.sub not in (0, 1, 2, 4):
            return "05/24/00", b""
        if asked.count == 0:
            return "ok", b""
        first, last = asked.lba, asked.lba + asked.count - 1
        if last >= self._layout.end:
            return "05/21/00", b""
        sense, records = "ok", list[bytes]()
        illegal = False
        for lba in range(first, last + 1):
            stop = self._refuses(asked, lba, self.kind(first))
            if stop is not None:
                sense = stop
                break
            part = self._main(lba, asked.parts)
            illegal = illegal or part is None
            records.append((part or b"") + bytes(self._c2[asked.error]) + self._sub(lba, asked.sub))
        return ("05/24/00", b"") if illegal else (sense, b"".join(records))

    def _refuses(self, asked: Asked, lba: int, first: int | None) -> str | None:
        kind = self.kind(lba)
        if kind is None:
            return "05/63/00"
        if asked.kind not in (0, kind) or (kind == CDDA) != (first == CDDA):
            return "05/64/00"
        return None

    def _track(self, lba: int) -> Track | None:
        return next((t for t in self._layout.tracks if t.start <= lba < t.end), None)

    def _raw(self, lba: int) -> bytes:
        track = self._track(lba)
        assert track is not None
        return self._source.raw[track.number][lba - track.start].tobytes()

    def kind(self, lba: int) -> int | None:
        """The type of a sector, by its own bytes; None between sessions."""
        track = self._track(lba)
        if track is None:
            return None
        if track.mode is TrackMode.AUDIO:
            return CDDA
        if track.mode is TrackMode.MODE1:
            return MODE1
        raw = self._raw(lba)
        if raw[16:20] != raw[20:24]:
            return FORMLESS
        return FORM2 if raw[18] & 0x20 else FORM1

    def _main(self, lba: int, parts: int) -> bytes | None:
        """The bytes that are asked for; None if that is not allowed."""
        kind = self.kind(lba)
        assert kind is not None
        if parts == 0:
            return b""
        if kind == CDDA:
            return self._raw(lba)
        if not _sensible(parts):
            return None
        at, chosen = 0, list[tuple[int, int]]()
        for field, size in FIELDS[kind]:
            if parts & field:
                if chosen and chosen[-1][1] != at:
                    return None  # something was left out between them
                chosen.append((at, at + size))
            at += size
        return b"".join(self._raw(lba)[start:end] for start, end in chosen)

    def _sub(self, lba: int, form: int) -> bytes:
        if form in (0, 4):
            return bytes(96 if form else 0)  # R to W are empty on these discs
        q, paused = self._q(lba)
        if form == 2:
            return q + bytes(3) + (b"\x80" if paused else b"\0")
        bits = "".join(f"{byte:08b}" for byte in q)
        return bytes(0x40 * int(bit) | (0x80 if paused else 0) for bit in bits)

    def _q(self, lba: int) -> tuple[bytes, bool]:
        """Q of a position, and whether P tells a pause."""
        track = self._track(lba)
        assert track is not None
        start = next(index.lba for index in track.indexes if index.number == 1)
        number = 0 if lba < start else max(i.number for i in track.indexes if i.lba <= lba)
        within = lba - start if number else start - lba - 1  # a pause counts down to nothing
        body = bytes((track.control << 4 | 1, _bcd(track.number), _bcd(number)))
        body += _time(within) + b"\0" + _time(lba + 150)
        return body + _crc(body).to_bytes(2, "big"), number == 0


def _sensible(parts: int) -> bool:
    """Whether any sector at all may be asked for these fields."""
    if parts & EDC and not parts & USER:
        return False
    return bool(parts & HEADER) or not (parts & SYNC and parts & (USER | SUBHEADER))


def _bcd(value: int) -> int:
    return value // 10 * 16 + value % 10


def _time(frames: int) -> bytes:
    return bytes((_bcd(frames // 4500), _bcd(frames // 75 % 60), _bcd(frames % 75)))


def _crc(data: bytes) -> int:
    """x^16 + x^12 + x^5 + 1 over the data, bit by bit, and inverted (ECMA-130, 22.3.6)."""
    register = 0
    for byte in data:
        for bit in range(7, -1, -1):
            carry = register >> 15 ^ (byte >> bit & 1)
            register = (register << 1 & 0xFFFF) ^ (0x1021 if carry else 0)
    return register ^ 0xFFFF
