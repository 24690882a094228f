# SPDX-License-Identifier: Apache-2.0
"""The job's folder: crashes at any instant, power failures, other discs, other processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import AlreadyThere, BadInput, NotAvailable, WrongDisc
from imagerd.base.progress import run
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import Control, DiscType
from imagerd.disc.source import SectorState
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.job import Job, LayoutRecord
from imagerd.recovery.journal import HEADER_SIZE, Attempt, Barrier, Flags, measure
from imagerd.recovery.worksource import WorkSource
from imagerd.recovery.workspace import Workspace
from tests.sources import TrackPlan, audio, data, lay_out, memory_disc
from tests.strategies_recovery import (
    FastClock,
    ScriptedDrive,
    Spot,
    data_disc,
    dvd,
    job_for,
    mixed_disc,
    original,
    seeks_the_shift,
)

DISC = data_disc(120)
RIGHT = original(DISC)
BOOT, LATER = b"this boot 123456", b"a later boot 123"
DAMAGE = {30: Spot(), 31: Spot(heals=3), 60: Spot(spoils="edc"), 61: Spot(spoils="ruin")}


def _recovered(folder: Path, *, stop_after: int | None = None) -> ScriptedDrive:
    drive = ScriptedDrive(DISC, dict(DAMAGE), batch=8)
    with Workspace.create(folder, job_for(DISC), boot=BOOT) as work:
        stop = (lambda: len(drive.trace) >= stop_after) if stop_after else (lambda: False)
        task = recover(drive, work, Budget(), should_stop=stop, clock=FastClock().clock())
        run(task)
    return drive


def _assert_true(work: Workspace) -> None:
    for lba, row in RIGHT.items():
        if work.map.state(lba) >= SectorState.READ:
            assert np.array_equal(work.read_rows(lba, 1)[0], row), f"LBA {lba} said to be good"


def test_a_crash_at_every_byte_of_the_journal_resumes_to_the_same_image(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    _recovered(folder)
    whole = (folder / "journal").read_bytes()
    final: set[bytes] = set()
    for cut in range(_first_barrier(whole), len(whole) + 1):
        (folder / "journal").write_bytes(whole[:cut])
        with Workspace.open(folder, "disc", boot=BOOT) as work:
            _assert_true(work)
            if cut % 23 == 0:
                final.add(_finished(work))
    assert len(final) == 1


def _finished(work: Workspace) -> bytes:
    """Resume `work`, reading nothing again, and return the states in the end."""
    good = {lba for lba in RIGHT if work.map.state(lba) >= SectorState.READ}
    drive = ScriptedDrive(DISC, dict(DAMAGE), batch=8)
    run(recover(drive, work, Budget(), clock=FastClock().clock()))
    asked = {
        lba for r in drive.trace if not seeks_the_shift(r) for lba in range(r.lba, r.lba + r.count)
    }
    assert not asked & good
    _assert_true(work)
    return work.map.states(0, 120).tobytes()


def _first_barrier(raw: bytes) -> int:
    """Bytes up to and including the barrier that a session begins with."""
    return HEADER_SIZE + int.from_bytes(raw[HEADER_SIZE : HEADER_SIZE + 2], "little")


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda fd: None)
        yield


class _Power:
    """Knows what of the image is on the disk for sure: what was there at the last barrier."""

    def __init__(self, work: Workspace) -> None:
        self.work, self.safe, self._real = work, b"", work.checkpoint
        work.checkpoint = self.checkpoint  # type: ignore[method-assign]

    def image(self) -> bytes:
        return (self.work.folder / "sectors.bin").read_bytes()

    def checkpoint(self) -> None:
        self._real()
        self.safe = self.image()

    def after_failure(self, seed: int) -> bytes:
        """What was written since is there or not, page by page."""
        volatile = bytearray(self.image())
        safe = self.safe.ljust(len(volatile), b"\0")
        chance = random.Random(seed)
        for page in range(0, len(volatile), 512):
            if chance.random() < 0.5:
                volatile[page : page + 512] = safe[page : page + 512]
        return bytes(volatile)


@settings(max_examples=60, deadline=None)
@given(
    sync_at=st.sets(st.integers(1, 40), max_size=4),
    stop_at=st.integers(2, 60),
    seed=st.integers(0, 10**6),
    share=st.floats(0, 1),
)
def test_after_a_power_failure_no_lost_byte_is_called_good(
    tmp_path_factory: pytest.TempPathFactory,
    sync_at: set[int],
    stop_at: int,
    seed: int,
    share: float,
) -> None:
    folder = tmp_path_factory.mktemp("power") / "job"
    drive = ScriptedDrive(DISC, dict(DAMAGE), batch=8)
    with Workspace.create(folder, job_for(DISC), boot=BOOT) as work:
        power = _Power(work)
        task = recover(drive, work, Budget(), clock=FastClock().clock())
        for number, _ in enumerate(task):
            if number in sync_at:
                work.checkpoint()
            if number == stop_at:
                break
        lost, journal = power.after_failure(seed), (folder / "journal").read_bytes()
        task.close()
    sure = _last_barrier(journal, folder)
    (folder / "sectors.bin").write_bytes(lost)
    (folder / "journal").write_bytes(journal[: sure + round(share * (len(journal) - sure))])
    with Workspace.open(folder, "disc", boot=LATER) as work:
        _assert_true(work)


def _last_barrier(journal: bytes, folder: Path) -> int:
    """A barrier is on the disk for sure: the journal was synced after it."""
    copy = folder / "journal.copy"
    copy.write_bytes(journal)
    size = measure(copy, "disc", LATER).size
    copy.unlink()
    return size


def test_a_second_power_failure_finds_the_first_resumption_safe(tmp_path: Path) -> None:
    _recovered(tmp_path / "job", stop_after=5)
    with Workspace.open(tmp_path / "job", "disc", boot=LATER) as work:
        assert work.map.count(SectorState.PROVEN) == 38
        record = Attempt(119, 1, ((1, SectorState.PROVEN),), 1.0, flags=Flags.ALONE)
        work.commit(record, RIGHT[119].reshape(1, -1))
    with Workspace.open(tmp_path / "job", "disc", boot=LATER) as work:
        assert work.map.state(119) is SectorState.PROVEN
    with Workspace.open(tmp_path / "job", "disc", boot=b"yet another boot") as work:
        assert work.map.state(119) is SectorState.PROVEN  # made safe by the opening before
        work.commit(Attempt(118, 1, ((1, SectorState.PROVEN),), 1.0), RIGHT[118].reshape(1, -1))
    with Workspace.open(tmp_path / "job", "disc", boot=BOOT) as work:
        assert work.map.state(118) is SectorState.UNREAD


_CHILD = """
import sys, time
from pathlib import Path
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.workspace import Workspace
from tests.test_recovery_workspace import DISC, DAMAGE
from tests.strategies_recovery import FastClock, ScriptedDrive, job_for
folder = Path(sys.argv[1])
begun = (folder / "job.json").exists()
with Workspace.open(folder, "disc") if begun else Workspace.create(folder, job_for(DISC)) as work:
    drive = ScriptedDrive(DISC, dict(DAMAGE), batch=4)
    for _ in recover(drive, work, Budget(), clock=FastClock().clock()):
        print("x", flush=True)
        time.sleep(0.001)
