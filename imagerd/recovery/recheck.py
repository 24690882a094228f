# SPDX-License-Identifier: Apache-2.0
"""Whether what a journal says since its last barrier is really in the file.

A process that was killed leaves all in the page cache; but a disk that was pulled out, or a file
system that gave up, loses pages without a reboot. So the sectors since the last barrier, some
seconds of reading, are looked at before they are believed: what is called proven must prove itself,
and what came at all must not lie in a hole of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from imagerd.disc.source import Bytes2D, SectorState
from imagerd.recovery.journal import Attempt
from imagerd.sectors.verify import check_data

_BLOCK = 2048  # sectors


class Kept(Protocol):
    """A job's sectors in their file."""

    def read_rows(self, lba: int, count: int) -> Bytes2D:
        """The bytes of `count` sectors."""
        ...

    def extent(self, lba: int) -> tuple[int, int, int]:
        """Descriptor of the file, offset and size of a sector in it."""
        ...


def lost_since(attempts: list[Attempt], kept: Kept, *, is_cd: bool) -> Iterator[range]:
    """LBAs of `attempts` whose bytes are not there."""
    for attempt in attempts:
        at = attempt.lba
        for count, state in attempt.runs:
            run = range(at, at + count)
            if state is SectorState.PROVEN and is_cd:
                yield from _unproven(run, kept)
            elif state >= SectorState.SUSPECT:
                yield from _in_holes(run, kept)
            at += count


def _unproven(run: range, kept: Kept) -> Iterator[range]:
    for lba in range(run.start, run.stop, _BLOCK):
        rows = kept.read_rows(lba, min(_BLOCK, run.stop - lba))
        proven = check_data(rows, lba, parity=False).proven
        for row in np.flatnonzero(~proven).tolist():
            yield range(lba + row, lba + row + 1)


def _in_holes(run: range, kept: Kept) -> Iterator[range]:
    at = run.start
    while at < run.stop:
        fd, offset, size = kept.extent(at)
        data = _seek(fd, offset, os.SEEK_DATA)
        behind = run.stop if data is None else min(run.stop, at + (data - offset) // size)
        if at < behind:
            yield range(at, behind)
        if data is None or behind == run.stop:
            return
        fd, offset, size = kept.extent(behind)
        hole = _seek(fd, max(data, offset), os.SEEK_HOLE)
        at = run.stop if hole is None else max(behind + 1, behind + (hole - offset) // size)


def _seek(fd: int, offset: int, what: int) -> int | None:
    try:
        return os.lseek(fd, offset, what)
    except OSError:  # nothing of that kind from here on
        return None
