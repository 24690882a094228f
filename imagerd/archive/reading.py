# SPDX-License-Identifier: Apache-2.0
"""The reading stage of a job: open or begin its workspace, recover, keep the catalog informed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from imagerd import __version__
from imagerd.archive.claim import Claimed
from imagerd.archive.identify import DiscIdentity
from imagerd.archive.speed import SpeedLimit
from imagerd.archive.stages import Control, Stage, Stop, Way, staged
from imagerd.archive.world import World
from imagerd.base.errors import NotAvailable
from imagerd.base.progress import Progress
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import JobState, Pass
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.mmc_read import SubSelect
from imagerd.disc.source import SectorState
from imagerd.recovery.borders import PROFILE_LABEL
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import PassNote, Recovery, RecoveryResult, RunNote
from imagerd.recovery.extras import read_extras
from imagerd.recovery.fitting import fits
from imagerd.recovery.job import Job, LayoutRecord, ReadFeatures, TocRecord
from imagerd.recovery.reader import Reader, drive_record
from imagerd.recovery.sectormap import GOOD, NOT_GOOD
from imagerd.recovery.workspace import Workspace

_SNAPSHOT_SECONDS = 5.0


def open_workspace(claimed: Claimed, identity: DiscIdentity, drive: OpticalDrive) -> Workspace:
    """The job's workspace: the one that it has, else a new one."""
    if (claimed.workspace / "job.json").exists():
        return Workspace.open(claimed.workspace)
    found = drive.probe_read_features()
    later = identity.layout.is_cd and not found.proven  # ask as soon as something can be read
    features = ReadFeatures(c2=found.c2 or later, sub=found.sub is SubSelect.RAW or later)
    job = Job(
        fingerprint=identity.fingerprint,
        layout=LayoutRecord.of(identity.layout),
        drive=drive_record(drive),
        features=features,
        toc=_toc_record(drive),
        software=__version__,
        created=datetime.now(UTC),
        labels={
            "job": claimed.job.id,
            "disc": claimed.disc.name,
            PROFILE_LABEL: f"{drive.profile:#06x}",
        },
    )
    return Workspace.create(claimed.workspace, job)


def read_disc(
    drive: OpticalDrive,
    work: Workspace,
    claimed: Claimed,
    world: World,
    control: Control,
) -> Way[RecoveryResult]:
    """Recover what the budget allows. Stops with a checkpoint when `control` says so.

    Raises `NotAvailable` if what the drive reads does not join what was read before.
    """
    settings = world.settings(drive.identity)
    limit = settings.max_speed
    reader: Reader = drive if limit is None else SpeedLimit(drive, limit)
    _require_fit(reader, work, claimed)
    known_notes = len(work.notes)
    recovery = Recovery(
        reader,
        work,
        Budget.of(world.config.policy.budget),
        should_stop=lambda: control.stop() is not Stop.NO,
    )
    keeper = _Snapshots(world.catalog, claimed)

    def stage(progress: Progress) -> Stage:
        status = recovery.status()
        made = Stage(
            state=JobState.READING,
            progress=progress,
            job=claimed.job.id,
            name=claimed.disc.name,
            medium=claimed.disc.medium,
            bad=status.counts[SectorState.FAILED],
            suspect=status.counts[SectorState.SUSPECT],
            budget_left=status.seconds_left,
        )
        keeper.keep(made)
        return made

    try:
        result = yield from staged(recovery.run(), stage)
    finally:
        who = drive.identity
        world.catalog.models.add_c2(who.vendor, who.product, who.revision, recovery.c2_counts())
        at_work = None if claimed.job.drive is None else claimed.job.drive.id
        for done in passes_of(work, known_notes):
            world.catalog.jobs.record_pass(claimed.job.id, replace(done, drive_id=at_work))
    if not result.stopped:
        extras = read_extras(
            reader, work, drive_record(drive), outside=settings.overread, sure=result.commands > 0
        )
        yield from staged(extras, stage, control)
    return result


def _toc_record(drive: OpticalDrive) -> TocRecord:
    """What the drive says of the disc that was identified; nothing if that is no CD, or gone."""
    if not drive.layout.is_cd:
        return TocRecord()
    record = TocRecord(*(drive.toc_reply(form) for form in (0, 2, 3, 4, 5)))
    return record if drive.holds_known else TocRecord()


def _require_fit(reader: Reader, work: Workspace, claimed: Claimed) -> None:
    if not work.map.count(*GOOD) or not work.map.count(*NOT_GOOD) or fits(reader, work):
        return
    raise NotAvailable(
        f"Sectors of {claimed.disc.name} differ from what was read before for job"
        f" {claimed.job.id[:8]}: this is another disc or pressing with the same table of contents,"
        " or a drive that places audio differently. Go on with the first, or cancel that job to"
        " begin anew."
    )


class _Snapshots:
    """Leaves progress in the catalog now and then: what a person sees when the daemon is gone."""

    def __init__(self, catalog: Catalog, claimed: Claimed) -> None:
        self._catalog = catalog
        self._job = claimed.job.id
        self._last = time.monotonic()

    def keep(self, stage: Stage) -> None:
        """Write the snapshot if the last is old enough."""
        now = time.monotonic()
        if now - self._last < _SNAPSHOT_SECONDS:
            return
        self._last = now
        progress = stage.progress
        self._catalog.jobs.snapshot(
            self._job,
            {
                "what": progress.what,
                "done": progress.done,
                "total": progress.total,
                "bad": stage.bad,
                "suspect": stage.suspect,
            },
        )


def passes_of(work: Workspace, first_note: int = 0) -> Iterator[Pass]:
    """The passes noted in the journal from note `first_note` on, as the catalog keeps them."""
    begun: PassNote | None = None
    software = ""
    for note in work.notes[first_note:]:
        if note.kind == "run":
            software = msgspec.json.decode(note.body, type=RunNote).software
        elif note.kind == "pass":
            begun = msgspec.json.decode(note.body, type=PassNote)
        elif note.kind == "end" and begun is not None:
            yield _pass(begun, msgspec.json.decode(note.body, type=PassNote), software)
            begun = None


def _pass(begun: PassNote, ended: PassNote, software: str) -> Pass:
    good_before, good_after = (n.counts["read"] + n.counts["proven"] for n in (begun, ended))
    return Pass(
        name=begun.name,
        started=datetime.fromtimestamp(begun.time, UTC),
        ended=datetime.fromtimestamp(ended.time, UTC),
        asked=sum(begun.counts.values()) - good_before,
        good=good_after - good_before,
        bad=ended.counts["failed"] + ended.counts["suspect"],
        software=software,
    )
