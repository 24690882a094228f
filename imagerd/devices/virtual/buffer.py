# SPDX-License-Identifier: Apache-2.0
"""The read buffer of a virtual drive."""

from __future__ import annotations

from imagerd.devices.virtual.faultbook import Outcome


class Buffer:
    """The drive's read buffer: one stretch of sectors, the last ones read.

    The bytes themselves come from the disc again; only those of sectors that were read wrong are
    kept (as their `Outcome`): the same error comes out of the buffer again.
    """

    __slots__ = ("capacity", "end", "spoiled", "start")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.drop()

    def drop(self) -> None:
        """Forget all."""
        self.start = self.end = 0
        self.spoiled: dict[int, Outcome] = {}

    def held(self, lba: int, count: int) -> int:
        """How many of `count` sectors from `lba` on are held."""
        return min(self.end - lba, count) if self.start <= lba < self.end else 0

    def put(self, lba: int, count: int) -> None:
        """Sectors just read. They continue the stretch or replace it."""
        if self.start <= lba <= self.end:
            self.end = max(self.end, lba + count)
        else:
            self.start, self.end = lba, lba + count
            self.spoiled.clear()
        self.start = max(self.start, self.end - self.capacity)
