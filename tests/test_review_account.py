# SPDX-License-Identifier: Apache-2.0
"""The account of an image is about that image."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerd.catalog.records import JobState
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.disc.source import SectorState
from imagerd.recovery.mapfile import Status
from tests.path_way import assert_accounts_agree, way
from tests.sources import audio, data, memory_disc

BAD = FaultPlan.parse("[[sectors]]\nwhat = 'unreadable'\nlba = 200\ncount = 1")


@pytest.mark.parametrize(("samples", "spoiled"), [(6, {199, 200}), (-6, {200, 201}), (588, {199})])
def test_the_neighbour_that_a_moved_bad_sector_touches_is_listed(
    tmp_path: Path, samples: int, spoiled: set[int]
) -> None:
    disc = memory_disc([audio(600)])
    extra = f'[drives."virtual:virtual"]\nread_offset = {samples}'
    with way(tmp_path, extra=extra) as there:
        done = there.archive(disc, BAD, read_offset=samples)
        assert done.bad() == spoiled
        assert_accounts_agree(done, disc.layout)
        again = there.archive(disc, BAD, read_offset=samples)
        assert again.bad() == spoiled


def test_the_map_of_an_iso_of_one_track_ends_with_the_iso(tmp_path: Path) -> None:
    disc = memory_disc([data(300), audio(400, 150)])
    with way(tmp_path, "output = 'iso'") as there:
        done = there.archive(disc, BAD)
    assert done.outcome.state is JobState.PARTIAL
    last = done.map.blocks[-1]
    assert last.pos + last.size == done.main.stat().st_size
    bad = [block for block in done.map.blocks if block.status is not Status.FINISHED]
    assert [(block.pos, block.size) for block in bad] == [(200 * 2048, 2048)]
    assert SectorState.FAILED.name.lower() in {r.state for r in done.report.bad}


def test_what_was_odd_about_the_disc_is_in_its_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = "The TOC puts track 5 at LBA 7, where it cannot be; it is left out."
    monkeypatch.setattr(OpticalDrive, "warnings", property(lambda _: (odd,)))
    with way(tmp_path) as there:
        done = there.archive(memory_disc([data(200)]))
        assert odd in done.image.notes
        assert odd in done.report.findings
