# SPDX-License-Identifier: Apache-2.0
"""The last resort for sectors of a CD: all their evidence once more. Reads nothing from the drive.

Of a job that was begun before there was evidence, what it kept is taken for that.
"""

from __future__ import annotations

from imagerd.base.progress import Task
from imagerd.disc.source import SectorState
from imagerd.recovery.effort import Effort
from imagerd.recovery.passes import Pass
from imagerd.recovery.reader import Reading
from imagerd.recovery.readings import Observation, digest_of

_SUSPECT = (SectorState.SUSPECT,)


class Repair(Pass):
    """Reconsiders SUSPECT sectors; what we put together ourselves is told as repaired."""

    name = "repairing"
    on_damage = True
    spares = True

    def run(self, effort: Effort) -> Task[None]:
        """Sectors that are bad on purpose stay as they are."""
        if not effort.workspace.layout.is_cd:
            return
        for stretch in list(effort.map.ranges(_SUSPECT)):
            for lba in stretch:
                if lba in effort.in_vain:
                    continue
                effort.check()
                _add_what_was_kept(effort, lba)
                effort.keeper.reconsider(lba)
                yield effort.progress(self.name)


def _add_what_was_kept(effort: Effort, lba: int) -> None:
    work = effort.workspace
    if effort.is_data(lba) and not work.evidence.observations(lba):
        data = work.read_rows(lba, 1)[0]
        work.observe(Observation(lba, 0.0, 0.0, 0, -1, digest_of(data)), Reading(data, None))
