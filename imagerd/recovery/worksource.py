# SPDX-License-Identifier: Apache-2.0
"""What a job has so far, as a sector source: it can be written as an image at any time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from imagerd.disc.layout import Layout
from imagerd.disc.source import Fault, FaultKind, Sectors, SectorState
from imagerd.recovery.workspace import Workspace

_MOST = 4096  # sectors a block: bounds memory whatever the caller asks for


class WorkSource:
    """A `SectorSource` over a workspace; closing it leaves the workspace open.

    Rows that were not read hold the job's filling (silence in audio tracks) and are FAILED, with
    faults that say why; those never tried have a fault of kind MISSING. With a refined `layout`
    the same sectors are shown under it.
    """

    def __init__(self, workspace: Workspace, layout: Layout | None = None) -> None:
        self._workspace = workspace
        self._layout = workspace.layout if layout is None else layout

    @property
    def layout(self) -> Layout:
        """The disc's layout."""
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`; see `SectorSource.read`."""
        work = self._workspace
        area = next((area for area in self._layout.ranges() if lba in area), None)
        if area is None or count < 1:
            raise ValueError(f"LBA {lba}+{count} is in no session")
        count = min(count, area.stop - lba, _MOST)
        data = work.read_rows(lba, count)
        states = work.map.states(lba, count)
        # A file cut short by someone else must not turn into sectors of zeros.
        whole = work.image_size // work.stored.size - (lba - work.map.start)
        states[max(whole, 0) :] = np.minimum(states[max(whole, 0) :], SectorState.UNREAD)
        faults = self._faults(lba, states)
        missing = states < SectorState.SUSPECT
        if missing.any():
            data[missing] = self._filling(lba, count)[missing, np.newaxis]
            states[missing] = SectorState.FAILED
        sub = work.read_sub(lba, count) if work.has_sub else None
        return Sectors(lba, work.stored, data, states, sub=sub, faults=faults)

    def close(self) -> None:
        """Nothing to release: the workspace stays open."""

    def _filling(self, lba: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        job = self._workspace.job
        filling = np.full(count, job.fill, np.uint8)
        for track in self._layout.tracks:
            if not track.is_data and track.start < lba + count and track.end > lba:
                filling[max(track.start - lba, 0) : track.end - lba] = job.fill_audio
        return filling

    def _faults(
        self, lba: int, states: np.ndarray[tuple[int], np.dtype[np.uint8]]
    ) -> tuple[Fault, ...]:
        faults: list[Fault] = []
        edges = np.flatnonzero(np.diff(states, prepend=255, append=255)).tolist()
        for begin, end in pairwise(edges):
            if states[begin] == SectorState.FAILED:
                stories = self._workspace.map.errors.within(lba + begin, lba + end)
                faults.extend(story.fault() for story in stories)
            elif states[begin] == SectorState.UNREAD:
                faults.append(Fault(lba + begin, end - begin, FaultKind.MISSING))
        return tuple(faults)
