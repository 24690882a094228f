# SPDX-License-Identifier: Apache-2.0
"""What a worker does: one disc in one drive, reported line by line to whoever started it."""

from __future__ import annotations

import errno
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing

import msgspec

from imagerd.archive.eject import at_the_end
from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, Outcome, Stage, Stop, follow
from imagerd.archive.watchful import Signals
from imagerd.archive.world import Order, World, drive_name
from imagerd.base.errors import (
    DriveLost,
    MediumError,
    NotAvailable,
    OperatorError,
)
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import JobState
from imagerd.daemon.handover import WorkerOrder, unpack_order
from imagerd.daemon.nursery import be_called
from imagerd.daemon.protocol import JobProgress, WorkerReport
from imagerd.daemon.rate import Rate
from imagerd.daemon.reports import ended_report
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.scsi import Transport
from imagerd.devices.transport import open_transport

_REPORT_SECONDS = 0.2
_PATIENCE = 60.0  # seconds for another to let go of the drive
_BUSY_SECONDS = 0.25


class Reporter:
    """Prints reports; a listener that is gone counts as a wish to stop."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._job: str | None = None
        self._last = 0.0
        self._state: JobState | None = None

    def show(self, stage: Stage) -> None:
        """Report a stage, not too often; a change of state always."""
        now = time.monotonic()
        changed = stage.state is not self._state or stage.job != self._job
        if not changed and now - self._last < _REPORT_SECONDS:
            return
        claimed = stage.job != self._job
        self._last, self._state, self._job = now, stage.state, stage.job
        self.say(
            WorkerReport(
                kind="claimed" if claimed else "progress",
                job=stage.job,
                name=stage.name,
                medium=stage.medium,
                state=stage.state.value if stage.state is not None else "",
                progress=self._progress(stage),
            )
        )

    def _progress(self, stage: Stage) -> JobProgress:
        progress = stage.progress
        rate, eta = self._rate.of(f"{stage.state} {progress.unit}", progress.done, progress.total)
        size = 2352 if stage.medium == "cd" else 2048
        return JobProgress(
            stage=stage.state.value if stage.state is not None else "",
            what=progress.what,
            done=progress.done,
            total=progress.total,
            unit=progress.unit,
            rate=rate * (size if progress.unit == "sectors" else 1),
            eta=eta,
            bad=stage.bad,
            suspect=stage.suspect,
            budget_left=stage.budget_left,
        )

    def say(self, report: WorkerReport) -> None:
        """One line."""
        try:
            sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            signal.raise_signal(signal.SIGTERM)


def work(order: bytes) -> int:
    """Bring a disc into the archive as ordered; returns the exit code.

    SIGTERM: stop after a checkpoint, the job stays open. SIGUSR1: stop and cancel the job.
    """
    todo = unpack_order(order)
    signals = Signals(todo.config)
    signals.install()
    be_called(f"imagerd:{drive_name(todo.address)}")
    reporter = Reporter()
    ejected = False
    try:
        outcome, ejected = _archive(todo, signals, reporter)
    except (MediumError, OperatorError) as error:
        lost = isinstance(error, DriveLost)  # it may be back before anybody looks
        outcome = Outcome(JobState.FAILED, str(error), exit_code=error.exit_code, lost=lost)
    reporter.say(ended_report(outcome, ejected=ejected))
    return int(outcome.exit_code)


def open_patiently(
    address: str, stop: Callable[[], Stop], sleep: Callable[[float], None] = time.sleep
) -> Transport:
    """Open the drive for us alone, as soon as nobody else has it for itself.

    udev looks at every new disc in that way for a moment, and a worker that has lost its daemon may
    still be writing its checkpoint. Raises what `open_transport` raises.
    """
    waited = 0.0
    while True:
        try:
            return open_transport(address)
        except NotAvailable as error:
            busy = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EBUSY
            if not busy or waited >= _PATIENCE or stop() is not Stop.NO:
                raise
        sleep(_BUSY_SECONDS)
        waited += _BUSY_SECONDS


def _archive(todo: WorkerOrder, signals: Signals, reporter: Reporter) -> tuple[Outcome, bool]:
    """How it ended, and whether the tray was opened then."""
    config = todo.config
    with (
        Catalog.open(config.catalog.url) as catalog,
        closing(OpticalDrive(open_patiently(todo.address, signals.stop))) as drive,
    ):
        who = drive.identity
        reporter.say(
            WorkerReport(
                kind="drive", model=f"{who.vendor} {who.product}".strip(), serial=who.serial
            )
        )
        world = World(config, catalog)
        if not world.settings(who).enabled:  # the daemon may not know the drive's serial number yet
            raise NotAvailable(f"{who.vendor} {who.product} is switched off in the configuration.")
        way = archive_disc(drive, world, Order(todo.job, todo.again), Control(signals.stop))
        outcome = follow(way, reporter.show)
        return at_the_end(drive, config.policy.eject, outcome)
