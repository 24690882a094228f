# SPDX-License-Identifier: Apache-2.0
"""From what was read to files in the archive: write beside, read back, compare, rename, enter.

The files are made in ``ARCHIVE/.incoming/JOB`` and get their folder by one rename. What is needed
to enter them into the catalog is written into the job's workspace before that rename, so a process
that is killed at any instant leaves a job that can be finished: `remembered` tells how far it was.
What is deleted here is only ever our own unfinished or superseded work.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from imagerd.archive.naming import free_folder
from imagerd.base.digests import Hasher
from imagerd.base.errors import InternalError, NotAvailable
from imagerd.base.files import AtomicFile, sync_folder
from imagerd.base.progress import Progress, Task
from imagerd.formats.written import WrittenFile
from imagerd.recovery.job import LayoutRecord
from imagerd.recovery.report import FileDigests
from imagerd.toolkit.match.records import Sound

INCOMING = ".incoming"
_RECORD = "publication.json"
_READ = 4 << 20
_TRIES = 10


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A finished image on its way: from `staging` to `folder`, which is its name in the archive."""

    staging: str
    folder: str
    container: str
    main: str
    layout: LayoutRecord
    files: list[FileDigests]
    tracks: list[FileDigests]
    reason: str  # why this container
    notes: list[str]
    fill: str | None
    read_offset: int | None
    verified: datetime
    sounds: dict[int, Sound] = msgspec.field(default_factory=dict)  # by track; 0: all audio


@contextlib.contextmanager
def fresh_staging(archive: Path, job: str) -> Iterator[Path]:
    """An empty folder for the files of `job`; what an interrupted writing left there is cleared.

    If the block ends early, what is in it is cleared, too.
    """
    staging = archive / INCOMING / job
    try:
        if staging.exists():
            shutil.rmtree(staging)
        _make(staging)
    except OSError as error:
        raise NotAvailable(f"Cannot write into {archive}: {error.strerror}.") from error
    try:
        yield staging
    except BaseException:
        discard_staging(staging)
        raise


def _make(staging: Path) -> None:
    """Another job that ends may remove the folder of all just when we are to use it."""
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):
            staging.mkdir(parents=True)
            return
    staging.mkdir(parents=True)


def discard_staging(staging: Path) -> None:
    """Remove a staging folder and, if it was the last, the folder of all of them."""
    shutil.rmtree(staging, ignore_errors=True)
    with contextlib.suppress(OSError):  # others may be at work there
        staging.parent.rmdir()


def read_back(files: tuple[WrittenFile, ...]) -> Task[datetime]:
    """Read the files from the disk again and compare their digests with those of writing.

    Raises `NotAvailable` for a file that differs: the disk or the memory is at fault. Returns when
    the last was compared.
    """
    total = sum(file.path.stat().st_size for file in files)
    done = 0
    for file in files:
        hasher = Hasher(threads=True)
        try:
            for chunk in _from_disk(file.path):
                hasher.update(chunk)
                done += len(chunk)
                yield Progress(done, total, "bytes", f"reading back {file.path.name}")
            digests = hasher.digests()
        finally:
            hasher.close()
        if file.digests is None:
            raise InternalError(f"{file.path} was written without digests.")
        if digests != file.digests:
            raise NotAvailable(
                f"{file.path} reads back differently from what was written: check disk and memory."
            )
    return datetime.now(UTC)


def _from_disk(path: Path) -> Generator[bytes, None, None]:
    """The file's bytes, after the kernel was asked to forget its copy of them."""
    with path.open("rb", buffering=0) as stream:
        with contextlib.suppress(OSError):  # not every file system knows the advice
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := stream.read(_READ):
            yield chunk


def remember(workspace: Path, publication: Publication) -> None:
    """Keep `publication` with the job; from here on the job can only be finished."""
    with AtomicFile(workspace / _RECORD, overwrite=True) as file:
        file.stream.write(msgspec.json.encode(publication))
        file.commit()


def remembered(workspace: Path) -> Publication | None:
    """The publication that was under way when the job was interrupted, if its files are there.

    Whether they are in the catalog already, the caller must ask there.
    """
    try:
        raw = (workspace / _RECORD).read_bytes()
    except FileNotFoundError:
        return None
    try:
        publication = msgspec.json.decode(raw, type=Publication)
    except msgspec.MsgspecError:  # of another version: the image is written again
        return None
    here = any(_holds(Path(p), publication) for p in (publication.staging, publication.folder))
    return publication if here else None


def _holds(folder: Path, publication: Publication) -> bool:
    """Whether all files are there in their size."""
    try:
        return all((folder / f.name).stat().st_size == f.size for f in publication.files)
    except OSError:
        return False


def forget(workspace: Path) -> None:
    """Drop the record of a publication, once it is in the catalog."""
    (workspace / _RECORD).unlink(missing_ok=True)


def move_in(workspace: Path, publication: Publication) -> Publication:
    """Rename the staging folder to its name in the archive; nothing to do if that was done.

    Should another job have taken the name meanwhile, the next free one is used and remembered.
    """
    staging = Path(publication.staging)
    while staging.exists():
        folder = Path(publication.folder)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(staging)
            if not folder.exists():  # rename would replace an empty folder that someone made
                staging.rename(folder)
                sync_folder(folder.parent)
                break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise NotAvailable(
                    f"Cannot move the image to {folder}: {error.strerror}."
                ) from error
        other = free_folder(folder.parent, Path(folder.name))
        publication = msgspec.structs.replace(publication, folder=str(other))
        remember(workspace, publication)
    with contextlib.suppress(OSError):  # others may be at work there
        staging.parent.rmdir()
    return publication
