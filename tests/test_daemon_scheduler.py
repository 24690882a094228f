# SPDX-License-Identifier: Apache-2.0
"""The scheduler by itself: workers that end as a test says, and a watcher that only notes it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from imagerd.base.config import parse_config
from imagerd.daemon.hub import Hub
from imagerd.daemon.nursery import Nursery
from imagerd.daemon.protocol import JobProgress, WorkerReport
from imagerd.daemon.scheduler import Scheduler, Surroundings
from imagerd.daemon.stint import Stint, Survivors
from imagerd.devices.watch import DriveEvent, EventKind

DRIVE = "virtual:/run/left.sock"


class Watch:
    """Notes for each release whether the medium counts as out."""

    def __init__(self) -> None:
        self.outs: list[bool] = []

    def hold(self, address: str) -> None:
        pass

    def release(self, address: str, *, medium_out: bool = False) -> None:
        self.outs.append(medium_out)


class Works:
    """A scheduler with one drive, whose workers say what a test has them say."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.watch = Watch()
        self.ejected: list[str] = []
        config = parse_config(
            f'[archive]\nfolder = "{folder}"\nminimum_free = 1\n'
            f'[daemon]\nstate = "{folder}"\nruntime = "{folder}"\n'
        )
        nobody = Survivors(None, None)  # type: ignore[arg-type]
        here, _ = socket.socketpair()
        world = Surroundings(config, Hub(), self.watch, self._eject, nobody, Nursery(here, 0))
        self.scheduler = Scheduler(world)
        self._said: list[WorkerReport] = []
        self._pressed = False
        monkeypatch.setattr(Stint, "run", lambda stint: self._run(stint))

    async def _eject(self, address: str) -> None:
        self.ejected.append(address)

    async def _run(self, stint: Stint) -> WorkerReport:
        if self._pressed:
            self.hear(EventKind.EJECT_REQUEST)
        for report in self._said:
            stint._reported(report)
        return self._said[-1]

    def hear(self, kind: EventKind) -> None:
        self.scheduler.hear(DriveEvent(kind, DRIVE, 1))

    def insert(self, *reports: WorkerReport, pressed: bool = False) -> bool:
        """A disc goes in, and a worker says this; whether it counts as out afterwards."""
        self._said, self._pressed = list(reports), pressed

        async def work() -> None:
            self.hear(EventKind.ADDED)
            self.hear(EventKind.MEDIUM_IN)
            await asyncio.gather(*self.scheduler._tasks)

        asyncio.run(work())
        return self.watch.outs[-1]


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Works:
    return Works(tmp_path, monkeypatch)


def lost(job: str | None, done: int = 0) -> Iterable[WorkerReport]:
    if job is not None:
        progress = JobProgress(stage="reading", done=done)
        yield WorkerReport(kind="progress", job=job, state="reading", progress=progress)
    yield WorkerReport(kind="ended", job=job, state="paused", lost=True)


def done(job: str) -> WorkerReport:
    return WorkerReport(kind="ended", job=job, state="done", ejected=True)


def test_a_disc_that_is_lost_is_looked_for_anew(works: Works) -> None:
    assert works.insert(*lost("a", 100))


def test_a_drive_that_loses_one_disc_without_getting_further_is_left_alone(works: Works) -> None:
    found = [works.insert(*lost("a", 100)) for _ in range(6)]
    assert found == [True, True, True, True, False, True]


def test_a_drive_that_gets_further_each_time_goes_on(works: Works) -> None:
    assert all(works.insert(*lost("a", 100 * n)) for n in range(1, 12))


def test_a_disc_lost_before_its_job_is_known_counts_with_those_before(works: Works) -> None:
    found = [works.insert(*lost(job, 100)) for job in ("a", None, "a", None, "a")]
    assert found == [True, True, True, True, False]


def test_other_discs_that_were_lost_are_not_counted(works: Works) -> None:
    assert all(works.insert(*lost(job, 100)) for job in "abcdefgh")


def test_a_disc_that_came_out_ends_the_counting(works: Works) -> None:
    for job in "aaaabbbb":
        assert works.insert(*lost(job, 100))
        assert works.insert(done(job))


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_button_is_obeyed_when_the_job_rests_but_not_on_another_disc(
    works: Works, is_lost: bool
) -> None:
    works.insert(WorkerReport(kind="ended", job="a", state="paused", lost=is_lost), pressed=True)
    assert works.ejected == ([] if is_lost else [DRIVE])


@pytest.mark.parametrize("enabled", [True, False])
def test_the_button_of_a_drive_that_is_switched_off_is_none_of_our_business(
    works: Works, enabled: bool
) -> None:
    async def press() -> None:
        works.hear(EventKind.ADDED)
        works.scheduler.find(DRIVE).enabled = enabled
        works.hear(EventKind.EJECT_REQUEST)
        await asyncio.gather(*works.scheduler._tasks)

    asyncio.run(press())
    assert works.ejected == [DRIVE] * enabled
