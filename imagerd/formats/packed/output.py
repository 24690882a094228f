# SPDX-License-Identifier: Apache-2.0
"""A packed file while it is written: pieces packed by threads, stored in their order."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Generic, TypeVar

from imagerd.base.digests import Buffer, Digests
from imagerd.base.errors import NotAvailable
from imagerd.base.files import AtomicFile, move_into_place
from imagerd.disc.source import Bytes2D
from imagerd.formats.output import hasher
from imagerd.formats.written import WriteOptions, WrittenFile

_PIECE = 512 << 10  # bytes packed by one thread at a time
_REREAD = 1 << 20

P = TypeVar("P")


class PackedOutput(ABC, Generic[P]):
    """One packed file under a temporary name; a `Sink`, whose `digests` are of what goes in.

    The file is hashed once it is whole: its header may be written last. `workers`: threads, as
    many as there are cores where it is 0; each packs `piece` bytes at a time.
    """

    def __init__(
        self,
        target: Path,
        options: WriteOptions,
        stack: ExitStack,
        *,
        workers: int = 0,
        piece: int = _PIECE,
    ) -> None:
        self.target = target
        self.digests: Digests | None = None
        self._options = options
        self._file = stack.enter_context(AtomicFile(target, overwrite=options.overwrite))
        self._hasher = hasher(options, stack)
        self._own = hasher(options, stack)
        self._piece = piece
        workers = workers or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(workers, "pack")
        stack.callback(self._pool.shutdown, wait=True, cancel_futures=True)
        self._waiting: deque[Future[P]] = deque()
        self._most = 2 * workers
        self._finished = False

    @property
    def part(self) -> Path:
        """Where the file lies before it has its name."""
        return self._file.part

    @abstractmethod
    def pack(self, data: memoryview) -> P:
        """Pack one piece; called from several threads."""

    @abstractmethod
    def store(self, packed: P) -> None:
        """Append a packed piece; called in the order of the pieces."""

    @abstractmethod
    def end(self) -> None:
        """Write what is known only now."""

    def write(self, data: Bytes2D) -> None:
        """Append rows; they may not be changed afterwards."""
        view = data.data.cast("B")
        if self._hasher is not None:
            self._hasher.update(view)
        row = data.shape[1]
        piece = max(1, self._piece // row) * row
        for at in range(0, len(view), piece):
            self._waiting.append(self._pool.submit(self.pack, view[at : at + piece]))
            if len(self._waiting) > self._most:
                self.store(self._waiting.popleft().result())

    def finish(self) -> None:
        """Store what is still being packed, and close the file; idempotent."""
        if self._finished:
            return
        self._finished = True
        while self._waiting:
            self.store(self._waiting.popleft().result())
        self.end()
        if self._hasher is not None:
            self.digests = self._hasher.digests()
        self._hash_file()
        if self._options.sync:
            self._file.finish()
        self._file.stream.close()

    def name(self) -> WrittenFile:
        """Give the finished file its name."""
        move_into_place(self._file.part, self.target, overwrite=self._options.overwrite)
        return WrittenFile(self.target, self._own.digests() if self._own else None)

    def _append(self, data: Buffer) -> None:
        self._file.stream.write(data)

    def _rewrite(self, data: bytes) -> None:
        """Write over the beginning of the file."""
        self._file.stream.seek(0)
        self._file.stream.write(data)

    def _hash_file(self) -> None:
        if self._own is None:
            return
        try:
            with self._file.part.open("rb", buffering=0) as stream:
                while data := stream.read(_REREAD):
                    self._own.update(data)
        except OSError as error:
            raise NotAvailable(f"Cannot read {self.target} back: {error.strerror}.") from error
