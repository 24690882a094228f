# SPDX-License-Identifier: Apache-2.0
"""Several drives at once, and how much memory and how many files all that takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagerd.formats import open_image
from tests.iso9660 import write_iso
from tests.killing import all_sectors
from tests.sources import audio, data, memory_disc
from tests.station import Station, station
from tests.test_daemon_discs import SCRATCH, settled
from tests.test_daemon_signals import disc
from tests.toolkit_images import write_cue

_MOST = 150 << 20  # bytes of memory
_HANGS = """
[[sectors]]
what = "hang"
lba = 900
seconds = 600
then = "timeout"
"""


def right(here: Station, image: Path, source: Path) -> None:
    """The image is the source, sector by sector."""
    with open_image(image) as made, open_image(source) as wanted:
        assert (all_sectors(made) == all_sectors(wanted)).all()


def test_four_drives_work_at_once_and_nothing_is_mixed_up() -> None:
    with station(start=False) as here:
        hosts = {name: here.foreign_drive(name, time_scale=1.0) for name in "abcd"}
        here.start()
        here.until(lambda: len(here.client.drives()) == 4, "the drives")
        discs = {name: disc(here.folder, name.upper() * 3, 1500) for name in "abc"}
        folder = here.folder / "game"
        folder.mkdir()
        discs["d"] = write_cue(folder, memory_disc([data(800), audio(600, 150)]))
        for name, image in discs.items():
            hosts[name].control.insert(image)
        here.until(
            lambda: sum(view.state == "working" for view in here.client.drives()) == 4,
            "all four to be at work",
        )
        settled(here, *["done"] * 4)
        for job in here.jobs():
            right(here, here.image_of(job), discs[job.drive])
        assert "locked" not in here.log.read_text()
        here.tidy()


def test_the_same_disc_in_two_drives_at_once_is_two_jobs_that_leave_each_other_alone() -> None:
    with station('duplicates = "again"', start=False) as here:
        hosts = [here.foreign_drive(name, time_scale=1.0) for name in ("one", "two")]
        here.start()
        here.until(lambda: len(here.client.drives()) == 2, "the drives")
        image = disc(here.folder)
        for host in hosts:
            host.control.insert(image)
        settled(here, "done", "done")
        assert {job.drive for job in here.jobs()} == {"one", "two"}
        for job in here.jobs():
            right(here, here.image_of(job), image)
        here.tidy()


def test_a_drive_that_hangs_holds_up_no_other() -> None:
    with station(start=False) as here:
        hung = here.foreign_drive("hung", time_scale=1.0)
        fine = [here.foreign_drive(name) for name in ("left", "right")]
        here.start()
        here.until(lambda: len(here.client.drives()) == 3, "the drives")
        hung.control.insert(disc(here.folder, "HUNG"), _HANGS)
        here.until(lambda: bool(here.jobs()), "its job")
        for number, host in enumerate(fine):
            host.control.insert(disc(here.folder, f"FINE{number}"))
        here.until(lambda: sorted(here.states()) == ["done", "done", "reading"], "the others")
        views = {view.name: view.state for view in here.client.drives()}
        assert views["hung"] == "working"
        hung.stop()
        here.until(lambda: "paused" in here.states(), "the job to be paused")
        here.tidy()


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(x.split()[1]) << 10 for x in lines if x.startswith("VmHWM")), 0)


@pytest.mark.slow
def test_daemon_and_worker_need_little_memory_for_a_large_disc() -> None:
    with station() as here:
        here.drive()
        image = write_iso(here.folder / "large.iso", "LARGE", {"A.BIN": b"a" * 4096})
        with image.open("r+b") as file:
            file.truncate(120_000 * 2048)
        plan = here.folder / "plan.toml"
        plan.write_text(SCRATCH)
        here.insert(image, plan)
        most = 0

        def ended() -> bool:
            nonlocal most
            most = max([most, *(peak(pid) for pid in here.workers())])
            return here.states() == ["partial"]

        here.until(ended, "the job to end")
        assert here.daemon is not None
        daemon = peak(here.daemon.pid)
        print(f"daemon {daemon >> 20} MiB, worker {most >> 20} MiB")
        assert 0 < most < _MOST
        assert 0 < daemon < _MOST


def files_of(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except OSError:
            continue
    return found


def _files_again_and_again(pid: int) -> Iterator[int]:
    """Open files, twenty times within a second: a file that is open for a moment is no leak."""
    for _ in range(20):
        yield len(files_of(pid))
        time.sleep(0.04)


@pytest.mark.slow
def test_twenty_jobs_leave_no_file_open_in_the_daemon() -> None:
    with station('duplicates = "again"', start=False) as here:
        hosts = [here.foreign_drive(name) for name in ("left", "right")]
        here.start()
        assert here.daemon is not None
        images = [disc(here.folder, name, 600) for name in ("LEFT", "RIGHT")]
        counts = []
        for turn in range(1, 11):
            for host, image in zip(hosts, images, strict=True):
                host.control.insert(image)
            settled(here, *["done"] * 2 * turn)
            here.until(lambda: all(v.state == "empty" for v in here.client.drives()), "the trays")
            here.until(lambda: len(files_of(here.daemon.pid)) < 60, "no flood")  # type: ignore[union-attr]
            counts.append(min(_files_again_and_again(here.daemon.pid)))
        print(f"files open after each pair of jobs: {counts}")
        assert counts[-1] <= counts[1]
