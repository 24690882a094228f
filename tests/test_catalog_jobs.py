# SPDX-License-Identifier: Apache-2.0
"""Drives, discs, jobs, passes, events: what goes in comes out, and only legal steps are taken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput, InternalError
from imagerd.catalog import states
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import (
    Job,
    JobState,
    NewDisc,
    NewDrive,
    Pass,
)
from tests.catalogs import NOON, a_disc, a_drive, a_job, an_image, open_catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with open_catalog(tmp_path) as opened:
        yield opened


def test_a_drive_is_known_by_its_serial_wherever_it_is(catalog: Catalog) -> None:
    first = catalog.drives.register(
        NewDrive("A", "B", "1.0", "S", "/dev/sr0", read_offset=6, capabilities={"c2": True})
    )
    again = catalog.drives.register(NewDrive("A", "B", "1.1", "S", "/dev/sr1"))
    assert again.id == first.id
    assert (again.revision, again.address, again.read_offset) == ("1.1", "/dev/sr1", 6)
    assert again.first_seen == first.first_seen
    assert first.last_seen is not None
    assert again.last_seen is not None
    assert again.last_seen >= first.last_seen


def test_drives_without_serial_are_known_by_their_place(catalog: Catalog) -> None:
    one = catalog.drives.register(NewDrive("A", "B", address="/dev/sr0"))
    two = catalog.drives.register(NewDrive("A", "B", address="/dev/sr1"))
    assert one.id != two.id
    assert [drive.id for drive in catalog.drives.list()] == [one.id, two.id]


def test_a_disc_is_one_and_learns(catalog: Catalog) -> None:
    layout = {"sessions": [{"number": 1}]}
    first = catalog.discs.find_or_create(NewDisc("aa", "cd", "toc", 5, layout))
    again = catalog.discs.find_or_create(
        NewDisc("aa", "cd", "toc", 5, {}, "mb", "cddb", "VOL\0\ud800", "Title")
    )
    assert again.id == first.id
    assert (again.volume_id, again.title, again.musicbrainz_id) == ("VOL?", "Title", "mb")
    assert again.layout == layout
    assert catalog.discs.by_fingerprint("aa") == again
    assert catalog.discs.by_fingerprint("bb") is None
    assert (first.name, again.name) == ("cd aa", "VOL?")


def test_a_job_comes_back_as_it_was_created(catalog: Catalog) -> None:
    drive = a_drive(catalog)
    policy = {"output": "iso", "budget": {"minutes": 5.0, "retry_speeds": [8, 4]}}
    job = catalog.jobs.create(policy=policy, drive_id=drive.id, workspace="/var/w")
    assert catalog.jobs.get(job.id) == job
    assert (job.state, job.attempts, job.policy) == (JobState.QUEUED, 0, policy)
    assert job.drive == drive
    assert job.disc is None
    assert job.created.tzinfo is UTC


def test_a_job_is_found_by_the_beginning_of_its_id(catalog: Catalog) -> None:
    job = catalog.jobs.create(policy={}, job_id="aaaa1111-0000-4000-8000-000000000000")
    catalog.jobs.create(policy={}, job_id="aaaa2222-0000-4000-8000-000000000000")
    assert catalog.jobs.find("AAAA1").id == job.id
    for wrong in ("aaaa", "b", "%"):
        with pytest.raises(BadInput):
            catalog.jobs.find(wrong)


def test_disc_drive_and_workspace_can_be_told_later(catalog: Catalog) -> None:
    job = catalog.jobs.create(policy={})
    disc, drive = a_disc(catalog), a_drive(catalog)
    assert catalog.jobs.set_disc(job.id, disc.id).disc == disc
    assert catalog.jobs.set_drive(job.id, drive.id).drive == drive
    catalog.jobs.set_workspace(job.id, "/w")
    assert catalog.jobs.get(job.id).workspace == "/w"
    catalog.jobs.set_workspace(job.id, None)
    assert catalog.jobs.get(job.id).workspace is None


def test_attempts_and_times_follow_the_states(catalog: Catalog) -> None:
    job = a_job(catalog, JobState.READING)
    assert (job.attempts, job.ended) == (1, None)
    assert job.started is not None
    paused = catalog.jobs.set_state(job.id, JobState.PAUSED, error="The disk is full.")
    assert paused.error == "The disk is full."
    resumed = catalog.jobs.set_state(job.id, JobState.IDENTIFYING)
    assert (resumed.attempts, resumed.error, resumed.started) == (2, None, job.started)
    failed = catalog.jobs.set_state(job.id, JobState.FAILED, error="No.")
    assert failed.ended is not None
    again = catalog.jobs.retry(job.id)
    assert (again.state, again.ended, again.error) == (JobState.QUEUED, None, None)


@pytest.mark.parametrize("after", list(JobState))
@pytest.mark.parametrize("before", list(JobState))
def test_the_machine_has_no_dead_ends_and_no_way_out_of_done(
    before: JobState, after: JobState
) -> None:
    allowed = states.may_follow(before, after)
    if before in states.OPEN and after in (JobState.CANCELLED, JobState.FAILED):
        assert allowed
    if before in states.ENDED:
        assert allowed == (after is JobState.QUEUED and before is not JobState.DONE)
    if before in states.RETRYABLE:
        assert states.may_follow(before, JobState.QUEUED)
    if after in states.FINISHED:
        assert allowed == (before is JobState.VERIFYING)
    if before is after:
        assert not allowed


@given(steps=st.lists(st.sampled_from(JobState), max_size=12))
@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_only_legal_steps_are_taken_and_each_is_an_event(
    catalog: Catalog, steps: list[JobState]
) -> None:
    job = catalog.jobs.create(policy={})
    state, taken = job.state, []
    for step in steps:
        if states.may_follow(state, step):
            assert catalog.jobs.set_state(job.id, step).state is step
            taken.append({"from": state.value, "to": step.value})
            state = step
        else:
            with pytest.raises(InternalError, match="cannot go"):
                catalog.jobs.set_state(job.id, step)
    assert catalog.jobs.get(job.id).state is state
    told = [e.detail for e in catalog.events.of(f"job:{job.id}") if e.kind == "job-state"]
    assert told == taken


def test_cancelling_leaves_an_ended_job_as_it_ended(catalog: Catalog) -> None:
    done = catalog.jobs.get(an_image(catalog, "A").job_id)
    assert catalog.jobs.cancel(done.id).state is JobState.DONE
    assert catalog.jobs.cancel(a_job(catalog).id).state is JobState.CANCELLED


def test_a_paused_or_waiting_job_can_be_set_going(catalog: Catalog) -> None:
    for state in (JobState.PAUSED, JobState.WAITING):
        job = a_job(catalog, JobState.READING)
        catalog.jobs.set_state(job.id, state, error="Why.")
        assert catalog.jobs.retry(job.id).state is JobState.QUEUED


def test_there_is_nothing_to_retry_of_a_job_that_is_done_or_at_work(catalog: Catalog) -> None:
    for job in (catalog.jobs.get(an_image(catalog, "A").job_id), a_job(catalog)):
        with pytest.raises(BadInput, match="nothing to try again"):
            catalog.jobs.retry(job.id)


def test_a_job_that_is_not_there_is_a_sentence(catalog: Catalog) -> None:
    with pytest.raises(BadInput, match="There is no job nix in the catalog"):
        catalog.jobs.get("nix")


def test_open_jobs_are_what_a_restart_takes_up(catalog: Catalog) -> None:
    expected = []
    for state in JobState:
        job = a_job(catalog, JobState.VERIFYING)
        _force(catalog, job, state)
        if state in states.OPEN:
            expected.append(job.id)
    assert [job.id for job in catalog.jobs.open()] == expected
    newest = catalog.jobs.list(limit=2)
    assert [job.state for job in newest] == list(JobState)[:-3:-1]


def _force(catalog: Catalog, job: Job, state: JobState) -> None:
    from imagerd.catalog.models import JobRow

    with catalog._database.write() as session:
        session.get_one(JobRow, job.id).state = state.value


def test_passes_and_snapshots_are_kept(catalog: Catalog) -> None:
    job = a_job(catalog, JobState.READING)
    first = Pass("first", NOON, NOON + timedelta(minutes=3), a_drive(catalog).id, 7056, 9, 8, 1)
    second = Pass("trim", NOON, software="0.1.0")
    catalog.jobs.record_pass(job.id, first)
    catalog.jobs.record_pass(job.id, second)
    assert catalog.jobs.passes(job.id) == (first, second)
    catalog.jobs.snapshot(job.id, {"done": 5, "eta": None})
    assert catalog.jobs.get(job.id).progress == {"done": 5, "eta": None}


def test_times_keep_their_instant_whatever_their_zone(catalog: Catalog) -> None:
    job = a_job(catalog)
    local = NOON.astimezone(timezone(timedelta(hours=-7)))
    catalog.jobs.record_pass(job.id, Pass("first", local))
    (found,) = catalog.jobs.passes(job.id)
    assert found.started == NOON
    assert found.started.utcoffset() == timedelta(0)


def test_a_time_without_zone_is_a_bug(catalog: Catalog) -> None:
    job = a_job(catalog)
    with pytest.raises(InternalError, match="without a time zone"):
        catalog.jobs.record_pass(job.id, Pass("first", datetime(2026, 1, 1)))


def test_events_come_in_order_after_an_id(catalog: Catalog) -> None:
    assert catalog.events.last_id() == 0
    for number in range(5):
        catalog.events.append("test", f"thing:{number}", {"n": number})
    everything = catalog.events.since(0)
    assert [event.detail["n"] for event in everything] == [0, 1, 2, 3, 4]
    assert catalog.events.since(everything[2].id) == everything[3:]
    assert catalog.events.since(0, limit=2) == everything[:2]
    assert catalog.events.last_id() == everything[-1].id
    assert catalog.events.of("thing:3") == everything[3:4]
