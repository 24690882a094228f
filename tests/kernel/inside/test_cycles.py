# SPDX-License-Identifier: Apache-2.0
"""Two drives, fifty discs put in: none is lost, none is done twice, nothing is left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from imagerd.daemon.protocol import JobView
from tests.kernel.inside.images import folder
from tests.kernel.inside.machine import Drive, drive, fds, leftovers, processes, until, write
from tests.kernel.inside.service import Service
from tests.sources import data, memory_disc

CYCLES = 25  # on each of two drives
DISCS = 5  # of each drive


def _disc(drive_number: int, number: int) -> Path:
    seed = 100 * drive_number + number
    source = memory_disc([data(300 + seed)], seed=seed)  # no two have one TOC
    return write(source, folder() / f"cycle-{drive_number}-{number}.cue")


def _cycle(one: Drive, image: Path) -> None:
    """Put a disc on the open tray, close it, and wait until the daemon opens it again."""
    control = one.one.control
    before = control.state().insertions
    control.place(image)
    control.close_tray()
    until(lambda: control.state().insertions > before, "the insertion")
    _taken(one, image)


def _taken(one: Drive, image: Path) -> None:
    """Wait for the daemon to open the tray, and take the disc off it."""
    control = one.one.control
    until(lambda: control.state().tray_open, f"the tray to open after {image.name}", 120)
    control.take()


def _workers() -> list[int]:
    names = {}
    for pid, _ in processes():
        with suppress(OSError):
            names[pid] = Path(f"/proc/{pid}/comm").read_text()
    return [pid for pid, name in names.items() if name.startswith("imagerd:")]


@pytest.mark.timeout(900)
def test_fifty_discs_in_two_drives_are_each_done_once(service: Service) -> None:
    images = {number: [_disc(number, at) for at in range(DISCS)] for number in (1, 2)}
    known = {job.id for job in service.jobs()}
    with drive(images[1][0], "left") as left, drive(images[2][0], "right") as right:
        for one in (left, right):
            _taken(one, images[1][0])
        until(lambda: not _workers(), "the workers to end")
        handles = {pid: fds(pid) for pid in (service.pid, left.pid, right.pid)}

        def cycles(one: Drive, number: int) -> None:
            for cycle in range(1, CYCLES):
                _cycle(one, images[number][cycle % DISCS])

        with ThreadPoolExecutor(2) as both:
            for done in [both.submit(cycles, left, 1), both.submit(cycles, right, 2)]:
                done.result()
        until(lambda: not _workers(), "the workers to end")
        for pid, before in handles.items():  # a connection more or less, and none for each disc
            assert fds(pid) <= before + 3
        assert left.one.control.state().insertions == CYCLES
        assert right.one.control.state().insertions == CYCLES
    jobs = [job for job in service.jobs() if job.id not in known]
    _judge(jobs, service)
    assert not leftovers("left")
    assert not leftovers("right")


def _judge(jobs: list[JobView], service: Service) -> None:
    """Each disc has one image, made once; every further time it was left alone, and said so."""
    made = [job for job in jobs if job.state == "done"]
    assert len(made) == 2 * DISCS, jobs
    assert {job.state for job in jobs} <= {"done", "skipped"}, jobs
    folders = {Path(service.image_of(job)[0].path).parent for job in made}
    assert len(folders) == 2 * DISCS
    skipped = [job for job in jobs if job.state == "skipped"]
    assert len(skipped) in (0, 2 * (CYCLES - DISCS)), jobs
