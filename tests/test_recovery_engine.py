# SPDX-License-Identifier: Apache-2.0
"""The whole run against a scripted drive: right where it can be, truthful everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import DriveLost, NoMedium, NotAvailable, WrongDisc
from imagerd.base.progress import run
from imagerd.devices.reading import ReadRequest
from imagerd.disc.source import FaultKind, SectorState
from imagerd.recovery.budget import Budget, End
from imagerd.recovery.engine import Recovery, RecoveryResult, recover
from imagerd.recovery.worksource import WorkSource
from imagerd.recovery.workspace import Workspace
from tests.sources import MemorySource
from tests.strategies_recovery import (
    FastClock,
    ScriptedDrive,
    Spot,
    damage,
    data_disc,
    dvd,
    job_for,
    mixed_disc,
    original,
    seeks_the_shift,
    worth_reading,
)

GENEROUS = Budget(attempts=16, rounds_without_gain=8)
DISCS: dict[str, MemorySource] = {"data": data_disc(), "mixed": mixed_disc(), "dvd": dvd()}
RIGHT = {name: original(disc) for name, disc in DISCS.items()}


def _fresh(folder: Path, drive: ScriptedDrive) -> Workspace:
    job = job_for(drive.source, c2=drive.c2, sub=drive.sub)
    return Workspace.create(folder / os.urandom(6).hex(), job)


def _recover(
    drive: ScriptedDrive,
    work: Workspace,
    budget: Budget = GENEROUS,
    should_stop: Callable[[], bool] = lambda: False,
) -> RecoveryResult:
    clock = FastClock().clock()
    return run(recover(drive, work, budget, should_stop=should_stop, clock=clock))


def _assert_truthful(work: Workspace, disc: str, audio_lies: frozenset[int] = frozenset()) -> None:
    """No sector is better in the map than in fact, and the image says what the map says."""
    source = WorkSource(work)
    for area in source.layout.ranges():
        at = area.start
        while at < area.stop:
            block = source.read(at, 64)
            for row, lba in enumerate(range(block.lba, block.end)):
                state, same = block.states[row], np.array_equal(block.data[row], RIGHT[disc][lba])
                assert state != SectorState.PROVEN or same, f"LBA {lba} proven and wrong"
                assert state != SectorState.READ or same or lba in audio_lies, f"LBA {lba}"
                explained = any(f.lba <= lba < f.lba + f.count for f in block.faults)
                assert explained == (state == SectorState.FAILED)
            at = block.end


def _assert_nothing_good_read_twice(drive: ScriptedDrive, good: list[set[int]]) -> None:
    for request, already in zip(drive.trace, good, strict=True):
        again = already & set(range(request.lba, request.lba + request.count))
        assert not again, f"read again: {sorted(again)}"


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda fd: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.mark.parametrize("disc", list(DISCS))
def test_a_sound_disc_is_read_once_in_large_commands(folder: Path, disc: str) -> None:
    drive = ScriptedDrive(DISCS[disc], c2=True)
    with _fresh(folder, drive) as work:
        result = _recover(drive, work)
        assert result.end is End.COMPLETE
        assert result.complete
        _assert_truthful(work, disc)
        asked = [lba for r in drive.trace for lba in range(r.lba, r.lba + r.count)]
        assert asked == sorted(RIGHT[disc])
        assert len(drive.trace) < len(asked) / 10
        proven = work.map.count(SectorState.PROVEN)
        assert proven == {"data": 400, "mixed": 500, "dvd": 0}[disc]


@settings(max_examples=30, deadline=None)
@given(
    disc=st.sampled_from(list(DISCS)),
    features=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    choose=st.data(),
)
def test_any_damage_gives_what_can_be_had_and_the_truth(
    folder: Path, disc: str, features: tuple[bool, bool, bool], choose: st.DataObject
) -> None:
    source = DISCS[disc]
    spots = choose.draw(damage(source.layout))
    c2, sub, prefix = features
    drive = ScriptedDrive(source, spots, c2=c2, sub=sub, gives_prefix=prefix)
    good: list[set[int]] = []
    with _fresh(folder, drive) as work:

        def note_good(request: ReadRequest) -> None:
            states = work.map.states(request.lba, request.count)
            track = source.layout.track_at(request.lba)
            # Audio may be read once more, to compare; one good place to learn the shift by; and
            # what lies between bad sectors less than a turn apart.
            again = track is not None and not track.is_data
            again |= seeks_the_shift(request) or worth_reading(
                states < SectorState.READ, request.lba
            )
            rows = [] if again else np.flatnonzero(states >= SectorState.READ).tolist()
            good.append({request.lba + row for row in rows})

        drive.on_attempt = note_good
        result = _recover(drive, work)
        _assert_truthful(work, disc, _undetectable(drive))
        _assert_nothing_good_read_twice(drive, good)
        for lba in RIGHT[disc]:
            if _must_read(drive, lba):
                state = work.map.state(lba)
                assert state >= SectorState.READ, f"LBA {lba} {spots.get(lba)}: {state.name}"
        assert work.map.count(SectorState.UNREAD) == 0
        assert result.complete == (result.end is End.COMPLETE)


def _undetectable(drive: ScriptedDrive) -> frozenset[int]:
    """Sectors that nothing tells to be wrong: no EDC there, and no C2 or Q from the drive."""
    lies: set[int] = set()
    for lba, spot in drive.spots.items():
        track = drive.layout.track_at(lba)
        assert track is not None
        told = (spot.spoils == "c2" and drive.c2) or (spot.spoils == "far" and drive.sub)
        if not drive.layout.is_cd:
            told = proves = False
        else:
            # Before an audio track a data track may end in audio: it cannot be told.
            proves = track.is_data and not (spot.spoils == "far" and 75 <= lba < 300)
        if spot.spoils and not told and not proves:
            lies.add(lba)
    return frozenset(lies)


def _must_read(drive: ScriptedDrive, lba: int) -> bool:
    """Whether a schedule that tries every approach in 16 attempts has to get this sector."""
    spot = drive.spots.get(lba)
    if not drive.layout.is_cd and not drive.gives_prefix:  # such a drive's ECC blocks fail whole
        block = set(range(lba - lba % 16, lba - lba % 16 + 16))
        return not block & set(drive.spots)
    if spot is None:
        return True
    seldom = spot.kind in (FaultKind.TIMEOUT, FaultKind.REFUSED)
    track = drive.layout.track_at(lba)
    # Eight rounds without gain are the end; audio must come twice; what is always the same is
    # visited seldom.
    visits = 5 if track is not None and track.is_data else 4
    if spot.spoils:
        return spot.heals is not None and spot.heals <= visits
    if spot.heals is not None:
        return spot.heals <= (2 if seldom else visits)
    return spot.at_most == 1500 and not seldom and drive.layout.is_cd


def test_a_slow_speed_is_tried_and_taken_back(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"], {77: Spot(at_most=200)})
    with _fresh(folder, drive) as work:
        assert _recover(drive, work, Budget()).complete
    assert drive.speeds == [1412, 706, 177, None]


def test_data_that_reads_only_as_audio_is_descrambled_and_proven(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"], {77: Spot(audio=True)})
    with _fresh(folder, drive) as work:
        assert _recover(drive, work, Budget()).complete
        assert work.map.state(77) is SectorState.PROVEN
        _assert_truthful(work, "data")


def test_a_few_wrong_bytes_are_corrected_and_listed_as_repaired(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"], {77: Spot(spoils="edc"), 90: Spot(spoils="ruin")})
    with _fresh(folder, drive) as work:
        result = _recover(drive, work, Budget())
        assert list(work.map.repaired) == [range(77, 78)]
        assert result.repaired == 1
        assert work.map.state(77) is SectorState.PROVEN
        assert work.map.state(90) is SectorState.SUSPECT
        _assert_truthful(work, "data")
        folder = work.folder
    with Workspace.open(folder) as again:
        assert list(again.map.repaired) == [range(77, 78)]


@pytest.mark.parametrize("lba", [20, 620])
def test_bytes_of_another_place_are_never_repaired_into_this_one(folder: Path, lba: int) -> None:
    lba = lba if lba < 300 else DISCS["mixed"].layout.sessions[1].start + 20
    drive = ScriptedDrive(DISCS["mixed"], {lba: Spot(spoils="far")})
    with _fresh(folder, drive) as work:
        _recover(drive, work, Budget())
        assert work.map.state(lba) is SectorState.SUSPECT
        assert not len(work.map.repaired)


def test_c2_on_audio_is_suspect_until_a_clean_read(folder: Path) -> None:
    spots = {400: Spot(spoils="c2", heals=3), 410: Spot(spoils="c2")}
    drive = ScriptedDrive(DISCS["mixed"], spots, c2=True)
    with _fresh(folder, drive) as work:
        _recover(drive, work)
        assert work.map.state(400) is SectorState.READ
        assert 400 in work.map.confirmed
        assert work.map.state(410) is SectorState.SUSPECT
        _assert_truthful(work, "mixed")


def test_audio_whose_q_names_another_place_is_suspect(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["mixed"], {400: Spot(spoils="far")}, sub=True)
    with _fresh(folder, drive) as work:
        _recover(drive, work)
        assert work.map.state(400) is SectorState.SUSPECT


def test_a_long_scratch_costs_few_commands_in_the_first_pass(folder: Path) -> None:
    spots = {lba: Spot() for lba in range(100, 300)}
    drive = ScriptedDrive(data_disc(4000), spots)
    with _fresh(folder, drive) as work:
        task = Recovery(drive, work, Budget(), clock=FastClock().clock())
        for _ in task.run():
            if not task.status().what.startswith("pass 1"):
                break
        failing = [r for r in drive.trace if r.lba + r.count > 100 and r.lba < 300]
        assert len(failing) <= 6
        assert work.map.state(3999) is SectorState.PROVEN


def test_the_budget_of_time_ends_work_on_damage_only(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"], {lba: Spot() for lba in range(100, 200)})
    with _fresh(folder, drive) as work:
        clock = FastClock(tick=0.5).clock()
        result = run(recover(drive, work, Budget(seconds=20), clock=clock))
        assert result.end is End.TIME
        assert result.damage_seconds >= 20
        assert work.map.count(SectorState.PROVEN) > 200
        _assert_truthful(work, "data")


def test_a_run_ends_when_rounds_bring_nothing(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"], {77: Spot(), 78: Spot()})
    with _fresh(folder, drive) as work:
        assert _recover(drive, work, Budget(attempts=100)).end is End.NO_GAIN
        story = work.map.errors.at(77)
        assert story is not None
        assert story.sense == (3, 0x11, 5)
        assert 5 <= story.attempts <= 10
        assert story.first <= story.last


def test_a_drive_that_hangs_is_given_rest_and_few_visits(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"], {77: Spot(kind=FaultKind.TIMEOUT)})
    clock = FastClock()
    with _fresh(folder, drive) as work:
        run(recover(drive, work, GENEROUS, clock=clock.clock()))
        assert work.map.state(77) is SectorState.FAILED
    assert drive.tries[77] <= 8
    assert clock.slept >= 4


def test_stopping_makes_a_checkpoint_and_resuming_goes_on(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"])
    with _fresh(folder, drive) as work:
        result = _recover(drive, work, should_stop=lambda: len(drive.trace) >= 5)
        assert result.stopped
        assert work.map.count(SectorState.PROVEN) == 5 * 26
        where = work.folder
    rest = ScriptedDrive(DISCS["data"])
    with Workspace.open(where, "disc", boot=b"another boot 456") as work:
        assert _recover(rest, work).complete
        _assert_truthful(work, "data")
    assert rest.trace[0].lba == 5 * 26


def test_another_disc_in_the_drive_ends_the_run_and_spoils_nothing(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"])

    def swap(request: ReadRequest) -> None:
        if len(drive.trace) == 4:
            drive.media_generation += 1

    drive.on_attempt = swap
    with _fresh(folder, drive) as work:
        with pytest.raises(WrongDisc, match="first one"):
            _recover(drive, work)
        assert work.map.count(SectorState.PROVEN) == 4 * 26


@pytest.mark.parametrize(("sense", "error"), [((6, 0x28, 0), WrongDisc), ((2, 0x3A, 1), NoMedium)])
def test_a_disc_that_goes_ends_the_run(
    folder: Path,
    sense: tuple[int, int, int],
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(_senses(), FaultKind.NOT_READY, sense)
    drive = ScriptedDrive(DISCS["data"], {77: Spot(kind=FaultKind.NOT_READY)})
    with _fresh(folder, drive) as work, pytest.raises(error):
        _recover(drive, work)


def _senses() -> dict[FaultKind, tuple[int, int, int]]:
    from tests import strategies_recovery

    return strategies_recovery.SENSES


def test_a_drive_that_spins_up_is_waited_for(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"], {77: Spot(kind=FaultKind.NOT_READY, heals=4)})
    with _fresh(folder, drive) as work:
        assert _recover(drive, work).complete
        assert not len(work.map.errors)


def test_a_reset_is_not_blamed_on_the_sector(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_senses(), FaultKind.NOT_READY, (6, 0x29, 0))
    drive = ScriptedDrive(DISCS["data"], {77: Spot(kind=FaultKind.NOT_READY, heals=2)})
    with _fresh(folder, drive) as work:
        assert _recover(drive, work).complete
        assert not len(work.map.errors)
    assert drive.speeds


def test_a_dead_bus_is_a_lost_drive(folder: Path) -> None:
    spots = {lba: Spot(kind=FaultKind.TRANSPORT) for lba in range(100, 400)}
    drive = ScriptedDrive(DISCS["data"], spots)
    with _fresh(folder, drive) as work:
        with pytest.raises(DriveLost, match="bus"):
            _recover(drive, work)
        _assert_truthful(work, "data")


def test_a_full_disk_pauses_and_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = ScriptedDrive(DISCS["data"])
    real, written = os.pwrite, 0

    def small_disk(fd: int, data: memoryview, offset: int) -> int:
        nonlocal written
        if written + len(data) > 300_000:
            raise OSError(28, "No space left on device")
        written += len(data)
        return real(fd, data, offset)

    with _fresh(folder, drive) as work:
        where = work.folder
        monkeypatch.setattr(os, "pwrite", small_disk)
        with pytest.raises(NotAvailable, match="No space left"):
            _recover(drive, work)
        monkeypatch.undo()
        kept = work.map.count(SectorState.PROVEN)
    assert kept > 50
    with Workspace.open(where, "disc") as work:
        assert work.map.count(SectorState.PROVEN) == kept
        assert _recover(drive, work).complete
        _assert_truthful(work, "data")


def test_status_tells_how_it_stands(folder: Path) -> None:
    drive = ScriptedDrive(DISCS["data"], {77: Spot()})
    with _fresh(folder, drive) as work:
        task = Recovery(drive, work, Budget(seconds=600), clock=FastClock().clock())
        seen = [(progress, task.status()) for progress in task.run()]
    whats = list(dict.fromkeys(progress.what.partition(",")[0] for progress, _ in seen))
    assert whats[0] == "pass 1: reading"
    assert "pass 8: retrying" in whats
    assert seen[-1][1].bad == 1
    assert seen[-1][1].rate >= 0
    left = seen[-1][1].seconds_left
    assert left is not None
    assert left < 600
