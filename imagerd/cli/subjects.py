# SPDX-License-Identifier: Apache-2.0
"""What a person calls a finished disc: an image's path, what the catalog calls it, a job, or the
folder of a job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.cli.accounts import Accounts
from imagerd.cli.catalogs import opened_catalog
from imagerd.cli.sources import is_drive, opened

if TYPE_CHECKING:
    from imagerd.catalog.catalog import Catalog
    from imagerd.catalog.records import Job
    from imagerd.disc.source import SectorSource
    from imagerd.recovery.job import TocRecord


@dataclass(frozen=True, slots=True)
class DriveFacts:
    """The drive that read a disc, as far as it is known."""

    vendor: str = ""
    product: str = ""
    revision: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.vendor, self.product, self.revision) if part)


@dataclass(frozen=True, slots=True)
class Subject:
    """A finished disc: `source` gives what was read, heeding what is known of it.

    `name` is good for naming files. `path`: the image's, None of a job's folder. `accounted`:
    somebody remembers what could not be read. `corrected`: the read offset that was taken out of
    the audio already; `read_offset`: that of the drive, where the audio is as the drive gave it.
    `made`: the day when it was imaged. `protections` by name, as far as they were recognised.
    `replies`: the drive's to READ TOC, if they were kept.
    `remarks`: what could not be asked, and what was odd.
    """

    name: str
    where: str
    source: SectorSource
    path: Path | None = None
    accounted: bool = False
    corrected: int | None = None
    read_offset: int | None = None
    drive: DriveFacts | None = None
    made: str | None = None
    protections: Callable[[], tuple[str, ...]] = tuple
    replies: Callable[[], TocRecord | None] = lambda: None
    remarks: tuple[str, ...] = ()


@contextmanager
def subject(what: str, accounts: Accounts) -> Iterator[Subject]:
    """Open what `what` means, for reading; closed at the end of the block.

    Raises the operator's errors: a drive is not finished, and a name that nothing has.
    """
    path = Path(what)
    if is_drive(what):
        raise BadInput(f"{what} is a drive; archive its disc first (`imagerctl archive`).")
    if path.is_dir():
        with _of_folder(path) as found:
            yield found
    elif path.exists():
        with _of_image(path, accounts) as found:
            yield found
    elif accounts.no_catalog:
        raise NotAvailable(f"There is no {what}, and the catalog is not to be asked.")
    else:
        with _of_catalog(what, accounts) as found:
            yield found


@contextmanager
def _of_image(path: Path, accounts: Accounts) -> Iterator[Subject]:
    from imagerd.toolkit.account import Origin
    from imagerd.toolkit.redumper.subcode import with_kept_sub

    with opened(str(path), accounts) as disc:
        source, odd = with_kept_sub(disc.source, path)
        found = Subject(
            path.stem,
            str(path),
            source,
            path,
            accounted=disc.account is not None,
            protections=lambda: _reported(path),
            replies=lambda: _kept_replies(path, source),
            remarks=(*disc.remarks, *odd),
        )
        if disc.account is not None and disc.account.origin is Origin.CATALOG:
            found = _known(found, path, accounts)
        with closing(source):
            yield found


def _known(found: Subject, path: Path, accounts: Accounts) -> Subject:
    """With what the catalog, which knows the image, tells of it."""
    with opened_catalog(accounts.catalog, accounts.config) as catalog:
        try:
            image = catalog.images.find(str(path.absolute()))
        except BadInput:
            image = catalog.images.find(str(path.resolve()))
        drive = _drive(catalog.jobs.get(image.job_id))
    made = image.created.date().isoformat()
    return replace(found, corrected=image.read_offset, drive=drive, made=made)


def _reported(image: Path) -> tuple[str, ...]:
    """The protections that the report beside an image of the archive tells of."""
    from imagerd.recovery.report import read_report

    try:
        report = read_report(image.with_suffix(".json"))
    except BadInput:  # none, or another program's
        return ()
    return tuple(found.name for found in report.protection)


def _kept_replies(image: Path, source: SectorSource) -> TocRecord | None:
    """What the report beside an image of the archive kept, if image and report are of one disc."""
    from imagerd.disc.ids import toc_text
    from imagerd.recovery.report import read_report

    try:
        disc = read_report(image.with_suffix(".json")).disc
    except BadInput:  # none, or another program's
        return None
    return disc.replies if disc.toc == toc_text(source.layout) else None


@contextmanager
def _of_folder(folder: Path, read_offset: int | None = None) -> Iterator[Subject]:
    from imagerd.archive.naming import safe_part
    from imagerd.recovery.protection.recognise import recognise_in
    from imagerd.recovery.subq import refine
    from imagerd.recovery.worksource import WorkSource
    from imagerd.recovery.workspace import Workspace

    if not (folder / "job.json").is_file():
        raise BadInput(f"{folder} is no job's folder; name an image, or the folder of a job.")
    with Workspace.open(folder) as work:
        refined = refine(work)
        drive = work.job.drive
        yield Subject(
            safe_part(work.job.labels.get("disc") or folder.name),
            str(folder),
            WorkSource(work, refined.layout),
            accounted=True,
            read_offset=read_offset,
            drive=DriveFacts(drive.vendor, drive.product, drive.revision),
            made=work.job.created.date().isoformat(),
            protections=lambda: tuple(found.name for found in recognise_in(work)),
            replies=lambda: work.job.toc or None,
            remarks=refined.findings,
        )


@contextmanager
def _of_catalog(what: str, accounts: Accounts) -> Iterator[Subject]:
    """An image of the catalog, the latest of a job, or what a job has read so far."""
    with opened_catalog(accounts.catalog, accounts.config) as catalog:
        found = _find(catalog, what)
    if isinstance(found, Path):
        with _of_image(found, accounts) as image:
            yield image
    else:
        read_offset = None if found.drive is None else found.drive.read_offset
        with _of_folder(Path(found.workspace or ""), read_offset) as job:
            yield job


def _find(catalog: Catalog, what: str) -> Path | Job:
    try:
        return Path(catalog.images.find(what).path)
    except BadInput as unknown:
        try:
            job = catalog.jobs.find(what)
        except BadInput:
            raise unknown from None
    for image in catalog.images.of_job(job.id):  # the newest first
        return Path(image.path)
    if job.workspace is None:
        raise NotAvailable(f"Job {job.id[:8]} has no image, and nothing that was read is kept.")
    return job


def job_folder(what: str, catalog: str | None, config: Path | None) -> Path:
    """The folder of a job: as it is named, or of the job that the catalog calls so.

    Raises `NotAvailable` if nothing that was read is kept, `BadInput` for no job.
    """
    folder = Path(what)
    if folder.is_dir():
        return folder
    with opened_catalog(catalog, config) as known:
        job = known.jobs.find(what)
    if job.workspace is None:
        raise NotAvailable(f"Of job {job.id[:8]} nothing that was read is kept.")
    return Path(job.workspace)


def _drive(job: Job) -> DriveFacts | None:
    if job.drive is None:
        return None
    return DriveFacts(job.drive.vendor, job.drive.product, job.drive.revision)
