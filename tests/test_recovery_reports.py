# SPDX-License-Identifier: Apache-2.0
"""Map file and report: they say what the map says, and ddrescuelog agrees."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.errors import AlreadyThere, BadInput
from imagerd.base.progress import run
from imagerd.devices.drive import DriveIdentity
from imagerd.disc.source import SectorState
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.evidence import ErrorRange, Why
from imagerd.recovery.mapfile import (
    Block,
    MapFile,
    Status,
    image_blocks,
    read_mapfile,
    render,
    write_mapfile,
)
from imagerd.recovery.picture.page import page
from imagerd.recovery.reader import drive_record
from imagerd.recovery.report import build_report, read_report, write_report
from imagerd.recovery.sectormap import SectorMap
from imagerd.recovery.workspace import Workspace
from tests.judges import ask
from tests.strategies_recovery import FastClock, ScriptedDrive, Spot, job_for, mixed_disc

BEGUN_IN = DriveIdentity("ONE", "DRIVE", "1.0", "S1", "/dev/sr0")
RESUMED_IN = DriveIdentity("ONE", "DRIVE", "1.0", "S2", "/dev/sr1")


def _map() -> SectorMap:
    sectors = SectorMap([range(100), range(200, 260)])
    sectors.raise_to(0, SectorState.READ, 90)
    sectors.raise_to(20, SectorState.FAILED, 1)
    sectors.raise_to(90, SectorState.FAILED, 8)
    sectors.errors.add(ErrorRange(90, 8, Why.MEDIUM, (3, 2, 0), 1, 0, 1.0, 1.0))
    sectors.errors.add(ErrorRange(90, 2, Why.MEDIUM, (3, 0x11, 5), 1, 1, 2.0, 2.0))
    sectors.raise_to(200, SectorState.PROVEN, 30)
    sectors.raise_to(230, SectorState.SUSPECT, 10)
    return sectors


def test_the_blocks_of_an_image_follow_its_own_order_of_sectors() -> None:
    blocks = list(image_blocks(_map(), [range(10, 100), range(200, 260)], 2048))
    assert [(b.pos // 2048, b.size // 2048, b.status.value) for b in blocks] == [
        (0, 80, "+"),
        (80, 2, "-"),
        (82, 6, "/"),
        (88, 2, "?"),
        (90, 30, "+"),
        (120, 10, "-"),
        (130, 20, "?"),
    ]


def test_ddrescuelog_reads_our_map_and_counts_the_same(tmp_path: Path) -> None:
    path = tmp_path / "disc.mapfile"
    write_mapfile(path, image_blocks(_map(), [range(100), range(200, 260)], 2352), command="x y")
    listed = ask("ddrescuelog", "-l", "-", "-b", "2352", path)
    bad = [int(line) for line in listed.split() if line.isdigit()]
    assert bad == [90, 91, *range(130, 140)]
    good = ask("ddrescuelog", "-l", "+", "-b", "2352", path)
    assert len([line for line in good.split() if line.isdigit()]) == 120
    shown = ask("ddrescuelog", "-t", path)
    assert "non-scraped" in shown


def test_a_whole_image_is_a_finished_map(tmp_path: Path) -> None:
    sectors = SectorMap([range(50)])
    sectors.raise_to(0, SectorState.PROVEN, 50)
    path = tmp_path / "disc.mapfile"
    write_mapfile(path, image_blocks(sectors, [range(50)], 2048))
    ask("ddrescuelog", "-D", path)  # exits 0 only for a finished one
    with pytest.raises(AlreadyThere):
        write_mapfile(path, [])


def test_a_map_of_ddrescue_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.map"
    path.write_text(
        "# Mapfile. Created by GNU ddrescue version 1.27\n"
        "# Command line: ddrescue -b2048 /dev/sr0 a.iso a.map\n"
        "# Start time:   2024-01-01 00:00:00\n"
        "# Finished\n"
        "# current_pos  current_status  current_pass\n"
        "0x00117800     -               1\n"
        "#      pos        size  status\n"
        "0x00000000  0x00117000  +\n"
        "0x00117000  0x00000800  -\n"
        "0x00117800  0x00000800  /\n"
    )
    found = read_mapfile(path)
    assert found.current == 0x117800
    assert [block.status.value for block in found.blocks] == ["+", "-", "/"]


blocks = st.lists(
    st.tuples(st.integers(1, 10**9), st.sampled_from(list(Status))), min_size=1, max_size=20
)


@given(blocks, st.integers(0, 2**40))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, Status]], current: int
) -> None:
    pos, made = 0, list[Block]()
    for size, status in sizes:
        made.append(Block(pos, size, status))
        pos += size
    path = tmp_path_factory.getbasetemp() / "round.map"
    path.write_text(render(MapFile(tuple(made), current, "?")))
    assert read_mapfile(path) == MapFile(tuple(made), current, "?")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("0x0 + 1\n0x0 0x10\n", "line 2"),
        ("0x0 + 1\n0x0 0x10 +\n0x0 zz -\n", "line 3"),
        ("0x0 + 1\n0x0 0x10 +\n0x20 0x10 -\n", "do not meet"),
        ("0x0 + 1\n0x0 0x0 +\n", "line 2"),
    ],
)
def test_a_senseless_map_is_refused_in_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "a.map"
    path.write_text(text)
    with pytest.raises(BadInput, match=told):
        read_mapfile(path)


def test_each_run_names_the_drive_it_was_in(tmp_path: Path) -> None:
    drive = ScriptedDrive(mixed_disc(), {30: Spot()}, identity=BEGUN_IN)
    job = msgspec.structs.replace(job_for(drive.source), drive=drive_record(drive))
    with Workspace.create(tmp_path / "job", job) as work:
        run(recover(drive, work, Budget(attempts=1), clock=FastClock().clock()))
    better = ScriptedDrive(mixed_disc(), identity=RESUMED_IN)
    with Workspace.open(tmp_path / "job") as work:
        assert run(recover(better, work, Budget(), clock=FastClock().clock())).complete
        report = build_report(work)
        html = page(report, work.map, work.layout)
    assert report.drive.serial == "S1"
    assert [begun.drive.serial for begun in report.runs] == ["S1", "S2"]
    assert [begun.drive.address for begun in report.runs] == ["/dev/sr0", "/dev/sr1"]
    first, second = (line for line in html.split("<h3>") if line.startswith("Run "))
    assert "ONE DRIVE 1.0 (serial number S1)" in first
    assert "ONE DRIVE 1.0 (serial number S2)" in second


def test_the_report_tells_all_that_the_map_knows(tmp_path: Path) -> None:
    spots = {
        30: Spot(),
        31: Spot(),
        40: Spot(spoils="edc"),
        50: Spot(heals=3),
        400: Spot(spoils="c2"),
    }
    drive = ScriptedDrive(mixed_disc(), spots, c2=True)
    with Workspace.create(tmp_path / "job", job_for(drive.source, c2=True)) as work:
        clock = FastClock().clock()
        run(recover(drive, work, Budget(), clock=clock))
        report = build_report(work, findings=["odd"])
        write_report(tmp_path / "report.json", report)
    assert read_report(tmp_path / "report.json") == report
    assert [(b.lba, b.count, b.state, b.track, b.why) for b in report.bad] == [
        (30, 1, "failed", 1, "medium"),
        (31, 1, "failed", 1, "medium"),
        (400, 1, "suspect", 2, "c2"),
    ]
    failed = report.bad[0]
    assert failed.sense == "03/11/05"
    assert failed.attempts >= 4
    assert failed.first is not None
    assert failed.last is not None
    assert failed.first < failed.last
    assert report.repaired == [(40, 1)]
    assert (50, "proven") in [(r.lba, r.state) for r in report.recovered]
    assert not report.complete
    assert sum(report.counts.values()) == report.disc.sectors
    assert next(step.name for step in report.runs[0].passes) == "reading"
    assert all(step.ended is not None for step in report.runs[0].passes)
    assert (report.fill.data, report.fill.audio) == (0x55, 0)


def test_a_report_of_a_job_that_was_never_begun_says_so(tmp_path: Path) -> None:
    disc = mixed_disc()
    with Workspace.create(tmp_path / "job", job_for(disc)) as work:
        report = build_report(work)
    assert [(b.lba, b.count, b.state) for b in report.bad] == [
        (0, 300, "unread"),
        (300, 320, "unread"),
        (620, 100, "unread"),
        (12120, 200, "unread"),
    ]
    with pytest.raises(BadInput, match="Cannot open"):
        read_report(tmp_path / "no.json")
