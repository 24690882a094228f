# SPDX-License-Identifier: Apache-2.0
"""Jobs and their passes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from imagerd.base.errors import BadInput, InternalError
from imagerd.catalog import rows, states
from imagerd.catalog.database import Database
from imagerd.catalog.events import log
from imagerd.catalog.models import DiscRow, DriveRow, JobRow, RunRow
from imagerd.catalog.records import Job, JobState, JsonObject, Pass, utc_now


class Jobs:
    """What is done to discs. Every change of state is an event, too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        *,
        policy: JsonObject,
        drive_id: int | None = None,
        disc_id: int | None = None,
        workspace: str | None = None,
        job_id: str | None = None,
        state: JobState = JobState.QUEUED,
        error: str | None = None,
    ) -> Job:
        """A new job; with an id of its own, or the UUID given.

        A `state` other than queued is reached in the same transaction, with the sentence `error`:
        a crash never leaves a job that is half begun.
        """
        row = JobRow(
            id=job_id or str(uuid.uuid4()),
            state=JobState.QUEUED.value,
            policy=dict(policy),
            workspace=workspace,
            attempts=0,
            created=utc_now(),
        )
        with self._database.write() as session:
            row.drive = session.get(DriveRow, drive_id) if drive_id is not None else None
            row.disc = session.get(DiscRow, disc_id) if disc_id is not None else None
            session.add(row)
            log(session, "job-created", f"job:{row.id}")
            session.flush()
            if state is not JobState.QUEUED:
                change_state(session, row, state, error)
            return rows.job_of(row)

    def get(self, job_id: str) -> Job:
        """The job. Raises `BadInput` if there is none."""
        with self._database.read() as session:
            return rows.job_of(_row(session, job_id, self._database.name))

    def find(self, prefix: str) -> Job:
        """The one job whose id begins with `prefix`. Raises `BadInput` for none or several."""
        query = select(JobRow).where(JobRow.id.startswith(prefix.lower(), autoescape=True)).limit(2)
        with self._database.read() as session:
            found = session.scalars(query).all()
            if len(found) != 1:
                what = (
                    "Several jobs have ids that begin" if found else "No job has an id that begins"
                )
                raise BadInput(f"{what} with {prefix!r}; `imagerctl jobs` lists them.")
            return rows.job_of(found[0])

    def set_state(self, job_id: str, state: JobState, *, error: str | None = None) -> Job:
        """Bring the job to `state`; `error` is the sentence why, and replaces the last one.

        Raises `InternalError` for a transition that `states.NEXT` does not have.
        """
        with self._database.write() as session:
            row = _row(session, job_id, self._database.name)
            change_state(session, row, state, error)
            return rows.job_of(row)

    def cancel(self, job_id: str, why: str = "Cancelled.") -> Job:
        """Cancel the job if it is open; one that has ended stays as it ended."""
        with self._database.write() as session:
            row = _row(session, job_id, self._database.name)
            if JobState(row.state) in states.OPEN:
                change_state(session, row, JobState.CANCELLED, why)
            return rows.job_of(row)

    def retry(self, job_id: str) -> Job:
        """Queue a job that ended, paused or waits; its workspace and what it read stay.

        Raises `BadInput` for one that is at work, queued, or done.
        """
        with self._database.write() as session:
            row = _row(session, job_id, self._database.name)
            if JobState(row.state) not in states.RETRYABLE:
                raise BadInput(f"Job {job_id} is {row.state}: there is nothing to try again.")
            change_state(session, row, JobState.QUEUED, None)
            return rows.job_of(row)

    def take(self, job_id: str, *, disc_id: int, drive_id: int, workspace: str) -> Job:
        """Begin work on a job, new, open or ended: it is identifying then, in that drive.

        The disc stays the one that it had, if it had one. Raises `BadInput` for one that is done.
        """
        with self._database.write() as session:
            row = _row(session, job_id, self._database.name)
            before = JobState(row.state)
            if before is JobState.DONE:
                raise BadInput(f"Job {job_id} is done: there is nothing to try again.")
            row.disc = row.disc or session.get_one(DiscRow, disc_id)
            row.drive = session.get_one(DriveRow, drive_id)
            row.workspace = workspace
            if before in states.ENDED:
                change_state(session, row, JobState.QUEUED, None)
            if before is not JobState.IDENTIFYING:
                change_state(session, row, JobState.IDENTIFYING, None)
            session.flush()
            return rows.job_of(row)

    def set_disc(self, job_id: str, disc_id: int) -> Job:
        """Say which disc it turned out to be."""
        with self._database.write() as session:
            row = _row(session, job_id, self._database.name)
            row.disc = session.get_one(DiscRow, disc_id)
            session.flush()
            return rows.job_of(row)

    def set_drive(self, job_id: str, drive_id: int) -> Job:
        """Say which drive it is done in; a resumed job may be in another."""
        with self._database.write() as session:
            row = _row(session, job_id, self._database.name)
            row.drive = session.get_one(DriveRow, drive_id)
            session.flush()
            return rows.job_of(row)

    def set_workspace(self, job_id: str, workspace: str | None) -> None:
        """Say where the job's work lies; None once it is cleared away."""
        with self._database.write() as session:
            _row(session, job_id, self._database.name).workspace = workspace

    def snapshot(self, job_id: str, progress: JsonObject) -> None:
        """Leave the latest progress. No event: this comes often."""
        with self._database.write() as session:
            _row(session, job_id, self._database.name).progress = dict(progress)

    def open(self) -> tuple[Job, ...]:
        """All that have not ended, oldest first: what a starting daemon takes up again."""
        return self.list(states.OPEN, newest_first=False)

    def list(
        self,
        wanted: Iterable[JobState] = JobState,
        *,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> tuple[Job, ...]:
        """Jobs in one of the states `wanted`."""
        order = (JobRow.created, JobRow.id)
        query = (
            select(JobRow)
            .where(JobRow.state.in_([state.value for state in wanted]))
            .order_by(*(column.desc() if newest_first else column for column in order))
            .limit(limit)
        )
        with self._database.read() as session:
            return tuple(rows.job_of(row) for row in session.scalars(query))

    def record_pass(self, job_id: str, done: Pass) -> None:
        """Add a pass of reading."""
        with self._database.write() as session:
            session.add(
                RunRow(
                    job_id=job_id,
                    drive_id=done.drive_id,
                    name=done.name,
                    speed=done.speed,
                    started=done.started,
                    ended=done.ended,
                    asked=done.asked,
                    good=done.good,
                    bad=done.bad,
                    software=done.software,
                )
            )

    def passes(self, job_id: str) -> tuple[Pass, ...]:
        """All passes of a job, in order."""
        query = select(RunRow).where(RunRow.job_id == job_id).order_by(RunRow.id)
        with self._database.read() as session:
            return tuple(rows.pass_of(row) for row in session.scalars(query))


def change_state(session: Session, row: JobRow, state: JobState, error: str | None) -> None:
    """Bring `row` to `state` within a transaction. Raises `InternalError` if it may not."""
    before = JobState(row.state)
    if not states.may_follow(before, state):
        raise InternalError(f"Job {row.id} cannot go from {before} to {state}.")
    now = utc_now()
    row.state = state.value
    row.error = error
    if state is JobState.IDENTIFYING:
        row.attempts += 1
        row.started = row.started or now
    row.ended = now if state in states.ENDED else None
    detail = {"from": before.value, "to": state.value}
    log(
        session,
        "job-state",
        f"job:{row.id}",
        detail if error is None else detail | {"error": error},
    )


def _row(session: Session, job_id: str, where: str) -> JobRow:
    # the lock matters on databases with several writers; SQLite's writer is alone anyway
    row = session.get(JobRow, job_id, with_for_update={"of": JobRow})
    if row is None:
        raise BadInput(f"There is no job {job_id} in the catalog {where}.")
    return row
