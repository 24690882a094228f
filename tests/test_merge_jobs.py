# SPDX-License-Identifier: Apache-2.0
"""Jobs merged: the readings that each kept speak together, and none makes a sector too good."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.devices.reading import ReadResult
from imagerd.disc.source import Sectors, SectorSource, SectorState
from imagerd.formats import write_image
from imagerd.recovery.budget import Budget, Clock
from imagerd.recovery.engine import recover
from imagerd.recovery.keeping import How, Keeper
from imagerd.recovery.reader import PLAINLY
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.blocks import read_all
from imagerd.sectors.offset import OffsetView
from imagerd.toolkit.deciding import Run
from imagerd.toolkit.jobs import JobSource
from imagerd.toolkit.merge import MergeResult, merge, merged_source
from tests.catalogs import a_job, open_catalog
from tests.sources import MemorySource, audio, data, memory_disc
from tests.strategies_recovery import FastClock, ScriptedDrive, Spot, dvd, job_for

DISC = memory_disc([data(40), audio(160)], seed=31)
DATA, AUDIO = range(40), range(40, 200)
BEFORE_DATA = memory_disc([audio(100), data(40)], seed=32)
RIGHT = {lba: read_all(DISC, lba, 1).data[0] for lba in range(200)}
Row = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Worn:
    """A copy of the disc in a drive that delivers audio `late` samples late.

    Of each sector in `bad` every one of `times` readings has so many wrong bytes, elsewhere each
    time; of these, and of the `core` wrong ones that all of them have, `missed` are not flagged.
    Reading number `lucky` is right. A blind drive (no `c2`) flags nothing.
    """

    seed: int
    bad: dict[int, int]
    times: int = 3
    late: int = 0
    core: int = 0
    missed: float = 0.0
    lucky: int | None = None
    c2: bool = True
    lost: frozenset[int] = frozenset()
    disc: MemorySource = DISC

    def into(self, folder: Path) -> Path:
        """Read into a job's folder, as the engine keeps what comes."""
        source = OffsetView(self.disc, -self.late) if self.late else self.disc
        times = count(1e9 + self.seed, 0.5)
        clock = Clock(time.monotonic, lambda: next(times), time.sleep)
        with Workspace.create(folder, job_for(self.disc, c2=self.c2)) as work:
            keeper = Keeper(work, clock)
            for lba in range(self.disc.layout.end):
                if lba not in self.lost:
                    self._read(keeper, source, lba)
        return folder

    def _read(self, keeper: Keeper, source: SectorSource, lba: int) -> None:
        right = read_all(source, lba, 1).data[0]
        for number in range(self.times if lba in self.bad else 1):
            row, flags = self._worn(right, lba, number) if lba in self.bad else (right, None)
            c2 = np.zeros((1, 294), np.uint8) if flags is None else np.packbits(flags)[np.newaxis]
            states = np.full(1, SectorState.READ, np.uint8)
            format_ = DISC.layout.tracks[0].stored
            block = Sectors(lba, format_, row[np.newaxis], states, None, c2 if self.c2 else None)
            how = How(PLAINLY, -1, independent=True)
            keeper.keep(ReadResult(lba, 1, block, None, 0.01), 1, how)

    def _worn(self, right: Row, lba: int, number: int) -> tuple[Row, npt.NDArray[np.bool_]]:
        always = np.random.default_rng((self.seed, lba))
        places = always.permutation(np.arange(16, 2352))
        row = right.copy()
        row[places[: self.core]] ^= always.integers(1, 256, self.core, dtype=np.uint8)
        rng = np.random.default_rng((self.seed, lba, number))
        at = rng.choice(places[self.core :], min(self.bad[lba], 2300 - self.core), replace=False)
        row[at] ^= rng.integers(1, 256, len(at), dtype=np.uint8)
        if number == self.lucky:
            row = right.copy()
        flags = (row != right) & (rng.random(2352) >= self.missed)
        return row, flags


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda fd: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


def _jobs(folder: Path, copies: Sequence[Worn]) -> list[Path]:
    return [copy.into(folder / os.urandom(6).hex()) for copy in copies]


def _merged(folders: Sequence[Path]) -> tuple[dict[int, SectorState], dict[int, Row]]:
    with ExitStack() as stack:
        sources = [stack.enter_context(closing(JobSource.open(one))) for one in folders]
        merged = run(merged_source(sources))
        blocks = [
            read_all(merged, track.start, track.end - track.start) for track in merged.layout.tracks
        ]
        states = {b.lba + n: SectorState(int(s)) for b in blocks for n, s in enumerate(b.states)}
        rows = {b.lba + n: row for b in blocks for n, row in enumerate(b.data)}
        return states, rows


def _written(target: Path, folders: Sequence[Path]) -> tuple[MergeResult, dict[int, Row]]:
    with ExitStack() as stack:
        sources = [stack.enter_context(closing(JobSource.open(one))) for one in folders]
        result = run(merge(sources, target))
    rows = np.fromfile(target.with_suffix(".bin"), np.uint8).reshape(-1, 2352)
    return result, dict(enumerate(rows))


