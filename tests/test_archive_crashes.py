# SPDX-License-Identifier: Apache-2.0
"""Death at every single step of a job's way: it is found again, ended once, and nothing is left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from imagerd.archive.sweep import after_death, pause_interrupted, sweep
from imagerd.archive.world import Order, World
from tests.archive_world import Died, Place, fated, opened
from tests.sources import MemorySource, data, memory_disc

_SCRATCH = """
[[sectors]]
what = "unreadable"
lba = 150
"""


@pytest.fixture(scope="module")
def disc() -> MemorySource:
    return memory_disc([data(300)])


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes die here, machines do not: what is written need not reach the disk."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda fd: None)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, disc: MemorySource) -> Path:
    """A catalog without a job, to begin each of many archives with."""
    folder = tmp_path_factory.mktemp("empty")
    with Place(folder, disc).world():
        pass
    return folder


def _places(empty: Path, tmp_path: Path, disc: MemorySource, faults: str) -> Callable[[], Place]:
    def place() -> Place:
        folder = tmp_path / "place"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(empty, folder)
        return Place(folder, disc, faults)

    return place


def _started_anew(world: World, _job: str | None) -> bool:
    """As a daemon that starts; whether the disc is to be put in again."""
    sweep(world)
    pause_interrupted(world)
    return True


def _followed(world: World, job: str | None) -> bool:
    """As a daemon whose worker died."""
    return after_death(world, job) is None


@pytest.mark.parametrize("faults", ["", _SCRATCH], ids=["whole", "scratched"])
@pytest.mark.parametrize("survivor", [_started_anew, _followed], ids=["daemon", "worker"])
def test_a_job_that_dies_at_any_step_ends_once_and_leaves_nothing_behind(
    empty: Path,
    tmp_path: Path,
    disc: MemorySource,
    survivor: Callable[[World, str | None], bool],
    faults: str,
) -> None:
    place_of = _places(empty, tmp_path, disc, faults)
    with fated(None) as fate:
        outcome = place_of().insert()
    assert fate.steps > 25
    ended = outcome.state.value
    lost = {150} if faults else set()
    for fatal in range(fate.steps):
        place = place_of()
        claimed: list[str | None] = []
        with fated(fatal) as doomed, suppress(Died):
            place.insert(show=lambda stage, claimed=claimed: claimed.append(stage.job))  # type: ignore[misc]
        with place.world() as world:
            again = survivor(world, claimed[-1] if claimed else None)
            committed = bool(world.catalog.images.search())
        if again:
            place.insert()
        # put in again after all was done, a whole disc is skipped, a damaged one has no gain
        states = [ended, "skipped"] if again and committed and not lost else [ended]
        try:
            place.tidy(states)
            assert place.differing(*place.images()) == lost
        except AssertionError as error:
            raise AssertionError(f"died after step {fatal}, {doomed.last}") from error


def test_what_was_read_before_the_death_is_not_read_again(
    empty: Path, tmp_path: Path, disc: MemorySource
) -> None:
    place_of = _places(empty, tmp_path, disc, "")
    with fated(None) as fate:
        whole = place_of()
        whole.insert()
    first = whole.data_read()
    seen = 0
    for fatal in range(fate.steps):
        place = place_of()
        with fated(fatal), suppress(Died):
            place.insert()
        before = place.data_read()
        place.insert()
        again = [area for area in place.data_read() if area in before]
        assert len(again) <= 1, f"died at step {fatal}: {again}"
        assert sorted({*before, *place.data_read()}, key=lambda a: a.start) in ([], first)
        seen += bool(before and place.data_read())
    assert seen > 5, "some deaths were amid the reading"


def test_the_same_death_again_and_again_changes_nothing(
    empty: Path, tmp_path: Path, disc: MemorySource
) -> None:
    place = _places(empty, tmp_path, disc, "")()
    for fatal in (2, 5, 7, 10, 13, 15, 17, 18):
        with fated(fatal), suppress(Died):
            place.insert()
    place.insert()
    with opened(place.config.catalog.url) as catalog:
        (image,) = catalog.images.search()
        assert image.counts.complete
    assert place.differing(*place.images()) == set()


def test_a_retry_that_reads_nothing_new_makes_no_second_image(
    empty: Path, tmp_path: Path, disc: MemorySource
) -> None:
    place = _places(empty, tmp_path, disc, _SCRATCH)()
    first = place.insert()
    second = place.insert(Order(first.job, again=True))
    assert (first.state, second.state) == ("partial", "partial")
    assert "nothing more could be read" in second.sentence
    assert second.image == first.image
    place.tidy(["partial"])


def test_a_retry_of_a_partial_job_reads_only_what_is_missing(
    empty: Path, tmp_path: Path, disc: MemorySource
) -> None:
    place = _places(empty, tmp_path, disc, _SCRATCH)()
    first = place.insert()
    assert first.bad == 1
    healed = Place(place.folder, disc)
    second = healed.insert(Order(first.job, again=True))
    assert second.state == "done"
    assert healed.data_read() == []
    healed.tidy(["done"])
    partial, complete = healed.images()
    assert (healed.differing(partial), healed.differing(complete)) == ({150}, set())
