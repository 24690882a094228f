# SPDX-License-Identifier: Apache-2.0
"""The stream of notices: everyone who listens gets each, and a slow listener harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from imagerd.daemon.protocol import DriveView, JobView, LoaderView, Notice, Status

_LONGEST_QUEUE = 256


def notice(
    kind: str,
    *,
    status: Status | None = None,
    drive: DriveView | None = None,
    job: JobView | None = None,
    loader: LoaderView | None = None,
) -> Notice:
    """A notice of this moment."""
    now = datetime.now(UTC)
    return Notice(kind=kind, time=now, status=status, drive=drive, job=job, loader=loader)


class Hub:
    """Hands notices to listeners. For use in one event loop."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Notice | None]] = set()

    def publish(self, item: Notice) -> None:
        """Give `item` to every listener.

        One that is too slow loses what it has not heard yet, and is told so by ``lagged``.
        """
        for listener in self._queues:
            if listener.full():
                _empty(listener)
                listener.put_nowait(notice("lagged"))
            listener.put_nowait(item)

    def close(self) -> None:
        """End every stream."""
        for listener in self._queues:
            if listener.full():
                _empty(listener)
            listener.put_nowait(None)

    async def listen(self) -> AsyncIterator[Notice]:
        """All notices from now on."""
        listener: asyncio.Queue[Notice | None] = asyncio.Queue(_LONGEST_QUEUE)
        self._queues.add(listener)
        try:
            while (item := await listener.get()) is not None:
                yield item
        finally:
            self._queues.discard(listener)


def _empty(listener: asyncio.Queue[Notice | None]) -> None:
    with contextlib.suppress(asyncio.QueueEmpty):
        while True:
            listener.get_nowait()
