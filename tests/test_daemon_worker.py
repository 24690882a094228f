# SPDX-License-Identifier: Apache-2.0
"""The worker process by itself: whose drive it is, what it works by, what it says."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from imagerd.archive.stages import Stop
from imagerd.base.config import Config, parse_config
from imagerd.base.errors import BadInput, NotAvailable
from imagerd.daemon import one_disc
from imagerd.daemon.handover import WorkerOrder, pack_order, unpack_order
from imagerd.daemon.one_disc import open_patiently
from imagerd.daemon.protocol import WorkerReport
from imagerd.devices.scsi import Transport
from imagerd.devices.virtual.target import VirtualDrive
from tests.station import station
from tests.test_daemon_discs import settled
from tests.test_daemon_signals import disc, reading


class Busy:
    """A drive that somebody else has, for so many looks."""

    def __init__(self, looks: int, number: int = errno.EBUSY) -> None:
        self.looks, self.number = looks, number
        self.slept = 0.0

    def open(self, address: str) -> Transport:
        if self.looks == 0:
            return VirtualDrive()
        self.looks -= 1
        raise NotAvailable(f"{address} is in use.") from OSError(self.number, "no")

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def _open(monkeypatch: pytest.MonkeyPatch, busy: Busy, stop: Stop = Stop.NO) -> Transport:
    monkeypatch.setattr(one_disc, "open_transport", busy.open)
    return open_patiently("/dev/sr0", lambda: stop, busy.sleep)


def test_a_drive_that_udev_looks_at_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Busy(5)
    _open(monkeypatch, busy).close()
    assert busy.slept > 0


@pytest.mark.parametrize(
    ("busy", "stop"),
    [(Busy(10_000), Stop.NO), (Busy(3, errno.EACCES), Stop.NO), (Busy(3), Stop.PAUSE)],
    ids=["for ever", "no right", "told to stop"],
)
def test_it_is_not_waited_for_in_vain(
    monkeypatch: pytest.MonkeyPatch, busy: Busy, stop: Stop
) -> None:
    with pytest.raises(NotAvailable, match="is in use"):
        _open(monkeypatch, busy, stop)
    assert busy.slept <= 60.0


def _config(folder: Path) -> Config:
    text = '[archive]\nfolder = "a"\nminimum_free = "2 MiB"\n[policy]\noutput = "cue"\n'
    text += '[drives."X 1"]\nread_offset = -6\n[loader.arm]\ndriver = "person"\n'
    return parse_config(text, file=folder / "imagerd.toml", environ={"HOME": str(folder)})


def test_an_order_comes_over_whole_but_for_the_loaders(tmp_path: Path) -> None:
    config = _config(tmp_path)
    there = unpack_order(pack_order(WorkerOrder("/dev/sr0", config, "job", again=True)))
    assert (there.address, there.job, there.again) == ("/dev/sr0", "job", True)
    assert there.config.loader == {}
    for part in ("archive", "catalog", "daemon", "policy", "drives", "file"):
        assert getattr(there.config, part) == getattr(config, part)
        assert type(getattr(there.config, part)) is type(getattr(config, part))
    with pytest.raises(BadInput, match="no order"):
        unpack_order(b"{")


def test_a_worker_that_finds_its_drive_gone_says_so_and_that_it_be_looked_at_again(
    tmp_path: Path,
) -> None:
    order = WorkerOrder(f"virtual:{tmp_path / 'no.sock'}", _config(tmp_path))
    program = "import sys; from imagerd.daemon.one_disc import work; "
    program += "sys.exit(work(sys.stdin.buffer.read()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pack_order(order),
        capture_output=True,
        check=False,
        timeout=60,
    )
    report = msgspec.json.decode(done.stdout.splitlines()[-1], type=WorkerReport)
    assert (done.returncode, report.kind, report.state) == (3, "ended", "failed")
    assert report.lost, "plugged in again before the watcher looks, its disc would not be noticed"
    assert "No virtual drive answers" in report.sentence
    assert done.stderr == b""


def test_a_job_that_another_process_works_on_cannot_be_cancelled_by_the_daemon() -> None:
    with station(start=False) as here:
        host = here.foreign_drive("demo", time_scale=3.0)
        here.start()
        host.control.insert(disc(here.folder))
        reading(here)
        job = here.jobs()[0]
        here.stop()
        here.configure(extra="[drives.demo]\nenabled = false\n")
        here.start()
        address = f"virtual:{here.config.daemon.runtime / 'virtual' / 'demo.sock'}"
        by_hand = subprocess.Popen(
            [sys.executable, "-m", "imagerd.cli.main", "archive", address],
            env=here.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        here.until(lambda: here.states() == ["reading"], "the work by hand")
        with pytest.raises(Exception, match="Another process works on job"):
            here.client.cancel(job.id)
        assert by_hand.wait(60) == 0
        settled(here, "done")
        here.tidy()
