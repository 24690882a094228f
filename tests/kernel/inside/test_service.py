# SPDX-License-Identifier: Apache-2.0
"""The circle: image, virtual drive, kernel, udev, imagerd as its unit starts it, image.

The daemon runs as the user `imagerd`, with the groups and device rights of its unit and udev rule.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagerd.catalog.records import RangeState
from imagerd.daemon.protocol import JobView
from imagerd.devices.virtual.kernel import attached
from tests.kernel.inside.images import DISCS, blank, image_of, plan
from tests.kernel.inside.machine import Drive, drive, imagerctl, leftovers, tell, until, write
from tests.kernel.inside.service import Service, assert_same_disc
from tests.path_way import as_read
from tests.sources import data, memory_blocks, memory_disc

DVD = memory_blocks(4000, layers=(2000,), seed=3)
SINGLE_LAYER = 4_700_000_000 // 2048
GOOD = {RangeState.READ, RangeState.PROVEN}  # with a story all the same
BD_SECTORS = 25_025_314_816 // 2048


@pytest.fixture(scope="module")
def station(service: Service) -> Iterator[Drive]:
    """A drive that the daemon watches; each test puts its disc in."""
    with drive(image_of("mode1"), "station") as one:
        yield one
    assert not leftovers("station")


def archive(service: Service, station: Drive, image: Path, faults: Path | None = None) -> JobView:
    """Put a disc in and wait until the daemon has done with it and opened the tray."""
    known = {job.id for job in service.jobs()}
    station.swap(image, faults)
    job = service.job_of(image, known)
    until(lambda: station.one.control.state().tray_open, f"the tray to open after {image.name}")
    return job


def test_the_daemon_is_a_plain_user_with_no_more_rights_than_its_unit_gives(
    service: Service,
) -> None:
    status = Path(f"/proc/{service.pid}/status").read_text()
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert Path(f"/proc/{service.pid}").stat().st_uid == int(tell("id", "-u", "imagerd"))
    assert "udev" in service.client.status().watching
    assert "active (running)" in tell("systemctl", "status", "--no-pager", "imagerd")


def test_a_disc_that_is_in_when_the_drive_appears_is_archived(
    service: Service, station: Drive
) -> None:
    job = service.job_of(image_of("mode1"), set())
    assert job.state == "done", (job, service.log())
    image, ranges = service.image_of(job)
    assert_same_disc(Path(image.path), DISCS["mode1"])
    assert not ranges
    until(lambda: station.one.control.state().tray_open, "the tray to open")


@pytest.mark.parametrize("name", ["xa", "mixed", "music", "extra"])
def test_a_disc_put_in_becomes_an_image_that_is_that_disc(
    service: Service, station: Drive, name: str
) -> None:
    job = archive(service, station, image_of(name))
    assert job.state == "done", (job, service.log())
    image, ranges = service.image_of(job)
    assert image.format == "cue"
    assert_same_disc(Path(image.path), DISCS[name], as_read(DISCS[name].layout))
    assert {entry.state for entry in ranges} <= GOOD, ranges


def test_a_dvd_of_two_layers_is_archived_whole(service: Service, station: Drive) -> None:
    path = write(DVD, Path("/srv/discs/film.iso"))
    job = archive(service, station, path)
    assert job.state == "done", (job, service.log())
    image, _ = service.image_of(job)
    assert Path(image.path).read_bytes() == path.read_bytes()


def test_every_bad_sector_of_the_plan_is_in_the_account_and_no_other(
    service: Service, station: Drive
) -> None:
    source = memory_disc([data(700)], seed=21)
    faults = plan(
        "scratched",
        "[[sectors]]\nwhat = 'unreadable'\nlba = [100, 250, 699]\n"
        "[[sectors]]\nwhat = 'unreadable'\nlba = 400\ncount = 9\nsense = '03/02/00'\n",
    )
    job = archive(service, station, write(source, Path("/srv/discs/scratched.cue")), faults)
    assert job.state == "partial", (job, service.log())
    image, ranges = service.image_of(job)
    ranges = tuple(entry for entry in ranges if entry.state not in GOOD)
    bad = {lba for entry in ranges for lba in range(entry.lba, entry.end)}
    assert bad == {100, 250, 699, *range(400, 409)}
    assert {entry.sense for entry in ranges if entry.lba == 100} == {(3, 0x11, 5)}
    assert {entry.sense for entry in ranges if entry.lba == 400} == {(3, 2, 0)}
    told = imagerctl("errors", str(image.id), ok=(0, 1))
    assert "400" in told


def test_the_button_pressed_at_work_loses_nothing_and_the_tray_opens_afterwards(
    service: Service, station: Drive
) -> None:
    source = memory_disc([data(6000)], seed=22)
    path = write(source, Path("/srv/discs/button.cue"))
    known = {job.id for job in service.jobs()}
    station.swap(path)
    service.job_of(path, known, ended=False)
    until(lambda: _reading(service), "the job to read")
    state = station.one.control.press_eject()
    assert not state.moved
    assert not station.one.control.state().tray_open
    job = service.job_of(path, known)
    assert job.state == "done", (job, service.log())
    assert_same_disc(Path(service.image_of(job)[0].path), source)
    until(lambda: station.one.control.state().tray_open, "the tray to open")


def _reading(service: Service) -> bool:
    return any(job.progress and job.progress.done for job in service.jobs())


def test_a_drive_detached_in_mid_read_is_lost_and_the_job_goes_on_when_it_is_back_elsewhere(
    service: Service,
) -> None:
    source = memory_disc([data(6000)], seed=24)
    path = write(source, Path("/srv/discs/travel.cue"))
    known = {job.id for job in service.jobs()}
    with drive(path, "travel") as one:
        before = one.node
        service.job_of(path, known, ended=False)
        until(lambda: _reading(service), "the job to read")
    paused = until(
        lambda: next((job for job in service.jobs() if job.state == "paused"), None), "the pause"
    )
    assert "lost" in paused.sentence or "unplugged" in paused.sentence, paused
    with taken(before), drive(path, "travel") as again:
        assert again.node != before
        done = service.job_of(path, known)
    assert (done.id, done.state) == (paused.id, "done"), (done, service.log())
    assert_same_disc(Path(service.image_of(done)[0].path), source)


@contextmanager
def taken(node: str) -> Iterator[None]:
    """Somebody else's drive has the name of one that was pulled."""
    for _ in range(10):
        with drive(blank("other", 300), "third") as other:
            if other.node == node:
                yield
                return
    raise AssertionError(f"{node} is never free")


