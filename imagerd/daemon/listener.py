# SPDX-License-Identifier: Apache-2.0
"""One daemon for one place: a lock, and the API's socket with its mode and group."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from imagerd.base.errors import NotAvailable

_MODE = 0o660
_BACKLOG = 128


@contextlib.contextmanager
def sole_daemon(runtime: Path) -> Iterator[None]:
    """Hold ``RUNTIME/imagerd.lock``. Raises `NotAvailable` if another daemon does."""
    try:
        runtime.mkdir(parents=True, exist_ok=True)
        fd = os.open(runtime / "imagerd.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise NotAvailable(f"Cannot use {runtime}: {error.strerror}.") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise NotAvailable(
            f"An imagerd runs already with {runtime}; stop it, or give this one another place."
        ) from None
    try:
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def listening(path: Path, group: str | None) -> Iterator[socket.socket]:
    """The listening socket, mode 0660, of `group` if one is given; gone afterwards.

    Call it with the lock held: what is at `path` then was left by a daemon that died.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        made.bind(str(path))
        path.chmod(_MODE)
        if group is not None:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
        made.listen(_BACKLOG)  # whoever comes before the API accepts waits, and is not refused
    except KeyError:
        made.close()
        raise NotAvailable(f"There is no group {group} for the socket {path}.") from None
    except OSError as error:
        made.close()
        raise NotAvailable(f"Cannot make the socket {path}: {error.strerror}.") from error
    try:
        yield made
    finally:
        made.close()
        path.unlink(missing_ok=True)
