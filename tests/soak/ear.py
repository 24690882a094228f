# SPDX-License-Identifier: Apache-2.0
"""Listens to the daemon's events, so that nobody has to ask it again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from imagerd.daemon.client import Client
from imagerd.daemon.protocol import DriveView, JobView, Notice


class Ear:
    """The latest that the daemon said of each drive and of the job in it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._news = threading.Condition()
        self._count = 0
        self._jobs: dict[str, tuple[int, JobView]] = {}
        self._drives: dict[str, tuple[int, DriveView]] = {}
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)
        self._thread.start()

    def mark(self) -> int:
        """This moment: what is heard from now on is after it."""
        with self._news:
            return self._count

    def job(self, drive: str, mark: int) -> JobView | None:
        """The latest news of the job in a drive, if it came after that moment."""
        heard, job = self._jobs.get(drive, (-1, None))
        return job if heard > mark else None

    def drive(self, drive: str, mark: int) -> DriveView | None:
        """The latest news of a drive, if it came after that moment."""
        heard, view = self._drives.get(drive, (-1, None))
        return view if heard > mark else None

    def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true that only news can change; whether it is."""
        with self._news:
            return self._news.wait_for(holds, seconds)

    def rest(self, seconds: float) -> None:
        """Until there is news, of whatever drive, or so long."""
        with self._news:
            self._news.wait(seconds)

    def close(self) -> None:
        """Call it when the daemon has ended, which ends the stream."""
        self._thread.join(10.0)

    def _listen(self) -> None:
        for notice in self._client.events():
            with self._news:
                self._count += 1
                self._take(notice)
                self._news.notify_all()

    def _take(self, notice: Notice) -> None:
        drives = notice.status.drives if notice.status is not None else ()
        for drive in (*drives, notice.drive):
            if drive is not None:
                self._drives[drive.name] = (self._count, drive)
        if notice.job is not None:
            self._jobs[notice.job.drive] = (self._count, notice.job)
