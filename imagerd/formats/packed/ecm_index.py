# SPDX-License-Identifier: Apache-2.0
"""Where the blocks of an ECM file begin: one walk along its records, looking at headers only.

An ECM file has no index, and does not even say how long its content is. Mode 1 discs are a few
long records; on mode 2 discs every sector has two, for which there is a tight loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile
from imagerd.formats.packed.ecm_coding import KEPT, LITERAL_16, MADE, parse_header
from imagerd.sectors.geometry import RAW

BLOCK = 1024 * RAW  # bytes of a block at least
_FIRST_BLOCK = 64 * RAW  # who only asks what disc it is needs no more of it
_WINDOW = 256 << 10
_SHORT_WINDOW = 16 << 10
_LONGEST_HEADER = 6
_MOST_RECORDS = 1_000_000  # besides those of mode 2 sectors
# From the header of 16 literal bytes to the next, by the header of the body; 0 where it is none.
_STEPS = [18 + KEPT[kind] if kind in (2, 3) else 0 for kind in range(256)]


@dataclass(slots=True)
class Index:
    """Block i begins at byte `starts[i]` of the content, in the payload of a record at `places[i]`:
    `left[i]` units of `kinds[i]` are to come there. `end` is where the last record ends.

    `edc` is that of all content, None where the file has none; `problem` says why not.
    """

    starts: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    size: int = 0
    end: int = 4
    edc: int | None = None
    problem: str = ""

    def add(self, start: int, place: int, kind: int, left: int) -> None:
        """One more block."""
        self.starts.append(start)
        self.places.append(place)
        self.kinds.append(kind)
        self.left.append(left)


def build(file: DataFile) -> Index:
    """The index of `file`, as far as its records are whole. Raises `BadInput` for too many."""
    walk = _Walk(file)
    try:
        while walk.record():
            pass
    except ValueError as error:
        walk.index.problem = str(error)
    walk.index.size, walk.index.end = walk.out, walk.done
    return walk.index


class _Walk:
    def __init__(self, file: DataFile) -> None:
        self.file = file
        self.index = Index()
        self.out = 0  # bytes of content so far
        self.done = 4  # where the last whole record ended
        self.limit = 0  # the content of the next block begins here at the earliest
        self.records = 0
        self.buffer = bytearray(_WINDOW)
        self.base = self.filled = 0

    def record(self) -> bool:
        """One record, or many that are alike; False at the end."""
        at = self._window(self.done)
        kind, count, payload = parse_header(memoryview(self.buffer)[: self.filled], at)
        payload += self.base
        if count == 0:
            return self._finish(payload)
        self.records += 1
        if self.records > _MOST_RECORDS:
            raise BadInput(f"{self.file.path} is in too many pieces to be an image.")
        there = (self.file.size - payload) // KEPT[kind]
        self._take(kind, min(count, there), payload)
        if there < count:
            raise ValueError("the file ends within a record")
        self._pattern()
        return True

    def _window(self, place: int) -> int:
        """Have the bytes at `place` in the buffer; where in it."""
        if not self.base <= place <= self.base + self.filled - _LONGEST_HEADER:
            # After a long record, all that is wanted may be the header of the next long one.
            jumped = place > self.base + self.filled + RAW
            view = memoryview(self.buffer)[: _SHORT_WINDOW if jumped else _WINDOW]
            self.base, self.filled = place, self.file.store.read_into(view, place)
        return place - self.base

    def _take(self, kind: int, count: int, payload: int) -> None:
        made, kept = MADE[kind], KEPT[kind]
        end = self.out + count * made
        while end > self.limit:
            skip = max(0, -(-(self.limit - self.out) // made))
            if skip >= count:
                break
            start = self.out + skip * made
            self.index.add(start, payload + skip * kept, kind, count - skip)
            self.limit = start + (BLOCK if start else _FIRST_BLOCK)
        self.out = end
        self.done = payload + count * kept

    def _finish(self, place: int) -> bool:
        data = self.file.peek(place, 4)
        if len(data) < 4:
            raise ValueError("the file ends before its checksum")
        self.index.edc = int.from_bytes(data, "little")
        return False

    def _pattern(self) -> None:
        """Skip sectors of mode 2, 16 bytes and a body each, as far as block and buffer go."""
        at = begin = self._window(self.done)
        buffer, out = self.buffer, self.out
        last = self.filled - max(_STEPS)
        limit = self.limit - RAW
        while at <= last and out <= limit and buffer[at] == LITERAL_16:
            step = _STEPS[buffer[at + 17]]
            if not step:
                break
            at += step
            out += RAW
        self.out = out
        self.done += at - begin
