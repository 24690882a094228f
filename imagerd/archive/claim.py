# SPDX-License-Identifier: Apache-2.0
"""Which job a disc belongs to: an open one of the same disc, a new one, or none by policy."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from imagerd.archive.hold import Hold, take_hold
from imagerd.archive.identify import DiscIdentity, same_disc
from imagerd.archive.publish import remembered
from imagerd.archive.stages import Control
from imagerd.archive.world import Order, World
from imagerd.base.config import Duplicates, Policy
from imagerd.base.errors import NotAvailable, WrongDisc
from imagerd.catalog.describe import describe_disc
from imagerd.catalog.records import Disc, Drive, Job, JobState
from imagerd.catalog.states import OPEN
from imagerd.disc.layout import TrackMode

_PATIENCE = 60.0  # seconds for a checkpoint of much dirty data


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job to be worked on now, by whoever has `hold`, and nobody else."""

    job: Job
    disc: Disc
    workspace: Path
    hold: Hold


@dataclass(frozen=True, slots=True)
class Declined:
    """By policy the disc is not imaged (again). `job` records that; `state` skipped or waiting."""

    job: Job
    disc: Disc
    sentence: str


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims: for which disc, in which drive, and what may stop it."""

    identity: DiscIdentity
    drive: Drive
    control: Control


def claim(world: World, who: Claimant, order: Order) -> Claimed | Declined:
    """Find or make the job. With `order.job`, only that one.

    Raises `WrongDisc` if that is another disc's, `NotAvailable` if somebody else works on it,
    `Interrupted` if it is to stop before there is a job.
    """
    catalog, identity = world.catalog, who.identity
    volume = identity.volume.volume_id if identity.volume is not None else None
    disc = catalog.discs.find_or_create(
        describe_disc(identity.fingerprint, identity.layout, volume)
    )
    if order.job is not None:
        return _taken(world, who, *_the_one(world, who, order.job), disc)
    open_jobs = [
        job
        for job in catalog.jobs.open()
        if _is_of(job, identity) and _reads_alike(world, who, job)
    ]
    asked = next((job for job in open_jobs if job.state is JobState.WAITING), None)
    for job in open_jobs:
        if job is not asked and (hold := _free(world, who, job)) is not None:
            return _taken(world, who, job, hold, disc)
    return _new(world, who, order, disc, asked)


def _new(
    world: World, who: Claimant, order: Order, disc: Disc, asked: Job | None
) -> Claimed | Declined:
    """A new job, unless the archive has the disc and the policy wants it only once."""
    policy = world.config.policy
    who.control.check()
    earlier = () if order.again else world.catalog.images.of_disc(disc.fingerprint)
    if earlier and policy.duplicates is not Duplicates.AGAIN:
        damaged = all(image.state is JobState.PARTIAL for image in earlier)
        if damaged and policy.duplicates is Duplicates.SKIP:
            better = _damaged_before(world, who, disc)
            if better is not None:
                return better
        return _declined(world, who, disc, earlier[0].name, asked)
    if asked is not None and (hold := _free(world, who, asked)) is not None:
        return _taken(world, who, asked, hold, disc)
    job_id = str(uuid.uuid4())
    folder = world.workspaces / job_id
    hold = take_hold(folder)
    if hold is None:
        raise NotAvailable(f"Another process works in {folder}.")
    with hold.unless_kept():
        job = world.catalog.jobs.create(
            policy=_plain(policy),
            drive_id=who.drive.id,
            disc_id=disc.id,
            workspace=str(folder),
            job_id=job_id,
            state=JobState.IDENTIFYING,
        )
    return Claimed(job, disc, folder, hold)


def _damaged_before(world: World, who: Claimant, disc: Disc) -> Claimed | None:
    """The job that has only a damaged image of this disc: put in again, the disc gets a chance.

    It may have been cleaned, or be in a better drive; only its bad sectors are read.
    """
    for job in world.catalog.jobs.list((JobState.PARTIAL,)):
        if not (_is_of(job, who.identity) and _reads_alike(world, who, job)):
            continue
        folder = _folder(world, job)
        if _has_sectors(folder) and (hold := take_hold(folder)) is not None:
            return _taken(world, who, job, hold, disc)
    return None


def _declined(world: World, who: Claimant, disc: Disc, name: str, asked: Job | None) -> Declined:
    """Record that the disc is not imaged again; a question that is open is not asked twice."""
    policy = world.config.policy
    sentence = f"The archive has this disc already, as {name}."
    state = JobState.WAITING if policy.duplicates is Duplicates.ASK else JobState.SKIPPED
    job_id = asked.id if asked is not None else str(uuid.uuid4())
    if state is JobState.WAITING:
        sentence += f" `imagerctl retry {job_id[:8]}` images it again."
    if asked is None:
        job = world.catalog.jobs.create(
            policy=_plain(policy),
            drive_id=who.drive.id,
            disc_id=disc.id,
            job_id=job_id,
            state=state,
            error=sentence,
        )
    elif state is JobState.WAITING:
        job = world.catalog.jobs.set_drive(asked.id, who.drive.id)
    else:
        job = world.catalog.jobs.set_state(asked.id, state, error=sentence)
    return Declined(job, disc, sentence)


def _taken(world: World, who: Claimant, job: Job, hold: Hold, disc: Disc) -> Claimed:
    """Enter that work on `job` begins, in this drive."""
    folder = _folder(world, job)
    with hold.unless_kept():
        job = world.catalog.jobs.take(
            job.id, disc_id=disc.id, drive_id=who.drive.id, workspace=str(folder)
        )
    return Claimed(job, job.disc or disc, folder, hold)


def _the_one(world: World, who: Claimant, job_id: str) -> tuple[Job, Hold]:
    """The job that was ordered, and its lock."""
    job = world.catalog.jobs.find(job_id)
    if job.disc is not None and not _is_of(job, who.identity):
        raise WrongDisc(f"Job {job.id[:8]} is of another disc, {job.disc.name}; put that one in.")
    if job.drive is not None and not _reads_alike(world, who, job):
        raise NotAvailable(
            f"The audio of job {job.id[:8]} was read by {job.drive.vendor} {job.drive.product}, and"
            " other drives place it differently; go on with that one, or set the read_offset of"
            " both if it is the same."
        )
    hold = take_hold(_folder(world, job), _PATIENCE, who.control.wants_to_stop)
    if hold is None:
        raise NotAvailable(f"Another process works on job {job.id[:8]}; wait for it or stop it.")
    return job, hold


def _free(world: World, who: Claimant, job: Job) -> Hold | None:
    """The lock of an open job, if nobody works on it and it still is open.

    A worker that lost its daemon may still be writing its checkpoint: of a job that was begun in
    this very drive it is waited for. Another drive's is let alone: two copies of a disc may be
    read at once.
    """
    ours = job.drive is not None and job.drive.id == who.drive.id
    hold = take_hold(_folder(world, job), _PATIENCE if ours else 0.0, who.control.wants_to_stop)
    if hold is not None and world.catalog.jobs.get(job.id).state not in OPEN:
        hold.close()
        return None
    return hold


def _folder(world: World, job: Job) -> Path:
    return Path(job.workspace) if job.workspace else world.workspaces / job.id


def _is_of(job: Job, identity: DiscIdentity) -> bool:
    return job.disc is not None and same_disc(job.disc.fingerprint, identity.fingerprint)


def _reads_alike(world: World, who: Claimant, job: Job) -> bool:
    """Whether what this drive reads fits to what was read for `job` before.

    Audio has no addresses: each model of drives is off by some samples, and what two of them read
    does not join. So audio goes on only in a drive whose read offset is known to be the same, or in
    one of the same model where it is not known.
    """
    before, now = job.drive, who.drive
    if before is None or before.id == now.id or not _has_audio(who.identity):
        return True
    folder = _folder(world, job)
    if not _has_sectors(folder) or remembered(folder) is not None:
        return True
    if before.read_offset is not None and now.read_offset is not None:
        return before.read_offset == now.read_offset
    return (before.vendor, before.product) == (now.vendor, now.product)


def _has_audio(identity: DiscIdentity) -> bool:
    return any(track.mode is TrackMode.AUDIO for track in identity.layout.tracks)


def _has_sectors(folder: Path) -> bool:
    try:
        return (folder / "sectors.bin").stat().st_size > 0
    except FileNotFoundError:
        return False


def _plain(policy: Policy) -> Mapping[str, object]:
    """A structure as the JSON object that the catalog keeps."""
    table: dict[str, object] = msgspec.to_builtins(policy)
    return table
