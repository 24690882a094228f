# SPDX-License-Identifier: Apache-2.0
"""Whether the tray opens after a job."""

from __future__ import annotations

from imagerd.archive.stages import Outcome
from imagerd.base.config import Eject
from imagerd.base.errors import DriveLost
from imagerd.catalog.records import JobState
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.link import CommandFailed

_STAYS = frozenset({JobState.PAUSED, JobState.WAITING, JobState.CANCELLED})
_SUCCESS = frozenset({JobState.DONE, JobState.SKIPPED})


def eject_by_policy(drive: OpticalDrive, policy: Eject, outcome: Outcome) -> bool:
    """Open the tray if the policy says so for this outcome; whether it opened.

    A disc whose job is still open stays in, and a drive that does not obey is no failure of the
    job.
    """
    if policy is Eject.NEVER or outcome.state in _STAYS:
        return False
    if policy is Eject.SUCCESS and outcome.state not in _SUCCESS:
        return False
    try:
        drive.eject()
    except (CommandFailed, DriveLost):
        return False
    return True
