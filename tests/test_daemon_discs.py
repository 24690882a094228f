# SPDX-License-Identifier: Apache-2.0
"""What people do with discs and drives while imagerd is at work, and what becomes of the jobs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagerd.devices.virtual.host import HostProcess
from tests.station import Station, station
from tests.test_daemon_signals import disc, reading

SCRATCH = """
[[sectors]]
what = "unreadable"
lba = 1500
count = 2
seconds = 0.01
"""
_SLOW = 2.0


@contextmanager
def slow_station(policy: str = "", **more: str) -> Iterator[tuple[Station, HostProcess]]:
    with station(policy, start=False) as here:
        here.configure(policy, **more)
        host = here.foreign_drive("demo", time_scale=_SLOW)
        here.start()
        yield here, host


def settled(here: Station, *states: str) -> None:
    """Wait until the jobs are in these states, oldest first, and nobody is at work."""

    def holds() -> bool:
        resting = all(view.state != "working" for view in here.client.drives())
        return resting and here.states() == list(states) and not here.workers()

    here.until(holds, f"{states}")


def test_a_drive_that_is_unplugged_pauses_the_job_and_plugged_in_again_goes_on() -> None:
    with slow_station() as (here, host):
        host.control.insert(disc(here.folder))
        reading(here)
        host.control.unplug()
        settled(here, "paused")
        assert "plug it in again" in here.jobs()[0].sentence
        here.until(lambda: not here.client.drives(), "the drive to be forgotten")
        host.control.replug()
        settled(here, "done")
        here.tidy()


def test_a_drive_unplugged_for_a_moment_only_goes_on_too() -> None:
    with slow_station() as (here, host):
        host.control.insert(disc(here.folder))
        reading(here)
        host.control.unplug()
        host.control.replug()
        settled(here, "done")
        here.tidy()


def test_a_job_goes_on_in_another_drive() -> None:
    with slow_station() as (here, host):
        image = disc(here.folder)
        host.control.insert(image)
        reading(here)
        host.control.unplug()
        settled(here, "paused")
        other = here.foreign_drive("other")
        other.control.insert(image)
        settled(here, "done")
        assert here.jobs()[0].drive == "other"
        here.tidy()


def test_a_disc_taken_out_amid_the_reading_goes_on_when_it_is_back() -> None:
    with slow_station() as (here, host):
        host.control.insert(disc(here.folder))
        reading(here)
        host.control.remove()
        settled(here, "paused")
        assert "put it back" in here.jobs()[0].sentence
        host.control.insert(disc(here.folder))
        settled(here, "done")
        here.tidy()


def test_a_disc_exchanged_amid_the_reading_is_a_job_of_its_own() -> None:
    with slow_station() as (here, host):
        host.control.insert(disc(here.folder, "ONE"))
        reading(here)
        host.control.insert(disc(here.folder, "TWO"))  # nobody sees the tray move
        settled(here, "paused", "done")
        assert [image.name for image in here.images()] == ["TWO"]
        host.control.insert(disc(here.folder, "ONE"))
        settled(here, "done", "done")
        here.tidy()


def test_another_disc_does_not_disturb_a_paused_job() -> None:
    with slow_station() as (here, host):
        host.control.insert(disc(here.folder, "ONE"))
        reading(here)
        here.stop()
        host.control.insert(disc(here.folder, "TWO"))
        here.start()
        settled(here, "paused", "done")
        host.control.insert(disc(here.folder, "ONE"))
        settled(here, "done", "done")


def test_a_disc_that_the_archive_has_is_skipped_and_comes_out() -> None:
    with station() as here:
        here.drive()
        here.insert(disc(here.folder))
        settled(here, "done")
        here.insert(disc(here.folder))
        settled(here, "done", "skipped")
        assert "The archive has this disc already, as ONE." in here.jobs()[0].sentence
        here.until(lambda: here.client.virtual()[0].tray_open, "the tray")
        here.tidy()


def test_a_disc_is_imaged_again_if_the_policy_says_so() -> None:
    with station('duplicates = "again"') as here:
        here.drive()
        for number in (1, 2):
            here.insert(disc(here.folder))
            settled(here, *["done"] * number)
        assert [image.name for image in here.images()] == ["ONE-2", "ONE"]
        here.tidy()


def test_a_question_waits_with_the_disc_and_retry_answers_it() -> None:
    with station('duplicates = "ask"') as here:
        here.drive()
        here.insert(disc(here.folder))
        settled(here, "done")
        here.insert(disc(here.folder))
        settled(here, "done", "waiting")
        assert not here.client.virtual()[0].tray_open
        asked = here.jobs()[0]
        assert f"imagerctl retry {asked.id[:8]}" in asked.sentence
        here.ctl("retry", asked.id[:8])
        settled(here, "done", "done")
        here.tidy()


def test_a_question_is_asked_only_once_however_often_the_disc_is_put_in() -> None:
    with station('duplicates = "ask"', start=False) as here:
        host = here.foreign_drive()
        here.start()
        for states in (["done"], ["done", "waiting"], ["done", "waiting"]):
            host.control.insert(disc(here.folder))
            settled(here, *states)
        here.stop()
        here.start()
        here.until(lambda: [d.state for d in here.client.drives()] == ["loaded"], "the drive")
        settled(here, "done", "waiting")


def test_a_skipped_disc_is_imaged_by_retry_when_it_is_put_in_again() -> None:
    with station() as here:
        here.drive()
        image = disc(here.folder)
        for states in (["done"], ["done", "skipped"]):
            here.insert(image)
            settled(here, *states)
        skipped = here.jobs()[0]
        here.until(lambda: here.client.virtual()[0].tray_open, "the tray")
        here.until(lambda: here.client.drives()[0].state == "empty", "the drive to be empty")
        answer = here.client.retry(skipped.id)
        assert answer.state == "queued"
        assert "as soon as its disc is in a drive" in answer.sentence
        here.insert(image)
        settled(here, "done", "done")
        here.tidy()


def test_cancel_ends_the_job_keeps_what_was_read_and_retry_reads_the_rest() -> None:
    with station(start=False) as here:
        trace = here.folder / "trace"
        host = here.foreign_drive("demo", trace, time_scale=_SLOW)
        here.start()
        host.control.insert(disc(here.folder))
        reading(here)
        job = here.jobs()[0]
        here.ctl("cancel", job.id[:8])
        settled(here, "cancelled")
        assert "kept for a retry" in here.jobs()[0].sentence
        assert not here.client.virtual()[0].tray_open
        here.ctl("retry", job.id[:8])
        settled(here, "done")
        lines = [line.split() for line in trace.read_text().splitlines()]
        whole = [fields[2] for fields in lines if fields[3] == "23"]
        assert len(whole) == len(set(whole)), "a sector was read twice"
        here.tidy()


def test_a_job_can_be_cancelled_between_two_workers() -> None:
    with slow_station() as (here, host):
        host.control.insert(disc(here.folder))
        reading(here)
        job = here.jobs()[0]
        (worker,) = here.workers()
        os.kill(worker, 9)
        here.client.cancel(job.id)
        settled(here, "cancelled")
        assert len(here.jobs()) == 1
        here.tidy()


def test_a_paused_job_can_be_cancelled_without_its_disc() -> None:
    with slow_station() as (here, host):
        host.control.insert(disc(here.folder))
        reading(here)
        host.control.unplug()
        settled(here, "paused")
        assert here.client.cancel(here.jobs()[0].id).state == "cancelled"


def test_a_scratched_disc_is_partial_and_put_in_again_it_gets_what_it_lacked() -> None:
    with station('eject = "success"') as here:
        here.drive()
        plan = here.folder / "plan.toml"
        plan.write_text(SCRATCH)
        here.insert(disc(here.folder), plan)
        settled(here, "partial")
        assert not here.client.virtual()[0].tray_open, "only a success opens the tray"
        here.ctl("retry", here.jobs()[0].id[:8])
        here.until(lambda: "nothing more" in here.jobs()[0].sentence, "the retry to end")
        settled(here, "partial")
        assert len(here.images()) == 1
        here.insert(disc(here.folder))  # as if it had been polished
        settled(here, "done")
        assert [image.name for image in here.images()] == ["ONE-2", "ONE"]
        here.until(lambda: here.client.virtual()[0].tray_open, "the tray")
        here.insert(disc(here.folder))
        settled(here, "done", "skipped")
        here.tidy()


@pytest.mark.parametrize(("policy", "opens"), [("never", False), ("success", True)])
def test_the_tray_opens_by_policy_and_a_disc_that_stays_is_not_begun_again(
    policy: str, opens: bool
) -> None:
    with station(f'eject = "{policy}"') as here:
        here.drive()
        here.insert(disc(here.folder))
        settled(here, "done")
        here.until(lambda: here.client.virtual()[0].tray_open is opens, "the tray")
        commands = _looks(here)
        here.until(lambda: _looks(here) > commands + 8, "several looks at the drive")
        assert here.states() == ["done"]


def _looks(here: Station) -> int:
    from imagerd.devices.virtual.client import VirtualControl

    socket = here.config.daemon.runtime / "virtual" / "demo.sock"
    return VirtualControl(socket).state().commands


def test_the_button_opens_the_tray_only_after_the_job() -> None:
    with slow_station('eject = "never"') as (here, host):
        host.control.insert(disc(here.folder))
        reading(here)
        assert not host.control.press_eject().moved
        settled(here, "done")
        here.until(lambda: host.control.state().tray_open, "the tray")
        here.tidy()


def test_a_disc_that_cannot_be_read_at_all_ends_as_failed_and_comes_out() -> None:
    with station(start=False) as here:
        profile = here.folder / "dvd-only.toml"
        profile.write_text('media = ["dvd"]\n')  # to it a CD is like one that lies upside down
        host = here.foreign_drive("demo", profile=profile)
        here.start()
        host.control.insert(disc(here.folder))
        settled(here, "failed")
        assert "cannot read this" in here.jobs()[0].sentence
        here.until(lambda: host.control.state().tray_open, "the tray")
        here.tidy()


def test_a_full_disk_keeps_the_disc_waiting_and_it_begins_by_itself() -> None:
    with station() as here:
        here.drive()
        here.configure(minimum_free='"900 TiB"')
        here.reload()
        here.insert(disc(here.folder))
        here.until(lambda: "free space" in _sentence(here), "the drive to wait")
        assert here.jobs() == []
        here.configure()
        here.reload()
        settled(here, "done")


def _sentence(here: Station) -> str:
    return " ".join(view.sentence for view in here.client.drives())


def test_a_retry_that_waits_for_space_is_still_a_retry() -> None:
    with station('eject = "never"') as here:
        here.drive()
        for states in (["done"], ["done", "skipped"]):
            here.insert(disc(here.folder))
            settled(here, *states)
        here.configure('eject = "never"', minimum_free='"900 TiB"')
        here.reload()
        here.client.retry(here.jobs()[0].id)
        here.until(lambda: "free space" in _sentence(here), "the drive to wait")
        here.configure('eject = "never"')
        here.reload()
        settled(here, "done", "done")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", str(place)]
    done = subprocess.run(mount, check=False, capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_up_pauses_the_job_which_goes_on_when_there_is_room(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(11 << 20))
    with slow_station(folder=f'"{small_disk / "archive"}"') as (here, host):
        host.control.insert(disc(here.folder, sectors=1500))
        settled(here, "paused")
        assert "free space" in here.jobs()[0].sentence
        assert list((small_disk / "archive").iterdir()) == [], "nothing half written stays"
        attempts = here.log.read_text().count("died")
        ballast.unlink()
        settled(here, "done")
        assert here.log.read_text().count("died") == attempts
