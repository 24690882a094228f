# SPDX-License-Identifier: Apache-2.0
"""Old evidence under the present rules: what it says now of the sectors that are not good yet."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.base.progress import Progress, Task
from imagerd.disc.source import SectorState
from imagerd.recovery.engine import SYSTEM_CLOCK
from imagerd.recovery.keeping import Keeper
from imagerd.recovery.protection.recognise import recognise_in
from imagerd.recovery.purpose import bad_on_purpose
from imagerd.recovery.sectormap import NOT_GOOD
from imagerd.recovery.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Recomputed:
    """`looked_at` sectors with evidence that were not good; `gained` of them are good now."""

    looked_at: int
    gained: int
    bad: int


def recompute(work: Workspace) -> Task[Recomputed]:
    """Reads nothing from a drive. What is bad on purpose stays as it is."""
    keeper = Keeper(work, SYSTEM_CLOCK)
    in_vain = bad_on_purpose(work, recognise_in(work))
    lbas = [
        lba
        for lba in work.evidence.sectors()
        if work.map.state(lba) < SectorState.READ and lba not in in_vain
    ]
    gained = 0
    for number, lba in enumerate(lbas, 1):
        gained += keeper.reconsider(lba)
        yield Progress(number, len(lbas), "sectors", "recomputing")
    work.checkpoint()
    return Recomputed(len(lbas), gained, work.map.count(*NOT_GOOD))
