# SPDX-License-Identifier: Apache-2.0
"""One disc's whole way: identify, claim a job, read, write, verify, publish, enter.

The same for the daemon's workers and for `imagerctl archive`. Everything that goes wrong with the
disc or the surroundings ends in an `Outcome` and leaves the job where it can be taken up again;
only bugs are exceptions.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from imagerd.archive.account import image_map, moves_audio
from imagerd.archive.claim import Claimant, Claimed, Declined, claim
from imagerd.archive.eject import locked_tray
from imagerd.archive.enter import enter
from imagerd.archive.identify import DiscIdentity, identify_disc
from imagerd.archive.knowing import get_to_know
from imagerd.archive.publish import Publication, forget, move_in, remembered
from imagerd.archive.reading import open_workspace, read_disc
from imagerd.archive.stages import Control, Interrupted, Outcome, Stage, Stop, Way, staged
from imagerd.archive.watchful import has_space, require_space
from imagerd.archive.world import Order, World
from imagerd.archive.writing import Subject, write_publication
from imagerd.base.errors import (
    DriveLost,
    ExitCode,
    ImagerdError,
    MediumError,
    NoMedium,
    OperatorError,
    UnreadableDisc,
    WrongDisc,
)
from imagerd.base.progress import Progress
from imagerd.catalog.describe import describe_counts
from imagerd.catalog.records import Drive, Image, ImageSummary, JobState, NewDrive
from imagerd.devices.drive import OpticalDrive
from imagerd.recovery.subq import refine
from imagerd.recovery.workspace import Workspace

_STOPPED = {
    Stop.PAUSE: (JobState.PAUSED, "Stopped after a checkpoint; it goes on when taken up again."),
    Stop.SPACE: (JobState.PAUSED, "Waiting for free space in the archive."),
    Stop.CANCEL: (JobState.CANCELLED, "Cancelled; what was read is kept for a retry."),
}
_WENT_AWAY = (NoMedium, DriveLost, WrongDisc)


def archive_disc(drive: OpticalDrive, world: World, order: Order, control: Control) -> Way[Outcome]:
    """Bring the disc in `drive` into the archive."""
    yield Stage(JobState.IDENTIFYING, Progress(0, 0, what="identifying"))
    with locked_tray(drive):
        try:
            return (yield from _archived(drive, world, order, control))
        except (MediumError, OperatorError) as error:
            lost = isinstance(error, _WENT_AWAY) and order.job is None
            return Outcome(JobState.FAILED, str(error), exit_code=error.exit_code, lost=lost)
        except Interrupted as interrupted:
            return _outcome_of(interrupted)


def _archived(drive: OpticalDrive, world: World, order: Order, control: Control) -> Way[Outcome]:
    row = _registered(drive, world)
    try:
        identity = identify_disc(drive)
    except UnreadableDisc as error:
        return _unreadable(world, row, order, error)
    claimed = claim(world, Claimant(identity, row, control), order)
    if isinstance(claimed, Declined):
        return Outcome(
            claimed.job.state, claimed.sentence, job=claimed.job.id, name=claimed.disc.name
        )
    with claimed.hold:
        yield _stage(JobState.IDENTIFYING, Progress(0, 0, what="identifying"), claimed)
        try:
            return (yield from _work(drive, identity, claimed, world, control))
        except Interrupted as interrupted:
            return _rests(world, claimed, _outcome_of(interrupted))
        except (MediumError, OperatorError) as error:
            return _rests(world, claimed, _outcome_after(error, world))


def _registered(drive: OpticalDrive, world: World) -> Drive:
    who = drive.identity
    return world.catalog.drives.register(
        NewDrive(
            vendor=who.vendor,
            product=who.product,
            revision=who.revision,
            serial=who.serial,
            address=who.address,
            read_offset=world.read_offset(who),
        )
    )


def _unreadable(world: World, row: Drive, order: Order, error: UnreadableDisc) -> Outcome:
    """A disc that nothing can be made of is on record, too; of which job it is nobody can tell."""
    if order.job is not None:
        raise error
    job = world.catalog.jobs.create(
        policy={}, drive_id=row.id, state=JobState.FAILED, error=str(error)
    )
    return Outcome(JobState.FAILED, str(error), job=job.id, exit_code=error.exit_code)


def _work(
    drive: OpticalDrive,
    identity: DiscIdentity,
    claimed: Claimed,
    world: World,
    control: Control,
) -> Way[Outcome]:
    """Read, write and publish; takes up where an earlier process was."""
    jobs, job = world.catalog.jobs, claimed.job.id
    publication = _unfinished(world, claimed)
    if publication is None:
        begins = not (claimed.workspace / "job.json").exists()
        yield from staged(
            get_to_know(drive, world, ask=begins),
            lambda progress: _stage(JobState.IDENTIFYING, progress, claimed),
            control,
        )
    jobs.set_state(job, JobState.READING)
    with open_workspace(claimed, identity, drive) as work:
        if publication is None:
            read = yield from read_disc(drive, work, claimed, world, control)
            if read.stopped:
                control.check()
                raise Interrupted(Stop.PAUSE)
        jobs.set_state(job, JobState.WRITING)
        if publication is None:
            offset = world.read_offset(drive.identity)
            known = _same_image(world, claimed, work, offset)
            if known is not None:
                return _nothing_new(world, claimed, known)
            require_space(world.config, work.image_size)
            subject = _subject(drive, identity, claimed, world)
            publication = yield from staged(
                write_publication(work, subject, world),
                lambda progress: _stage(JobState.WRITING, progress, claimed),
                control,
            )
        jobs.set_state(job, JobState.VERIFYING)
        yield _stage(JobState.VERIFYING, Progress(0, 0, what="publishing"), claimed)
        publication = move_in(claimed.workspace, publication)
        image = enter(world.catalog, job, work, publication)
    _clear(world, claimed, image)
    return _published(image, claimed)


def _subject(
    drive: OpticalDrive, identity: DiscIdentity, claimed: Claimed, world: World
) -> Subject:
    who = drive.identity
    offset = world.read_offset(who)
    return Subject(identity, claimed.disc.name, claimed.job.id, who.product, offset, drive.warnings)


def _unfinished(world: World, claimed: Claimed) -> Publication | None:
    """The image that was written and proven, but is not in the catalog yet."""
    publication = remembered(claimed.workspace)
    if publication is None or Path(publication.staging).exists():
        return publication
    main = Path(publication.folder, publication.main)
    if world.catalog.images.digests_of(main) is None:
        return publication
    forget(claimed.workspace)  # it was entered, only the record of it was left behind
    return None


def _same_image(
    world: World, claimed: Claimed, work: Workspace, offset: int | None
) -> ImageSummary | None:
    """The latest image of this job, if it holds all that is known of the disc now."""
    image = next(iter(world.catalog.images.of_job(claimed.job.id)), None)
    if image is None:
        return None
    layout = refine(work).layout
    offset = offset if moves_audio(layout, offset) else None
    if (image.read_offset, image.counts) != (
        offset,
        describe_counts(image_map(work, layout, offset)),
    ):
        return None
    return image if Path(image.path).exists() else None


def _nothing_new(world: World, claimed: Claimed, image: ImageSummary) -> Outcome:
    """A retry that has brought nothing ends as the job had ended; no second image is made."""
    sentence = f"{claimed.disc.name}: nothing more could be read than is in {image.path}."
    world.catalog.jobs.set_state(claimed.job.id, JobState.VERIFYING)
    world.catalog.jobs.set_state(claimed.job.id, image.state, error=sentence)
    return Outcome(
        image.state,
        sentence,
        job=claimed.job.id,
        name=claimed.disc.name,
        image=Path(image.path),
        bad=image.counts.failed + image.counts.suspect,
        exit_code=ExitCode.FINDING,
    )


def _stage(state: JobState, progress: Progress, claimed: Claimed) -> Stage:
    return Stage(
        state, progress, job=claimed.job.id, name=claimed.disc.name, medium=claimed.disc.medium
    )


def _outcome_of(interrupted: Interrupted) -> Outcome:
    state, sentence = _STOPPED[interrupted.stop]
    space = interrupted.needs_space if interrupted.stop is Stop.SPACE else None
    return Outcome(state, sentence, exit_code=ExitCode.INTERRUPTED, needs_space=space)


def _outcome_after(error: ImagerdError, world: World) -> Outcome:
    """The job is left open with the reason. A disk that is full is one that may pass by itself."""
    full = isinstance(error, OperatorError) and not has_space(world.config)
    return Outcome(
        JobState.PAUSED,
        str(error),
        exit_code=error.exit_code,
        lost=isinstance(error, _WENT_AWAY),
        needs_space=0 if full else None,
    )


def _rests(world: World, claimed: Claimed, outcome: Outcome) -> Outcome:
    """The job is left open or cancelled; its workspace keeps all that was read."""
    world.catalog.jobs.set_state(claimed.job.id, outcome.state, error=outcome.sentence)
    return replace(outcome, job=claimed.job.id, name=claimed.disc.name)


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
