# SPDX-License-Identifier: Apache-2.0
"""A DVD of more than one layer can hold, archived whole: `python -m tests.kernel --large`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.inside.images import blank
from tests.kernel.inside.machine import drive, tell, until
from tests.kernel.inside.service import Service
from tests.station import ENDED

SECTORS = 4_700_000_000 // 2048 + 200_000
BREAK = SECTORS // 2
HOURS = 2


@pytest.mark.timeout(HOURS * 3600)
def test_a_film_of_two_full_layers_is_archived_whole(service: Service) -> None:
    path = blank("film", SECTORS)
    with path.open("r+b") as file:
        for lba in (0, 1, 16, BREAK - 1, BREAK, SECTORS - 2, SECTORS - 1):
            file.seek(lba * 2048)
            file.write(bytes([lba % 251 + 1]) * 2048)
    with drive(path, "film") as one:
        until(service.jobs, "the job")
        until(lambda: service.jobs()[0].state in ENDED, "its end", HOURS * 3000)
        (job,) = service.jobs()
        assert job.state == "done", (job, service.log())
        image, ranges = service.image_of(job)
        assert not ranges
        until(lambda: one.one.control.state().tray_open, "the tray to open")
        tell("cmp", path, Path(image.path), timeout=1000)
