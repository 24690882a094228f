# SPDX-License-Identifier: Apache-2.0
"""What is asked of the drive once the main area has been read: bounded, and never at its cost."""

from __future__ import annotations

from imagerd.base.errors import MediumError, OperatorError
from imagerd.base.progress import Task
from imagerd.recovery.fitting import fits
from imagerd.recovery.job import DriveRecord
from imagerd.recovery.oddq import intentional
from imagerd.recovery.overread import overread
from imagerd.recovery.protection.recognise import odd_q
from imagerd.recovery.protection.twins import probe_twins
from imagerd.recovery.reader import Reader
from imagerd.recovery.rereadq import KIND, reread_q
from imagerd.recovery.workspace import Workspace
from imagerd.recovery.writeoffset import probe_sync


def read_extras(
    reader: Reader, work: Workspace, drive: DriveRecord, *, outside: bool = True, sure: bool = True
) -> Task[None]:
    """Sectors `outside` the sessions, data read as audio for its place, odd frames of Q once more,
    places from behind where there may be twin sectors.

    Each is done once for a job; whatever goes wrong ends it, and is no error. Without `sure` a few
    sectors are compared first, for this may be another pressing than the job was read from.
    """
    if not work.layout.is_cd:
        return
    try:
        if not sure and not fits(reader, work):
            return
        reader.set_speed(None)
        reader.set_recovery()
        if outside:
            yield from overread(reader, work, drive)
        yield from probe_sync(reader, work)
        if not any(note.kind == KIND for note in work.notes):
            yield from reread_q(reader, work, intentional(odd_q(work), work.layout))
        yield from probe_twins(reader, work)
    except (MediumError, OperatorError):
        return
