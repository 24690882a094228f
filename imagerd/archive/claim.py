# SPDX-License-Identifier: Apache-2.0
"""Which job a disc belongs to: an open one of the same disc, a new one, or none by policy."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from imagerd.archive.identify import DiscIdentity, same_disc
from imagerd.base.config import Duplicates, Policy
from imagerd.base.errors import WrongDisc
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.describe import describe_disc
from imagerd.catalog.records import Disc, Drive, Job, JobState
from imagerd.catalog.states import ENDED
from imagerd.recovery.workspace import is_busy

_PATIENCE = 60.0  # seconds for a checkpoint of much dirty data


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job to be worked on now. `resumed`: its workspace may hold what was read before."""

    job: Job
    disc: Disc
    workspace: Path
    resumed: bool


@dataclass(frozen=True, slots=True)
class Declined:
    """By policy the disc is not imaged (again). `job` records that; `state` skipped or waiting."""

    job: Job
    disc: Disc
    sentence: str


def claim(
    catalog: Catalog,
    identity: DiscIdentity,
    drive: Drive,
    policy: Policy,
    workspaces: Path,
    *,
    job_id: str | None = None,
    again: bool = False,
) -> Claimed | Declined:
    """Find or make the job. With `job_id`, only that one: raises `WrongDisc` for another's disc."""
    volume = identity.volume.volume_id if identity.volume is not None else None
    disc = catalog.discs.find_or_create(
        describe_disc(identity.fingerprint, identity.layout, volume)
    )
    found = _the_one(catalog, job_id) if job_id is not None else _open_job(catalog, identity, drive)
    if found is not None:
        if found.disc is not None and not same_disc(found.disc.fingerprint, identity.fingerprint):
            raise WrongDisc(
                f"Job {found.id[:8]} is of another disc, {found.disc.name}; put that one in."
            )
        return _taken(catalog, found, disc, drive, workspaces, resumed=True)
    job = catalog.jobs.create(policy=_plain(policy), drive_id=drive.id)
    catalog.jobs.set_disc(job.id, disc.id)
    earlier = () if again else catalog.images.of_disc(disc.fingerprint)
    if earlier and policy.duplicates is not Duplicates.AGAIN:
        sentence = f"The archive has this disc already, as {earlier[0].name}."
        asks = policy.duplicates is Duplicates.ASK
        state = JobState.WAITING if asks else JobState.SKIPPED
        if asks:
            sentence += f" `imagerctl retry {job.id[:8]}` images it again."
        return Declined(catalog.jobs.set_state(job.id, state, error=sentence), disc, sentence)
    return _taken(catalog, job, disc, drive, workspaces, resumed=False)


def _taken(
    catalog: Catalog, job: Job, disc: Disc, drive: Drive, workspaces: Path, *, resumed: bool
) -> Claimed:
    """Enter that `drive` works on `job` now."""
    folder = Path(job.workspace) if job.workspace else workspaces / job.id
    if job.disc is None:
        catalog.jobs.set_disc(job.id, disc.id)
    catalog.jobs.set_drive(job.id, drive.id)
    catalog.jobs.set_workspace(job.id, str(folder))
    if job.state is not JobState.IDENTIFYING:
        if job.state in ENDED:
            catalog.jobs.retry(job.id)
        job = catalog.jobs.set_state(job.id, JobState.IDENTIFYING)
    return Claimed(job, job.disc or disc, folder, resumed)


def _the_one(catalog: Catalog, job_id: str) -> Job:
    return catalog.jobs.find(job_id)


def _open_job(catalog: Catalog, identity: DiscIdentity, drive: Drive) -> Job | None:
    """The oldest open job of this disc that nobody works on; two copies may be read at once.

    A worker that lost its daemon may still be writing its checkpoint: of a job that was begun in
    this very drive it is waited for.
    """
    for job in catalog.jobs.open():
        if job.disc is None or job.state is JobState.WAITING:
            continue
        if not same_disc(job.disc.fingerprint, identity.fingerprint):
            continue
        ours = job.drive is not None and job.drive.id == drive.id
        if job.workspace is None or _comes_free(Path(job.workspace), _PATIENCE if ours else 0.0):
            return job
    return None


def _comes_free(workspace: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while is_busy(workspace):
        if time.monotonic() >= end:
            return False
        time.sleep(0.1)
    return True


def _plain(value: msgspec.Struct) -> Mapping[str, object]:
    """A structure as the JSON object that the catalog keeps."""
    table: dict[str, object] = msgspec.to_builtins(value)
    return table
