# SPDX-License-Identifier: Apache-2.0
"""From /dev/sr0 to the archive through the real SG_IO: `imagerctl archive`, and imagerd itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from imagerd.base.progress import run
from imagerd.catalog.catalog import Catalog
from imagerd.devices.virtual.host import spawn_host
from imagerd.formats import WriteOptions, open_image, write_image
from imagerd.toolkit.compare import compare
from tests.path_way import sectors_of
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.station import Station, station
from tests.umockdev_path_rig import beside_the_drive

SCRATCH = """\
[[sectors]]
what = "unreadable"
lba = 100
count = 5

[[sectors]]
what = "unreadable"
lba = 250
count = 8
times = 3
"""
LOST = set(range(100, 105))


def mixed() -> MemorySource:
    return memory_disc([data(400), audio(500, 150, isrc="QZIMG2600001"), audio(300, 75)])


@contextmanager
def loaded(here: Station, disc: MemorySource, suffix: str, faults: str = "") -> Iterator[Path]:
    """A virtual drive with `disc` in it, which the daemon knows nothing of; yields its socket."""
    image = here.folder / f"disc{suffix}"
    run(write_image(disc, image, WriteOptions(hash=False, sync=False)))
    socket = here.folder / "behind.sock"
    host = spawn_host(socket, "behind")
    try:
        host.control.insert(image, faults or None)
        yield socket
    finally:
        host.stop()


@pytest.mark.parametrize(
    ("disc", "suffix"), [(mixed(), ".cue"), (memory_blocks(600), ".iso")], ids=["mixed", "DVD"]
)
def test_imagerctl_archives_what_is_in_dev_sr0(disc: MemorySource, suffix: str) -> None:
    with station(start=False) as here, loaded(here, disc, suffix, SCRATCH) as socket:
        done = beside_the_drive(
            socket, "imagerd.cli.main", "archive", "/dev/sr0", "--json",
            environment=here.environment(),
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        outcome = json.loads(done.stdout)
        assert (outcome["state"], outcome["bad"]) == ("partial", len(LOST))
        with Catalog.open(here.config.catalog.url, read_only=True) as catalog:
            image = catalog.images.get(catalog.images.of_job(outcome["job"])[0].id)
            ranges = catalog.errors.of_image(image.id)
        bad = {lba for r in ranges if r.state == "failed" for lba in range(r.lba, r.end)}
        assert bad == LOST
        with closing(open_image(Path(outcome["image"]))) as opened:
            found = sectors_of(opened, raw=disc.layout.is_cd)
            if disc.layout.is_cd:
                assert [t.indexes for t in opened.layout.tracks] == [
                    t.indexes for t in disc.layout.tracks
                ]
        right = sectors_of(disc)
        assert {lba for lba in right if not np.array_equal(found[lba], right[lba])} == LOST


def test_imagerd_archives_what_is_in_dev_sr0() -> None:
    disc = mixed()
    with station(start=False) as here, loaded(here, disc, ".cue") as socket:
        done = beside_the_drive(
            socket, "tests.umockdev_path_rig.client", here.folder, environment=here.environment()
        )
        assert done.returncode == 0, done.stderr + done.stdout
        told = json.loads(done.stdout)
        assert (told["state"], told["drive"]) == ("done", "sr0"), told
        with closing(open_image(Path(told["image"]))) as opened:
            assert run(compare(disc, opened)).outcome == "equal"
