# SPDX-License-Identifier: Apache-2.0
"""Random access to what unpacks block by block: a cache, and two threads that unpack ahead."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

LARGEST = 1 << 42  # bytes that a packed file may say it unpacks to: some forty layers of BD-XL
LARGEST_BLOCK = 64 << 20
_CACHE = 32 << 20  # bytes of unpacked blocks kept
_AHEAD = 2 << 20  # bytes unpacked ahead of one who reads on
_MOST_WORKERS = 2
_SLOTS = 4  # blocks that helpers work on, or have worked on
_WORTH_HELPERS = 3  # reads in their order: before, starting helpers costs too much


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The bytes of a block; within the ranges `damage` they are filling.

    `sum`: what `Judging` wants to know of them.
    """

    data: bytes | bytearray | memoryview
    damage: tuple[range, ...] = ()
    sum: int | None = None


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


@runtime_checkable
class Judging(Protocol):
    """`Blocks` that are best unpacked by helper processes: `unpack` changes nothing in them.

    No block is larger than `largest`.
    """

    largest: int

    def judge(self, number: int, unpacked: Unpacked) -> Unpacked:
        """What becomes of a block, in the light of all that were unpacked before."""
        ...


class _Coming(Protocol):
    """A block that is being unpacked, or was."""

    def result(self) -> Unpacked: ...

    def done(self) -> bool: ...


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
        self._cache: OrderedDict[int, _Coming] = OrderedDict()
        self._kept = 0
        self._next = -1  # where a reader who reads on would read
        self._in_order = 0  # reads one after another
        self._ahead = 2 * blocks.largest if isinstance(blocks, Judging) else _AHEAD
        self._pool: ThreadPoolExecutor | None = None
        self._crew: _Crew | None = None
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
        if at == self.size:  # to the end: who reads several files goes on with the next
            self._forget()
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

    def rest(self) -> None:
        """See `ByteStore`."""
        with self._lock:
            self._forget()

    def close(self) -> None:
        """See `ByteStore`."""
        self._forget()
        self._blocks.close()

    def _forget(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        if self._crew is not None:
            self._crew.close()
            self._crew = None
        self._cache.clear()
        self._kept = 0

    def _announce(self, offset: int, end: int) -> None:
        """Begin to unpack what is asked for, and more for one who reads on."""
        in_order = offset == self._next
        self._in_order = self._in_order + 1 if in_order else 0
        ahead = min(self.size, end + self._ahead) if in_order else end
        missing: dict[int, range] = {}
        at = offset
        while at < ahead and at - offset < _CACHE // 2:
            number = self._blocks.number_at(at)
            span = self._blocks.span(number)
            if number not in self._cache:
                missing[number] = span
            at = span.stop
        idle = self._pool is None and self._crew is None
        if idle and len(missing) < 2 and self._in_order < _WORTH_HELPERS:
            return  # no thread for who only looks: a disc may lie in a hundred files
        for number, span in missing.items():
            self._cache[number] = self._begin(number)
            self._kept += len(span)

    def _begin(self, number: int) -> _Coming:
        """Have a block unpacked in the background."""
        if isinstance(self._blocks, Judging):
            if self._crew is None and self._in_order >= _WORTH_HELPERS:
                self._crew = _Crew(self._blocks, self._blocks)
            if self._crew is not None:
                return self._crew.begin(number, len(self._blocks.span(number)))
            return self._here(number)
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # rarely needed, and loads much

            self._pool = ThreadPoolExecutor(min(self._blocks.workers, _MOST_WORKERS), "unpack")
        return self._pool.submit(self._blocks.unpack, number)

    def _here(self, number: int) -> _Here:
        unpacked = self._blocks.unpack(number)
        if isinstance(self._blocks, Judging):
            unpacked = self._blocks.judge(number, unpacked)
        return _Here(unpacked)

    def _unpacked(self, number: int) -> Unpacked:
        found = self._cache.get(number)
        if found is None:
            found = self._cache[number] = self._here(number)
            self._kept += len(self._blocks.span(number))
        self._cache.move_to_end(number)
        return found.result()

    def _shrink(self) -> None:
        """Forget what was used longest ago; never what is being unpacked ahead."""
        for number in list(self._cache):
            if self._kept <= _CACHE or len(self._cache) <= _MOST_WORKERS:
                return
            if self._cache[number].done():
                del self._cache[number]
                self._kept -= len(self._blocks.span(number))


class _Crew:
    """Helpers that unpack blocks into memory which they share."""

    def __init__(self, blocks: Blocks, judging: Judging) -> None:
        from imagerd.base.sharing import helpers  # only where more than a glance is read

        self._judging = judging
        self._helpers = helpers(_Unpacking(blocks), _SLOTS, judging.largest, _MOST_WORKERS)
        self._open: deque[_Ordered] = deque()  # those that have a slot

    def begin(self, number: int, length: int) -> _Coming:
        """Have a block of `length` bytes unpacked."""
        while (slot := self._helpers.take()) is None:
            self._open[0].result()
        self._helpers.start(slot, number)
        ordered = _Ordered(self, number, length, slot)
        self._open.append(ordered)
        return ordered

    def finish(self, ordered: _Ordered) -> Unpacked:
        """Wait for a block; its slot is free then."""
        damage, total = self._helpers.result(ordered.slot)
        data = bytes(self._helpers.memory(ordered.slot)[: ordered.length])
        self._helpers.give(ordered.slot)
        self._open.remove(ordered)
        return self._judging.judge(ordered.number, Unpacked(data, damage, total))

    def close(self) -> None:
        self._helpers.close()


class _Ordered:
    """A block that a helper unpacks."""

    def __init__(self, crew: _Crew, number: int, length: int, slot: int) -> None:
        self._crew = crew
        self.number, self.length, self.slot = number, length, slot
        self._made: Unpacked | None = None

    def result(self) -> Unpacked:
        """Wait for it."""
        if self._made is None:
            self._made = self._crew.finish(self)
        return self._made

    def done(self) -> bool:
        """Whether it was waited for."""
        return self._made is not None


@dataclass(frozen=True, slots=True)
class _Here:
    """A block that was unpacked at once."""

    made: Unpacked

    def result(self) -> Unpacked:
        """The block."""
        return self.made

    def done(self) -> bool:
        """It is."""
        return True


@dataclass(frozen=True, slots=True)
class _Unpacking:
    """What a helper does."""

    blocks: Blocks

    def __call__(self, memory: memoryview, number: int) -> tuple[tuple[range, ...], int | None]:
        unpacked = self.blocks.unpack(number)
        memory[: len(unpacked.data)] = unpacked.data
        return unpacked.damage, unpacked.sum


def all_lost(size: int) -> Unpacked:
    """A block of which nothing is left."""
    return Unpacked(bytes(size), (range(size),))
