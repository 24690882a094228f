# SPDX-License-Identifier: Apache-2.0
"""Catalogs, discs and images for tests."""

from __future__ import annotations

import functools
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, make_url

from imagerd.base.config import catalog_url
from imagerd.base.digests import digest_bytes
from imagerd.catalog.catalog import Catalog
from imagerd.catalog.records import (
    Counts,
    Disc,
    Drive,
    ErrorRange,
    Image,
    ImageFile,
    ImageTrack,
    Job,
    JobState,
    NewDisc,
    NewDrive,
    NewImage,
    RangeState,
)

NOON = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
PATH_TO = {
    JobState.QUEUED: (),
    JobState.IDENTIFYING: (JobState.IDENTIFYING,),
    JobState.READING: (JobState.IDENTIFYING, JobState.READING),
    JobState.VERIFYING: (
        JobState.IDENTIFYING,
        JobState.READING,
        JobState.WRITING,
        JobState.VERIFYING,
    ),
}


def open_catalog(folder: Path) -> Catalog:
    return Catalog.open(url_of(folder))


def url_of(folder: Path) -> str:
    """A catalog of the test's own: SQLite in `folder`, or a database on the server named by
    IMAGERD_TEST_POSTGRES (for test_catalog_jobs and test_catalog_images)."""
    server = os.environ.get("IMAGERD_TEST_POSTGRES")
    return catalog_url("catalog.sqlite", folder) if server is None else _on_server(server, folder)


@functools.cache
def _on_server(server: str, folder: Path) -> str:
    name = f"imagerd_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def a_drive(catalog: Catalog, serial: str = "S1") -> Drive:
    return catalog.drives.register(NewDrive("HL-DT-ST", "DVDRAM", "1.00", serial, "/dev/sr0"))


def a_disc(catalog: Catalog, fingerprint: str = "f" * 40, volume_id: str = "GAME") -> Disc:
    return catalog.discs.find_or_create(
        NewDisc(fingerprint, "cd", "cd 1/1d@0 lead-out1@1000", 1000, {"n": 1}, volume_id=volume_id)
    )


def a_job(catalog: Catalog, state: JobState = JobState.VERIFYING, disc: Disc | None = None) -> Job:
    job = catalog.jobs.create(policy={"output": "auto"}, drive_id=a_drive(catalog).id)
    catalog.jobs.set_disc(job.id, (disc or a_disc(catalog)).id)
    for step in PATH_TO[state]:
        catalog.jobs.set_state(job.id, step)
    return catalog.jobs.get(job.id)


def new_image(name: str = "GAME_ffffffff", *, failed: int = 0, folder: str = "") -> NewImage:
    return NewImage(
        name=name,
        format="cue",
        folder=folder or f"/srv/images/{name}",
        main=f"{name}.cue",
        counts=Counts(proven=900, good=100 - failed, failed=failed),
        files=(
            ImageFile(f"{name}.cue", digest_bytes(b"sheet")),
            ImageFile("audio/track02.bin", digest_bytes(b"sound")),
        ),
        tracks=(
            ImageTrack(1, 1, "mode1", 0, 0, 900, control=4, digests=digest_bytes(b"data")),
            ImageTrack(2, 1, "audio", 900, 950, 1000, pregap=50, isrc="USRC17607839"),
        ),
        read_offset=-12,
        fill="zeros",
        verified=NOON,
        notes=("left out the audio",),
    )


def some_errors(count: int) -> tuple[ErrorRange, ...]:
    return tuple(
        ErrorRange(10 * n, 2, RangeState.FAILED, "medium", (3, 0x11, 0x05), 16, NOON, NOON)
        for n in range(count)
    )


def an_image(catalog: Catalog, name: str, disc: Disc | None = None, *, failed: int = 0) -> Image:
    job = a_job(catalog, disc=disc)
    return catalog.images.commit(job.id, new_image(name, failed=failed), some_errors(failed // 2))
