# SPDX-License-Identifier: Apache-2.0
"""What evidence says: never more than it knows, in whatever order it came."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.layout import TrackMode
from imagerd.disc.source import SectorState
from imagerd.recovery.conclude import Kind, Witness, conclude
from imagerd.recovery.reader import Reading
from imagerd.recovery.readings import EvidenceStore, Observation, digest_of
from tests.sources import data, memory_disc

LBA = 7
MODE1 = memory_disc([data(20)]).raw[1][LBA]
XA = memory_disc([data(20, TrackMode.MODE2)]).raw[1][LBA]
AUDIO = np.random.default_rng(3).integers(0, 256, 2352, np.uint8)
Row = npt.NDArray[np.uint8]


def witness(
    truth: Row, rng: np.random.Generator, wrong: int, missed: float, core: Row, time: float
) -> Witness:
    """A reading with `wrong` bytes of luck and those of `core`, which always come wrong alike."""
    row = truth.copy()
    places = np.concatenate((core, rng.integers(12, 2352, wrong))).astype(int)
    row[core.astype(int)] ^= 0x5A
    row[places[len(core) :]] ^= rng.integers(1, 256, wrong, dtype=np.uint8)
    flagged = np.zeros(2352, np.bool_)
    flagged[places[rng.random(len(places)) >= missed]] = True
    clean = not flagged.any()
    seen = Observation(LBA, time, 0.01, 0, 100, digest_of(row), None, clean, True)
    return Witness(row, flagged, seen)


@st.composite
def stories(draw: st.DrawFn, truth: Row) -> list[Witness]:
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    core = rng.permutation(np.arange(16, 2352))[: draw(st.sampled_from([0, 1, 40, 150, 400]))]
    missed = draw(st.sampled_from([0.0, 0.001, 0.3]))
    wrong = draw(st.lists(st.sampled_from([0, 1, 5, 60, 200]), min_size=1, max_size=6))
    return [
        witness(truth, rng, count, missed, core, 1000.0 + number)
        for number, count in enumerate(wrong)
    ]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([(MODE1, Kind.MODE1), (XA, Kind.MODE2)]), st.data())
def test_a_data_sector_is_concluded_right_or_not_at_all(
    what: tuple[Row, Kind], choose: st.DataObject
) -> None:
    truth, kind = what
    story = choose.draw(stories(truth))
    found = conclude(story, LBA, kind, c2_trusted=True)
    assert found is None or np.array_equal(found.data, truth)
    assert found is None or found.state is SectorState.PROVEN


@settings(max_examples=150, deadline=None)
@given(stories(AUDIO), st.booleans())
def test_audio_needs_two_readings_that_leave_its_bytes_unflagged(
    story: list[Witness], trusted: bool
) -> None:
    found = conclude(story, LBA, Kind.AUDIO, c2_trusted=trusted)
    if found is None:
        return
    assert found.state is SectorState.READ
    backing = [
        (one.data == found.data) & (True if one.flagged is None else ~one.flagged) for one in story
    ]
    assert np.all(np.sum(backing, axis=0) >= 2)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([(MODE1, Kind.MODE1), (AUDIO, Kind.AUDIO)]), st.data(), st.integers(0, 1 << 32)
)
def test_neither_order_nor_repetition_of_evidence_matters(
    what: tuple[Row, Kind], choose: st.DataObject, seed: int
) -> None:
    truth, kind = what
    story = choose.draw(stories(truth))
    other = [*story, *story]
    Random(seed).shuffle(other)
    first = conclude(story, LBA, kind, c2_trusted=True)
    second = conclude(other, LBA, kind, c2_trusted=True)
    assert (first is None) is (second is None)
    if first is not None and second is not None:
        assert np.array_equal(first.data, second.data)
        assert first.state is second.state


def test_what_no_reading_has_whole_is_put_together() -> None:
    rng = np.random.default_rng(1)
    core = rng.permutation(np.arange(16, 2352))[:120]
    story = [witness(MODE1, rng, 60, 0.0, core, 1000.0 + n) for n in range(3)]
    found = conclude(story, LBA, Kind.MODE1, c2_trusted=True)
    assert found is not None
    assert found.composed
    assert np.array_equal(found.data, MODE1)


@pytest.mark.parametrize("place", range(12, 16))
@pytest.mark.parametrize("bit", range(8))
def test_a_wrong_header_of_mode_2_which_nothing_covers_is_not_taken(place: int, bit: int) -> None:
    row = XA.copy()
    row[place] ^= 1 << bit
    seen = Observation(LBA, 1000.0, 0.01, 0, 100, digest_of(row), None, True, True)
    found = conclude([Witness(row, None, seen)], LBA, Kind.MODE2, c2_trusted=True)
    assert found is None or np.array_equal(found.data, XA)


def test_one_clean_reading_of_audio_proves_nothing() -> None:
    rng = np.random.default_rng(1)
    none = np.zeros(0, np.uint8)
    one = witness(AUDIO, rng, 0, 0.0, none, 1000.0)
    assert conclude([one], LBA, Kind.AUDIO, c2_trusted=True) is None
    two = witness(AUDIO, rng, 0, 0.0, none, 1001.0)
    found = conclude([one, two], LBA, Kind.AUDIO, c2_trusted=False)
    assert found is not None
    assert np.array_equal(found.data, AUDIO)


# -- the store ---------------------------------------------------------------------------------


def _filled(path: Path, count: int) -> list[Observation]:
    store, rng, told = EvidenceStore(path), np.random.default_rng(2), []
    for number in range(count):
        one = witness(MODE1, rng, 30, 0.0, np.zeros(0, np.uint8), 1e9 + number / 7)
        assert one.flagged is not None
        told.append(one.seen)
        store.add(one.seen, Reading(one.data, np.packbits(one.flagged)))
    store.close()
    return told


def test_what_was_observed_is_there_after_opening_the_store_again(tmp_path: Path) -> None:
    _filled(tmp_path / "evidence", 4)
    store = EvidenceStore(tmp_path / "evidence")
    readings = store.readings(LBA)
    assert len(readings) == 4
    assert all(digest_of(reading.data) == seen.digest for seen, reading in readings)
    assert all(reading.c2 is not None and reading.c2.any() for _, reading in readings)
    assert list(store.sectors()) == [LBA]


def test_a_torn_store_gives_what_was_whole(tmp_path: Path) -> None:
    _filled(tmp_path / "evidence", 3)
    whole = (tmp_path / "evidence").read_bytes()
    seen = set()
    for cut in range(12, len(whole), 97):
        (tmp_path / "evidence").write_bytes(whole[:cut])
        store = EvidenceStore(tmp_path / "evidence")
        seen.add(len(store.observations(LBA)))
        assert len(store.readings(LBA)) == len(store.observations(LBA))
        store.close()
    assert seen == {0, 1, 2}


def test_the_store_stays_below_ten_times_what_is_bad(tmp_path: Path) -> None:
    _filled(tmp_path / "evidence", 64)
    assert (tmp_path / "evidence").stat().st_size < 10 * 2352


def test_another_file_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_bytes(b"something else entirely")
    with pytest.raises(BadInput, match="no evidence"):
        EvidenceStore(tmp_path / "evidence")
