# SPDX-License-Identifier: Apache-2.0
"""Whether what the drive reads now joins what was read before: a few sectors are read again.

A table of contents does not tell two pressings of one album apart, which lie some samples beside
each other, nor two discs of one size whose descriptors could not be read, nor a drive that places
audio differently. Their sectors in one image would all look good.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imagerd.devices.reading import ReadRequest
from imagerd.recovery.reader import Reader
from imagerd.recovery.sectormap import GOOD
from imagerd.recovery.workspace import Workspace

_SPOTS = 6  # of data and of audio
_SECTORS = 4  # of one spot
_PATIENCE = 3  # spots that may fail: each can cost a drive's whole timeout
_ENOUGH = 3  # sectors that must differ, with none alike, before it counts as another disc


def fits(reader: Reader, work: Workspace) -> bool:
    """False if good sectors that are read again come out differently, all of them.

    Sectors without contents (one byte throughout) tell nothing, and neither do those that cannot be
    read any more. Raises what `Reader.attempt` raises.
    """
    return all(_fit(reader, work, spots) for spots in (_spots(work, True), _spots(work, False)))


def _fit(reader: Reader, work: Workspace, spots: Iterator[range]) -> bool:
    different = failures = 0
    for spot in spots:
        request = ReadRequest(spot.start, len(spot), raw=work.layout.is_cd)
        block = reader.attempt(request).sectors
        if block is None:
            failures += 1
            if failures == _PATIENCE:
                break
            continue
        kept = work.read_rows(spot.start, len(block))
        telling = (kept != kept[:, :1]).any(axis=1)
        alike = (kept == block.data).all(axis=1)
        if (alike & telling).any():
            return True
        different += int(np.count_nonzero(telling & ~alike))
    return different < _ENOUGH


def _spots(work: Workspace, data: bool) -> Iterator[range]:
    """Good sectors of all tracks of one kind, from first to last."""
    runs = [
        run
        for track in work.layout.tracks
        if track.is_data is data
        for run in work.map.ranges(GOOD, track.start, track.end)
    ]
    total = sum(len(run) for run in runs)
    wanted = [total * number // _SPOTS for number in range(_SPOTS)] if total else []
    passed = 0
    for run in runs:
        while wanted and wanted[0] < passed + len(run):
            first = run.start + wanted.pop(0) - passed
            yield range(first, min(first + _SECTORS, run.stop))
        passed += len(run)
