# SPDX-License-Identifier: Apache-2.0
"""The 2048-byte blocks of a disc's data tracks by LBA, read within a budget.

Whoever walks a damaged or hostile file system asks here, so that what holds for every read is said
once: nothing raises, nothing is read outside the data tracks, and the work has an end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imagerd.disc.layout import Layout, Track
from imagerd.disc.source import SectorSource, SectorState, States
from imagerd.sectors.views import UserView

BLOCK = 2048
_CHUNK = 64  # blocks a read


@dataclass(frozen=True, slots=True)
class Stretch:
    """`count` blocks from `lba`: their bytes (zeros where unreadable) and (n,) `SectorState`s."""

    lba: int
    data: bytes
    states: States

    def readable(self, index: int) -> bool:
        """Whether block `index` of it holds bytes of the disc."""
        return bool(self.states[index] > SectorState.FAILED)

    def block(self, index: int) -> bytes:
        """Block `index`; b"" if it is unreadable."""
        return self.data[index * BLOCK : (index + 1) * BLOCK] if self.readable(index) else b""

    def __len__(self) -> int:
        return len(self.states)


class Blocks:
    """Blocks of all data tracks of `source`, which stays the caller's.

    At most `most` blocks are read, and none any more after `failures` unreadable ones (a drive
    spends seconds on each): then all are unreadable and `spent` is True.
    """

    def __init__(self, source: SectorSource, *, most: int, failures: int) -> None:
        self._source = source
        self._left, self._failures_left = most, failures
        self._views: dict[int, UserView] = {}
        self.layout: Layout = source.layout
        self.spent = False

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The data tracks; of a DVD or BD its only one."""
        return tuple(track for track in self.layout.tracks if track.is_data)

    def holds(self, lba: int) -> bool:
        """Whether `lba` lies in a data track, behind its INDEX 01."""
        track = self.layout.track_at(lba)
        return track is not None and track.is_data and lba >= track.index1

    def read(self, lba: int, count: int = 1) -> Stretch:
        """`count` blocks from `lba`; what lies in no data track is unreadable."""
        data = bytearray(count * BLOCK)
        states = np.full(count, SectorState.FAILED, np.uint8)
        done = 0
        while done < count:
            done += self._some(lba + done, min(_CHUNK, count - done), done, data, states)
        return Stretch(lba, bytes(data), states)

    def _some(self, lba: int, count: int, at: int, data: bytearray, states: States) -> int:
        """Read what the source gives at once; returns for how many blocks all is said."""
        track = self.layout.track_at(lba)
        if track is None or not self.holds(lba) or self.spent:
            return 1
        view = self._views.get(track.number)
        if view is None:
            view = self._views[track.number] = UserView(self._source, track.number)
        area = view.layout.tracks[0]
        if not area.start <= lba < area.end:  # a postgap that no image holds
            return 1
        block = view.read(lba, count)
        got = min(len(block), count)
        known = block.states[:got] > SectorState.FAILED
        rows = np.where(known[:, np.newaxis], block.data[:got], 0).astype(np.uint8)
        data[at * BLOCK : (at + got) * BLOCK] = rows.tobytes()
        states[at : at + got] = block.states[:got]
        self._left -= got
        self._failures_left -= int((~known).sum())
        self.spent = self._left <= 0 or self._failures_left <= 0
        return got
