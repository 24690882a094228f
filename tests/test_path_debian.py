# SPDX-License-Identifier: Apache-2.0
"""Real discs, out of Debian's packages, through a running imagerd: byte for byte the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagerd.catalog.catalog import Catalog
from tests.judges import ask, missing
from tests.station import Station, station

DISCS = {
    "/usr/lib/grub-rescue/grub-rescue-cdrom.iso": "grub-rescue-pc",
    "/usr/lib/ipxe/ipxe.iso": "ipxe",
    "/usr/lib/memtest86+/memtest86+ia32.iso": "memtest86+",
    "/usr/lib/memtest86+/memtest86+x64.iso": "memtest86+",
}
DRIVE = "demo"


@pytest.fixture(scope="module")
def running() -> Iterator[Station]:
    with station() as here:
        here.drive(DRIVE)
        yield here


@pytest.mark.parametrize(("path", "package"), list(DISCS.items()), ids=lambda v: Path(v).name)
def test_a_bootable_disc_of_debian_comes_out_byte_for_byte(
    running: Station, path: str, package: str
) -> None:
    disc = Path(path)
    if not disc.exists():
        missing(f"{path} is not there (Debian package {package})")
    before = len(running.client.jobs(everything=True))
    running.insert(disc, name=DRIVE)
    job = running.job(before + 1)
    assert job.state == "done", job
    image = running.image_of(job)
    assert image.suffix == ".iso"
    content = disc.read_bytes()
    assert image.read_bytes() == content
    with Catalog.open(running.config.catalog.url, read_only=True) as catalog:
        record = catalog.images.get(catalog.images.of_job(job.id)[0].id)
    listed = {file.path: file.digests.sha256 for file in record.files}
    assert listed[image.name] == hashlib.sha256(content).hexdigest()
    assert record.counts.complete
    assert "Volume id" in ask("isoinfo", "-d", "-i", image)
    ask("sha256sum", "-c", image.with_suffix(".sha256").name, cwd=image.parent)
    assert running.ctl("verify", image)
    assert running.ctl("compare", disc, image)
