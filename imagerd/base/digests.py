# SPDX-License-Identifier: Apache-2.0
"""CRC-32, MD5, SHA-1 and SHA-256 of a stream, in one pass.

hashlib releases the GIL for large buffers, so a `Hasher` with `threads=True` gives each algorithm
a thread; updates then are asynchronous and the buffers handed over must not be changed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fastcrc import crc32 as _crc32

if TYPE_CHECKING:
    import queue

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Digests:
    """Lower-case hexadecimal digests of `size` bytes."""

    size: int
    crc32: str
    md5: str
    sha1: str
    sha256: str


class _Algorithm(Protocol):
    def update(self, data: Buffer, /) -> None: ...


class _Crc32:
    def __init__(self) -> None:
        self.value = 0

    def update(self, data: Buffer, /) -> None:
        # fastcrc wants bytes-like objects that it can borrow; memoryviews of numpy rows are fine.
        self.value = _crc32.iso_hdlc(data, self.value)


class Hasher:
    """Feeds four algorithms. Call `update` any number of times, then `digests` once."""

    def __init__(self, *, threads: bool = False) -> None:
        import hashlib  # with OpenSSL behind it, so only where something is hashed

        self._crc = _Crc32()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._lanes: list[_Lane] = []
        if threads:
            for algorithms in ((self._md5,), (self._sha1, self._sha256, self._crc)):
                self._lanes.append(_Lane(tuple(a.update for a in algorithms)))

    def update(self, data: Buffer) -> None:
        """Add `data`. With threads, `data` is only borrowed: do not change it afterwards."""
        self._size += data.nbytes if isinstance(data, memoryview) else len(data)
        if self._lanes:
            for lane in self._lanes:
                lane.put(data)
            return
        for algorithm in (self._crc, self._md5, self._sha1, self._sha256):
            algorithm.update(data)

    def digests(self) -> Digests:
        """End the threads, if any, and return the digests."""
        self.close()
        return Digests(
            size=self._size,
            crc32=f"{self._crc.value:08x}",
            md5=self._md5.hexdigest(),
            sha1=self._sha1.hexdigest(),
            sha256=self._sha256.hexdigest(),
        )

    def close(self) -> None:
        """End the threads; idempotent. Needed only where `digests` is not reached."""
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.join()


class _Lane:
    """One thread with a short queue: memory stays bounded whatever the image's size."""

    def __init__(self, updates: tuple[Callable[[Buffer], None], ...]) -> None:
        import queue
        import threading

        self._updates = updates
        self._queue: queue.Queue[Buffer | None] = queue.Queue(maxsize=4)
        self._thread = threading.Thread(target=self._work, daemon=True, name="hasher")
        self._thread.start()

    def put(self, data: Buffer) -> None:
        self._queue.put(data)

    def join(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (data := self._queue.get()) is not None:
            for update in self._updates:
                update(data)


def digest_bytes(data: Buffer) -> Digests:
    """The digests of one buffer."""
    hasher = Hasher()
    hasher.update(data)
    return hasher.digests()
