# SPDX-License-Identifier: Apache-2.0
"""The tray: locked while a disc is worked on, and whether it opens afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from imagerd.archive.stages import Outcome
from imagerd.base.config import Eject
from imagerd.base.errors import MediumError
from imagerd.catalog.records import JobState
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.mmc_config import MediaEventCode

_STAYS = frozenset({JobState.PAUSED, JobState.WAITING, JobState.CANCELLED})
_SUCCESS = frozenset({JobState.DONE, JobState.SKIPPED})


_EVENTS = 8  # a drive keeps only a few


@contextlib.contextmanager
def locked_tray(drive: OpticalDrive) -> Iterator[None]:
    """The tray stays shut within the block; a press of the button is kept for afterwards.

    A drive that cannot be locked is read all the same.
    """
    with contextlib.suppress(MediumError):
        drive.lock(True)
    try:
        yield
    finally:
        with contextlib.suppress(MediumError):
            drive.lock(False)


def eject_by_policy(drive: OpticalDrive, policy: Eject, outcome: Outcome) -> bool:
    """Open the tray if the policy says so for this outcome, or if the button was pressed.

    Returns whether it opened. A disc whose job is still open stays in otherwise, and so does one
    that has taken the place of the job's. A drive that does not obey is no failure of the job.
    """
    if outcome.lost:
        return False
    try:
        if not _wanted(policy, outcome) and not _pressed(drive):
            return False
        drive.eject(only_known=True)
    except MediumError:
        return False
    return True


def at_the_end(drive: OpticalDrive, policy: Eject, outcome: Outcome) -> tuple[Outcome, bool]:
    """What becomes of the tray, as `eject_by_policy` has it.

    Returns the outcome, `lost` if what is in the drive now is not the job's disc, and whether the
    tray opened.
    """
    if eject_by_policy(drive, policy, outcome):
        return outcome, True
    try:
        drive.status()  # what the drive has to say of its medium, it says now
    except MediumError:
        return replace(outcome, lost=True), False
    return replace(outcome, lost=outcome.lost or not drive.holds_known), False


def _wanted(policy: Eject, outcome: Outcome) -> bool:
    if policy is Eject.NEVER or outcome.state in _STAYS:
        return False
    return policy is Eject.ALWAYS or outcome.state in _SUCCESS


def _pressed(drive: OpticalDrive) -> bool:
    """Whether the button was pressed: while we have the drive, nobody else takes its events."""
    for _ in range(_EVENTS):
        event = drive.media_events()
        if event is None or event.code == MediaEventCode.NONE:
            break
    return drive.link.eject_requested
