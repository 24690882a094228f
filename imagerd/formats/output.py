# SPDX-License-Identifier: Apache-2.0
"""Files of an image while they are written: hashed on the way, named only when all are whole."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from imagerd.base.digests import Digests, Hasher
from imagerd.base.errors import NotAvailable
from imagerd.base.files import AtomicFile, move_into_place, refuse_existing
from imagerd.disc.source import Bytes2D
from imagerd.formats.written import WriteOptions, WrittenFile

_QUEUE = 4  # blocks that may wait for the disk: a few MB
# Bytes of one system call. From 512 KiB on, Linux 6.18 takes huge folios for the page cache of
# ext4, and allocating those made writing four to ten times slower.
_PIECE = 128 << 10


class Output:
    """One file under a temporary name; `stack` removes it unless `publish` names it.

    Writing goes on in a thread of its own, while the next block is read and checked.
    """

    def __init__(self, target: Path, options: WriteOptions, stack: ExitStack) -> None:
        self.target = target
        self._options = options
        self._file = stack.enter_context(AtomicFile(target, overwrite=options.overwrite))
        self._writer = _Writer(self._file.stream)
        stack.callback(self._writer.close)  # runs before the file is closed
        self._hasher = hasher(options, stack)
        self.digests: Digests | None = None

    def write(self, data: Bytes2D) -> None:
        """Append rows; they may not be changed afterwards."""
        self.write_bytes(data.data.cast("B"))

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Append bytes; they may not be changed afterwards."""
        self._writer.put(memoryview(data))
        self._check()
        if self._hasher is not None:
            self._hasher.update(data)

    def _check(self) -> None:
        error = self._writer.error
        if error is not None:
            raise NotAvailable(f"Cannot write {self.target}: {error.strerror}.") from error

    def finish(self) -> None:
        """Close the file, on the disk if so asked."""
        if self._hasher is not None:
            self.digests = self._hasher.digests()
            self._hasher = None
        self._writer.close()
        self._check()
        if not self._options.sync:
            self._file.stream.close()
            return
        try:
            self._file.finish()
        except OSError as error:
            raise NotAvailable(f"Cannot write {self.target}: {error.strerror}.") from error

    def name(self) -> WrittenFile:
        """Give the finished file its name."""
        move_into_place(self._file.part, self.target, overwrite=self._options.overwrite)
        return WrittenFile(self.target, self.digests)


class _Writer:
    """A thread that appends blocks to a file; the first error ends its work, and is kept."""

    def __init__(self, stream: BinaryIO) -> None:
        self.error: OSError | None = None
        self._stream = stream
        self._queue: queue.Queue[memoryview | None] = queue.Queue(maxsize=_QUEUE)
        self._thread = threading.Thread(target=self._work, daemon=True, name="writer")
        self._thread.start()

    def put(self, view: memoryview) -> None:
        """Queue a block; waits while the disk is behind."""
        self._queue.put(view)

    def close(self) -> None:
        """Wait until all is written; idempotent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (view := self._queue.get()) is not None:
            try:
                while view and self.error is None:
                    view = view[self._stream.write(view[:_PIECE]) :]
            except OSError as error:
                self.error = error


def hasher(options: WriteOptions, stack: ExitStack) -> Hasher | None:
    """A hasher in threads of its own, ended with `stack`; None where hashing is off."""
    if not options.hash:
        return None
    made = Hasher(threads=True)
    stack.callback(made.close)
    return made


def refuse_all(targets: Sequence[Path], options: WriteOptions) -> None:
    """Raise `AlreadyThere` before any work if one of the files exists and may not be replaced."""
    for target in targets:
        refuse_existing(target, overwrite=options.overwrite)


def publish(outputs: Sequence[Output]) -> tuple[WrittenFile, ...]:
    """Name all files, in this order: let the sheet be last, so that it never names what is not."""
    for output in outputs:
        output.finish()
    return tuple(output.name() for output in outputs)
