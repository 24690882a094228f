# SPDX-License-Identifier: Apache-2.0
"""What a crash between the last steps of a job leaves behind, cleared when a daemon starts.

Only our own: workspaces of jobs that are done, and unfinished files of jobs that have ended or
begin them anew. A job's workspace is never touched while the job can be resumed or retried.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from imagerd.archive.publish import INCOMING, remembered
from imagerd.archive.world import World
from imagerd.base.errors import BadInput
from imagerd.catalog.records import Job, JobState
from imagerd.catalog.states import WORKING
from imagerd.recovery.workspace import is_busy


def sweep(world: World) -> tuple[Path, ...]:
    """Clear leftovers; returns the folders that were removed."""
    removed = []
    for folder in _folders(world.workspaces):
        job = _job(world, folder.name)
        if job is not None and job.state is JobState.DONE and not is_busy(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    incoming = world.config.archive.folder / INCOMING
    for folder in _folders(incoming):
        job = _job(world, folder.name)
        workspace = world.workspaces / folder.name
        if job is None or is_busy(workspace) or remembered(workspace) is not None:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder)
    return tuple(removed)


def pause_interrupted(world: World) -> tuple[Job, ...]:
    """Jobs that say they are at work, though no process is: they wait for their disc again."""
    paused = []
    for job in world.catalog.jobs.list(WORKING):
        if job.workspace is not None and is_busy(Path(job.workspace)):
            continue
        sentence = "It was interrupted; it goes on when its disc is in a drive."
        paused.append(world.catalog.jobs.set_state(job.id, JobState.PAUSED, error=sentence))
    return tuple(paused)


def _folders(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []


def _job(world: World, job_id: str) -> Job | None:
    try:
        return world.catalog.jobs.get(job_id)
    except BadInput:
        return None
