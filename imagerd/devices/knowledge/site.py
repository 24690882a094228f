# SPDX-License-Identifier: Apache-2.0
"""Places of a disc that are good for finding things out about its drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imagerd.devices.features import candidates
from imagerd.devices.knowledge.bench import Bench, patient
from imagerd.disc.layout import Layout, Track
from imagerd.disc.msf import FRAMES_PER_SECOND, PREGAP
from imagerd.sectors.verify import SectorKind, check_data

SAMPLE = 8  # sectors at each place
_MARGIN = 225  # sectors before a track's end that may be of the next kind, or run-out
_TELLING = 20  # the frame of an address whose BCD is another number than its binary form
_BLOCKS = (SectorKind.MODE1, SectorKind.MODE2_FORM1)
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Site:
    """`good`: eight good sectors, of any kind; `data`: of data that proves itself, None for none.

    `long`: the largest track without its end, where much can be read at a stretch.
    """

    layout: Layout
    good: int
    data: int | None
    long: range

    @property
    def blocks(self) -> int:
        """Where READ(12) is likeliest to be taken."""
        return self.good if self.data is None else self.data

    @property
    def telling(self) -> int:
        """As `good`, with frames of two digits: there BCD and binary addresses differ."""
        track = self.layout.track_at(self.good)
        for second in (0, 1, -1):
            frames = self.good + PREGAP + second * FRAMES_PER_SECOND
            lba = frames - frames % FRAMES_PER_SECOND + _TELLING - PREGAP
            if track is not None and track.index1 <= lba and lba + SAMPLE <= track.end:
                return lba
        return self.good

    def far(self, lba: int) -> int:
        """A sector of `long` that is as far from `lba` as can be."""
        return max(self.long.start, self.long.stop - 1, key=lambda other: abs(other - lba))


def find_site(bench: Bench, good: int | None) -> Site | None:
    """Look for the places; `good` is one that is known already. None if no sector reads well."""
    layout = bench.drive.layout
    if good is None:
        tried = list(dict.fromkeys(candidates(layout)))[:_TRIES]
        good = next((lba for lba in tried if _reads(bench, lba)), None)
    if good is None:
        return None
    return Site(layout, good, _data_place(bench, layout), _long(layout))


def _reads(bench: Bench, lba: int) -> bool:
    reply = bench.execute(patient(lba, SAMPLE).command())
    return reply.ok and reply.sense is None


def _data_place(bench: Bench, layout: Layout) -> int | None:
    """Eight sectors of one data track that have 2048 bytes and prove themselves."""
    tried = 0
    for lba in dict.fromkeys(candidates(layout)):
        track = layout.track_at(lba)
        if track is None or not track.is_data or tried == _TRIES:
            continue
        tried += 1
        records = bench.read(patient(lba, SAMPLE))
        if records is not None:
            found = check_data(records, lba, parity=False)
            if found.proven.all() and np.isin(found.kind, _BLOCKS).all():
                return lba
    return None


def _long(layout: Layout) -> range:
    track = max(layout.tracks, key=_length)
    return range(track.index1, track.index1 + _length(track))


def _length(track: Track) -> int:
    return max(track.end - _MARGIN - track.index1, 1)