@pytest.mark.parametrize(
    ("name", "sectors", "medium", "layers"),
    [("dvd", SINGLE_LAYER + 200_000, "dvd", 2), ("bd", BD_SECTORS, "bd", 1)],
)
def test_a_disc_of_many_gigabytes_is_known_for_what_it_is_and_begun_right(
    service: Service, station: Drive, name: str, sectors: int, medium: str, layers: int
) -> None:
    path = blank(f"big-{name}", sectors)
    marks = {0: b"first", 4096: b"middle", sectors - 1: b"last"}
    with path.open("r+b") as file:
        for lba, text in marks.items():
            file.seek(lba * 2048)
            file.write(text)
    known = {job.id for job in service.jobs()}
    station.swap(path)
    job = service.job_of(path, known, ended=False)
    assert job.medium == medium
    assert job.progress is not None
    until(lambda: _done(service, job) > 10_000, "ten thousand sectors")
    assert _total(service, job) == sectors
    size = int(Path(f"/sys/block/{Path(station.node).name}/size").read_text())
    assert size * 512 == sectors * 2048
    service.client.cancel(job.id)
    until(lambda: service.client.job(job.id).state == "cancelled", "the end of the job")
    _read_marks(station, sectors, marks)
    (store,) = Path(f"/var/lib/imagerd/jobs/{job.id}").glob("sectors.bin")
    with store.open("rb") as file:
        for lba in (0, 4096):
            file.seek(lba * 2048)
            assert file.read(2048).rstrip(b"\0") == marks[lba]


def test_a_drive_that_is_switched_off_by_its_serial_number_is_not_even_opened(
    service: Service, station: Drive
) -> None:
    known = {job.id for job in service.jobs()}
    with drive(image_of("mixed"), "third") as one:
        names = {Path(one.node).name: "off"}
        until(lambda: names.items() <= _states(service).items(), "imagerd to know it as off")
        (view,) = [view for view in service.client.drives() if view.address == one.node]
        assert view.model == ""  # who has opened it knows
        assert {job.id for job in service.jobs()} == known


def _states(service: Service) -> dict[str, str]:
    return {view.name: view.state for view in service.client.drives()}


def _done(service: Service, job: JobView) -> int:
    progress = service.client.job(job.id).progress
    return progress.done if progress else 0


def _total(service: Service, job: JobView) -> int:
    progress = service.client.job(job.id).progress
    return progress.total if progress else 0


def _read_marks(station: Drive, sectors: int, marks: dict[int, bytes]) -> None:
    """What anyone reads by the kernel, from the first sector to the last, beyond 4 GiB too."""
    fd = os.open(station.node, os.O_RDONLY)
    try:
        for lba in (*marks, sectors // 2 - 1, sectors // 2):
            read = os.pread(fd, 2048, lba * 2048)
            assert read.rstrip(b"\0") == marks.get(lba, b"")
            assert len(read) == 2048
    finally:
        os.close(fd)


def test_nothing_is_stale_and_nothing_has_failed(service: Service) -> None:
    assert all(one.state is not None for one in attached.attached())
    assert "failed" not in {job.state for job in service.jobs()}
    assert "Traceback" not in service.log()
