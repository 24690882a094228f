# SPDX-License-Identifier: Apache-2.0
"""One file that holds sectors: bounded reads of whole rows, whatever is wrong with the file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.disc.source import Bytes2D

_SAMPLES = 2352  # bytes of a sector of audio
_ALL = 1 << 62  # rows


class DataFile:
    """A regular file opened for reading; `begin` and `end` bound the payload (WAVE headers).

    `swap` exchanges the bytes of each 16-bit sample (MOTOROLA). `pad` says that a last, partial
    sector is complete once filled with zeros (WAVE, whose length need not be whole sectors).

    Plain reads instead of a mapping: a file that shrinks or a disk that fails gives a short read
    or an `OSError`, where a mapping would kill the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # A FIFO in the folder of an image must not block us: hence O_NONBLOCK, then fstat.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise BadInput(f"Cannot open {path}: {reason}.") from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise BadInput(f"{path} is not a regular file; name an image file.")
        self._stream = os.fdopen(fd, "rb", buffering=0)
        self.size = status.st_size
        self.begin = 0
        self.end = self.size
        self.swap = False
        self.pad = False

    @property
    def plain(self) -> bool:
        """Whether rows are the bytes of the file, unchanged."""
        return not self.swap

    def peek(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; fewer at the end, none where the disk fails."""
        if offset < 0 or offset >= self.size or count <= 0:
            return b""
        try:
            return os.pread(self._stream.fileno(), count, offset)
        except OSError:
            return b""

    def rows(self, offset: int, count: int, size: int) -> tuple[Bytes2D, int]:
        """`count` rows of `size` bytes from byte `offset`, and how many of them are really there.

        Rows past the end, or past the point where the disk fails, are zeros.
        """
        data = np.empty((count, size), np.uint8)
        flat = data.data.cast("B")
        wanted = max(0, min(len(flat), self.end - offset))
        got = 0
        while got < wanted:
            try:
                read = os.preadv(self._stream.fileno(), [flat[got:wanted]], offset + got)
            except OSError:
                break
            if read == 0:
                break
            got += read
        if got < len(flat):
            data.reshape(-1)[got:] = 0
        if self.swap and size <= _SAMPLES:
            data = data.reshape(-1).view("<u2").byteswap().view(np.uint8).reshape(count, size)
        elif self.swap:  # subchannel follows, which is bytes
            data[:, :_SAMPLES] = (
                data[:, :_SAMPLES].reshape(count, -1, 2)[:, :, ::-1].reshape(count, _SAMPLES)
            )
        return data, -(-got // size) if self.pad else got // size

    def lost_rows(self, offset: int, size: int) -> int:
        """How many rows of `size` bytes from `offset`, the first of them not whole, are lost.

        Here all: whether a disk gets over its error is not tried sector by sector.
        """
        return _ALL

    def sectors_from(self, offset: int, size: int) -> int:
        """Sectors of `size` bytes from `offset` to the end, a partial one counted."""
        return max(0, -(-(self.end - offset) // size))

    def close(self) -> None:
        """Close the file; idempotent."""
        self._stream.close()
