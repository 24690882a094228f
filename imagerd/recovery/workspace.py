# SPDX-License-Identifier: Apache-2.0
"""The folder of a job: what was read, and what is known of it, safe at any instant.

::

    job.json      the disc, the drive, the options; written last at creation
    sectors.bin   sector `lba` at (lba - start) * size; sparse; 2352 bytes raw of a CD, else 2048
    sub.bin       96 bytes of raw P–W a sector, where the drive gives them; zeros: not known
    journal       what was tried; the sector map is its replay
    evidence      doubtful readings, with their bytes
    lock          held while a process works here

The order of writing is the promise: image bytes, then the journal's record, then the map. A
barrier in the journal comes after the image is on the disk itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import msgspec
import numpy as np

from imagerd.base.errors import AlreadyThere, NotAvailable, WrongDisc
from imagerd.base.files import AtomicFile, sync_folder
from imagerd.disc.layout import Layout, SectorFormat
from imagerd.disc.ranges import from_mask
from imagerd.disc.source import Bytes2D, SectorState
from imagerd.recovery.evidence import Why
from imagerd.recovery.job import Job, load_job, save_job
from imagerd.recovery.journal import (
    Attempt,
    Barrier,
    Doubt,
    Journal,
    Note,
    boot_id,
    replay,
)
from imagerd.recovery.reader import Reading
from imagerd.recovery.readings import EvidenceStore, Observation
from imagerd.recovery.recheck import lost_since
from imagerd.recovery.replaying import apply, apply_doubt, joined, replayed, states_of
from imagerd.recovery.sectormap import SectorMap

SUB_SIZE = 96


class Workspace:
    """An open job. One process at a time; close it, or use it in a `with` block."""

    def __init__(self, folder: Path, job: Job, lock: int, boot: bytes) -> None:
        self.folder, self.job, self._lock, self._boot = folder, job, lock, boot
        self.layout: Layout = job.layout.layout()
        self.stored = SectorFormat.RAW if self.layout.is_cd else SectorFormat.USER
        self.map = SectorMap(self.layout.ranges())
        self.notes: list[Note] = []
        self._fds: list[int] = []
        self._journal: Journal | None = None
        self._evidence: EvidenceStore | None = None
        self._distrusted = False

    # -- opening and closing ---------------------------------------------------------------

    @classmethod
    def create(cls, folder: Path, job: Job, *, boot: bytes | None = None) -> Workspace:
        """Begin a job in `folder`, made if need be.

        Raises `AlreadyThere` if a job lives there, `NotAvailable` if it cannot be written or
        another process holds it.
        """
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder)
        workspace = cls(folder, job, lock, boot or boot_id())
        try:
            if (folder / "job.json").exists():
                raise AlreadyThere(f"{folder} holds a job already; resume it or name another.")
            with _told(folder):
                workspace._begin()
        except BaseException:
            workspace.close()
            raise
        return workspace

    @classmethod
    def open(
        cls, folder: Path, fingerprint: str | None = None, *, boot: bytes | None = None
    ) -> Workspace:
        """Resume the job in `folder`; with a `fingerprint`, only if it is that disc's.

        Raises `WrongDisc` for another disc, `BadInput` if `folder` holds no job (or a damaged
        one), `NotAvailable` if another process works on it.
        """
        job = load_job(folder / "job.json")
        if fingerprint is not None and fingerprint != job.fingerprint:
            raise WrongDisc(
                f"{folder} belongs to another disc; put in the disc that it was begun with."
            )
        workspace = cls(folder, job, _locked(folder), boot or boot_id())
        try:
            with _told(folder):
                workspace._resume()
        except BaseException:
            workspace.close()
            raise
        return workspace

    def close(self) -> None:
        """Let go of the files and the lock; idempotent. Writes nothing."""
        if self._journal is not None:
            self._journal.close()
        if self._evidence is not None:
            self._evidence.close()
        while self._fds:
            os.close(self._fds.pop())
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- writing ---------------------------------------------------------------------------

    def commit(self, attempt: Attempt, data: Bytes2D | None, sub: Bytes2D | None = None) -> None:
        """Keep what one command brought: rows of `data` (and `sub`) from `attempt.lba` on.

        Only rows whose state rises are written, so nothing better is ever overwritten. Raises
        `NotAvailable` if the disk is full or fails; nothing is lost then.
        """
        self._check_trusted()
        if data is not None:
            rising = self._rising(attempt, len(data))
            with _told(self.folder):
                self._write_rows(attempt.lba, data, rising, self._image, self.stored.size)
                if sub is not None:
                    self._write_rows(attempt.lba, sub, rising, self._sub, SUB_SIZE)
        with _told(self.folder):
            self._log.append(attempt)
        apply(self.map, attempt)

    def doubt(self, doubt: Doubt) -> None:
        """Take back READ where it says so; what is proven stays."""
        self._check_trusted()
        with _told(self.folder):
            self._log.append(doubt)
        apply_doubt(self.map, doubt)

    def observe(self, seen: Observation, reading: Reading | None) -> bool:
        """Add to the evidence; returns whether these bytes of the sector are new to it."""
        self._check_trusted()
        with _told(self.folder):
            return self.evidence.add(seen, reading)

    def note(self, note: Note) -> None:
        """Add a note to the journal."""
        self._check_trusted()
        with _told(self.folder):
            self._log.append(note)
        self.notes.append(note)

    def checkpoint(self) -> None:
        """Make all that was kept so far survive a power failure.

        Raises `NotAvailable` if the disk fails to keep it. Linux tells so once and then takes the
        lost pages for clean: so all since the last barrier is taken back, and the workspace does
        nothing more; opened again, it reads that part again.
        """
        self._check_trusted()
        with _told(self.folder):
            self._sync_sectors()
            self._log.append(Barrier(time.time(), self._boot))
            self._log.sync()

    # -- reading ---------------------------------------------------------------------------

    def read_rows(self, lba: int, count: int) -> Bytes2D:
        """The bytes of `count` sectors as they are in the file; zeros where nothing was written."""
        return self._read_rows(lba, count, self._image, self.stored.size)

    def read_sub(self, lba: int, count: int) -> Bytes2D:
        """Raw P–W of `count` sectors, (count, 96); zeros where it is not known."""
        return self._read_rows(lba, count, self._sub, SUB_SIZE)

    def extent(self, lba: int) -> tuple[int, int, int]:
        """Descriptor of sectors.bin, offset and size of a sector in it."""
        return self._image, (lba - self.map.start) * self.stored.size, self.stored.size

    @property
    def evidence(self) -> EvidenceStore:
        """The doubtful readings."""
        assert self._evidence is not None, "the workspace is closed"
        return self._evidence

    @property
    def has_sub(self) -> bool:
        """Whether any subchannel was kept."""
        return os.fstat(self._sub).st_size > 0

    @property
    def image_size(self) -> int:
        """Bytes of sectors.bin so far, holes included."""
        return os.fstat(self._image).st_size

    # -- inside ----------------------------------------------------------------------------

    def _sync_sectors(self) -> None:
        try:
            for fd in self._fds:
                os.fdatasync(fd)
            self.evidence.sync()
        except OSError:
            self._distrusted = True
            self._log.cut_to_barrier()
            raise

    def _check_trusted(self) -> None:
        if self._distrusted:
            raise NotAvailable(
                f"The disk of {self.folder} lost what was written to it; check it, then resume:"
                " what came since the last checkpoint is read again."
            )

    @property
    def _image(self) -> int:
        return self._fds[0]

    @property
    def _sub(self) -> int:
        return self._fds[1]

    @property
    def _log(self) -> Journal:
        assert self._journal is not None, "the workspace is closed"
        return self._journal

    def _begin(self) -> None:
        # Without job.json this is no job yet: what a crash left of an earlier beginning is empty.
        if _size(self.folder / "sectors.bin"):
            raise AlreadyThere(
                f"{self.folder} holds sectors, but its job.json is gone; move it away, or put that"
                " file back."
            )
        for name in ("journal", "evidence", "sectors.bin", "sub.bin"):
            (self.folder / name).unlink(missing_ok=True)
        self._open_files(os.O_CREAT)
        self._journal = Journal.create(self.folder / "journal", self.job.fingerprint)
        self.checkpoint()
        with AtomicFile(self.folder / "job.json") as file:
            file.stream.write(save_job(self.job))
            file.commit()
        sync_folder(self.folder)

    def _resume(self) -> None:
        self._open_files(0)
        path = self.folder / "journal"
        self._journal = Journal.open(path, self.job.fingerprint, self._boot)
        recent: list[Attempt] = []  # since the last barrier
        for record in joined(replay(path, self.job.fingerprint, self._journal.size)):
            replayed(self.map, self.notes, record)
            if isinstance(record, Attempt):
                recent.append(record)
            elif isinstance(record, Barrier):
                recent.clear()
        if lost := self._lose(recent):
            self.note(Note("lost", msgspec.json.encode({"time": time.time(), "sectors": lost})))
        self.checkpoint()  # so that every session of work begins with a barrier of its own boot

    def _lose(self, recent: list[Attempt]) -> int:
        """Take back what the journal promises and the file does not hold; returns how many.

        The journal is told, or the next opening would believe it again.
        """
        whole = min(self.map.start + self.image_size // self.stored.size, self.map.end)
        gone = [range(whole, self.map.end)]
        gone += lost_since(recent, self, is_cd=self.layout.is_cd)
        total = 0
        for part in gone:
            lost = self.map.lose(part.start, part.stop)
            if lost:
                self._log.append(Doubt(part.start, len(part), time.time(), Why.LOST))
            total += lost
        return total

    def _open_files(self, flags: int) -> None:
        for name in ("sectors.bin", "sub.bin"):
            self._fds.append(os.open(self.folder / name, os.O_RDWR | os.O_CLOEXEC | flags, 0o640))
        self._evidence = EvidenceStore(self.folder / "evidence")

    def _rising(self, attempt: Attempt, count: int) -> list[range]:
        """Rows, as ranges, that `attempt` raises to a state with bytes."""
        new = states_of(attempt)[:count]
        mask = (new > self.map.states(attempt.lba, count)) & (new >= SectorState.SUSPECT)
        return [range(count)] if mask.all() else from_mask(0, mask)

    def _write_rows(self, lba: int, rows: Bytes2D, which: list[range], fd: int, size: int) -> None:
        for part in which:
            block = np.ascontiguousarray(rows[part.start : part.stop])
            _write_all(fd, block.data.cast("B"), (lba + part.start - self.map.start) * size)

    def _read_rows(self, lba: int, count: int, fd: int, size: int) -> Bytes2D:
        rows = np.empty((count, size), np.uint8)
        view, offset = rows.data.cast("B"), (lba - self.map.start) * size
        done = 0
        while done < len(view):
            got = os.preadv(fd, [view[done:]], offset + done)
            if got == 0:
                view[done:] = bytes(len(view) - done)
                break
            done += got
        return rows


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write_all(fd: int, view: memoryview, offset: int) -> None:
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


def _locked(folder: Path) -> int:
    with _told(folder):
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise NotAvailable(f"Another process works in {folder}; wait for it or stop it.") from None
    return fd


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what the file system says into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotAvailable(
                f"No space left for {folder}; free some and resume: nothing read so far is lost."
            ) from error
        raise NotAvailable(f"Cannot work in {folder}: {error.strerror}.") from error
