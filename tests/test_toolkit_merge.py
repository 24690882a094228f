# SPDX-License-Identifier: Apache-2.0
"""Damaged images of one disc merged: what can be had is had, and no sector is called better."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.layout import Layout
from imagerd.disc.source import Sectors, SectorState
from imagerd.formats import write_image
from imagerd.sectors.combine import How
from imagerd.toolkit.merge import MergedSource, MergeResult, merge
from tests.sources import MemorySource, audio, data, memory_disc

DISC = memory_disc([data(300), audio(200, 40)], seed=31)
AUDIO = range(300, 500)


class Worn:
    """A disc as one drive read it: some sectors with wrong bytes, some given up, some flagged."""

    def __init__(self, seed: int, wrong: dict[int, int], states: dict[int, SectorState]) -> None:
        self._rng_seed, self._wrong, self._states = seed, wrong, states

    def __repr__(self) -> str:
        return f"Worn({self._rng_seed}, {self._wrong}, {self._states})"

    @property
    def layout(self) -> Layout:
        return DISC.layout

    def read(self, lba: int, count: int) -> Sectors:
        block = DISC.read(lba, count)
        rows, states = block.data.copy(), block.states.copy()
        for row in range(len(block)):
            if count := self._wrong.get(block.lba + row, 0):
                rng = np.random.default_rng((self._rng_seed, block.lba + row))
                at = rng.choice(np.arange(16, 2352), count, replace=False)
                rows[row, at] ^= rng.integers(1, 256, count, dtype=np.uint8)
            states[row] = self._states.get(block.lba + row, states[row])
            if states[row] <= SectorState.FAILED:
                rows[row] = 0
        return replace(block, data=rows, states=states)

    def close(self) -> None:
        pass


def _merged(folder: Path, *sources: Worn) -> tuple[MergeResult, np.ndarray]:
    result = run(merge(sources, folder / "out.cue"))
    return result, np.fromfile(folder / "out.bin", np.uint8).reshape(-1, 2352)


def _right() -> np.ndarray:
    return np.concatenate([DISC.read(lba, 1).data for lba in range(500)])


def test_what_each_has_alone_is_taken_from_it(tmp_path: Path) -> None:
    lost = SectorState.FAILED
    one = Worn(1, {}, dict.fromkeys((*range(10, 200), 350), lost))
    two = Worn(2, {}, dict.fromkeys((*range(100), *range(150, 300)), lost))
    result, rows = _merged(tmp_path, one, two)
    wrong = np.flatnonzero((rows != _right()).any(axis=1)).tolist()
    assert wrong == [*range(10, 100), *range(150, 200)]
    assert result.lost.ranges == (range(10, 100), range(150, 200))
    assert result.taken[0].ranges == (range(10), range(200, 300))
    assert result.taken[1].ranges == (range(100, 150), range(350, 351))
    assert not result.ok
    assert (tmp_path / "out.cue.map").exists()


def test_three_damaged_copies_of_which_none_is_readable_make_the_disc(tmp_path: Path) -> None:
    everywhere = dict.fromkeys(range(300), 150)
    flagged = dict.fromkeys(range(300), SectorState.SUSPECT)
    result, rows = _merged(tmp_path, *(Worn(seed, everywhere, flagged) for seed in range(3)))
    assert result.ok
    assert np.array_equal(rows, _right())
    assert len(result.joined) == 300
    for one in result.joined:
        assert sum(run.count for run in one.runs) == 2352
        assert one.how in (How.VOTED, How.MENDED)


def test_audio_is_taken_by_majority_and_in_dispute_where_there_is_none(tmp_path: Path) -> None:
    one, two = Worn(1, {310: 4}, {}), Worn(2, {}, {})
    result, _ = _merged(tmp_path, one, two, Worn(3, {}, {}))
    assert result.outvoted.ranges == (range(310, 311),)
    assert result.ok
    (tmp_path / "second").mkdir()
    result, _ = _merged(tmp_path / "second", one, two)
    assert result.disputed.ranges == (range(310, 311),)
    assert not result.ok
    assert result.written.doubtful.ranges == (range(310, 311),)


def test_what_all_hold_alike_stays_as_it_is_also_with_a_wrong_edc(tmp_path: Path) -> None:
    made_so = dict.fromkeys(range(50, 60), 3)
    result, rows = _merged(tmp_path, Worn(1, made_so, {}), Worn(1, made_so, {}))
    assert not result.joined
    assert result.written.wrong.ranges == (range(50, 60),)
    assert (rows[50:60] != _right()[50:60]).any(axis=1).all()


def test_images_of_other_discs_are_refused() -> None:
    other = memory_disc([data(301), audio(200, 40)], seed=31)
    with pytest.raises(BadInput, match="is not of the same disc"):
        MergedSource([DISC, other])
    with pytest.raises(BadInput, match="1 tracks"):
        MergedSource([DISC, memory_disc([data(300)], seed=31)])


@st.composite
def _worn(draw: st.DrawFn) -> list[Worn]:
    places = st.integers(280, 320)  # around the change from data to audio
    return [
        Worn(
            number,
            draw(st.dictionaries(places, st.integers(1, 900), max_size=30)),
            draw(st.dictionaries(places, st.sampled_from(SectorState), max_size=20)),
        )
        for number in range(draw(st.integers(2, 4)))
    ]


@settings(deadline=None)
@given(_worn())
def test_no_sector_is_called_proven_that_is_not_the_disc_s(copies: list[Worn]) -> None:
    merged = MergedSource(copies)
    for lba in range(270, 330):
        (state,) = merged.read(lba, 1).states
        row = merged.read(lba, 1).data[0]
        right = DISC.read(lba, 1).data[0]
        if lba not in AUDIO and state == SectorState.PROVEN:
            assert row[:2068].tobytes() == right[:2068].tobytes()  # what the EDC covers
        sources = [one.read(lba, 1) for one in copies]
        if any(one.data[0].tobytes() == right.tobytes() for one in sources) and lba < 300:
            assert row.tobytes() == right.tobytes(), "one reading had it"
        if all(one.states[0] <= SectorState.FAILED for one in sources):
            assert state == SectorState.FAILED


@settings(deadline=None, max_examples=40)
@given(_worn(), st.randoms())
def test_the_order_of_the_images_changes_no_state(copies: list[Worn], random: Random) -> None:
    others = [*copies]
    random.shuffle(others)
    for lba in range(280, 321, 4):
        one, two = MergedSource(copies).read(lba, 4), MergedSource(others).read(lba, 4)
        assert one.states.tolist() == two.states.tolist()
        proven = one.states == SectorState.PROVEN
        assert (one.data[proven] == two.data[proven]).all()


def test_raw_bins_without_a_sheet_and_maps_of_ddrescue_make_one(tmp_path: Path) -> None:
    disc = memory_disc([data(100)], seed=5)
    run(write_image(disc, tmp_path / "right.cue"))
    right = np.fromfile(tmp_path / "right.bin", np.uint8).reshape(-1, 2352)
    for name, first in (("a", 10), ("b", 50)):
        rows = right.copy()
        rows[first : first + 20] = 0
        rows[30:35, 100 + first] ^= 1
        rows.tofile(tmp_path / f"{name}.bin")
        pos, size = first * 2352, 20 * 2352
        (tmp_path / f"{name}.map").write_text(
            f"0 + 1\n0 {pos} +\n{pos} {size} -\n{pos + size} {right.size - pos - size} +\n"
        )
    done = _cli(tmp_path / "a.bin", tmp_path / "b.bin", "-o", tmp_path / "c.cue")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "c.bin").read_bytes() == right.tobytes()


def _cli(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in ("merge", *arguments)])


def test_two_isos_of_ddrescue_with_their_maps_make_one(tmp_path: Path) -> None:
    source: MemorySource = memory_disc([data(100)], seed=5)
    run(write_image(source, tmp_path / "right.iso"))
    right = (tmp_path / "right.iso").read_bytes()
    for name, first in (("a", 10), ("b", 50)):
        hole = slice(first * 2048, (first + 20) * 2048)
        image = bytearray(right)
        image[hole] = bytes(20 * 2048)
        (tmp_path / f"{name}.iso").write_bytes(image)
        end = f"{hole.stop:#x} {len(right) - hole.stop:#x} +\n"
        (tmp_path / f"{name}.iso.map").write_text(
            "# Mapfile. Created by GNU ddrescue version 1.27\n"
            f"0x0 + 1\n0x0 {hole.start:#x} +\n{hole.start:#x} {20 * 2048:#x} -\n{end}"
        )
    done = _cli(tmp_path / "a.iso", tmp_path / "b.iso", "-o", tmp_path / "c.iso", "--json")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "c.iso").read_bytes() == right
    assert not (tmp_path / "c.iso.map").exists()
    told = json.loads(done.stdout)
    assert [entry["count"] for entry in told["result"]["taken"]] == [20, 20]
    for name in "ab":  # ddrescue calls its map as one likes
        (tmp_path / f"{name}.iso.map").rename(tmp_path / f"{name}.log")
    sources = [tmp_path / f"{name}.{end}" for name in "ab" for end in ("iso", "log")]
    assert _cli(*sources, "-o", tmp_path / "d.iso").exit_code == 0
    assert (tmp_path / "d.iso").read_bytes() == right


def test_one_image_is_nothing_to_merge_and_nothing_is_overwritten(tmp_path: Path) -> None:
    run(write_image(DISC, tmp_path / "a.cue"))
    assert _cli(tmp_path / "a.cue", "-o", tmp_path / "b.cue").exit_code == 2
    done = _cli(tmp_path / "a.cue", tmp_path / "a.cue", "-o", tmp_path / "a.cue")
    assert done.exit_code == 2
    assert "exists already" in done.output
