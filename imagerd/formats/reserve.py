# SPDX-License-Identifier: Apache-2.0
"""Reserve a file's room on the disk before it is written (fallocate(2), FALLOC_FL_KEEP_SIZE).

A disk that is too full says so before the work instead of after, and writing into the page cache
becomes nearly twice as fast: ext4 need not reserve block after block.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from typing import Protocol, cast

_KEEP_SIZE = 1  # linux/falloc.h
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _Call(Protocol):
    def __call__(self, fd: int, mode: int, offset: int, size: int, /) -> int: ...


def reserve(fd: int, size: int) -> None:
    """Reserve `size` bytes; the file's length stays. Nothing where the file system cannot.

    Raises `OSError` if the room is not there.
    """
    call = _fallocate()
    if call is None or size <= 0:
        return
    if call(fd, _KEEP_SIZE, 0, size) != 0 and ctypes.get_errno() in _FULL:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@cache
def _fallocate() -> _Call | None:
    """The C library's function; os.posix_fallocate writes every block where it is not supported."""
    libc = ctypes.CDLL(None, use_errno=True)
    function = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    function.restype = ctypes.c_int
    return cast("_Call", function)


def give_back(fd: int, written: int) -> None:
    """Free what was reserved behind the `written` bytes."""
    os.ftruncate(fd, written)
