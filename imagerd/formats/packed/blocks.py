# SPDX-License-Identifier: Apache-2.0
"""Random access to what unpacks block by block: a cache, and two threads that unpack ahead."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LARGEST = 1 << 42  # bytes that a packed file may say it unpacks to: some forty layers of BD-XL
LARGEST_BLOCK = 64 << 20
_CACHE = 32 << 20  # bytes of unpacked blocks kept
_AHEAD = 2 << 20  # bytes unpacked ahead of one who reads on
_MOST_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The bytes of a block; within the ranges `damage` they are filling."""

    data: bytes | bytearray | memoryview
    damage: tuple[range, ...] = ()


class Blocks(Protocol):
    """The blocks of a packed file. `unpack` is called from `workers` threads at once.

    `size` is that of all blocks together, `notes` are sentences about what is odd, `workers` is
    how many threads are of use.
    """

    workers: int
    size: int
    notes: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def suspect(self) -> bool:
        """Whether a checksum over all is known to be wrong, or cannot be had."""
        ...

    def number_at(self, offset: int) -> int:
        """The block that holds byte `offset`, which is less than `size`."""
        ...

    def span(self, number: int) -> range:
        """Which bytes a block holds."""
        ...

    def unpack(self, number: int) -> Unpacked:
        """All bytes of a block; never raises for what the file holds."""
        ...

    def close(self) -> None:
        """Close the packed file."""
        ...


class BlockStore:
    """A `ByteStore` of `Blocks`. Several threads may read: those of what is packed in it.

    `claimed`: its size is only what the packed file says.
    """

    def __init__(self, blocks: Blocks, *, claimed: bool = False) -> None:
        self._blocks = blocks
        self.claimed = claimed
        self.size = blocks.size
        self.notes = blocks.notes
        self.files = blocks.files
        self._cache: OrderedDict[int, Future[Unpacked]] = OrderedDict()
        self._kept = 0
        self._next = -1  # where a reader who reads on would read
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    @property
    def suspect(self) -> bool:
        """See `ByteStore`."""
        return self._blocks.suspect

    def read_into(self, view: memoryview, offset: int) -> int:
        """See `ByteStore`."""
        with self._lock:
            return self._read(view, offset)

    def _read(self, view: memoryview, offset: int) -> int:
        end = min(offset + len(view), self.size)
        self._announce(offset, end)
        at = offset
        while at < end:
            number = self._blocks.number_at(at)
            span = self._blocks.span(number)
            unpacked = self._unpacked(number)
            stop = min(end, span.stop)
            damage = next((d for d in unpacked.damage if d.stop > at - span.start), None)
            if damage is not None:
                stop = max(at, min(stop, span.start + damage.start))
            part = memoryview(unpacked.data)[at - span.start : stop - span.start]
            view[at - offset : stop - offset] = part
            at = stop
            if (damage is not None and stop == span.start + damage.start) or part.nbytes == 0:
                break
        self._next = at
        self._shrink()
        return at - offset

    def lost(self, offset: int) -> int:
        """See `ByteStore`: to the end of the damage, which ends with the block at the latest."""
        if offset >= self.size:
            return 0
        number = self._blocks.number_at(offset)
        start = self._blocks.span(number).start
        with self._lock:
            damages = self._unpacked(number).damage
        for damage in damages:
            if damage.start <= offset - start < damage.stop:
                return damage.stop - (offset - start)
        return 0

    def close(self) -> None:
        """See `ByteStore`."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._cache.clear()
        self._blocks.close()

    def _announce(self, offset: int, end: int) -> None:
        """Begin to unpack what is asked for, and more for one who reads on."""
        ahead = min(self.size, end + _AHEAD) if offset == self._next else end
        at = offset
        while at < ahead and at - offset < _CACHE // 2:
            number = self._blocks.number_at(at)
            span = self._blocks.span(number)
            if number not in self._cache:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(
                        min(self._blocks.workers, _MOST_WORKERS), "unpack"
                    )
                self._cache[number] = self._pool.submit(self._blocks.unpack, number)
                self._kept += len(span)
            at = span.stop

    def _unpacked(self, number: int) -> Unpacked:
        future = self._cache.get(number)
        if future is None:
            future = Future()
            future.set_result(self._blocks.unpack(number))
            self._cache[number] = future
            self._kept += len(self._blocks.span(number))
        self._cache.move_to_end(number)
        return future.result()

    def _shrink(self) -> None:
        """Forget what was used longest ago; never what is being unpacked ahead."""
        for number in list(self._cache):
            if self._kept <= _CACHE or len(self._cache) <= _MOST_WORKERS:
                return
            if self._cache[number].done():
                del self._cache[number]
                self._kept -= len(self._blocks.span(number))


def all_lost(size: int) -> Unpacked:
    """A block of which nothing is left."""
    return Unpacked(bytes(size), (range(size),))
