# SPDX-License-Identifier: Apache-2.0
"""One disc's whole way: identify, claim a job, read, write, verify, publish, enter.

The same for the daemon's workers and for `imagerctl archive`. Everything that goes wrong with the
disc or the surroundings ends in an `Outcome` and leaves the job where it can be taken up again;
only bugs are exceptions.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from imagerd.archive.claim import Claimed, Declined, claim
from imagerd.archive.enter import enter
from imagerd.archive.identify import DiscIdentity, identify_disc
from imagerd.archive.publish import forget, move_in, remember, remembered
from imagerd.archive.reading import open_workspace, read_disc
from imagerd.archive.stages import Control, Interrupted, Outcome, Stage, Stop, Way, staged
from imagerd.archive.world import Order, World
from imagerd.archive.writing import Subject, write_publication
from imagerd.base.errors import ExitCode, MediumError, OperatorError
from imagerd.base.progress import Progress
from imagerd.catalog.records import Image, JobState, NewDrive
from imagerd.devices.drive import OpticalDrive

_STOPPED = {
    Stop.PAUSE: (JobState.PAUSED, "Stopped after a checkpoint; it goes on when taken up again."),
    Stop.SPACE: (JobState.PAUSED, "Waiting for free space in the archive."),
    Stop.CANCEL: (JobState.CANCELLED, "Cancelled; what was read is kept for a retry."),
}


def archive_disc(drive: OpticalDrive, world: World, order: Order, control: Control) -> Way[Outcome]:
    """Bring the disc in `drive` into the archive."""
    yield Stage(JobState.IDENTIFYING, Progress(0, 0, what="identifying"))
    try:
        identity = identify_disc(drive)
        claimed = _claim(drive, identity, world, order)
    except (MediumError, OperatorError) as error:
        return Outcome(JobState.FAILED, str(error), exit_code=error.exit_code)
    if isinstance(claimed, Declined):
        return Outcome(
            claimed.job.state, claimed.sentence, job=claimed.job.id, name=claimed.disc.name
        )
    try:
        return (yield from _work(drive, identity, claimed, world, control))
    except Interrupted as interrupted:
        return _stopped(world, claimed, interrupted.stop)
    except (MediumError, OperatorError) as error:
        return _interrupted(world, claimed, JobState.PAUSED, str(error), error.exit_code)


def _claim(
    drive: OpticalDrive, identity: DiscIdentity, world: World, order: Order
) -> Claimed | Declined:
    who = drive.identity
    row = world.catalog.drives.register(
        NewDrive(
            vendor=who.vendor,
            product=who.product,
            revision=who.revision,
            serial=who.serial,
            address=who.address,
            read_offset=world.settings(who).read_offset,
        )
    )
    return claim(
        world.catalog,
        identity,
        row,
        world.config.policy,
        world.workspaces,
        job_id=order.job,
        again=order.again,
    )


def _work(
    drive: OpticalDrive,
    identity: DiscIdentity,
    claimed: Claimed,
    world: World,
    control: Control,
) -> Way[Outcome]:
    """Read, write and publish; takes up where an earlier process was."""
    jobs, job = world.catalog.jobs, claimed.job.id
    jobs.set_state(job, JobState.READING)
    publication = remembered(claimed.workspace)
    with open_workspace(claimed, identity, drive) as work:
        if publication is None:
            read = yield from read_disc(drive, work, claimed, world, control)
            if read.stopped:
                return _stopped(world, claimed, control.stop())
        jobs.set_state(job, JobState.WRITING)
        if publication is None:
            who = drive.identity
            offset = world.settings(who).read_offset
            subject = Subject(identity, claimed.disc.name, job, who.product, offset)
            publication = yield from staged(
                write_publication(work, subject, world),
                lambda progress: _stage(JobState.WRITING, progress, claimed),
                control,
            )
            remember(claimed.workspace, publication)
        jobs.set_state(job, JobState.VERIFYING)
        publication = move_in(claimed.workspace, publication)
        image = enter(world.catalog, job, work, publication)
    _clear(world, claimed, image)
    return _published(image, claimed)


def _stage(state: JobState, progress: Progress, claimed: Claimed) -> Stage:
    return Stage(
        state, progress, job=claimed.job.id, name=claimed.disc.name, medium=claimed.disc.medium
    )


def _stopped(world: World, claimed: Claimed, stop: Stop) -> Outcome:
    state, sentence = _STOPPED[stop]
    return _interrupted(world, claimed, state, sentence)


def _interrupted(
    world: World,
    claimed: Claimed,
    state: JobState,
    sentence: str,
    exit_code: ExitCode = ExitCode.INTERRUPTED,
) -> Outcome:
    """The job is left open (or cancelled) with the reason; its workspace keeps all."""
    world.catalog.jobs.set_state(claimed.job.id, state, error=sentence)
    return Outcome(state, sentence, job=claimed.job.id, name=claimed.disc.name, exit_code=exit_code)


def _clear(world: World, claimed: Claimed, image: Image) -> None:
    """Remove the workspace of a job that is done; one with bad sectors keeps it for a retry."""
    forget(claimed.workspace)
    if image.counts.complete:
        world.catalog.jobs.set_workspace(claimed.job.id, None)
        shutil.rmtree(claimed.workspace, ignore_errors=True)


def _published(image: Image, claimed: Claimed) -> Outcome:
    bad = image.counts.failed + image.counts.suspect
    sentence = f"{claimed.disc.name}: {image.counts.total} sectors in {image.path}"
    if bad:
        sentence += f", {bad} of them bad; `imagerctl errors {image.id}` lists them"
    return Outcome(
        image.state,
        sentence + ".",
        job=claimed.job.id,
        name=claimed.disc.name,
        image=Path(image.path),
        bad=bad,
        exit_code=ExitCode.FINDING if bad else ExitCode.OK,
        notes=image.notes,
    )