def test_data_that_no_job_could_prove_are_proven_by_the_readings_of_all(folder: Path) -> None:
    """Each copy has wrong bytes that all its readings share, more than parity could mend."""
    bad = range(4, 16)
    copies = [Worn(seed, dict.fromkeys(bad, 60), core=260, missed=1.0) for seed in range(3)]
    folders = _jobs(folder, copies)
    for one in folders:
        with Workspace.open(one) as work:
            assert work.map.count(SectorState.SUSPECT) == len(bad)
    result, rows = _written(folder / "data.cue", folders)
    assert result.ok
    assert all((rows[lba] == RIGHT[lba]).all() for lba in RIGHT)
    assert {one.lba for one in result.joined} == set(bad)
    for one in result.joined:
        assert sum(part.count for part in one.runs) == 2352
        assert {part.source for part in one.runs} >= {0, 1, 2}
    _assert_origins(result, folders, rows)


def _assert_origins(result: MergeResult, folders: Sequence[Path], rows: dict[int, Row]) -> None:
    """Each byte is as that reading has it which it is said to be from."""
    named = 0
    with ExitStack() as stack:
        jobs = [stack.enter_context(Workspace.open(one)) for one in folders]
        for one in result.joined:
            for part in (part for part in one.runs if part.source is not None):
                bytes_ = _bytes_of(jobs[part.source or 0], one.lba, part)
                span = slice(part.offset, part.offset + part.count)
                assert (bytes_[span] == rows[one.lba][span]).all()
                named += part.reading is not None
    assert named


def _bytes_of(work: Workspace, lba: int, part: Run) -> Row:
    if part.reading is None:
        return work.read_rows(lba, 1)[0]
    return next(
        kept.data for seen, kept in work.evidence.readings(lba) if seen.digest.hex() == part.reading
    )


def test_flagged_bytes_are_lost_to_parity_so_that_two_jobs_suffice(folder: Path) -> None:
    copies = [Worn(seed, dict.fromkeys(DATA, 20), core=300, times=2) for seed in range(2)]
    folders = _jobs(folder, copies)
    states, rows = _merged(folders)
    good = [lba for lba in DATA if states[lba] is SectorState.PROVEN]
    assert len(good) > 35
    assert all((rows[lba] == RIGHT[lba]).all() for lba in good)


@pytest.mark.parametrize("late", [0, 588, 667, -30])
def test_audio_that_two_jobs_each_read_right_once_is_good(folder: Path, late: int) -> None:
    """The one right reading among the wrong ones is no proof in either job."""
    bad = dict.fromkeys(range(100, 110), 5)
    folders = _jobs(folder, [Worn(1, bad, lucky=1), Worn(2, bad, late=late, lucky=2)])
    for one in folders:
        with Workspace.open(one) as work:
            assert work.map.count(SectorState.SUSPECT) == 10
    states, rows = _merged(folders)
    assert all((rows[lba] == RIGHT[lba]).all() for lba in range(100, 110))
    assert {states[lba] for lba in range(100, 110)} == {SectorState.READ}


def test_one_right_reading_of_audio_stays_doubtful_beside_a_job_that_lost_the_sector(
    folder: Path,
) -> None:
    bad = dict.fromkeys(range(100, 110), 5)
    folders = _jobs(folder, [Worn(1, bad, lucky=1), Worn(2, {}, lost=frozenset(bad))])
    states, _ = _merged(folders)
    assert {states[lba] for lba in bad} == {SectorState.SUSPECT}


def test_evidence_of_audio_tells_which_of_two_good_readings_is_right(folder: Path) -> None:
    """A blind drive takes for good what is wrong; a third copy has but a doubtful right reading."""
    bad = dict.fromkeys(range(100, 110), 5)
    folders = _jobs(folder, [Worn(1, bad, times=1, c2=False), Worn(2, {}), Worn(3, bad, lucky=1)])
    states, rows = _merged(folders)
    assert all((rows[lba] == RIGHT[lba]).all() for lba in bad)
    assert {states[lba] for lba in bad} == {SectorState.READ}


def test_a_moved_sector_is_never_made_of_audio_and_what_lies_behind_it(folder: Path) -> None:
    """Two drives that are late alike agree on what follows the audio; but that is data."""
    lost = Worn(1, {}, lost=frozenset({99}), disc=BEFORE_DATA)
    late = [Worn(seed, {99: 1}, lucky=1, late=30, disc=BEFORE_DATA) for seed in (2, 3)]
    states, rows = _merged(_jobs(folder, [lost, *late]))
    good = [lba for lba, state in states.items() if state >= SectorState.READ]
    assert 99 not in good
    assert len(good) == len(states) - 1
    assert all((rows[lba] == read_all(BEFORE_DATA, lba, 1).data[0]).all() for lba in good)


