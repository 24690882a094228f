# SPDX-License-Identifier: Apache-2.0
"""Several processes on one catalog: never locked out, nothing lost, nothing half done."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from imagerd.base.errors import NotAvailable
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import JobState
from tests.catalogs import a_job, an_image, open_catalog, url_of

WORKERS = 4
ROUNDS = 8


def start(folder: Path, number: int, rounds: int = ROUNDS) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.catalog_hammer", str(folder), str(number), str(rounds)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_four_workers_are_never_locked_out_from_the_creation_on(tmp_path: Path) -> None:
    workers = [start(tmp_path, number) for number in range(WORKERS)]
    looks = 0
    while any(worker.poll() is None for worker in workers):
        if (tmp_path / "catalog.sqlite").exists():
            looks += _look(tmp_path)
        time.sleep(0.05)
    complaints = [worker.communicate()[1] for worker in workers]
    assert complaints == [""] * WORKERS
    assert looks
    with open_catalog(tmp_path) as catalog:
        jobs, images = catalog.jobs.list(), catalog.images.search()
        assert len(jobs) == len(images) == WORKERS * ROUNDS
        assert {job.state for job in jobs} == {JobState.DONE}
        assert len(catalog.drives.list()) == WORKERS
        assert len(catalog.images.of_disc("0")) == WORKERS
        for image in images:
            assert len(catalog.errors.of_image(image.id)) == image.errors == 500
        for job in jobs:
            assert len(catalog.jobs.passes(job.id)) == 10
            assert catalog.errors.of_job(job.id) == ()


def _look(folder: Path) -> int:
    """As `imagerctl list` does meanwhile: whole images or none, the writers do not matter."""
    try:
        catalog = Catalog.open(url_of(folder), read_only=True)
    except NotAvailable as error:
        if "older imagerd" not in str(error):
            raise
        return 0  # not made to the end yet
    with catalog:
        for image in catalog.images.search():
            assert len(catalog.errors.of_image(image.id)) == image.errors
    return 1


def test_threads_share_a_catalog(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with open_catalog(tmp_path) as catalog:

        def work(number: int) -> None:
            try:
                for turn in range(10):
                    an_image(catalog, f"{number}-{turn}")
                    catalog.images.search()
            except BaseException as error:  # noqa: BLE001 - told to the main thread
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(catalog.images.search()) == 80


def test_kill_9_of_a_writer_leaves_whole_transactions_and_no_lock(tmp_path: Path) -> None:
    open_catalog(tmp_path).close()
    for number in range(6):
        worker = start(tmp_path, number, rounds=1000)
        with open_catalog(tmp_path) as catalog:
            while len(catalog.drives.list()) <= number:
                time.sleep(0.01)
            time.sleep(0.03 * number)
            worker.kill()
            worker.communicate()
            a_job(catalog)  # the lock of the dead is nobody's
            for image in catalog.images.search():
                assert len(catalog.errors.of_image(image.id)) == image.errors
                assert catalog.jobs.get(image.job_id).state is JobState.DONE
            assert {
                j.state for j in catalog.jobs.list() if not catalog.images.of_job(j.id)
            }.isdisjoint({JobState.DONE, JobState.PARTIAL})
