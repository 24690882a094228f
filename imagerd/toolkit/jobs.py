# SPDX-License-Identifier: Apache-2.0
"""The folder of a job, finished or not, as a source: what it has, and the readings it kept."""

from __future__ import annotations

from pathlib import Path

from imagerd.recovery.subq import refine
from imagerd.recovery.testimony import Testimony
from imagerd.recovery.worksource import WorkSource
from imagerd.recovery.workspace import Workspace


class JobSource(WorkSource):
    """A job whose doubtful readings can be asked for, too. Closing it closes the workspace."""

    def __init__(self, work: Workspace) -> None:
        refined = refine(work)
        super().__init__(work, refined.layout)
        self._work = work
        self.testimony = Testimony(work)
        self.remarks = refined.findings

    @classmethod
    def open(cls, folder: Path) -> JobSource:
        """The job in `folder`. Raises what `Workspace.open` raises."""
        work = Workspace.open(folder)
        try:
            return cls(work)
        except BaseException:
            work.close()
            raise

    def close(self) -> None:
        """Let go of the job."""
        self._work.close()
