# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or not there: written beside the target, synced, then linked into place.

Nothing that exists is overwritten unless `overwrite` says so, even if it appears while we write.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from imagerd.base.digests import Buffer
from imagerd.base.errors import AlreadyThere, NotAvailable


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def refuse_existing(target: Path, *, overwrite: bool = False) -> None:
    """Raise `AlreadyThere` if `target` exists and may not be replaced."""
    if not overwrite and (target.exists() or target.is_symlink()):
        raise AlreadyThere(f"{target} exists already; name another target or allow overwriting.")


def move_into_place(part: Path, target: Path, *, overwrite: bool = False) -> None:
    """Give the finished file `part` its name `target`, atomically; same file system.

    Raises `AlreadyThere` if `target` exists (also when it appeared just now).
    """
    if overwrite:
        part.replace(target)
    else:
        try:
            os.link(part, target)  # unlike rename, link never replaces
        except FileExistsError:
            raise AlreadyThere(
                f"{target} exists already; name another target or allow overwriting."
            ) from None
        except OSError:  # a file system without hard links (FAT, some network shares)
            refuse_existing(target)
            part.rename(target)
        else:
            part.unlink()
    sync_folder(target.parent)


class _Whole(io.FileIO):
    """A new file whose `write` writes all or raises: a disk that fills up takes a part at first."""

    def __init__(self, part: Path, target: Path) -> None:
        super().__init__(part, "x")
        self._target = target

    def write(self, data: Buffer, /) -> int:  # type: ignore[override]  # ours is narrower
        """All of `data`. Raises `NotAvailable`."""
        done, view = 0, memoryview(data)
        if view.nbytes:
            view = view.cast("B")
        try:
            while done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            raise NotAvailable(f"Cannot write {self._target}: {error.strerror}.") from error
        return done


class AtomicFile:
    """A binary file that appears under its name only when `commit` is called.

    >>> with AtomicFile(path) as file:      # doctest: +SKIP
    ...     file.stream.write(b"…")
    ...     file.commit()

    Leaving the block without `commit` removes the part file (ours, unfinished), never the target.
    """

    def __init__(self, target: Path, *, overwrite: bool = False) -> None:
        refuse_existing(target, overwrite=overwrite)
        self.target = target
        self.overwrite = overwrite
        self.part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
        try:
            self.stream: BinaryIO = _Whole(self.part, target)
        except OSError as error:
            raise NotAvailable(f"Cannot write {target}: {error.strerror}.") from error

    def commit(self) -> None:
        """Sync and give the file its name. Raises `NotAvailable`, `AlreadyThere`."""
        self.finish()
        move_into_place(self.part, self.target, overwrite=self.overwrite)

    def finish(self) -> None:
        """Sync and close without naming: for several files that must appear together."""
        if not self.stream.closed:
            try:
                os.fsync(self.stream.fileno())
            except OSError as error:
                raise NotAvailable(f"Cannot write {self.target}: {error.strerror}.") from error
            self.stream.close()

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stream.close()
        with contextlib.suppress(FileNotFoundError):
            self.part.unlink()


def write_text_atomically(target: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a small text file (UTF-8), whole or not at all."""
    with AtomicFile(target, overwrite=overwrite) as file:
        file.stream.write(text.encode())
        file.commit()
