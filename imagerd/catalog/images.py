# SPDX-License-Identifier: Apache-2.0
"""Finished images: commit one, and find them again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, selectinload

from imagerd.base.digests import Digests
from imagerd.base.errors import BadInput, InternalError
from imagerd.catalog import errors, rows
from imagerd.catalog.database import Database
from imagerd.catalog.events import log
from imagerd.catalog.jobs import change_state
from imagerd.catalog.models import DiscRow, FileRow, ImageRow, JobRow
from imagerd.catalog.records import (
    ErrorRange,
    Image,
    ImageSummary,
    JobState,
    NewImage,
    utc_now,
)

_SHOWN = 5  # candidates named where a name is ambiguous


class Images:
    """The images of the archive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit(self, job_id: str, image: NewImage, ranges: Iterable[ErrorRange] = ()) -> Image:
        """Enter a finished image with its files, tracks and error ranges, and end its job.

        All in one transaction: the job is `done`, or `partial` where sectors are missing or
        doubtful, if and only if the image is there. Raises `InternalError` if the job is not one
        that may end so.
        """
        state = JobState.DONE if image.counts.complete else JobState.PARTIAL
        with self._database.write() as session:
            job = session.get(JobRow, job_id, with_for_update={"of": JobRow})
            if job is None:
                raise InternalError(f"An image is to be committed for job {job_id}, which is not.")
            row = _new_row(job, image, state)
            session.add(row)
            session.flush()
            row.errors = errors.store(session, job_id, row.id, ranges)
            change_state(session, job, state, None)
            log(session, "image-committed", f"image:{row.id}", {"job": job_id, "path": image.path})
            return rows.image_of(row)

    def get(self, image_id: int) -> Image:
        """The image. Raises `BadInput` if there is none."""
        with self._database.read() as session:
            return self._one(session, _whole().where(ImageRow.id == image_id), f"{image_id}")

    def find(self, text: str) -> Image:
        """The image that a person means: by id, path, name, or by the beginning of its name,
        its job's id or its disc's fingerprint.

        Raises `BadInput` where it is none, or several.
        """
        with self._database.read() as session:
            if text.isascii() and text.isdecimal() and len(text) < 10:
                by_id = session.scalar(_whole().where(ImageRow.id == int(text)))
                if by_id is not None:
                    return rows.image_of(by_id)
            if "/" in text and (by_path := session.scalar(_at(Path(text)))) is not None:
                return rows.image_of(by_path)
            exact = _whole().where(ImageRow.name == text)
            if session.scalar(exact.limit(1)) is not None:
                return self._one(session, exact, text)
            return self._one(session, _whole().where(_begins(text)), text)

    def search(
        self,
        text: str | None = None,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        state: JobState | None = None,
        limit: int | None = None,
    ) -> tuple[ImageSummary, ...]:
        """Images, newest first: `text` in name, volume id or title; made in [after, before)."""
        query = select(ImageRow).outerjoin(ImageRow.disc)
        if text:
            looked_at = (ImageRow.name, DiscRow.volume_id, DiscRow.title)
            query = query.where(or_(*(c.icontains(text, autoescape=True) for c in looked_at)))
        if after is not None:
            query = query.where(ImageRow.created >= after)
        if before is not None:
            query = query.where(ImageRow.created < before)
        if state is not None:
            query = query.where(ImageRow.state == state.value)
        query = query.order_by(ImageRow.created.desc(), ImageRow.id.desc()).limit(limit)
        with self._database.read() as session:
            return tuple(rows.summary_of(row) for row in session.scalars(query))

    def of_disc(self, fingerprint: str) -> tuple[ImageSummary, ...]:
        """The images of a disc, newest first: whether it is a duplicate. A suggestion: pressings
        that differ in content only can have the same fingerprint.
        """
        query = (
            select(ImageRow)
            .join(ImageRow.disc)
            .where(DiscRow.fingerprint == fingerprint)
            .order_by(ImageRow.created.desc(), ImageRow.id.desc())
        )
        with self._database.read() as session:
            return tuple(rows.summary_of(row) for row in session.scalars(query))

    def of_job(self, job_id: str) -> tuple[ImageSummary, ...]:
        """The images that a job made (one, or more if it was retried), newest first."""
        query = select(ImageRow).where(ImageRow.job_id == job_id).order_by(ImageRow.id.desc())
        with self._database.read() as session:
            return tuple(rows.summary_of(row) for row in session.scalars(query))

    def digests_of(self, path: Path) -> Digests | None:
        """What a file of the archive must be, by its path; None if it is in no image."""
        query = (
            select(FileRow)
            .join(ImageRow, ImageRow.id == FileRow.image_id)
            .where(_is_file(path))
            .order_by(ImageRow.id.desc())
            .limit(1)
        )
        with self._database.read() as session:
            row = session.scalar(query)
            return None if row is None else rows.digests_of(row)

    def _one(self, session: Session, query: Select[ImageRow], text: str) -> Image:
        found = session.scalars(query.order_by(ImageRow.id).limit(_SHOWN + 1)).all()
        if len(found) == 1:
            return rows.image_of(found[0])
        if not found:
            raise BadInput(f"No image is called {text!r}; `imagerctl list` shows what there is.")
        names = ", ".join(f"{row.id} ({row.name})" for row in found[:_SHOWN])
        more = ", …" if len(found) > _SHOWN else ""
        raise BadInput(f"Several images are called {text!r}; name one by its id: {names}{more}.")


def _new_row(job: JobRow, image: NewImage, state: JobState) -> ImageRow:
    return ImageRow(
        job_id=job.id,
        disc=job.disc,
        state=state.value,
        name=image.name,
        format=image.format,
        folder=image.folder,
        main=image.main,
        proven=image.counts.proven,
        good=image.counts.good,
        suspect=image.counts.suspect,
        failed=image.counts.failed,
        size=sum(file.digests.size for file in image.files),
        errors=0,
        read_offset=image.read_offset,
        fill=image.fill,
        verified=image.verified,
        created=utc_now(),
        notes=list(image.notes),
        files=[rows.file_row(file) for file in image.files],
        tracks=[rows.track_row(track) for track in image.tracks],
    )


def _whole() -> Select[ImageRow]:
    return select(ImageRow).options(selectinload(ImageRow.files), selectinload(ImageRow.tracks))


def _begins(text: str) -> ColumnElement[bool]:
    # case counts in some databases' LIKE and not in others': so it never does
    return or_(
        ImageRow.name.istartswith(text, autoescape=True),
        ImageRow.job_id.istartswith(text, autoescape=True),
        ImageRow.disc.has(DiscRow.fingerprint.istartswith(text, autoescape=True)),
    )


def _at(path: Path) -> Select[ImageRow]:
    """The newest image with the file `path`."""
    files = select(FileRow.image_id).join(ImageRow).where(_is_file(path))
    return _whole().where(ImageRow.id.in_(files)).order_by(ImageRow.id.desc()).limit(1)


def _is_file(path: Path) -> ColumnElement[bool]:
    """Whether folder and relative path of a file together are `path`."""
    whole = path.absolute()
    return or_(
        *(
            and_(ImageRow.folder == str(folder), FileRow.path == str(whole.relative_to(folder)))
            for folder in whole.parents
        )
    )
