# SPDX-License-Identifier: Apache-2.0
"""Whether the data of a CHD are those that it was made of: the SHA-1s that its header tells."""

from __future__ import annotations

import hashlib

from imagerd.base.progress import Progress, Task
from imagerd.disc.source import Bytes2D
from imagerd.formats.chd.ahead import Frames
from imagerd.formats.chd.hunks import Hunks
from imagerd.formats.chd.metadata import overall_sha1
from imagerd.formats.image import OwnDigest

_MOST = 2048  # units at a time
_PADDING = 64  # units that nobody reads between two tracks are fewer; MAME has three at most


class Checking:
    """The SHA-1 of all units, as `chdman verify` has it: of what is read, and then of the rest."""

    def __init__(self, hunks: Hunks, frames: Frames) -> None:
        self._hunks = hunks
        self._frames = frames
        self._digest = hashlib.sha1(usedforsecurity=False)
        self._done = 0  # units

    def come_to(self, unit: int) -> None:
        """Somebody will read from `unit` on: take in the padding before it."""
        if self._done < unit <= self._done + _PADDING:
            while self._done < unit:
                self._read(unit - self._done)

    def passed(self, unit: int, rows: Bytes2D) -> None:
        """Somebody has read `rows`, the units from `unit` on."""
        if unit == self._done:
            self._digest.update(rows.data)
            self._done += len(rows)

    def finish(self) -> Task[tuple[OwnDigest, ...]]:
        """What the header says against what is there; what it lacks is not among the answers.

        A task: yields `Progress` in sectors, of the padding between tracks, too.
        """
        header = self._hunks.header
        total = header.logical // header.unit
        while self._done < total:
            self._read(min(_MOST, total - self._done))
            yield Progress(self._done, total)
        raw = self._digest.digest()
        found = []
        if any(header.raw_sha1):
            found.append(OwnDigest("data", header.raw_sha1.hex(), raw.hex()))
        if header.version > 3 and any(header.sha1):
            overall = overall_sha1(raw, self._hunks.blocks)
            found.append(OwnDigest("data and metadata", header.sha1.hex(), overall.hex()))
        return tuple(found)

    def _read(self, count: int) -> None:
        rows, _ = self._frames.read(self._done, count)
        self.passed(self._done, rows)
