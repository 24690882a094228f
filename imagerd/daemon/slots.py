# SPDX-License-Identifier: Apache-2.0
"""What the daemon knows of each drive, and how that looks to callers."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from imagerd.archive.world import drive_name
from imagerd.daemon.protocol import DriveState, DriveView, JobView, WorkerReport

_LOSSES_IN_A_ROW = 5  # of a disc or drive, without progress between them


@dataclass(slots=True)
class Slot:
    """One drive of the daemon. Owned and changed by the scheduler alone."""

    address: str
    enabled: bool = True
    loaded: bool = False
    lost: bool = False
    working: bool = False
    eject_wanted: bool = False
    needs_space: bool = False
    space: int = 0  # bytes above the configured minimum that the archive must have to go on
    order: tuple[str, bool] | None = None  # the job ordered, and whether again, that waits for it
    model: str = ""
    serial: str = ""
    sentence: str = ""
    job: JobView | None = None
    cycles: int = 0  # how often work in this drive has ended
    last: WorkerReport | None = None  # how it ended the last time; None if the worker died
    done: int = 0  # sectors of the job, when its last reading was heard of
    losses: int = 0  # how often in a row work on one job lost its disc or drive
    lost_at: tuple[str | None, int] = (None, 0)  # the job and its sectors done at the last loss

    @property
    def name(self) -> str:
        """What callers call it."""
        return drive_name(self.address)

    @property
    def state(self) -> DriveState:
        """Its state for callers."""
        if not self.enabled:
            return DriveState.OFF
        if self.lost:
            return DriveState.LOST
        if self.working:
            return DriveState.WORKING
        return DriveState.LOADED if self.loaded else DriveState.EMPTY

    def view(self) -> DriveView:
        """How callers see it."""
        return DriveView(
            name=self.name,
            address=self.address,
            model=self.model,
            serial=self.serial,
            state=self.state,
            sentence=self.sentence,
            job=self.job,
        )

    def has_lost(self, report: WorkerReport) -> bool:
        """Whether what is in the drive now counts as just put in, as the work has lost its disc.

        A drive that loses one disc again and again without getting any further is left alone.
        """
        if not report.lost:
            self.losses = 0
            return False
        before, reached = self.lost_at
        job = self.job.id if self.job is not None else before  # lost too early to know which
        self.losses = 1 if job != before or self.done > reached else self.losses + 1
        self.lost_at = (job, self.done)
        if self.losses < _LOSSES_IN_A_ROW:
            return True
        self.losses = 0
        return False

    def hear(self, report: WorkerReport) -> None:
        """Take over what the worker says."""
        self.model = report.model or self.model
        self.serial = report.serial or self.serial
        self.sentence = report.sentence or self.sentence
        if report.job is None:
            return
        if self.job is None or self.job.id != report.job:
            self.done = 0
        if report.progress is not None and report.progress.stage == "reading":
            self.done = report.progress.done
        known = self.job if self.job is not None and self.job.id == report.job else None
        job = known or JobView(id=report.job, state="identifying", drive=self.name)
        self.job = msgspec.structs.replace(
            job,
            state=report.state or job.state,
            name=report.name or job.name,
            medium=report.medium or job.medium,
            sentence=report.sentence or job.sentence,
            image=report.image or job.image,
            bad=report.bad or job.bad,
            progress=report.progress if report.kind != "ended" else None,
        )
