# SPDX-License-Identifier: Apache-2.0
"""A stream of bytes that holds sectors: bounded reads of whole rows, whatever is wrong with it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.disc.source import Bytes2D

_SAMPLES = 2352  # bytes of a sector of audio
_ALL = 1 << 62  # rows


class ByteStore(Protocol):
    """Bytes by their place: a plain file, or what a packed one unpacks to.

    `size` is that of the bytes; `notes` are sentences about what is odd; `files` are those that
    they come from; `suspect` where all of them are doubtful, their checksum being wrong or missing.
    Not thread safe.
    """

    size: int
    notes: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def suspect(self) -> bool:
        """See above; it may turn out late."""
        ...

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill `view` from byte `offset`; fewer bytes at the end and where they cannot be had."""
        ...

    def lost(self, offset: int) -> int:
        """How many bytes from `offset` on cannot be had; asked where `read_into` gave none."""
        ...

    def rest(self) -> None:
        """Forget what is kept for further reading: others are read now."""
        ...

    def close(self) -> None:
        """Release files and threads; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Packing:
    """How `file` is packed: `formats` from the outermost in, `packed` bytes that unpack to `size`.

    `claimed`: a stream says that it has this size, and was not unpacked to see.
    """

    file: Path
    formats: tuple[str, ...]
    packed: int
    size: int
    claimed: bool


class PlainStore:
    """The bytes of a regular file.

    Plain reads instead of a mapping: a file that shrinks or a disk that fails gives a short read
    or an `OSError`, where a mapping would kill the process.
    """

    def __init__(self, path: Path) -> None:
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
        self.notes: tuple[str, ...] = ()
        self.files: tuple[Path, ...] = (path,)
        self.suspect = False

    def read_into(self, view: memoryview, offset: int) -> int:
        """See `ByteStore`."""
        got = 0
        while got < len(view):
            try:
                read = os.preadv(self._stream.fileno(), [view[got:]], offset + got)
            except OSError:
                break
            if read == 0:
                break
            got += read
        return got

    def lost(self, offset: int) -> int:
        """All that follows: whether a disk gets over its error is not tried sector by sector."""
        return max(0, self.size - offset)

    def rest(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class DataFile:
    """A file opened for reading; `begin` and `end` bound the payload (WAVE headers).

    `swap` exchanges the bytes of each 16-bit sample (MOTOROLA). `pad` says that a last, partial
    sector is complete once filled with zeros (WAVE, whose length need not be whole sectors).
    `store` gives the bytes, where they are not those of the file `path` itself; `packing` says how
    these are packed.
    """

    def __init__(self, path: Path, store: ByteStore | None = None) -> None:
        self.path = path
        self.store = store or PlainStore(path)
        self.size = self.store.size
        self.begin = 0
        self.end = self.size
        self.swap = False
        self.pad = False
        self.packing: Packing | None = None

    @property
    def plain(self) -> bool:
        """Whether rows are the bytes of the file, unchanged."""
        return not self.swap and isinstance(self.store, PlainStore)

    def peek(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; fewer at the end and where they cannot be had."""
        if offset < 0 or offset >= self.size or count <= 0:
            return b""
        data = bytearray(min(count, self.size - offset))
        got = self.store.read_into(memoryview(data), offset)
        return bytes(memoryview(data)[:got])

    def rows(self, offset: int, count: int, size: int) -> tuple[Bytes2D, int]:
        """`count` rows of `size` bytes from byte `offset`, and how many of them are really there.

        Rows past the end, or past the point where the bytes cannot be had, are zeros.
        """
        data = np.empty((count, size), np.uint8)
        flat = data.data.cast("B")
        wanted = max(0, min(len(flat), self.end - offset))
        got = self.store.read_into(flat[:wanted], offset) if wanted else 0
        if got < len(flat):
            data.reshape(-1)[got:] = 0
        if self.swap and size <= _SAMPLES:
            data = data.reshape(-1).view("<u2").byteswap().view(np.uint8).reshape(count, size)
        elif self.swap:  # subchannel follows, which is bytes
            data[:, :_SAMPLES] = (
                data[:, :_SAMPLES].reshape(count, -1, 2)[:, :, ::-1].reshape(count, _SAMPLES)
            )
        return data, -(-got // size) if self.pad and got == wanted else got // size

    def lost_rows(self, offset: int, size: int) -> int:
        """How many rows of `size` bytes from `offset`, the first of them not whole, are lost.

        A packed file goes on after a damaged block. Past the end there is no row any more.
        """
        at, stop = offset, offset + size
        while at < min(stop, self.end):  # a row may begin well: its damage lies further on
            got = self.store.read_into(memoryview(bytearray(min(stop, self.end) - at)), at)
            at += got or max(1, self.store.lost(at))
        return _ALL if at >= self.end else max(1, -(-(at - offset) // size))

    def sectors_from(self, offset: int, size: int) -> int:
        """Sectors of `size` bytes from `offset` to the end, a partial one counted."""
        return max(0, -(-(self.end - offset) // size))

    def rest(self) -> None:
        """See `ByteStore`."""
        self.store.rest()

    def close(self) -> None:
        """Close the file; idempotent."""
        self.store.close()
