# SPDX-License-Identifier: Apache-2.0
"""Images: committed whole or not at all, and found again by whatever a person remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from imagerd.base.digests import digest_bytes
from imagerd.base.errors import BadInput, ImagerdError, InternalError
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import ErrorRange, JobState, RangeState, utc_now
from tests.catalogs import a_disc, a_job, an_image, new_image, open_catalog, some_errors


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with open_catalog(tmp_path) as opened:
        yield opened


def test_an_image_comes_back_as_it_was_committed(catalog: Catalog) -> None:
    job = a_job(catalog)
    new = new_image(failed=4)
    image = catalog.images.commit(job.id, new, some_errors(2))
    assert catalog.images.get(image.id) == image
    assert (image.files, image.tracks, image.counts) == (new.files, new.tracks, new.counts)
    assert (image.path, image.notes) == (f"{new.folder}/{new.main}", new.notes)
    assert (image.verified, image.read_offset, image.fill) == (new.verified, -12, "zeros")
    assert (image.errors, image.size) == (2, 10)
    assert image.disc == job.disc
    assert catalog.errors.of_image(image.id) == some_errors(2)


@pytest.mark.parametrize(("failed", "state"), [(0, JobState.DONE), (1, JobState.PARTIAL)])
def test_the_job_ends_with_the_image(catalog: Catalog, failed: int, state: JobState) -> None:
    job = a_job(catalog)
    image = catalog.images.commit(job.id, new_image(failed=failed))
    ended = catalog.jobs.get(job.id)
    assert (image.state, ended.state) == (state, state)
    assert ended.ended is not None
    kinds = [event.kind for event in catalog.events.of(f"image:{image.id}")]
    assert kinds == ["image-committed"]


@pytest.mark.parametrize("trouble", ["state", "track", "range"])
def test_a_commit_that_fails_leaves_nothing(catalog: Catalog, trouble: str) -> None:
    job = a_job(catalog, JobState.READING if trouble == "state" else JobState.VERIFYING)
    catalog.errors.replace(job.id, some_errors(3))
    image = new_image(failed=1)
    ranges = list(some_errors(2))
    if trouble == "track":
        image = replace(image, tracks=image.tracks + image.tracks)
    if trouble == "range":
        ranges.append(replace(ranges[0], count=None))  # type: ignore[arg-type]
    events = catalog.events.last_id()
    with pytest.raises(ImagerdError):
        catalog.images.commit(job.id, image, ranges)
    assert catalog.images.search() == ()
    assert catalog.jobs.get(job.id).state is job.state
    assert catalog.errors.of_job(job.id) == some_errors(3)
    assert catalog.events.last_id() == events


def test_no_image_without_a_job(catalog: Catalog) -> None:
    with pytest.raises(InternalError, match="which is not"):
        catalog.images.commit("none", new_image())


def test_the_errors_of_a_running_job_are_replaced_and_end_with_the_image(catalog: Catalog) -> None:
    job, other = a_job(catalog), a_job(catalog)
    catalog.errors.replace(other.id, some_errors(1))
    assert catalog.errors.replace(job.id, some_errors(5)) == 5
    assert catalog.errors.replace(job.id, some_errors(3)) == 3
    assert catalog.errors.of_job(job.id) == some_errors(3)
    image = catalog.images.commit(job.id, new_image(failed=2), some_errors(1))
    assert catalog.errors.of_job(job.id) == ()
    assert catalog.errors.of_image(image.id) == some_errors(1)
    assert catalog.errors.of_job(other.id) == some_errors(1)


def test_a_retried_job_can_make_a_second_image_and_keeps_the_first(catalog: Catalog) -> None:
    job = a_job(catalog)
    first = catalog.images.commit(job.id, new_image(failed=2), some_errors(1))
    catalog.jobs.retry(job.id)
    for step in (JobState.IDENTIFYING, JobState.READING, JobState.WRITING, JobState.VERIFYING):
        catalog.jobs.set_state(job.id, step)
    second = catalog.images.commit(job.id, new_image("GAME-2"))
    assert [image.id for image in catalog.images.of_job(job.id)] == [second.id, first.id]
    assert catalog.errors.of_image(first.id) == some_errors(1)
    assert catalog.jobs.get(job.id).state is JobState.DONE


def test_every_kind_of_range_is_kept(catalog: Catalog) -> None:
    ranges = (
        ErrorRange(-150, 1, RangeState.UNREAD),
        ErrorRange(0, 5, RangeState.FAILED, "timeout", None, 3),
        ErrorRange(9, 1, RangeState.SUSPECT, attempts=2),
        ErrorRange(11, 1, RangeState.PROVEN, "medium", (3, 0, 0), repaired=True),
    )
    image = catalog.images.commit(a_job(catalog).id, new_image(failed=6), ranges)
    assert catalog.errors.of_image(image.id) == ranges
    assert catalog.errors.of_image(image.id, [RangeState.FAILED]) == ranges[1:2]


def test_a_hundred_thousand_ranges_are_one_transaction(catalog: Catalog) -> None:
    job = a_job(catalog)
    assert catalog.errors.replace(job.id, some_errors(100_000)) == 100_000
    image = catalog.images.commit(job.id, new_image(failed=2), some_errors(100_000))
    assert image.errors == 100_000
    last = catalog.errors.of_image(image.id)[-1]
    assert last.lba == 999_990


def test_duplicates_are_known_by_the_disc(catalog: Catalog) -> None:
    game, other = a_disc(catalog), a_disc(catalog, "e" * 40)
    first, second = an_image(catalog, "A", game), an_image(catalog, "B", game)
    an_image(catalog, "C", other)
    a_job(catalog)  # not finished: no duplicate yet
    found = catalog.images.of_disc(game.fingerprint)
    assert [image.id for image in found] == [second.id, first.id]
    assert catalog.images.of_disc("0" * 40) == ()


def test_search_looks_in_names_and_volume_ids(catalog: Catalog) -> None:
    an_image(catalog, "Encarta_1", a_disc(catalog, "a", "ENC97"))
    an_image(catalog, "50%_off", a_disc(catalog, "b", "SALE_X"), failed=2)

    def names(text: str | None) -> list[str]:
        return [image.name for image in catalog.images.search(text)]

    assert names(None) == ["50%_off", "Encarta_1"]
    assert names("encarta") == names("c97") == ["Encarta_1"]
    assert names("0%") == names("sale_") == ["50%_off"]
    assert names("%f") == []


def test_search_by_date_and_state(catalog: Catalog) -> None:
    start = utc_now()
    an_image(catalog, "A")
    between = utc_now()
    an_image(catalog, "B", failed=2)
    names = [image.name for image in catalog.images.search(after=start)]
    assert names == ["B", "A"]
    assert [i.name for i in catalog.images.search(before=between)] == ["A"]
    assert [i.name for i in catalog.images.search(after=between)] == ["B"]
    assert [i.name for i in catalog.images.search(state=JobState.PARTIAL)] == ["B"]
    assert [i.name for i in catalog.images.search(limit=1)] == ["B"]
    assert catalog.images.search(after=utc_now() + timedelta(days=1)) == ()


def test_an_image_is_found_by_what_a_person_says(catalog: Catalog) -> None:
    game = a_disc(catalog, "abcdef0123")
    image = an_image(catalog, "GAME_abcdef01", game)
    an_image(catalog, "GAMMA", a_disc(catalog, "99"))
    for text in (
        str(image.id),
        "GAME_abcdef01",
        "game_",
        "ABCDEF",
        image.job_id,
        image.job_id[:13],
        image.path,
        f"{image.folder}/audio/track02.bin",
    ):
        assert catalog.images.find(text).id == image.id, text


def test_a_whole_name_goes_before_the_beginning_of_another(catalog: Catalog) -> None:
    an_image(catalog, "DISC2")
    plain = an_image(catalog, "DISC")
    assert catalog.images.find("DISC").id == plain.id


def test_what_is_ambiguous_or_unknown_is_a_sentence(catalog: Catalog) -> None:
    for _ in range(7):
        an_image(catalog, "SAME")
    with pytest.raises(BadInput, match=r"Several images .* 1 \(SAME\), .* 5 \(SAME\), …\."):
        catalog.images.find("SAME")
    for text in ("nothing", "999", "/no/such.cue", "%", "9" * 30):
        with pytest.raises(BadInput, match="No image is called"):
            catalog.images.find(text)
    with pytest.raises(BadInput, match="No image is called"):
        catalog.images.get(99)


def test_the_digests_of_a_file_are_known_by_its_path(catalog: Catalog) -> None:
    an_image(catalog, "A")
    assert catalog.images.digests_of(Path("/srv/images/A/audio/track02.bin")) == digest_bytes(
        b"sound"
    )
    assert catalog.images.digests_of(Path("/srv/images/A/track02.bin")) is None
    assert catalog.images.digests_of(Path("/srv/images/A")) is None
