# SPDX-License-Identifier: Apache-2.0
"""imagerd in the guest as its systemd unit starts it: the user, the groups, the rights of the unit.

Installed as docs/service.md says. The program is the one under test, so a drop-in names it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import ErrorRange, Image
from imagerd.daemon.client import Client
from imagerd.daemon.protocol import JobView
from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorSource
from imagerd.formats import open_image
from tests.kernel.guest import ROOT
from tests.kernel.inside.machine import tell, until
from tests.path_way import sectors_of
from tests.station import ENDED

SOCKET = Path("/run/imagerd/imagerd.sock")
CATALOG = "sqlite:////var/lib/imagerd/catalog.sqlite"
FILES = {
    "imagerd.service": "/etc/systemd/system/imagerd.service",
    "60-imagerd.rules": "/etc/udev/rules.d/60-imagerd.rules",
    "imagerd.sysusers": "/etc/sysusers.d/imagerd.conf",
    "imagerd.tmpfiles": "/etc/tmpfiles.d/imagerd.conf",
    "imagerd.modules-load": "/etc/modules-load.d/imagerd.conf",
}
CONFIG = """\
[archive]
minimum_free = "1 MiB"
[policy.budget]
minutes = 10
attempts = 4
[drives."IMAGERD00001-client"]
enabled = false
[drives."IMAGERD00001-second"]
enabled = false
[drives."IMAGERD00001-third"]
enabled = false
"""


class Service:
    """The unit, the daemon behind it, and its archive."""

    def install(self) -> None:
        """Put every file where a package puts it, and have all of them read."""
        for name, target in FILES.items():
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "systemd" / name, target)
        Path("/etc/imagerd").mkdir(exist_ok=True)
        Path("/etc/imagerd/imagerd.toml").write_text(CONFIG)
        self._drop_in()
        tell("systemd-sysusers")
        tell("systemd-tmpfiles", "--create", "imagerd.conf")
        tell("modprobe", "-a", "sg", "sr_mod")
        tell("udevadm", "control", "--reload")
        tell("systemctl", "daemon-reload")

    def _drop_in(self) -> None:
        """Where the program is. An interpreter in a home directory is bound in, nothing else."""
        lines = ["[Service]", "ExecStart=", f"ExecStart={Path(sys.executable).parent / 'imagerd'}"]
        python = Path(sys.base_prefix).resolve()
        for place in (python, ROOT):
            if place.is_relative_to("/root") or place.is_relative_to("/home"):
                lines += ["ProtectHome=tmpfs", f"BindReadOnlyPaths={place}"]
            if place.is_relative_to("/tmp"):
                lines += [f"BindReadOnlyPaths={place}"]
            for folder in (place, *place.parents):
                folder.chmod(folder.stat().st_mode | 0o055)  # this is the guest's layer
        folder = Path("/etc/systemd/system/imagerd.service.d")
        folder.mkdir(exist_ok=True)
        (folder / "here.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """`systemctl start`, which returns when the daemon says that it is ready."""
        tell("systemctl", "start", "imagerd")

    def stop(self) -> None:
        """`systemctl stop`."""
        tell("systemctl", "stop", "imagerd")

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return self.client.status().pid

    @property
    def client(self) -> Client:
        """The daemon's API."""
        return Client(SOCKET)

    def log(self) -> str:
        """The end of what it has written into the journal."""
        return tell("journalctl", "-u", "imagerd", "--no-pager", "-n", "40")

    def jobs(self) -> list[JobView]:
        """All jobs, oldest first."""
        return self.client.jobs(everything=True)[::-1]

    def job_of(self, image: Path, known: set[str], *, ended: bool = True) -> JobView:
        """Wait for the job that is not `known`, of the disc called after `image`, to end."""

        def found() -> JobView | None:
            for job in self.jobs():
                if job.id not in known and (job.state in ENDED if ended else job.progress):
                    return job
            return None

        try:
            return until(found, f"the job of {image.name}", 200)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.jobs()}\n{self.log()}") from None

    def image_of(self, job: JobView) -> tuple[Image, tuple[ErrorRange, ...]]:
        """The image that a job made, and the sectors that are not as they should be."""
        with Catalog.open(CATALOG, read_only=True) as catalog:
            summaries = catalog.images.of_job(job.id)
            assert summaries, (job, self.log())
            found = catalog.images.get(summaries[0].id)
            return found, catalog.errors.of_image(found.id)


def assert_same_disc(path: Path, source: SectorSource, expected: Layout | None = None) -> None:
    """The image at `path` holds every sector of `source`, and its layout if it tells one."""
    image = open_image(path)
    try:
        assert not image.warnings
        if expected is not None:
            assert image.layout == expected
        found, right = sectors_of(image, raw=source.layout.is_cd), sectors_of(source)
    finally:
        image.close()
    assert found.keys() == right.keys()
    assert not [lba for lba, row in right.items() if not np.array_equal(found[lba], row)]
