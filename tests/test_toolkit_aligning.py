# SPDX-License-Identifier: Apache-2.0
"""Audio at different offsets: found where it can be known, and said where it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.progress import run
from imagerd.cli.main import cli
from imagerd.disc.layout import Layout
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorSource, SectorState
from imagerd.formats import write_image
from imagerd.sectors.blocks import read_all
from imagerd.sectors.offset import OffsetView
from imagerd.toolkit.aligning import align, measure
from imagerd.toolkit.merge import merge, merged_source
from tests.sources import MemorySource, audio, data, memory_disc

REACH = 6 * 588
LONG = 400  # sectors of audio
OFFSETS = st.integers(-REACH, REACH)


def _music(sectors: int, seed: int, loudness: float) -> Bytes2D:
    """Some tones that come and go, and noise: (sectors, 2352)."""
    rng = np.random.default_rng(seed)
    at = np.arange(sectors * 588)
    tones = sum(
        np.sin(at * rng.uniform(0.01, 0.3) + rng.uniform(0, 6)) * np.sin(at / rng.uniform(9e3, 9e4))
        for _ in range(5)
    )
    both = np.stack([tones, tones]) * loudness + rng.normal(0, loudness / 50, (2, len(at)))
    return both.T.round().astype("<i2").copy().view(np.uint8).reshape(sectors, 2352)


@cache
def disc(kind: str = "music") -> MemorySource:
    """Data, then audio of some kind."""
    source = memory_disc([data(40), audio(LONG)], seed=4)
    rows = source.raw[2]
    if kind == "music":
        rows[:] = _music(LONG, 1, 9000)
    elif kind == "quiet":
        rows[:] = _music(LONG, 2, 60)
    elif kind == "silence":
        rows[:] = 0
    elif kind == "tone":  # a period of 100 samples
        wave = (np.sin(np.arange(LONG * 588) * 2 * np.pi / 100) * 8000).round().astype("<i2")
        rows[:] = np.repeat(wave, 2).view(np.uint8).reshape(LONG, 2352)
    elif kind == "loop":  # the same five sectors again and again
        rows[:] = np.tile(_music(5, 3, 9000), (LONG // 5, 1))
    elif kind == "pauses":
        rows[:] = _music(LONG, 5, 9000)
        rows[20:250] = 0
    return source


class Copy:
    """A disc as a drive delivered it `late` samples late; `share` of its sectors have wrong bytes,
    and some were given up.
    """

    def __init__(
        self,
        source: SectorSource,
        late: int = 0,
        *,
        seed: int = 0,
        share: float = 0.0,
        wrong: int = 300,
        lost: frozenset[int] = frozenset(),
    ) -> None:
        self._view = OffsetView(source, -late)
        self._seed, self._share, self._wrong, self._lost = seed, share, wrong, lost

    @property
    def layout(self) -> Layout:
        return self._view.layout

    def read(self, lba: int, count: int) -> Sectors:
        block = self._view.read(lba, count)
        rows, states = block.data.copy(), block.states.copy()
        for row, here in enumerate(range(block.lba, block.end)):
            rng = np.random.default_rng((self._seed, here))
            if rng.random() < self._share:
                at = rng.choice(np.arange(16, 2352), self._wrong, replace=False)
                rows[row, at] ^= rng.integers(1, 256, self._wrong, dtype=np.uint8)
            if here in self._lost:
                rows[row], states[row] = 0, SectorState.FAILED
        gone = tuple(Fault(lba, 1, FaultKind.FILLING) for lba in self._lost)
        return replace(block, data=rows, states=states, faults=gone)

    def close(self) -> None:
        pass


@settings(deadline=None, max_examples=15)
@given(late=OFFSETS, kind=st.sampled_from(["music", "quiet", "pauses"]))
def test_any_shift_of_some_sectors_is_found(late: int, kind: str) -> None:
    found = measure(disc(kind), Copy(disc(kind), late))
    assert (found.samples, found.agreeing) == (late, found.asked)


@settings(deadline=None, max_examples=10)
@given(late=OFFSETS, seed=st.integers(0, 1 << 20), kind=st.sampled_from(["music", "pauses"]))
def test_it_is_found_with_a_twentieth_of_the_sectors_damaged(
    late: int, seed: int, kind: str
) -> None:
    one = Copy(disc(kind), 0, seed=seed, share=0.05, wrong=1500)
    other = Copy(disc(kind), late, seed=seed + 1, share=0.05, wrong=1500)
    assert measure(one, other).samples == late


def test_it_is_found_with_wrong_bytes_in_every_sector_and_half_of_them_given_up() -> None:
    lost = frozenset(range(100, 300))
    one = Copy(disc(), 0, seed=1, share=1.0, wrong=120)
    other = Copy(disc(), -700, seed=2, share=1.0, wrong=120, lost=lost)
    assert measure(one, other).samples == -700


@pytest.mark.parametrize("kind", ["silence", "tone", "loop"])
def test_what_is_like_itself_everywhere_tells_no_shift(kind: str) -> None:
    found = measure(disc(kind), Copy(disc(kind), 30))
    assert (found.samples, found.asked) == (None, 0)


def test_other_audio_and_a_shift_that_changes_on_the_way_are_not_aligned() -> None:
    assert measure(disc("music"), disc("pauses")).samples is None

    class Slips(Copy):
        def read(self, lba: int, count: int) -> Sectors:
            late = 40 * (lba // 50)
            return Copy(disc(), late).read(lba, min(count, 50 - lba % 50))

    assert measure(disc(), Slips(disc())).samples is None


def test_what_does_not_fit_the_first_is_held_against_those_that_do() -> None:
    first = Copy(disc(), 0, lost=frozenset(range(40, 240)))
    last = Copy(disc(), 100, lost=frozenset(range(240, 440)))
    found = run(align([first, last, Copy(disc(), 50)]))
    assert [one.samples for one in found.alignments] == [0, 100, 50]
    assert found.alignments[1].by == 2


@settings(deadline=None, max_examples=10)
@given(late=OFFSETS, count=st.integers(20, 80))
def test_a_moved_source_has_the_right_bytes_or_says_that_it_does_not_know(
    late: int, count: int
) -> None:
    found = run(align([disc(), Copy(disc(), late, lost=frozenset({200}))]))
    lba, unknown = 40, 0
    while lba < 440:
        block = found.sources[1].read(lba, count)
        right = read_all(disc(), lba, len(block)).data
        good = block.states >= SectorState.READ
        assert (block.data[good] == right[good]).all()
        explained = {here for f in block.faults for here in range(f.lba, f.lba + f.count)}
        assert set((np.flatnonzero(~good) + lba).tolist()) <= explained
        unknown += int((~good).sum())
        lba = block.end
    assert unknown == -(-abs(late) // 588) + (1 if late % 588 == 0 else 2)
    assert (found.sources[1].read(3, 1).data == disc().read(3, 1).data).all(), "data never move"


def _right(source: SectorSource) -> Bytes2D:
    return np.concatenate([read_all(source, 0, 40).data, read_all(source, 40, LONG).data])


def test_three_shifted_damaged_copies_give_the_right_audio(tmp_path: Path) -> None:
    """Where most have a whole sector right it is good; where only most bytes, it is doubtful."""
    copies = [
        Copy(disc(), late, seed=seed, share=0.2, wrong=40)
        for seed, late in enumerate((0, 667, -1164))
    ]
    result = run(merge(copies, tmp_path / "out.cue"))
    rows = np.fromfile(tmp_path / "out.bin", np.uint8).reshape(-1, 2352)
    assert [one.samples for one in result.alignments] == [0, 667, -1164]
    wrong = np.flatnonzero((rows != _right(disc())).any(axis=1)).tolist()
    disputed = [lba for area in result.disputed.ranges for lba in area]
    assert set(wrong) <= set(disputed)
    inner = [lba for lba in disputed if 45 <= lba < 435]
    # Two of three have each byte right but where two are wrong at once, which is seldom.
    same = [(rows[lba] == _right(disc())[lba]).mean() for lba in inner]
    assert inner
    assert min(same) > 0.99
    assert len(wrong) < len(inner)
    assert result.outvoted.count > 50


@settings(deadline=None, max_examples=6)
@given(st.tuples(OFFSETS, OFFSETS), st.integers(0, 1 << 20), st.permutations(range(3)))
def test_audio_is_right_where_most_copies_have_it_right(
    lates: tuple[int, int], seed: int, order: list[int]
) -> None:
    copies = [
        Copy(disc(), late, seed=seed + number, share=0.15, wrong=600, lost=frozenset({70 + number}))
        for number, late in enumerate((0, *lates))
    ]
    for one in (copies, [copies[number] for number in order]):
        found = run(align(one, one.index(copies[0])))
        blocks = [read_all(source, 40, LONG) for source in found.sources]
        right = disc().read(40, LONG).data
        having = sum(
            ((block.data == right).all(axis=1) & (block.states >= SectorState.READ)).astype(int)
            for block in blocks
        )
        merged = read_all(run(merged_source(one, reference=one.index(copies[0]))), 40, LONG)
        assert (merged.data == right)[having >= 2].all()
        assert (merged.states == SectorState.READ)[having >= 2].all()


def test_audio_that_cannot_be_aligned_fills_no_hole_as_good(tmp_path: Path) -> None:
    lost = frozenset(range(100, 110))
    sources = [Copy(disc("loop"), 0, lost=lost), Copy(disc("loop"), 30)]
    block = run(merged_source(sources)).read(100, 10)
    assert (block.states == SectorState.SUSPECT).all()
    taken = run(merged_source(sources, aligned=False)).read(100, 10)
    assert (taken.states == SectorState.READ).all()


def test_a_source_without_any_audio_is_no_measure() -> None:
    without = Copy(disc(), 0, lost=frozenset(range(40, 440)))
    merged = run(merged_source([without, Copy(disc(), 100), Copy(disc(), 130)]))
    block = merged.read(60, 100)
    assert (block.states == SectorState.READ).all()
    assert (block.data == Copy(disc(), 100).read(60, 100).data).all()


def test_the_found_shift_is_told_and_another_source_can_be_the_measure(tmp_path: Path) -> None:
    for name, late in (("a", 0), ("b", 300)):
        source = Copy(disc(), late, lost=frozenset({60}) if late else frozenset())
        run(write_image(source, tmp_path / f"{name}.cue"))

    def told(*options: str) -> tuple[str, dict[str, object]]:
        names = [str(tmp_path / "a.cue"), str(tmp_path / "b.cue")]
        target = ["-o", str(tmp_path / "c.cue"), "--overwrite", *options]
        text = CliRunner().invoke(cli, ["merge", *names, *target]).output
        done = CliRunner().invoke(cli, ["merge", *names, *target, "--json"])
        return text, json.loads(done.stdout)["result"]

    text, result = told()
    assert "lies 300 samples later" in text
    assert [one["samples"] for one in result["alignments"]] == [0, 300]  # type: ignore[attr-defined]
    text, result = told("--align-to", str(tmp_path / "b.cue"))
    assert "lies 300 samples earlier" in text
    assert [one["samples"] for one in result["alignments"]] == [-300, 0]  # type: ignore[attr-defined]
    text, result = told("--no-align")
    assert result["alignments"] == []
