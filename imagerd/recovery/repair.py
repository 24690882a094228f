# SPDX-License-Identifier: Apache-2.0
"""The last resort for data sectors of a CD: their own parity. Reads nothing from the drive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imagerd.base.progress import Task
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import SectorState
from imagerd.recovery.effort import Effort, Reading, Row
from imagerd.recovery.evidence import Why
from imagerd.recovery.journal import Attempt, Flags
from imagerd.sectors.correct import Correction, correct
from imagerd.sectors.verify import check_data, header_ok

_SUSPECT = (SectorState.SUSPECT,)


class Repair:
    """Corrects SUSPECT data sectors by P and Q; what the EDC then proves is kept as repaired.

    Tried are the bytes that were kept, and the latest reading with its C2 pointers as erasures.
    """

    name = "repairing"
    on_damage = True

    def run(self, effort: Effort) -> Task[None]:
        """Sectors that are corrected become PROVEN, and are listed as repaired for ever."""
        if not effort.workspace.layout.is_cd:
            return
        for stretch in list(effort.map.ranges(_SUSPECT)):
            for lba in stretch:
                if effort.is_data(lba):
                    effort.check()
                    _repair(effort, lba)
                    yield effort.progress(self.name)


def _repair(effort: Effort, lba: int) -> None:
    track = effort.workspace.layout.track_at(lba)
    mode2 = None if track is None else track.mode is TrackMode.MODE2
    for reading in _readings(effort, lba):
        if _displaced(reading.data, lba):
            continue
        erasures = None
        if reading.c2 is not None:
            erasures = np.unpackbits(reading.c2)[: len(reading.data)].astype(np.bool_)
        found = correct(reading.data, lba=lba, mode2=mode2, erasures=erasures)
        if found is not None and _keep(effort, lba, found):
            return


def _displaced(data: Row, lba: int) -> bool:
    """Whether it may be a sound mode 2 sector of another place.

    There neither EDC nor parity covers the header, so "mending" it would prove the wrong sector.
    """
    rows = data.reshape(1, -1)
    return bool(data[15] & 3 == 2 and header_ok(rows)[0] and not header_ok(rows, lba)[0])


def _readings(effort: Effort, lba: int) -> Iterator[Reading]:
    yield Reading(effort.workspace.read_rows(lba, 1)[0], None)
    latest = effort.readings.get(lba)
    if latest is not None:
        yield latest


def _keep(effort: Effort, lba: int, found: Correction) -> bool:
    data = np.frombuffer(found.data, np.uint8).reshape(1, -1)
    if not check_data(data, lba).proven[0]:
        return False
    attempt = Attempt(
        lba,
        1,
        ((1, SectorState.PROVEN),),
        effort.clock.unix(),
        why=Why.NONE,
        flags=Flags.REPAIRED | Flags.ALONE,
    )
    effort.workspace.commit(attempt, data)
    effort.readings.pop(lba, None)
    return True
