# SPDX-License-Identifier: Apache-2.0
"""Where samples lie: by syncs for certain, by silence as a guess that says how good it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.progress import run
from imagerd.devices.virtual.faults import FaultPlan, SectorFault, What
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.disc.layout import Layout, SectorFormat, TrackMode
from imagerd.disc.source import Bytes2D, SectorState
from imagerd.recovery.budget import Budget
from imagerd.recovery.engine import recover
from imagerd.recovery.job import Job, LayoutRecord
from imagerd.recovery.journal import Attempt
from imagerd.recovery.structure import write_offset
from imagerd.recovery.workspace import Workspace
from imagerd.recovery.writeoffset import (
    SyncNote,
    agreed,
    noted_sync,
    probe_sync,
    silence_offset,
    sync_offsets,
)
from imagerd.sectors.convert import to_raw
from imagerd.sectors.scramble import scramble
from tests.drives import drive_with
from tests.path_way import way
from tests.sources import audio, data, lay_out, memory_disc
from tests.strategies_recovery import FastClock

PLEXTOR = DriveProfile.load("plextor")


def shifted(rows: Bytes2D, samples: int) -> Bytes2D:
    """As they come `samples` late."""
    return np.roll(rows.reshape(-1), 4 * samples).reshape(rows.shape)


# -- by sync -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(-3 * 588, 3 * 588),
    lba=st.integers(-100, 300_000),
    mode=st.sampled_from([TrackMode.MODE1, TrackMode.MODE2]),
    noise=st.integers(0, 3),
)
def test_the_place_of_syncs_tells_the_offset_whatever_is_damaged(
    samples: int, lba: int, mode: TrackMode, noise: int
) -> None:
    rng = np.random.default_rng(1)
    size = SectorFormat.USER if mode is TrackMode.MODE1 else SectorFormat.MODE2
    raw = scramble(to_raw(rng.integers(0, 256, (20, size.size), np.uint8), size, mode, lba))
    for row in rng.choice(20, noise, replace=False):
        raw[row, :16] = rng.integers(0, 256, 16)
    told = agreed(list(sync_offsets(shifted(raw, samples)[8:14], lba + 8)))
    assert told is not None
    assert told.combined == samples
    assert told.agreeing >= 3


def test_plain_data_and_audio_tell_nothing() -> None:
    rng = np.random.default_rng(2)
    user = rng.integers(0, 256, (12, 2048), np.uint8)
    plain = to_raw(user, SectorFormat.USER, TrackMode.MODE1, 500)
    assert list(sync_offsets(plain, 500)) == [], "the drive has put it in its place"
    assert list(sync_offsets(rng.integers(0, 256, (12, 2352), np.uint8), 500)) == []
    assert agreed([]) is None


def test_too_few_or_divided_syncs_tell_nothing() -> None:
    assert agreed([120, 120]) is None
    assert agreed([120, 120, 120, 0, 0, 0]) is None
    assert agreed([122, 122, 122]) is None, "no whole sample"
    assert agreed([120, 120, 120, 0]) == SyncNote(30, 3, 4)


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_any_bytes_with_a_sync_in_them_do_no_harm(tail: bytes, at: int) -> None:
    row = np.zeros(2352, np.uint8)
    raw = (b"\0" + b"\xff" * 10 + b"\0" + tail)[: 2352 - at]
    row[at : at + len(raw)] = np.frombuffer(raw, np.uint8)
    list(sync_offsets(row.reshape(1, -1), 0))


def fresh(folder: Path, layout: Layout) -> Workspace:
    return Workspace.create(folder / "job", Job("disc", LayoutRecord.of(layout)))


@pytest.mark.parametrize("offset", [30, -12, 700])
def test_a_drive_that_gives_data_as_audio_tells_its_offset(tmp_path: Path, offset: int) -> None:
    disc = memory_disc([data(400), audio(300, 150)])
    drive, _, between = drive_with(disc, profile=replace(PLEXTOR, read_offset=offset))
    with fresh(tmp_path, drive.layout) as work:
        told = run(probe_sync(drive, work))
        assert told is not None
        assert told.combined == offset
        assert noted_sync(work) == told
        sent = between.count(0xBE)
        assert run(probe_sync(drive, work)) is None, "once for a job"
        assert between.count(0xBE) == sent
        known = write_offset(work, work.layout, offset)
        assert known is not None
        assert (known.samples, known.combined, known.how) == (0, offset, "sync")
        assert known.confidence == "certain"
        unknown = write_offset(work, work.layout, None)
        assert unknown is not None
        assert (unknown.samples, unknown.combined) == (None, offset)


def test_what_damage_made_us_find_out_is_not_read_again(tmp_path: Path) -> None:
    """The search for scrambled data and the probe tell each other, as long as the drive is one."""
    disc = memory_disc([data(400)])
    damaged = FaultPlan(sectors=(SectorFault(what=What.UNREADABLE, areas=(range(200, 220),)),))
    profile = replace(PLEXTOR, read_offset=30, serial="S1")
    drive, _, between = drive_with(disc, damaged, profile=profile)
    with fresh(tmp_path, drive.layout) as work:
        run(recover(drive, work, Budget(attempts=2), clock=FastClock().clock()))
        noted = noted_sync(work)
        assert noted is not None
        assert (noted.combined, noted.drive.serial) == (30, "S1")
        sent = between.count(0xBE)
        assert run(probe_sync(drive, work)) is None
        assert between.count(0xBE) == sent
        asked = between.sent.copy()
        run(recover(drive, work, Budget(attempts=2), clock=FastClock().clock()))
        again = [cdb for cdb in between.sent[len(asked) :] if cdb[0] == 0xBE and cdb[1] == 4]
        assert again, "data are read as audio"
        assert all(198 <= cdb[5] + 256 * cdb[4] < 222 for cdb in again), "and the shift is known"
    other, _, _ = drive_with(disc, profile=replace(profile, read_offset=-12, serial="S2"))
    with Workspace.open(tmp_path / "job") as work:
        told = run(probe_sync(other, work))
        assert told is not None
        assert noted_sync(work) == told
        assert (told.combined, told.drive.serial) == (-12, "S2"), "another drive, another offset"
        known = write_offset(work, work.layout, 30)
        assert known is not None
        assert (known.samples, known.read_offset) == (None, None), "S1 was in the last run"


@pytest.mark.parametrize("manner", ["refuse", "plain"])
def test_a_drive_that_refuses_or_unscrambles_tells_nothing(tmp_path: Path, manner: str) -> None:
    profile = replace(PLEXTOR, audio_on_data=manner)
    drive, _, between = drive_with(memory_disc([data(400)]), profile=profile)
    with fresh(tmp_path, drive.layout) as work:
        between.sent.clear()
        assert run(probe_sync(drive, work)) is None
        assert between.count(0xBE) <= 3
        assert write_offset(work, work.layout, 30) is None


# -- by silence --------------------------------------------------------------------------------

ALBUM = lay_out([audio(300), audio(300, pregap=100), audio(300, pregap=75)])


def album(offset: int, *, fade: int = 0, hum: int = 0) -> Bytes2D:
    """ALBUM as delivered `offset` samples late; audio ends `fade` samples before each pause."""
    rng = np.random.default_rng(3)
    pcm = rng.integers(500, 20_000, (900 * 588, 2)).astype("<i2")
    for track in ALBUM.tracks[1:]:
        begin, end = track.start * 588 - fade, track.index1 * 588 + fade
        pcm[begin:end] = rng.integers(-hum, hum + 1, (end - begin, 2)) if hum else 0
    return shifted(pcm.view(np.uint8).reshape(900, 2352), offset)


@settings(max_examples=25, deadline=None)
@given(offset=st.integers(-2000, 2000), fade=st.integers(0, 100), hum=st.integers(0, 32))
def test_pauses_of_silence_tell_the_offset_and_how_sure_it_is(
    offset: int, fade: int, hum: int
) -> None:
    rows = album(offset, fade=fade, hum=hum)
    fit = silence_offset(lambda lba, count: rows[lba : lba + count], ALBUM)
    assert fit is not None
    assert fit.low <= fit.combined <= fit.high
    assert offset - fade <= fit.low
    assert fit.high <= offset + fade
    if not hum:
        assert (fit.low, fit.high) == (offset - fade, offset + fade)
    assert abs(fit.combined) == min(abs(at) for at in range(fit.low, fit.high + 1))
    assert fit.loudest <= hum
    assert fit.pauses == 2


def test_no_silence_and_silence_everywhere_tell_nothing() -> None:
    rng = np.random.default_rng(4)
    loud = rng.integers(0, 256, (900, 2352), np.uint8)
    assert silence_offset(lambda lba, count: loud[lba : lba + count], ALBUM) is None
    still = np.zeros((900, 2352), np.uint8)
    assert silence_offset(lambda lba, count: still[lba : lba + count], ALBUM) is None
    without = lay_out([audio(300), audio(600)])
    rows = album(0)
    assert silence_offset(lambda lba, count: rows[lba : lba + count], without) is None


def test_what_was_not_read_is_no_silence(tmp_path: Path) -> None:
    """A hole in a file reads as zeros."""
    rows = album(12)
    gap = ALBUM.tracks[1]
    hole = range(gap.start - 5, gap.start + 5)
    with fresh(tmp_path, ALBUM) as work:
        parts = (range(hole.start), range(hole.stop, 900))
        for part in parts:
            runs = ((len(part), SectorState.READ),)
            work.commit(Attempt(part.start, len(part), runs, 0.0), rows[part.start : part.stop])
        assert write_offset(work, ALBUM, 0) is None
        work.commit(
            Attempt(hole.start, len(hole), ((len(hole), SectorState.READ),), 0.0),
            rows[hole.start : hole.stop],
        )
        told = write_offset(work, ALBUM, 6)
        assert told is not None
        assert (told.samples, told.combined, told.how) == (6, 12, "silence")
        assert told.confidence == "likely"
        assert (told.low, told.high) == (12, 12)


def test_a_wide_range_is_only_possible(tmp_path: Path) -> None:
    rows = album(0, fade=400)
    with fresh(tmp_path, ALBUM) as work:
        work.commit(Attempt(0, 900, ((900, SectorState.READ),), 0.0), rows)
        told = write_offset(work, ALBUM, None)
        assert told is not None
        assert (told.combined, told.confidence) == (0, "possible")


def test_the_report_of_a_mixed_disc_has_its_write_offset(tmp_path: Path) -> None:
    disc = memory_disc([data(400), audio(300, 150)])
    extra = '[drives."virtual:virtual"]\nread_offset = 6\n'
    with way(tmp_path, extra=extra) as there:
        done = there.archive(disc, profile="plextor", read_offset=18)
    assert done.report.structure is not None
    told = done.report.structure.write_offset
    assert told is not None
    assert (told.samples, told.combined, told.read_offset) == (12, 18, 6)
