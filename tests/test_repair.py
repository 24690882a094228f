# SPDX-License-Identifier: Apache-2.0
"""`repair`: mends in place what the EDC then proves, and takes it back; killed at any moment."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.formats import open_image
from imagerd.toolkit import undo as journals
from imagerd.toolkit.repair import RepairResult, repair, undo
from tests.protected_discs import strewn
from tests.sources import MemorySource, audio, data, memory_disc
from tests.test_convert_options import _GAP, safedisc
from tests.toolkit_images import volume, write_cue, write_iso

MIXED = (data(80), audio(20, pregap=5), data(60, TrackMode.MODE2))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def mend(sheet: Path, **options: bool) -> RepairResult:
    with closing(open_image(sheet)) as image:
        return run(repair(image, **options))


def hurt(disc: MemorySource, *lbas: int) -> MemorySource:
    """Sectors that parity can mend, and audio that looks just as bad."""
    for lba in lbas:
        track = disc.layout.track_at(lba)
        assert track is not None
        disc.raw[track.number][lba - track.start, 100:110] ^= 0x5A
    return disc


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.bin")}


@pytest.mark.parametrize("split", [False, True])
def test_mended_is_the_undamaged_image_and_undone_the_damaged_one(
    tmp_path: Path, split: bool
) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED), split=split)
    good = contents(tmp_path)
    write_cue(tmp_path, hurt(memory_disc(MIXED), 3, 4, 79, 90, 120), split=split)
    damaged = contents(tmp_path)
    result = mend(sheet)
    assert result.mended.count == 4 and result.ok
    now = contents(tmp_path)
    for name, body in now.items():
        expected = np.frombuffer(good[name], np.uint8).copy()
        was = np.frombuffer(damaged[name], np.uint8)
        audio_only = np.flatnonzero(expected != np.frombuffer(body, np.uint8))
        assert len(audio_only) in (0, 10)  # LBA 90 is audio: never touched
        assert (was[audio_only] == np.frombuffer(body, np.uint8)[audio_only]).all()
    assert result.journal == tmp_path / "disc.cue.undo"
    assert undo(result.journal).sectors == result.mended
    assert contents(tmp_path) == damaged
    assert not result.journal.exists() and (tmp_path / "disc.cue.undone").exists()


@pytest.mark.parametrize("stored", [SectorFormat.RAW, SectorFormat.MODE2])
def test_a_mended_image_of_mode_2_is_the_good_one(tmp_path: Path, stored: SectorFormat) -> None:
    plan = data(60, TrackMode.MODE2, stored=stored)
    write_cue(tmp_path, memory_disc([plan]))
    good = contents(tmp_path)
    sheet = write_cue(tmp_path, hurt(memory_disc([plan]), 5, 6, 50))
    assert mend(sheet).mended.count == 3
    assert contents(tmp_path) == good


def test_only_parity_is_left_unless_it_is_asked_for(tmp_path: Path) -> None:
    write_cue(tmp_path, memory_disc(MIXED))
    good = contents(tmp_path)
    disc = memory_disc(MIXED)
    disc.raw[1][7, 2100] ^= 1
    sheet = write_cue(tmp_path, disc)
    damaged = contents(tmp_path)
    result = mend(sheet)
    assert (result.journal, result.parity_wrong.ranges) == (None, (range(7, 8),))
    assert contents(tmp_path) == damaged
    assert mend(sheet, renew_parity=True).parity.count == 1
    assert contents(tmp_path) == good


def test_bad_on_purpose_and_beyond_repair_stay_byte_for_byte(tmp_path: Path) -> None:
    disc = safedisc()
    disc.raw[1][2000, 100:1500] = 0x55
    sheet = write_cue(tmp_path, disc)
    before = disc.raw[1].copy()
    result = mend(sheet)
    assert result.mended.ranges == (range(1900, 1901),)
    assert result.intended.count == sum(len(area) for area in strewn(_GAP, 0.1))
    assert not result.ok  # LBA 2000
    now = np.frombuffer((tmp_path / "disc.bin").read_bytes(), np.uint8).reshape(-1, 2352)
    assert np.flatnonzero((now != before).any(axis=1)).tolist() == [1900]


def test_a_dry_run_changes_nothing_and_a_second_repair_neither(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, hurt(memory_disc(MIXED), 5))
    damaged = contents(tmp_path)
    assert mend(sheet, dry=True).mended.count == 1
    assert contents(tmp_path) == damaged and not list(tmp_path.glob("*undo*"))
    assert mend(sheet).journal is not None
    again = mend(sheet)
    assert (again.journal, again.resumed, again.mended.count) == (None, None, 0)


def test_sectors_that_were_not_read_are_left_alone(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, hurt(memory_disc([data(80)]), 5, 6))
    size = 80 * 2352
    (tmp_path / "disc.cue.map").write_text(
        f"0 ? 1\n0 {5 * 2352} +\n{5 * 2352} 2352 -\n{6 * 2352} {size - 6 * 2352} +\n"
    )
    damaged = contents(tmp_path)
    # What the map calls bad and is no filling is doubtful: the EDC may prove it mended.
    assert imagerctl("repair", sheet).exit_code == 0
    rows = np.frombuffer(damaged["disc.bin"], np.uint8).reshape(-1, 2352).copy()
    rows[5] = 0
    (tmp_path / "disc.bin").write_bytes(rows.tobytes())
    result = imagerctl("repair", sheet, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["result"]["unreadable"]["count"] == 1
    assert (tmp_path / "disc.bin").read_bytes()[5 * 2352 :][:2352] == bytes(2352)


class Died(BaseException):
    """The end of the process, as far as the files can tell."""


def dying(after: int, cut: int) -> Callable[[int, memoryview, int], int]:
    """A pwrite that dies at call number `after`, when `cut` bytes of it are written."""
    calls = 0
    real = os.pwrite

    def pwrite(file: int, view: memoryview, offset: int) -> int:
        nonlocal calls
        calls += 1
        if calls > after:
            real(file, view[:cut], offset)
            raise Died
        return real(file, view, offset)

    return pwrite


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(after=st.integers(0, 6), cut=st.integers(0, 10), again=st.integers(0, 6), back=st.booleans())
def test_dying_in_any_write_leaves_both_states_within_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, cut: int, again: int, back: bool
) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    plan = (data(40),)
    write_cue(tmp_path, memory_disc(plan))
    good = contents(tmp_path)
    sheet = write_cue(tmp_path, hurt(memory_disc(plan), 3, 9, 10, 20, 39))
    damaged = contents(tmp_path)
    journal = tmp_path / "disc.cue.undo"

    def die(work: Callable[[], object], at: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(journals.os, "pwrite", dying(at, cut))
            with suppress(Died):
                work()

    die(lambda: mend(sheet), after)
    if back:
        die(lambda: undo(journal), again)
        if journal.exists():
            undo(journal)
        assert contents(tmp_path) == damaged
    else:
        die(lambda: mend(sheet), again)
        mend(sheet)
        assert contents(tmp_path) == good
        undo(journal)
        assert contents(tmp_path) == damaged


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    rng = random.Random(1)
    plan = (data(400),)
    write_cue(tmp_path, memory_disc(plan))
    good = contents(tmp_path)
    disc = hurt(memory_disc(plan), *range(0, 400, 4))
    for _ in range(3):
        for old in tmp_path.glob("*disc.cue*"):
            old.unlink()
        sheet = write_cue(tmp_path, disc)
        damaged = contents(tmp_path)
        command = [sys.executable, "-m", "imagerd.cli.main", "repair", "-q", str(sheet)]
        process = subprocess.Popen(command)
        journal = tmp_path / "disc.cue.undo"
        deadline = time.monotonic() + 20
        while not journal.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.008))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if rng.random() < 0.5:
            mend(sheet)
            assert contents(tmp_path) == good
        else:
            undo(journal)
            assert contents(tmp_path) == damaged


def test_a_later_change_by_others_is_never_undone(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, hurt(memory_disc(MIXED), 5, 7))
    journal = mend(sheet).journal
    assert journal is not None
    file = tmp_path / "disc.bin"
    body = bytearray(file.read_bytes())
    body[5 * 2352 + 105] ^= 0xFF
    file.write_bytes(body)
    with pytest.raises(BadInput, match="was changed since at LBA 5"):
        undo(journal)
    assert file.read_bytes() == body
    file.write_bytes(body[:-1])
    with pytest.raises(BadInput, match="bytes long any more"):
        undo(journal)


def test_repairs_are_undone_in_reverse_order(tmp_path: Path) -> None:
    disc = hurt(memory_disc(MIXED), 5)
    disc.raw[1][7, 2100] ^= 1
    sheet = write_cue(tmp_path, disc)
    damaged = contents(tmp_path)
    first = mend(sheet).journal
    second = mend(sheet, renew_parity=True).journal
    assert first is not None and second is not None and second.name == "disc.cue.2.undo"
    with pytest.raises(BadInput, match="later repair"):
        undo(first)
    undo(second)
    undo(first)
    assert contents(tmp_path) == damaged


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_journal_is_refused_whole(tmp_path: Path, at: int, flip: int) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    sheet = write_cue(tmp_path, hurt(memory_disc([data(20)]), 5))
    journal = mend(sheet).journal
    assert journal is not None
    mended = contents(tmp_path)
    body = bytearray(journal.read_bytes())
    body[at % len(body)] ^= flip
    journal.write_bytes(body)
    with pytest.raises(BadInput, match="no undo journal"):
        undo(journal)
    assert contents(tmp_path) == mended


def test_a_journal_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret").write_bytes(b"old bytes")
    header = journals.Header(
        "imagerd undo journal 1", "x.cue", "now", (journals.ChangedFile("../secret", 9),)
    )
    with ExitStack() as stack:
        draft = journals.Draft(inner / "x.cue.undo", header, stack)
        draft.add(journals.Change(0, 0, 0, b"new", b"old", "edc"))
        with pytest.raises(BadInput, match="no file beside it"):
            draft.commit()
    assert (tmp_path / "secret").read_bytes() == b"old bytes"


def test_what_cannot_be_mended_in_place_is_refused_in_a_sentence(tmp_path: Path) -> None:
    class Packed:
        path = tmp_path / "game.xyz"
        layout = memory_disc(MIXED).layout

    with pytest.raises(BadInput, match="keeps its sectors packed"):
        run(repair(Packed()))  # type: ignore[arg-type]
    iso = write_iso(tmp_path, volume(40))
    result = imagerctl("repair", iso)
    assert result.exit_code == 0 and "nothing to mend" in result.stdout
    assert imagerctl("repair").exit_code == 2


def test_two_at_once_are_kept_apart(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, hurt(memory_disc(MIXED), 5))
    with (tmp_path / "disc.bin").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(NotAvailable, match="another process"):
            mend(sheet)
    assert mend(sheet).mended.count == 1


def test_the_verb_tells_how_to_take_it_back(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, hurt(memory_disc(MIXED), 5))
    result = imagerctl("repair", sheet)
    assert result.exit_code == 0
    assert "Mended: 1 sector, LBA 5" in result.stdout
    words = result.stdout.split("imagerctl ")[1].split()
    assert imagerctl(*words).exit_code == 0
    assert imagerctl("verify", sheet).exit_code == 1
