# SPDX-License-Identifier: Apache-2.0
"""`convert`: what is lost is named before, what is meant is left, what was written is read back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings

from imagerd.base.files import AtomicFile
from imagerd.base.progress import Progress, run
from imagerd.cli.main import cli
from imagerd.disc.layout import Control, Layout, SectorFormat, TrackMode, single_track
from imagerd.formats import Container, Feature, losses, open_image
from imagerd.formats.features import WHOLE_CD, lost
from imagerd.sectors.convert import to_raw
from imagerd.toolkit.batch import Conversion, Converted, convert_all
from imagerd.toolkit.convert import ConvertOptions, convert
from imagerd.toolkit.crew import Pulse, each
from tests.protected_discs import placed_iso, strewn
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.strategies_formats import layouts
from tests.toolkit_images import volume, write_cue, write_iso

MIXED = (data(60), audio(30, pregap=10), audio(25, isrc="DEA371500001"))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


# -- losses ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(layouts())
def test_a_whole_cd_loses_nothing_in_a_cue_and_only_what_it_has_in_an_iso(layout: Layout) -> None:
    disc = MemorySource(layout, {t.number: np.zeros((999, 2352), np.uint8) for t in layout.tracks})
    assert lost(disc, WHOLE_CD) == ()
    named = {trait.feature for trait in lost(disc, frozenset())}
    assert (Feature.AUDIO in named) == any(not track.is_data for track in layout.tracks)
    assert (Feature.MCN in named) == (layout.mcn is not None)
    assert (Feature.CD_TEXT in named) == (layout.cd_text is not None)
    assert Feature.BLOCKS not in named
    assert Feature.SUBCHANNEL not in named


def test_of_a_track_that_is_lost_nothing_further_is_told() -> None:
    disc = memory_disc(MIXED)
    named = losses(disc, Container.ISO)
    assert named is not None
    assert [trait.sentence for trait in named] == ["audio tracks 2–3"]


def test_the_other_data_tracks_are_lost_and_not_the_chosen_one() -> None:
    disc = memory_disc([data(20), data(20, isrc="DEA371500001"), data(20)])
    named = losses(disc, Container.ISO, track=2)
    assert named is not None
    assert [t.sentence for t in named] == ["data tracks 1, 3", "the ISRC of track 2"]


def test_subchannel_is_lost_whether_the_layout_tells_or_the_sectors() -> None:
    plan = audio(8, control=Control.PRE_EMPHASIS)
    disc = memory_disc([plan])
    assert [t.feature for t in lost(disc, frozenset({Feature.AUDIO}))] == [Feature.FLAGS]
    layout = single_track(8, TrackMode.AUDIO, stored=SectorFormat.RAW_SUB)
    with_sub = MemorySource(layout, {1: np.zeros((8, 2448), np.uint8)})
    assert [t.feature for t in lost(with_sub, frozenset({Feature.AUDIO}))] == [Feature.SUBCHANNEL]


def test_a_dvd_loses_where_its_layer_begins() -> None:
    disc = memory_blocks(40, layers=(20,))
    named = losses(disc, Container.ISO)
    assert named is not None and [trait.feature for trait in named] == [Feature.LAYERS]


def test_the_loss_is_told_before_anything_is_written(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    (tmp_path / "out.iso").write_text("precious")
    result = imagerctl("convert", sheet, tmp_path / "out.iso")
    assert result.exit_code == 2  # nothing was written, and yet it was told
    assert "out.iso cannot hold audio tracks 2–3 of" in result.stderr


def test_strict_refuses_a_loss_and_writes_nothing(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    result = imagerctl("convert", "--strict", sheet, tmp_path / "out.iso")
    assert result.exit_code == 2
    assert "cannot hold audio tracks 2–3" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disc.bin", "disc.cue"]
    assert imagerctl("convert", "--strict", sheet, tmp_path / "out.cue").exit_code == 0


# -- repair ----------------------------------------------------------------------------------

_GAP = range(201, 1701)


def safedisc() -> MemorySource:
    """Sectors strewn over the gap that parity could mend, and one of damage elsewhere."""
    image = placed_iso({"00000001.LT1": (200, 1), "GAME.EXE": (1800, 600)}, 2400)
    user = np.frombuffer(image, np.uint8).reshape(-1, 2048)
    raw = to_raw(user, SectorFormat.USER, TrackMode.MODE1, 0)
    for area in strewn(_GAP, 0.1):
        raw[area.start : area.stop, 500] ^= 0x55
    raw[1900, 700] ^= 0x55
    return MemorySource(single_track(len(user), TrackMode.MODE1), {1: raw})


@pytest.mark.parametrize("target", ["out.iso", "out.cue"])
def test_what_a_protection_made_bad_is_left_and_damage_is_mended(
    tmp_path: Path, target: str
) -> None:
    disc = safedisc()
    bad = sum(len(area) for area in strewn(_GAP, 0.1))
    result = run(convert(disc, tmp_path / target, ConvertOptions(repair=True, verify=True)))
    assert result.repaired.ranges == (range(1900, 1901),)
    assert result.wrong.count == result.intended.count == bad
    assert result.reread is not None and result.reread.same
    with open_image(tmp_path / target) as made:  # type: ignore[attr-defined]
        block = made.read(strewn(_GAP, 0.1)[0].start, 1).data[0]
    stored = disc.raw[1][strewn(_GAP, 0.1)[0].start]
    assert block.tobytes() in stored.tobytes()


@pytest.mark.parametrize("stored", [SectorFormat.RAW, SectorFormat.MODE2])
def test_mode_2_is_mended_in_either_stored_form(tmp_path: Path, stored: SectorFormat) -> None:
    good = memory_disc([data(40, TrackMode.MODE2, stored=stored)])
    hurt = memory_disc([data(40, TrackMode.MODE2, stored=stored)])
    hurt.raw[1][7, 300] ^= 1
    result = run(convert(hurt, tmp_path / "out.cue", ConvertOptions(repair=True)))
    assert result.repaired.ranges == (range(7, 8),)
    whole = run(convert(good, tmp_path / "good.cue", ConvertOptions()))
    assert whole.ok
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "good.bin").read_bytes()


def test_repair_is_the_default_only_from_one_container_to_another(tmp_path: Path) -> None:
    hurt = memory_disc([data(40)])
    hurt.raw[1][7, 300] ^= 1
    sheet = write_cue(tmp_path, hurt)
    for target, code in (("same.cue", 1), ("other.iso", 0)):
        assert imagerctl("convert", sheet, tmp_path / target).exit_code == code
    assert (tmp_path / "same.bin").read_bytes() == (tmp_path / "disc.bin").read_bytes()


# -- reading back ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["out.iso", "out.cue"])
def test_a_second_data_track_and_unreadable_sectors_read_back_as_written(
    tmp_path: Path, target: str
) -> None:
    disc = memory_disc([audio(20), data(40), data(30)], bad=frozenset({25, 70}))
    wanted = ConvertOptions(verify=True, track=3 if target == "out.iso" else None)
    result = run(convert(disc, tmp_path / target, wanted))
    assert result.reread is not None and result.reread.same
    assert result.unreadable.count == (1 if target == "out.iso" else 2)


def test_a_target_that_is_not_its_source_is_found(tmp_path: Path) -> None:
    disc = memory_disc([data(40)])
    target = tmp_path / "out.iso"
    run(convert(disc, target, ConvertOptions()))
    body = bytearray(target.read_bytes())
    keep = ConvertOptions(keep=True)
    assert run(convert(disc, target, keep)).kept
    for changed in (body[:-2048], body + bytes(2048), body[:5000] + b"x" + body[5001:]):
        target.write_bytes(changed)
        result = imagerctl("convert", "--continue", write_cue(tmp_path, disc), target)
        assert result.exit_code == 2 and "exists already" in result.stderr


# -- many --------------------------------------------------------------------------------------


def many(folder: Path) -> list[Path]:
    good = write_cue(folder, memory_disc([data(60)]), "good")
    hurt = memory_disc([data(60)])
    hurt.raw[1][9, 100:1500] = 0x55
    return [good, write_cue(folder, hurt, "hurt"), write_iso(folder, volume(40), "plain")]


def test_many_are_converted_and_the_worst_decides(tmp_path: Path) -> None:
    sources = many(tmp_path)
    broken = tmp_path / "broken.cue"
    broken.write_text("nothing")
    out = tmp_path / "out"
    result = imagerctl("convert", *sources[:2], "--to", "iso", "--into", out, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [one["code"] for one in told["conversions"]] == ["ok", "finding"]
    assert (told["converted"], told["kept"], told["failed"]) == (2, 0, 0)
    again = imagerctl("convert", *sources[:2], broken, "--to", "iso", "--into", out, "--continue")
    assert again.exit_code == 2
    assert "2 there already" in again.stdout and "1 failed" in again.stdout
    assert "broken.cue" in again.stdout
    assert not (out / "broken.iso").exists()


def test_two_sources_of_one_target_are_refused_before_anything(tmp_path: Path) -> None:
    a = write_cue(tmp_path, memory_disc([data(20)]), "a")
    (tmp_path / "sub").mkdir()
    b = write_cue(tmp_path / "sub", memory_disc([data(20)]), "a")
    result = imagerctl("convert", a, b, "--to", "iso", "--into", tmp_path / "out")
    assert result.exit_code == 2 and "both become" in result.stderr
    assert not (tmp_path / "out").exists()


def _die(job: Conversion, pulse: Pulse) -> Converted:
    if job.source == "die":
        signal.raise_signal(signal.SIGKILL)
    raise MemoryError(job.source)


def test_a_process_that_dies_harms_only_its_own_conversion() -> None:
    jobs = [Conversion("die", Path("a")), Conversion("other", Path("b"))]
    batch = run(convert_all(jobs, _die, 2))
    assert batch.failed == 2
    sentences = [one.error or "" for one in batch.conversions]
    assert "ended before its work was done" in sentences[0]
    assert "MemoryError" in sentences[1]


def test_ending_early_leaves_no_process_and_no_part_file(tmp_path: Path) -> None:
    begun = time.monotonic()
    results = each(_either, [str(tmp_path), ""], 2)
    assert next(results) == (1, "done")
    results.close()
    assert time.monotonic() - begun < 30
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def _either(folder: str, pulse: Pulse) -> str:
    if not folder:
        time.sleep(0.5)
        return "done"
    with AtomicFile(Path(folder) / "x"):
        while True:
            pulse(Progress(0, 0))
            time.sleep(0.01)


def test_a_call_that_was_killed_is_continued(tmp_path: Path) -> None:
    """kill -9 in the middle: nothing half written bears a name, and --continue does the rest."""
    sources = [write_cue(tmp_path, memory_disc([data(3000)], seed=n), f"disc{n}") for n in range(4)]
    out = tmp_path / "out"
    words = [*map(str, sources), "--to", "iso", "--into", str(out)]
    command = [sys.executable, "-m", "imagerd.cli.main", "convert", *words, "--processes", "1"]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 20
    while not list(out.glob("*.iso")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for made in out.glob("*.iso"):
        assert made.stat().st_size == 3000 * 2048
    result = imagerctl("convert", *words, "--continue", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["kept"] >= 1 and told["kept"] + told["converted"] == 4
    for sheet in sources:
        assert imagerctl("compare", sheet, out / f"{sheet.stem}.iso").exit_code == 0


# -- sectors of 2048 bytes behind a sheet --------------------------------------------------------


@pytest.mark.parametrize("mode", [TrackMode.MODE1, TrackMode.MODE2])
def test_an_iso_keeps_its_sectors_behind_a_sheet_unless_raw_ones_are_asked_for(
    tmp_path: Path, mode: TrackMode
) -> None:
    original = memory_disc([data(60, mode)])
    source = write_cue(tmp_path, memory_disc([data(60, mode, stored=SectorFormat.USER)]), "src")
    if mode is TrackMode.MODE1:
        source = write_iso(tmp_path, (tmp_path / "src.bin").read_bytes(), "src")
    assert imagerctl("convert", "--verify", source, tmp_path / "short.cue").exit_code == 0
    assert (tmp_path / "short.bin").read_bytes() == (tmp_path / "src.bin").read_bytes()
    assert f"{mode.value.upper()}/2048" in (tmp_path / "short.cue").read_text()
    assert imagerctl("convert", "--raw", "--verify", source, tmp_path / "long.cue").exit_code == 0
    assert (tmp_path / "long.bin").stat().st_size == 60 * 2352
    if mode is TrackMode.MODE1:  # right by construction: sync, header, EDC and parity made anew
        assert (tmp_path / "long.bin").read_bytes() == original.raw[1].tobytes()
    assert imagerctl("verify", tmp_path / "long.cue").exit_code == 0
    assert imagerctl("compare", tmp_path / "short.cue", tmp_path / "long.cue").exit_code == 0


def test_unreadable_sectors_of_a_short_sheet_are_where_its_map_says(tmp_path: Path) -> None:
    disc = memory_disc([data(60, stored=SectorFormat.USER)], bad=frozenset({7}))
    run(convert(disc, tmp_path / "x.cue", ConvertOptions(raw=False)))
    told = imagerctl("verify", tmp_path / "x.cue", "--json")
    track = json.loads(told.stdout)["verdict"]["sectors"]["tracks"][0]
    assert track["unreadable"]["ranges"] == [{"first": 7, "last": 7, "count": 1}]


def test_split_and_join_are_each_others_inverse(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    (tmp_path / "s").mkdir()
    split, joined = tmp_path / "s" / "disc.cue", tmp_path / "joined.cue"
    assert imagerctl("convert", "--split", sheet, split).exit_code == 0
    assert len(list((tmp_path / "s").glob("*.bin"))) == 3
    assert imagerctl("convert", "--join", split, joined).exit_code == 0
    assert (tmp_path / "joined.bin").read_bytes() == (tmp_path / "disc.bin").read_bytes()
    assert imagerctl("compare", sheet, joined).exit_code == 0


def test_many_are_converted_where_processes_cannot_be_forked(tmp_path: Path) -> None:
    """With a second thread in the process, workers are spawned: all that they get is pickled."""
    sources = many(tmp_path)
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        words = ("--to", "cue", "--into", tmp_path / "out", "--json")
        result = imagerctl("convert", sources[0], sources[2], *words)
    finally:
        stop.set()
        other.join()
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["converted"] == 2


def test_ctrl_c_ends_all_of_many_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    sources = [write_cue(tmp_path, memory_disc([data(4000)], seed=n), f"d{n}") for n in range(3)]
    out = tmp_path / "out"
    words = [*map(str, sources), "--to", "chd", "--into", str(out), "--processes", "2"]
    command = [sys.executable, "-m", "imagerd.cli.main", "convert", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 20
    while not list(out.glob(".*.part")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130, told
    assert told.decode().strip() == "imagerctl: Interrupted."
    assert [path.name for path in out.iterdir() if path.name.endswith(".part")] == []
    with pytest.raises(ProcessLookupError):  # nobody is left of the group
        os.killpg(process.pid, 0)