@st.composite
def _copies(draw: st.DrawFn) -> list[Worn]:
    places = st.integers(30, 60)  # around the change from data to audio
    return [
        Worn(
            draw(st.integers(0, 1 << 30)),
            draw(st.dictionaries(places, st.sampled_from([1, 30, 200, 900]), max_size=12)),
            times=draw(st.integers(1, 4)),
            late=draw(st.sampled_from([0, 0, 30, -600])) if number else 0,
            core=draw(st.sampled_from([0, 1, 100, 300])),
            missed=draw(st.sampled_from([0.0, 0.3, 1.0])),
            lucky=draw(st.none() | st.integers(0, 3)),
            lost=draw(st.frozensets(places, max_size=6)),
        )
        for number in range(draw(st.integers(2, 3)))
    ]


@settings(deadline=None, max_examples=12)
@given(_copies(), st.randoms())
def test_whatever_the_copies_nothing_wrong_is_proven_nor_good_by_evidence(
    folder: Path, copies: list[Worn], random: Random
) -> None:
    folders = _jobs(folder, copies)
    states, rows = _merged(folders)
    for lba, state in states.items():
        if state is SectorState.PROVEN:
            assert (rows[lba] == RIGHT[lba]).all()
        if lba in AUDIO and state is SectorState.READ and (rows[lba] != RIGHT[lba]).any():
            assert _somebody_took_it(folders, lba), "evidence made it good"
    if not any(copy.late for copy in copies):  # else another first one has it elsewhere
        random.shuffle(folders)
        others, again = _merged(folders)
        assert others == states
        assert all((again[lba] == rows[lba]).all() for lba in rows
                   if states[lba] is SectorState.PROVEN)  # fmt: skip


def _somebody_took_it(folders: Sequence[Path], lba: int) -> bool:
    """Whether a drive that missed what was wrong had called it good already."""
    near = range(max(lba - 2, 0), min(lba + 3, 200))
    for one in folders:
        with Workspace.open(one) as work:
            for at in near:
                if work.map.state(at) is SectorState.READ and at in AUDIO:
                    row = work.read_rows(at, 1)[0]
                    if not any((row == right).all() for right in RIGHT.values()):
                        return True
    return False


# -- the verb ----------------------------------------------------------------------------------


def _cli(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in ("merge", *arguments)])


def test_the_folder_of_a_job_and_an_image_make_one(tmp_path: Path) -> None:
    job = Worn(1, {5: 900}, lost=frozenset(range(20, 30))).into(tmp_path / "job")
    run(write_image(DISC, tmp_path / "other.cue"))
    done = _cli(job, tmp_path / "other.cue", "-o", tmp_path / "whole.cue", "--json")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "whole.bin").read_bytes() == (tmp_path / "other.bin").read_bytes()
    told = json.loads(done.stdout)["result"]
    assert told["taken"][1]["count"] == 11


def test_a_job_of_a_dvd_that_could_not_be_read_and_an_iso_make_one(tmp_path: Path) -> None:
    source = dvd(200)
    drive = ScriptedDrive(source, {lba: Spot() for lba in range(32, 48)})
    with Workspace.create(tmp_path / "job", job_for(source)) as work:
        run(recover(drive, work, Budget(attempts=2), clock=FastClock().clock()))
        assert work.map.count(SectorState.FAILED) == 16
    run(write_image(source, tmp_path / "other.iso"))
    right = (tmp_path / "other.iso").read_bytes()
    (tmp_path / "other.iso").write_bytes(right[: 2048 * 150])
    for words in (("job", "other.iso"), ("other.iso", "job")):
        target = tmp_path / f"{words[0]}.whole.iso"
        done = _cli(*(tmp_path / word for word in words), "-o", target)
        assert done.exit_code == 0, done.output
        assert target.read_bytes() == right


def test_a_job_is_named_by_its_id_and_one_that_is_at_work_is_refused(tmp_path: Path) -> None:
    job = Worn(1, {}, lost=frozenset(range(20, 30))).into(tmp_path / "job")
    run(write_image(DISC, tmp_path / "other.cue"))
    with open_catalog(tmp_path) as catalog:
        known = a_job(catalog)
        catalog.jobs.set_workspace(known.id, str(job))
    words = [known.id[:8], tmp_path / "other.cue", "-o", tmp_path / "whole.cue"]
    words += ["--catalog", tmp_path / "catalog.sqlite"]
    with Workspace.open(job):
        busy = _cli(*words)
        assert busy.exit_code != 0
        assert "Another process works in" in busy.output
    done = _cli(*words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "whole.bin").read_bytes() == (tmp_path / "other.bin").read_bytes()
    nothing = _cli(tmp_path, tmp_path / "other.cue", "-o", tmp_path / "c.cue")
    assert nothing.exit_code == 2
    assert "job" in nothing.output
