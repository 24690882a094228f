# SPDX-License-Identifier: Apache-2.0
"""What a crash leaves behind: cleared when a daemon starts, and when a worker has died.

Only our own is removed: the folders of jobs that are done or were never begun, and unfinished files
of jobs that have ended or begin them anew. What was read for a job stays as long as the job can be
resumed or retried.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from imagerd.archive.hold import is_held, take_hold
from imagerd.archive.publish import INCOMING, discard_staging, remembered
from imagerd.archive.stages import Outcome
from imagerd.archive.world import World
from imagerd.base.config import Config
from imagerd.base.errors import BadInput, ExitCode
from imagerd.catalog.records import Job, JobState
from imagerd.catalog.states import OPEN, WORKING

_INTERRUPTED = "It was interrupted; it goes on when its disc is in a drive."


def sweep(world: World) -> tuple[Path, ...]:
    """Clear leftovers; returns the folders that were removed."""
    removed = [folder for folder in _folders(world.workspaces) if _clear_workspace(world, folder)]
    incoming = world.config.archive.folder / INCOMING
    removed += [folder for folder in _folders(incoming) if _clear_staging(world, folder)]
    with contextlib.suppress(OSError):  # it is not there, or not empty
        incoming.rmdir()
    return tuple(removed)


def _clear_workspace(world: World, folder: Path) -> bool:
    """Remove the folder of a job that is done, or in which nothing was begun."""
    if is_held(folder):
        return False
    job = _job(world, folder.name)
    done = job is not None and job.state is JobState.DONE
    if not done and (_begun(folder) or (job is not None and job.state in OPEN)):
        return False
    hold = take_hold(folder)
    if hold is None:
        return False
    with hold:  # nobody takes it up while it goes
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _begun(folder: Path) -> bool:
    """Whether it is a job's, or holds sectors at least: those are never for us to throw away."""
    sectors = folder / "sectors.bin"
    return (folder / "job.json").exists() or (sectors.exists() and sectors.stat().st_size > 0)


def _clear_staging(world: World, folder: Path) -> bool:
    """Remove unfinished files, unless they are whole and only wait for their name."""
    job, workspace = _job(world, folder.name), world.workspaces / folder.name
    if job is None or is_held(workspace):
        return False
    if job.state in OPEN and remembered(workspace) is not None:
        return False
    discard_staging(folder)
    return True


def pause_interrupted(world: World, sentence: str = _INTERRUPTED) -> tuple[Job, ...]:
    """Jobs that say they are at work, though no process is: they wait for their disc again."""
    return tuple(
        world.catalog.jobs.set_state(job.id, JobState.PAUSED, error=sentence)
        for job in world.catalog.jobs.list(WORKING)
        if not is_at_work(job, world.config)
    )


def after_death(world: World, job_id: str | None) -> Outcome | None:
    """How a job ended whose worker died without saying so; None if it is still to be worked on.

    Clears what the worker had no time to clear. No `job_id`: it had not told of any.
    """
    sweep(world)
    if job_id is None:
        return None
    job = world.catalog.jobs.get(job_id)
    if job.state in OPEN - {JobState.WAITING}:
        return None
    images = world.catalog.images.of_job(job_id)
    name = job.disc.name if job.disc is not None else ""
    if job.state not in (JobState.DONE, JobState.PARTIAL) or not images:
        return Outcome(job.state, job.error or "", job=job_id, name=name)
    image = images[0]
    bad = image.counts.failed + image.counts.suspect
    return Outcome(
        job.state,
        f"{name}: {image.path}.",
        job=job_id,
        name=name,
        image=Path(image.path),
        bad=bad,
        exit_code=ExitCode.FINDING if bad else ExitCode.OK,
    )


def give_up(world: World, job_id: str | None, state: JobState, sentence: str) -> Outcome:
    """Leave a job that nobody works on any more, unless it has ended or rests already.

    No `job_id`: its worker had not told of any, so it is one of those that seem to be at work.
    """
    if job_id is None:
        pause_interrupted(world, sentence)
        return Outcome(state, sentence)
    job = world.catalog.jobs.get(job_id)
    if job.state in OPEN and job.state is not state:
        job = world.catalog.jobs.set_state(job_id, state, error=sentence)
    sweep(world)
    name = job.disc.name if job.disc is not None else ""
    return Outcome(job.state, job.error or sentence, job=job_id, name=name)


def is_at_work(job: Job, config: Config) -> bool:
    """Whether a process works on the job just now, this daemon's or any other."""
    return is_held(Path(job.workspace) if job.workspace else config.daemon.state / "jobs" / job.id)


def _folders(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []


def _job(world: World, job_id: str) -> Job | None:
    try:
        return world.catalog.jobs.get(job_id)
    except BadInput:
        return None
