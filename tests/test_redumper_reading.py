# SPDX-License-Identifier: Apache-2.0
"""A redumper dump as an image: what it holds, no better than its states, and never a traceback."""

from __future__ import annotations

import contextlib
import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import DiscType, TrackMode
from imagerd.disc.source import SectorState
from imagerd.formats import open_image
from imagerd.sectors.blocks import read_all
from imagerd.toolkit.redumper.export import export_redumper
from imagerd.toolkit.redumper.reading import ScramImage
from imagerd.toolkit.redumper.writing import ExportOptions
from tests import redumper_judge as judge
from tests.sources import MemorySource, TrackPlan, audio, data, memory_disc
from tests.test_redumper_export import DISCS, Told

PLANS = [data(220), audio(200, pregap=75), audio(90)]


def exported(
    folder: Path, source: MemorySource | Told, options: ExportOptions | None = None
) -> Path:
    run(export_redumper(source, folder / "disc", options))
    return folder / "disc.scram"


@pytest.mark.parametrize("name", DISCS)
def test_a_set_opens_as_the_disc_that_it_is_of(name: str, tmp_path: Path) -> None:
    disc = memory_disc(DISCS[name], seed=51, disc_type=DiscType.XA, mcn="0123456789012")
    image = ScramImage(exported(tmp_path, Told(disc)))
    assert image.layout == disc.layout
    assert not image.warnings
    for track in disc.layout.tracks:
        block = read_all(image, track.start, track.end - track.start)
        assert np.array_equal(block.data, disc.raw[track.number])
        assert (block.states == SectorState.READ).all(), "SUCCESS is no proof"
        assert block.sub is not None
    image.close()


@pytest.mark.parametrize("write_offset", [-1176, -2, 0, 15, 4000])
def test_it_is_read_at_the_write_offset_as_split_does(write_offset: int, tmp_path: Path) -> None:
    disc = memory_disc(PLANS, seed=52)
    path = exported(tmp_path, Told(disc), ExportOptions(write_offset=write_offset))
    image = ScramImage(path)
    assert image.offset == write_offset
    split = judge.split(tmp_path / "disc")
    for track, own in zip(split.tracks, image.layout.tracks, strict=True):
        assert (track.start, track.end) == (own.start, own.end)
        block = read_all(image, own.start, own.end - own.start)
        bad = set((np.flatnonzero(block.states <= SectorState.SUSPECT) + own.start).tolist())
        assert bad == set(track.errors)
        for lba in set(range(own.start, own.end)) - bad:
            at = lba - own.start
            assert block.data[at].tobytes() == track.data[at * 2352 : (at + 1) * 2352]
    image.close()


def test_a_sector_is_as_good_as_the_worst_of_its_samples(tmp_path: Path) -> None:
    path = exported(tmp_path, Told(memory_disc(PLANS, seed=53)))
    with path.with_suffix(".state").open("r+b") as state:
        for lba, value in ((10, 1), (11, 0), (12, 2), (300, 1), (301, 0)):
            state.seek((lba + 45150) * 588 + 77)
            state.write(bytes([value]))
    image = ScramImage(path)
    found = {lba: image.read(lba, 1) for lba in (10, 11, 12, 300, 301)}
    assert {lba: block.states[0] for lba, block in found.items()} == {
        10: SectorState.SUSPECT,
        11: SectorState.FAILED,
        12: SectorState.READ,
        300: SectorState.SUSPECT,
        301: SectorState.FAILED,
    }
    assert not found[11].data.any()
    assert found[11].faults[0].lba == 11
    image.close()


def test_a_row_that_is_no_data_is_not_called_good(tmp_path: Path) -> None:
    path = exported(tmp_path, Told(memory_disc([data(200)], seed=54)))
    with path.open("r+b") as scram:
        scram.seek((50 + 45150) * 2352)
        scram.write(np.random.default_rng(1).bytes(2352))
    image = ScramImage(path)
    assert image.read(50, 1).states[0] == SectorState.SUSPECT
    assert image.read(51, 1).states[0] == SectorState.READ
    image.close()


def test_files_that_are_cut_short_end_in_unread_sectors(tmp_path: Path) -> None:
    for name in (".scram", ".state"):
        folder = tmp_path / name[1:]
        folder.mkdir()
        path = exported(folder, Told(memory_disc([audio(60)], seed=55)))
        file = path.with_suffix(name)
        size = 2352 if name == ".scram" else 588
        with file.open("r+b") as stream:
            stream.truncate((45150 + 40) * size)
        image = ScramImage(path)
        states = read_all(image, 0, 60).states
        assert (states[:40] == SectorState.READ).all()
        assert (states[40:] == SectorState.FAILED).all()
        image.close()


def test_modes_and_texts_come_along(tmp_path: Path) -> None:
    disc = memory_disc([TrackPlan(TrackMode.MODE2, 200, form2=2), audio(50)], seed=56)
    image = ScramImage(exported(tmp_path, Told(disc, sub=False)))
    assert [t.mode for t in image.layout.tracks] == [TrackMode.MODE2, TrackMode.AUDIO]
    image.close()
    text = build([Text(0, PackType.TITLE, 0, "Noise")], 2)
    reply = (len(text.packs) + 2).to_bytes(2, "big") + b"\0\0" + text.packs
    (tmp_path / "disc.cdtext").write_bytes(reply)
    image = ScramImage(tmp_path / "disc.scram")
    assert image.layout.cd_text == text
    image.close()


@pytest.mark.parametrize("missing", [".state", ".toc"])
def test_what_is_missing_is_said(missing: str, tmp_path: Path) -> None:
    path = exported(tmp_path, Told(memory_disc([audio(20)])))
    path.with_suffix(missing).unlink()
    with pytest.raises(BadInput, match=missing):
        ScramImage(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([".toc", ".fulltoc", ".cdtext", ".subcode"]), st.binary(max_size=120))
def test_hostile_files_give_an_image_or_a_sentence(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    base = tmp_path / "base"
    if not base.exists():
        base.mkdir()
        exported(base, Told(memory_disc([data(40), audio(20)])))
    whole = base / f"disc{suffix}"
    kept = whole.read_bytes() if whole.exists() else None
    whole.write_bytes(content)
    try:
        with contextlib.suppress(BadInput), closing(ScramImage(base / "disc.scram")) as image:
            for area in image.layout.ranges():
                assert len(image.read(area.start, 8).data) > 0
    finally:
        whole.unlink()
        if kept is not None:
            whole.write_bytes(kept)


def test_a_dump_is_converted_and_merged_with_an_image(tmp_path: Path) -> None:
    disc = memory_disc(PLANS, seed=57)
    hurt = dict.fromkeys(range(30, 40), SectorState.FAILED)
    path = exported(tmp_path, Told(disc, hurt))
    (tmp_path / "other").mkdir()
    other = exported(tmp_path / "other", Told(disc, {60: SectorState.FAILED}))
    merged = tmp_path / "whole.cue"
    result = CliRunner().invoke(
        cli, ["merge", str(path), str(other), "-o", str(merged), "--no-catalog", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["result"]["ok"]
    image = open_image(merged)
    assert image.layout.tracks[1].pregap == 75
    whole = np.concatenate([disc.raw[n] for n in (1, 2, 3)])
    assert np.array_equal(read_all(image, 0, len(whole)).data, whole)
    image.close()
    shutil.rmtree(tmp_path / "other")
    told = CliRunner().invoke(cli, ["convert", str(path), str(tmp_path / "one.cue"), "--json"])
    assert told.exit_code == 1
    assert json.loads(told.stdout)["result"]["unreadable"]["count"] == 10
