# SPDX-License-Identifier: Apache-2.0
"""A whole station in a folder: configuration, archive, catalog, a real imagerd, virtual drives."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imagerd.base.config import load_config
from imagerd.base.errors import NotAvailable
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import ImageSummary
from imagerd.daemon.client import Client
from imagerd.daemon.protocol import JobView, VirtualAdd, VirtualInsert
from imagerd.devices.knowledge.record import DriveKnowledge, Order
from imagerd.devices.virtual.host import HostProcess, spawn_host
from imagerd.devices.virtual.profile import DriveProfile

ENDED = frozenset({"done", "partial", "failed", "cancelled", "skipped", "waiting"})
RELOADED = "the configuration "  # the log says that it was read again, or that it stays
_TIMEOUT = 90.0

CONFIG = """\
[archive]
folder = "archive"
minimum_free = "1 MiB"
naming = "{{label}}"

[daemon]
state = "state"
runtime = "run"
poll_seconds = 0.5

[policy]
{policy}

[policy.budget]
minutes = 10
attempts = 12
{extra}
"""


class Station:
    """One folder with everything in it. Use `station()`; `start` runs the daemon."""

    def __init__(self, folder: Path, policy: str = "", extra: str = "") -> None:
        self.folder = folder
        self.config_file = folder / "imagerd.toml"
        self.config_file.write_text(CONFIG.format(policy=policy, extra=extra))
        self.config = load_config(self.config_file)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.log = folder / "imagerd.log"
        self._hosts: list[HostProcess] = []

    @property
    def client(self) -> Client:
        return Client(self.config.daemon.socket)

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    def environment(self) -> dict[str, str]:
        """For commands of this station."""
        return os.environ | {
            "IMAGERD_CONFIG": str(self.config_file),
            "IMAGERD_SOCKET": str(self.config.daemon.socket),
        }

    def start(self) -> None:
        """Run imagerd and wait until it answers."""
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "imagerd.daemon.main", "--config", str(self.config_file)],
                stdout=log,
                stderr=log,
            )
        self.until(self._answers, "imagerd to answer")

    def _answers(self) -> bool:
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            raise AssertionError(f"imagerd ended:\n{self.log.read_text()}")
        try:
            return self.client.status().pid == self.daemon.pid
        except NotAvailable:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the daemon and return its exit code."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGCONT)
        self.daemon.send_signal(number)
        code = self.daemon.wait(_TIMEOUT)
        self.daemon = None
        return code

    def drive(self, name: str = "demo") -> None:
        """A virtual drive of the daemon's."""
        self.client.virtual_add(VirtualAdd(name=name))

    def foreign_drive(
        self,
        name: str = "demo",
        trace: Path | None = None,
        *,
        profile: str | Path = "plain",
        time_scale: float = 0.0,
    ) -> HostProcess:
        """A virtual drive that outlives the daemon, as a real one does."""
        folder = self.config.daemon.runtime / "virtual"
        folder.mkdir(parents=True, exist_ok=True)
        socket = folder / f"{name}.sock"
        host = spawn_host(socket, name, trace=trace, profile=profile, time_scale=time_scale)
        self._hosts.append(host)
        return host

    def know_drive(self) -> None:
        """The catalog knows plain virtual drives already: no job tries one out."""
        plain = DriveProfile()
        known = DriveKnowledge(c2_sizes=(294, 296), raw_sub=True, order=Order.C2_FIRST, tries=3)
        with Catalog.open(self.config.catalog.url) as catalog:
            catalog.models.learn(plain.vendor, plain.product, plain.revision, known)

    def insert(self, image: Path, faults: Path | None = None, name: str = "demo") -> None:
        """Put a disc in."""
        plan = None if faults is None else str(faults)
        self.client.virtual_insert(name, VirtualInsert(image=str(image), faults=plan))

    def job(self, number: int = 1) -> JobView:
        """Wait until `number` jobs have ended, and return the newest."""

        def ended() -> bool:
            jobs = self.client.jobs(everything=True)
            return len(jobs) >= number and all(job.state in ENDED for job in jobs)

        self.until(ended, f"job {number} to end")
        return self.client.jobs(everything=True)[0]

    def jobs(self) -> list[JobView]:
        """All jobs, newest first."""
        return self.client.jobs(everything=True)

    def states(self) -> list[str]:
        """The states of all jobs, oldest first."""
        return [job.state for job in reversed(self.jobs())]

    def workers(self, drive: str = "demo") -> list[int]:
        """The process ids of the workers at that drive, also of those that lost their daemon."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                name = (folder / "comm").read_text().strip()
                words = (folder / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if name == f"imagerd:{drive}" and str(self.config_file) in words:  # a zombie has none
                found.append(int(folder.name))
        return found

    def workspaces(self) -> list[Path]:
        """The folders of jobs."""
        place = self.config.daemon.state / "jobs"
        return sorted(place.iterdir()) if place.is_dir() else []

    def images(self) -> tuple[ImageSummary, ...]:
        """The images in the catalog, newest first."""
        with Catalog.open(self.config.catalog.url, read_only=True) as catalog:
            return catalog.images.search()

    def tidy(self) -> None:
        """Nothing lies about: only whole images of the catalog, only workspaces of open jobs."""
        images = self.images()
        folders = {Path(image.folder) for image in images}
        assert len(folders) == len(images)
        assert set(self.archive.iterdir()) == folders
        for image in images:
            with Catalog.open(self.config.catalog.url, read_only=True) as catalog:
                named = {file.path for file in catalog.images.get(image.id).files}
            assert {path.name for path in Path(image.folder).iterdir()} == named
        kept = {job.id for job in self.jobs() if job.state not in ("done", "skipped", "waiting")}
        assert {folder.name for folder in self.workspaces()} <= kept

    def configure(self, policy: str = "", extra: str = "", **values: str) -> None:
        """Write the configuration anew; `values` replace lines by their key."""
        text = CONFIG.format(policy=policy, extra=extra)
        for key, value in values.items():
            text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        self.config_file.write_text(text)

    def reload(self) -> None:
        """Have the daemon read its configuration, and wait until it did or refused."""
        assert self.daemon is not None
        before = self.log.read_text().count(RELOADED)
        self.daemon.send_signal(signal.SIGHUP)
        self.until(lambda: self.log.read_text().count(RELOADED) > before, "the reload")

    def image_of(self, job: JobView) -> Path:
        """The main file of the image that a job made."""
        with Catalog.open(self.config.catalog.url, read_only=True) as catalog:
            return Path(catalog.images.get(catalog.images.of_job(job.id)[0].id).path)

    def ctl(self, *arguments: str | Path, ok: tuple[int, ...] = (0,)) -> str:
        """Run imagerctl and return its standard output."""
        command = [sys.executable, "-m", "imagerd.cli.main", *map(str, arguments)]
        done = subprocess.run(
            command,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        assert done.returncode in ok, (
            f"{arguments} exited {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something to become true."""
        end = time.monotonic() + _TIMEOUT
        while not holds():
            if time.monotonic() > end:
                log = self.log.read_text() if self.log.exists() else ""
                raise AssertionError(f"waited in vain for {what}:\n{log[-4000:]}")
            time.sleep(0.05)

    def close(self) -> None:
        """End everything that runs."""
        if self.daemon is not None:
            self.daemon.terminate()
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        for host in self._hosts:
            host.stop()


@contextmanager
def station(policy: str = "", extra: str = "", *, start: bool = True) -> Iterator[Station]:
    """A station in a folder of its own; the path is short, as sockets need."""
    folder = Path(tempfile.mkdtemp(prefix="imagerd-", dir="/tmp"))
    made = Station(folder, policy, extra)
    try:
        if start:
            made.start()
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
