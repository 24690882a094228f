# SPDX-License-Identifier: Apache-2.0
"""Run-out and link blocks are named for what they are; damage never is."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.archive.run import archive_disc
from imagerd.archive.stages import Control, follow
from imagerd.archive.world import Order, World
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Layout, SectorFormat, TrackMode
from imagerd.disc.source import SectorState
from imagerd.recovery.borders import PROFILE_LABEL, Border, borders, expected
from imagerd.recovery.evidence import Why
from imagerd.recovery.job import Job, LayoutRecord
from imagerd.recovery.journal import Attempt
from imagerd.recovery.report import read_report
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.convert import to_raw
from tests.path_way import way
from tests.sources import audio, data, lay_out, memory_disc
from tests.strategies_recovery import FastClock
from tests.test_recovery_subq import as_toc

CD_R = "0x0009"
ONE = lay_out([data(1000)])
# Two tracks written at once, as the table of contents shows them: the second begins at 1152.
TWO = as_toc(lay_out([data(1002), data(1000, pregap=150)]))


def found_in(
    folder: Path, layout: Layout, bad: Iterable[range], profile: str = CD_R,
    marks: dict[int, int] | None = None,
) -> list[tuple[int, int, Border]]:  # fmt: skip
    """What is found in a job of which `bad` failed; `marks`: block indicators of good sectors."""
    labels = {PROFILE_LABEL: profile} if profile else {}
    job = Job("disc", LayoutRecord.of(layout), labels=labels)
    with Workspace.create(folder / f"job{len(list(folder.iterdir()))}", job) as work:
        for area in layout.ranges():
            user = np.random.default_rng(1).integers(0, 256, (len(area), 2048), np.uint8)
            rows = to_raw(user, SectorFormat.USER, TrackMode.MODE1, area.start)
            for lba, mark in (marks or {}).items():
                rows[lba - area.start, 15] |= mark << 5
            states = np.full(len(area), SectorState.READ, np.uint8)
            for run in bad:
                states[run.start - area.start : run.stop - area.start] = SectorState.FAILED
            cuts = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
            for begin, end in pairwise(cuts):
                state = SectorState(int(states[begin]))
                why = Why.MEDIUM if state is SectorState.FAILED else Why.NONE
                attempt = Attempt(
                    area.start + begin, end - begin, ((end - begin, state),), 0.0, why=why
                )
                work.commit(attempt, rows[begin:end] if state >= SectorState.READ else None)
        told = borders(work)
        assert expected(work) == tuple(range(b.lba, b.lba + b.count) for b in told)
        lbas = [lba for area in expected(work) for lba in area]
        assert len(lbas) == len(set(lbas))
        bad_lbas = {lba for run in bad for lba in run}
        assert set(lbas) <= bad_lbas, "nothing that was read is explained away"
        assert work.map.count(SectorState.FAILED) == len(bad_lbas), "the states stay honest"
        return [(part.lba, part.count, part.kind) for part in told]


@pytest.mark.parametrize("bad", [range(998, 1000), range(999, 1000), range(998, 999)])
def test_the_last_two_sectors_of_a_recordable_disc_are_run_out(tmp_path: Path, bad: range) -> None:
    assert found_in(tmp_path, ONE, [bad]) == [(bad.start, len(bad), Border.RUN_OUT)]


@pytest.mark.parametrize("profile", ["0x0008", "", "nonsense"])
def test_on_a_pressed_disc_they_are_damage(tmp_path: Path, profile: str) -> None:
    assert found_in(tmp_path, ONE, [range(998, 1000)], profile) == []
    links = [range(32 + 39 * n, 39 + 39 * n) for n in range(20)]
    assert found_in(tmp_path, ONE, links, profile) == []


@pytest.mark.parametrize("bad", [range(997, 1000), range(990, 1000), range(990, 992)])
def test_more_than_that_or_elsewhere_is_damage(tmp_path: Path, bad: range) -> None:
    assert found_in(tmp_path, ONE, [bad]) == []


def test_between_tracks_written_at_once_lie_run_out_and_link(tmp_path: Path) -> None:
    """Run-out in the last two sectors before the pause, then a link and four of run-in."""
    assert TWO.tracks[1].index1 == 1152
    found = found_in(tmp_path, TWO, [range(1000, 1007)])
    assert found == [(1000, 2, Border.RUN_OUT), (1002, 5, Border.LINK)]
    assert found_in(tmp_path, TWO, [range(1001, 1004)]) == [
        (1001, 1, Border.RUN_OUT),
        (1002, 2, Border.LINK),
    ]
    assert found_in(tmp_path, TWO, [range(999, 1007)]) == []
    assert found_in(tmp_path, TWO, [range(1003, 1010)]) == []


@pytest.mark.parametrize("packet", [16, 32, 64])
def test_links_behind_packets_recur(tmp_path: Path, packet: int) -> None:
    period = packet + 7
    links = [range(packet + period * n, period * (n + 1)) for n in range(900 // period)]
    found = found_in(tmp_path, ONE, links)
    assert found == [(link.start, 7, Border.LINK) for link in links]
    assert found_in(tmp_path, ONE, links[:3]) == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), turn=st.floats(9.0, 22.0), width=st.integers(1, 7))
def test_a_scratch_on_a_recordable_disc_is_damage(
    tmp_path_factory: pytest.TempPathFactory, seed: int, turn: float, width: int
) -> None:
    """One short stretch a turn; turns grow, as they do on a disc."""
    rng = np.random.default_rng(seed)
    bad, at, length = [], float(rng.integers(0, 300)), turn
    while at < 950:
        begin = int(at)
        bad.append(range(begin, begin + width))
        at, length = at + length + rng.normal(0, 0.4), length * 1.003
        at = max(at, begin + width + 1)
    assert found_in(tmp_path_factory.mktemp("job"), ONE, bad) == []


def test_blocks_that_name_themselves_are_believed_on_any_disc(tmp_path: Path) -> None:
    """A link that cannot be read, between run-out and run-in that can (MMC-6, 4.2.3.8)."""
    marks = {500: 7, 501: 6, 504: 3, 505: 2, 506: 1}
    found = found_in(tmp_path, ONE, [range(502, 504)], "0x0008", marks)
    assert found == [(502, 2, Border.LINK)]
    found = found_in(tmp_path, ONE, [range(500, 502)], "", {502: 5, 503: 4})
    assert found == [(500, 2, Border.RUN_OUT)]


def test_damage_near_blocks_that_name_themselves_is_damage(tmp_path: Path) -> None:
    marks = {500: 7, 501: 6, 502: 5, 503: 4, 504: 3, 505: 2, 506: 1}
    assert found_in(tmp_path, ONE, [range(507, 509)], "", marks) == []
    assert found_in(tmp_path, ONE, [range(497, 500)], "", marks) == []


def test_a_recordable_disc_comes_into_the_archive_with_its_run_out_named(tmp_path: Path) -> None:
    disc = memory_disc([data(600)])
    plan = FaultPlan.parse('[[sectors]]\nwhat = "unreadable"\nlba = 598\ncount = 2')
    with way(tmp_path) as there:
        virtual = VirtualDrive()
        virtual.insert(disc, plan, medium="cd-r")
        clock = FastClock()
        with closing(OpticalDrive(virtual, sleep=clock.sleep, clock=clock)) as drive:
            world = World(there.config, there.catalog)
            outcome = follow(archive_disc(drive, world, Order(), Control()), lambda _: None)
    assert outcome.image is not None
    report = read_report(outcome.image.with_suffix(".json"))
    assert report.structure is not None
    assert [(b.lba, b.count, b.kind) for b in report.structure.borders] == [(598, 2, "run-out")]
    assert report.counts["failed"] == 2, "the states stay honest"
    assert [(bad.lba, bad.count) for bad in report.bad] == [(598, 2)]


def test_audio_written_at_once_has_its_run_out_too(tmp_path: Path) -> None:
    layout = lay_out([audio(500)])
    assert found_in(tmp_path, layout, [range(498, 500)]) == [(498, 2, Border.RUN_OUT)]