"""


def test_kill_9_at_random_moments_loses_nothing_that_was_known(tmp_path: Path) -> None:
    folder, good = tmp_path / "job", set[int]()
    for kill_after in (1, 5, 9, 14, 20):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(folder)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(kill_after):
            child.stdout.readline()
        time.sleep(0.0007 * kill_after)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with Workspace.open(folder, "disc") as work:
            _assert_true(work)
            now = {lba for lba in RIGHT if work.map.state(lba) >= SectorState.READ}
            assert now >= good
            assert len(now) > len(good) or work.map.count(SectorState.UNREAD) == 0
            good = now
    with Workspace.open(folder, "disc") as work:
        drive = ScriptedDrive(DISC, dict(DAMAGE), batch=4)
        run(recover(drive, work, Budget(), clock=FastClock().clock()))
        assert work.map.count(SectorState.PROVEN) == 118


def test_a_job_is_resumed_on_its_own_disc_only(tmp_path: Path) -> None:
    _recovered(tmp_path / "job", stop_after=3)
    with pytest.raises(WrongDisc, match="another disc"):
        Workspace.open(tmp_path / "job", "some other disc")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "job", job_for(DISC)):
        with pytest.raises(NotAvailable, match="Another process"):
            Workspace.open(tmp_path / "job")
        with pytest.raises(NotAvailable, match="Another process"):
            Workspace.create(tmp_path / "job", job_for(DISC))
    Workspace.open(tmp_path / "job").close()


def test_a_job_is_never_begun_over_another(tmp_path: Path) -> None:
    _recovered(tmp_path / "job", stop_after=3)
    before = (tmp_path / "job" / "sectors.bin").read_bytes()
    with pytest.raises(AlreadyThere, match="resume"):
        Workspace.create(tmp_path / "job", job_for(DISC))
    assert (tmp_path / "job" / "sectors.bin").read_bytes() == before


def test_a_creation_that_was_cut_short_can_be_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    with Workspace.create(folder, job_for(DISC)):
        pass
    (folder / "job.json").unlink()
    (folder / "journal").write_bytes(b"half")
    with pytest.raises(BadInput, match=r"job\.json"):
        Workspace.open(folder)
    with Workspace.create(folder, job_for(DISC)) as work:
        assert work.map.count(SectorState.UNREAD) == 120


def test_a_damaged_job_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    _recovered(tmp_path / "job", stop_after=3)
    (tmp_path / "job" / "job.json").write_text('{"fingerprint": 7}')
    with pytest.raises(BadInput, match="damaged"):
        Workspace.open(tmp_path / "job")


def test_every_layout_survives_the_job_file() -> None:
    disc = memory_disc(
        [
            data(100),
            audio(300, pregap=150, isrc="DEABC9900001", indexes=(50, 20)),
            TrackPlan(data(1).mode.MODE2, 50, session=2, control=Control.DATA),
        ],
        mcn="1234567890123",
        disc_type=DiscType.XA,
    )
    for layout in (disc.layout, dvd().layout, lay_out([audio(20)], first_track=7)):
        record = LayoutRecord.of(layout)
        assert msgspec.json.decode(msgspec.json.encode(record), type=LayoutRecord) == record
        assert record.layout() == layout
    text = msgspec.structs.replace(LayoutRecord.of(disc.layout), cd_text=bytes(18))
    assert text.layout().cd_text == CdText(bytes(18))


def test_an_image_of_nothing_is_filling_with_faults(tmp_path: Path) -> None:
    disc = mixed_disc()
    with Workspace.create(tmp_path / "job", job_for(disc)) as work:
        source = WorkSource(work)
        block = source.read(290, 20)
        assert set(block.states.tolist()) == {SectorState.FAILED}
        assert (block.data[:10] == 0x55).all()
        assert not block.data[10:].any()  # silence in an audio track
        assert [(f.lba, f.count, f.kind.value) for f in block.faults] == [(290, 20, "missing")]
        with pytest.raises(ValueError, match="no session"):
            source.read(5000, 1)


def test_a_sector_file_cut_by_someone_else_never_turns_into_data(tmp_path: Path) -> None:
    _recovered(tmp_path / "job")
    os.truncate(tmp_path / "job" / "sectors.bin", 100 * 2352)
    with Workspace.open(tmp_path / "job") as work:
        block = WorkSource(work).read(98, 10)
        assert block.states.tolist() == [SectorState.PROVEN] * 2 + [SectorState.FAILED] * 8


def test_good_bytes_are_never_overwritten(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "job", job_for(DISC)) as work:
        rows = np.stack([RIGHT[lba] for lba in range(4)])
        work.commit(Attempt(0, 4, ((4, SectorState.PROVEN),), 1.0), rows)
        runs = ((1, SectorState.READ), (1, SectorState.SUSPECT), (2, SectorState.FAILED))
        work.commit(Attempt(0, 4, runs, 2.0), np.zeros_like(rows))
        assert np.array_equal(work.read_rows(0, 4), rows)
        assert work.map.count(SectorState.PROVEN) == 4


def test_subchannel_is_kept_beside_the_sectors(tmp_path: Path) -> None:
    disc = mixed_disc()
    drive = ScriptedDrive(disc, sub=True)
    with Workspace.create(tmp_path / "job", job_for(disc, sub=True)) as work:
        run(recover(drive, work, Budget(), clock=FastClock().clock()))
        sub = WorkSource(work).read(300, 5).sub
        assert sub is not None
        assert sub.any(axis=1).all()


def test_a_barrier_is_written_before_anything_else(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "job", Job("x", LayoutRecord.of(DISC.layout)), boot=BOOT):
        pass
    assert measure(tmp_path / "job" / "journal", "x", LATER).size > HEADER_SIZE
    assert isinstance(Barrier(0.0, BOOT), Barrier)
