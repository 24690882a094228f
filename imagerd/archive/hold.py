# SPDX-License-Identifier: Apache-2.0
"""Who works on a job: a lock in the job's folder, held from the claim to the end.

It is taken before the catalog says that the job is at work, so two processes never both take up
one job, and whoever finds it free knows that nobody is at it, whatever the catalog says.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from imagerd.base.errors import NotAvailable

_NAME = "claim"
_LOOK_SECONDS = 0.1
_GLANCE_SECONDS = 0.05  # for those that only ask whether somebody has it
_GLANCE_PAUSE = 0.002


class Hold:
    """The held lock of a job's folder. Close it, or use it in a `with` block."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Let go; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @contextlib.contextmanager
    def unless_kept(self) -> Iterator[None]:
        """A block after which the lock is kept, unless it ends in an exception."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def take_hold(
    folder: Path, seconds: float = 0.0, stop: Callable[[], bool] = lambda: False
) -> Hold | None:
    """The lock of `folder`, which is made if need be; None if another process keeps it.

    It is waited for `seconds`, or until `stop` says so. Raises `NotAvailable`.
    """
    began = time.monotonic()
    while (hold := _try(folder)) is None:
        waited = time.monotonic() - began
        if waited >= _GLANCE_SECONDS and (waited >= seconds or stop()):
            return None
        time.sleep(_GLANCE_PAUSE if waited < _GLANCE_SECONDS else _LOOK_SECONDS)
    return hold


def is_held(folder: Path) -> bool:
    """Whether a process works on the job of `folder` just now. Makes nothing."""
    try:
        fd = os.open(folder / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locked(fd, fcntl.LOCK_SH)  # whoever else only asks is not in the way
    finally:
        os.close(fd)


def _try(folder: Path) -> Hold | None:
    path = folder / _NAME
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except FileNotFoundError:  # the folder was cleared away just now
            continue
        except OSError as error:
            raise NotAvailable(f"Cannot work in {folder}: {error.strerror}.") from error
        if not _locked(fd):
            os.close(fd)
            return None
        if _is_still(path, fd):
            return Hold(fd)
        os.close(fd)  # it was cleared away between opening and locking


def _locked(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_still(path: Path, fd: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))
