# SPDX-License-Identifier: Apache-2.0
"""The frames of a CHD by number: some stretches kept, those that follow decoded ahead."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imagerd.disc.source import Bytes2D
from imagerd.formats.chd.hunks import Hunks
from imagerd.sectors.geometry import Flags

if TYPE_CHECKING:
    from imagerd.base.sharing import Helpers

_STRETCH = 2 << 20  # bytes that are decoded at once when reading on and on
_KEPT = 3  # stretches, besides those on their way
_AHEAD = 4  # stretches; two for each helper
_HELPERS = 2
_WORTH_HELPERS = 2  # stretches read in their order: before, starting helpers costs too much

_Job = tuple[int, int]  # the first hunk, and how many


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Decoded hunks: (n, bytes of a hunk), whether each is good, and the slot they lie in."""

    first: int
    data: Bytes2D
    good: Flags
    slot: int | None = None

    def __contains__(self, hunk: int) -> bool:
        return self.first <= hunk < self.first + len(self.data)


class Frames:
    """Frames by number. Whole stretches are decoded ahead while frames are read in their order."""

    def __init__(self, hunks: Hunks) -> None:
        self._hunks = hunks
        self._unit = hunks.header.unit
        self._per_hunk = hunks.header.hunk // self._unit
        self._length = max(1, _STRETCH // hunks.header.hunk)  # hunks of a stretch
        self._kept: OrderedDict[tuple[int, int], _Stretch] = OrderedDict()
        self._coming: dict[int, int] = {}  # the slot in which the stretch from a hunk on is made
        self._helpers: Helpers[_Job, bytes] | None = None
        self._next = -1  # the frame after those read last
        self._in_order = 0  # stretches decoded one after another

    def read(self, frame: int, count: int) -> tuple[Bytes2D, Flags]:
        """At least one of `count` frames from `frame`: (n, unit) and whether each is good.

        The rows are a view of what is kept: copy them.
        """
        hunk = frame // self._per_hunk
        if frame != self._next:
            self._in_order = 0
        found = self._find(hunk) or self._decode(frame, count)
        skip = frame - found.first * self._per_hunk
        rows = found.data.reshape(-1, self._unit)[skip : skip + count]
        self._next = frame + len(rows)
        return rows, np.repeat(found.good, self._per_hunk)[skip : skip + count]

    def _find(self, hunk: int) -> _Stretch | None:
        for key, stretch in self._kept.items():
            if hunk in stretch:
                self._kept.move_to_end(key)
                return stretch
        return None

    def _decode(self, frame: int, count: int) -> _Stretch:
        hunk = frame // self._per_hunk
        if frame == self._next:
            first = hunk // self._length * self._length
            self._in_order += 1
            if self._in_order > _WORTH_HELPERS:
                return self._keep(self._by_helpers(first))
            length = min(self._length, self._hunks.header.hunks - first)
        else:
            first = hunk
            last = (frame + count - 1) // self._per_hunk
            length = min(last - hunk + 1, self._length)
        return self._keep(_Stretch(first, *self._hunks.decode(first, length)))

    def _by_helpers(self, first: int) -> _Stretch:
        """The stretch from hunk `first`; some that follow are on their way then."""
        if self._helpers is None:
            size = self._length * self._hunks.header.hunk
            slots = _KEPT + _AHEAD + 2
            from imagerd.base.sharing import helpers  # only where more than a glance is read

            self._helpers = helpers(_Decoding(self._hunks), slots, size, _HELPERS)
        total = self._hunks.header.hunks
        ends = min(total, first + (_AHEAD + 1) * self._length)
        for start in [start for start in self._coming if not first <= start < ends]:
            self._helpers.give(self._coming.pop(start))
        for start in range(first, ends, self._length):
            if start not in self._coming:
                slot = self._helpers.take()
                assert slot is not None  # there are as many as are kept and on their way
                self._helpers.start(slot, (start, min(self._length, total - start)))
                self._coming[start] = slot
        slot = self._coming.pop(first)
        good = np.frombuffer(self._helpers.result(slot), np.bool_)
        hunk = self._hunks.header.hunk
        data = np.frombuffer(self._helpers.memory(slot), np.uint8, len(good) * hunk)
        return _Stretch(first, data.reshape(-1, hunk), good, slot)

    def _keep(self, stretch: _Stretch) -> _Stretch:
        self._forget((stretch.first, len(stretch.data)))
        self._kept[stretch.first, len(stretch.data)] = stretch
        while len(self._kept) > _KEPT:
            self._forget(next(iter(self._kept)))
        return stretch

    def _forget(self, key: tuple[int, int]) -> None:
        old = self._kept.pop(key, None)
        if old is not None and old.slot is not None and self._helpers is not None:
            self._helpers.give(old.slot)

    def close(self) -> None:
        """End the helpers; idempotent."""
        self._coming.clear()
        self._kept.clear()
        if self._helpers is not None:
            self._helpers.close()
            self._helpers = None


@dataclass(frozen=True, slots=True)
class _Decoding:
    """What a helper does: it leaves the hunks in the memory, and says which are good."""

    hunks: Hunks

    def __call__(self, memory: memoryview, job: _Job) -> bytes:
        first, count = job
        data = np.frombuffer(memory, np.uint8, count * self.hunks.header.hunk)
        return self.hunks.decode(first, count, data.reshape(count, -1))[1].tobytes()
