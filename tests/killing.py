# SPDX-License-Identifier: Apache-2.0
"""Kill -9 at a random moment of a job, and what must hold afterwards."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagerd.catalog.catalog import Catalog
from imagerd.devices.virtual.host import HostProcess
from imagerd.disc.source import Bytes2D, SectorSource
from imagerd.formats import open_image
from imagerd.recovery.sectormap import GOOD
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.views import RawView
from tests.iso9660 import write_iso
from tests.sources import MemorySource, audio, data, memory_disc
from tests.station import Station, station
from tests.toolkit_images import write_cue

STAGES = ("starting", "identifying", "reading", "writing", "verifying")
_SLOWLY = 0.4  # real seconds for each of the drive's: reading takes as long as the other stages
# Sectors, places: a resumed job compares so much with what it has, or finds out what C2 is like.
_SPOT, _SPOTS = 8, 16
_NARROW = 0.06  # seconds: publishing is short, and just what must be hit


@dataclass(frozen=True, slots=True)
class KilledDisc:
    """An image for the drive; `lost` are the sectors that its plan makes unreadable."""

    image: Path
    plan: str
    lost: frozenset[int]


@dataclass(frozen=True, slots=True)
class Command:
    """A line of the drive's trace."""

    time: float
    lba: int
    count: int
    ok: bool


@dataclass(frozen=True, slots=True)
class Course:
    """An undisturbed job: how long each stage took, and what was read to identify the disc.

    `most`: the most sectors of a command for that.
    """

    seconds: dict[str, float]
    identifying: frozenset[int]
    most: int


def whole(folder: Path) -> KilledDisc:
    """A data disc without damage."""
    rng = np.random.default_rng(5)
    files = {"NOISE.BIN": rng.integers(0, 256, 2 << 20, np.uint8).tobytes()}
    return KilledDisc(
        write_iso(folder / "whole.iso", "WHOLE", files, sectors=2400), "", frozenset()
    )


def scratched(folder: Path) -> KilledDisc:
    """Data and audio; a few sectors are unreadable, some come only at the third attempt."""
    source: MemorySource = memory_disc([data(1500), audio(900, 150)])
    plan = """
    [[sectors]]
    what = "unreadable"
    lba = 700
    count = 4
    seconds = 0.02
    [[sectors]]
    what = "unreadable"
    lba = 1100
    count = 6
    times = 2
    seconds = 0.02
    """
    return KilledDisc(write_cue(folder, source), plan, frozenset(range(700, 704)))


class Killer:
    """A station with a slow drive that outlives everything, and a disc that is put in anew."""

    def __init__(self, here: Station, host: HostProcess, trace: Path, disc: KilledDisc) -> None:
        self.here, self.host, self.trace, self.disc = here, host, trace, disc
        self.jobs = 0
        self.course = self._undisturbed()

    def insert(self) -> float:
        """Begin a job; the moment of it."""
        self.jobs += 1
        self.host.control.insert(self.disc.image, self.disc.plan or None)
        return time.time()

    def commands(self, since: float) -> list[Command]:
        """What the drive was asked to read from then on."""
        found = []
        for line in self.trace.read_text().splitlines():
            when, _, lba, count, outcome, *_ = line.split()
            if float(when) >= since:
                found.append(Command(float(when), int(lba), int(count), outcome == "ok"))
        return found

    def wait_for(self, stage: str) -> None:
        """Until the job is in that stage."""
        for notice in self.here.client.events():
            if _stage(notice.job.state if notice.job else None, notice.kind) == stage:
                return

    def moment(self, rng: random.Random) -> None:
        """Wait for a random moment of a job, as likely in each stage."""
        stage = rng.choice(STAGES)
        length = max(self.course.seconds.get(stage, 0.0), _NARROW)
        if stage == "starting":
            self.here.until(lambda: bool(self.here.workers()), "a worker")
            length /= 2
        else:
            self.wait_for(stage)
        time.sleep(rng.uniform(0.0, length))

    def journalled(self) -> frozenset[int]:
        """The sectors that the journal of the open job has as good. Nobody may be at work."""
        good: set[int] = set()
        for folder in self.here.workspaces():
            if not (folder / "job.json").exists() or self._ended(folder.name):
                continue
            copy = self.here.folder / "copy"
            shutil.copytree(folder, copy)
            with Workspace.open(copy) as work:
                for area in work.layout.ranges():
                    states = work.map.states(area.start, len(area))
                    good.update((area.start + np.flatnonzero(np.isin(states, GOOD))).tolist())
            shutil.rmtree(copy)
        return frozenset(good)

    def _ended(self, job: str) -> bool:
        with Catalog.open(self.here.config.catalog.url, read_only=True) as catalog:
            return catalog.jobs.get(job).ended is not None

    def judge(self, began: float, killed: float, good: frozenset[int]) -> None:
        """All that must hold once a job that was killed has ended."""
        job = self.here.job(self.jobs)
        self.here.until(lambda: not self.here.workers(), "the worker to be gone")
        assert len(self.here.jobs()) == self.jobs, "there is one job for each insertion"
        assert job.state == ("partial" if self.disc.lost else "done"), job
        assert len(self.here.images()) == self.jobs
        self.here.tidy()
        self.equal(self.here.image_of(job))
        before = [c for c in self.commands(began) if c.time < killed]
        after = [c for c in self.commands(killed) if not self._identifies(c)]
        came = [c for c in after if c.ok]  # how a drive refuses is asked of good sectors, too
        guilty = [c for c in came if not good.isdisjoint(range(c.lba, c.lba + c.count))]
        spots = [c for c in guilty if c.count <= _SPOT]
        assert guilty == spots, f"good sectors were read again: {guilty}"
        assert len(spots) <= _SPOTS, "only enough to know that it is the same disc"
        lost = _delivered([c for c in before if not self._identifies(c)]) - good
        flight = max((c.count for c in before), default=0)
        # What lies before the sessions is read for the read offset's sake, and is not in the map.
        missing = sorted(lba for lba in lost - self._doubtful() if lba >= 0)
        assert not good or len(missing) <= flight, f"more than the read in flight: {missing}"

    def equal(self, image: Path) -> None:
        """The image is its source outside the lost sectors."""
        with open_image(self.disc.image) as source, open_image(image) as made:
            assert made.layout.end == source.layout.end
            one, other = all_sectors(source), all_sectors(made)
            differing = set(np.flatnonzero((one != other).any(axis=1)).tolist())
            assert differing <= self.disc.lost, sorted(differing)

    def _identifies(self, command: Command) -> bool:
        """Whether it only looks at places by which a disc and a drive are recognised."""
        looks = command.count <= self.course.most
        area = range(command.lba, command.lba + command.count)
        return looks and self.course.identifying.issuperset(area)

    def _doubtful(self) -> set[int]:
        """Sectors near damage, which are read more than once by right."""
        return {lba + d for lba in self.disc.lost for d in range(-300, 300)} | set(
            range(1000, 1200)
        )

    def _undisturbed(self) -> Course:
        began = self.insert()
        last, entered = "starting", began
        seconds: dict[str, float] = {}
        for notice in self.here.client.events():
            state = notice.job.state if notice.job else None
            stage = _stage(state, notice.kind)
            now = time.time()
            if stage is not None and stage != last:
                seconds[last] = now - entered
                last, entered = stage, now
            if state in ("done", "partial"):
                seconds[last] = now - entered
                break
        self.here.job(1)
        commands = self.commands(began)
        whole = max(c.count for c in commands)
        first = next(n for n, c in enumerate(commands) if c.count == whole)
        looks = commands[:first]
        most = max(command.count for command in looks)
        return Course(seconds, frozenset(_delivered(looks)) | frozenset(range(most)), most)


def _stage(state: str | None, kind: str) -> str | None:
    if state in STAGES:
        return state
    return "identifying" if kind == "progress" and state is None else None


def _delivered(commands: list[Command]) -> set[int]:
    return {lba for c in commands if c.ok for lba in range(c.lba, c.lba + c.count)}


def all_sectors(source: SectorSource) -> Bytes2D:
    """Every sector of a small source, raw."""
    view = RawView(source)
    parts = []
    for area in source.layout.ranges():
        lba = area.start
        while lba < area.stop:
            block = view.read(lba, area.stop - lba)
            parts.append(block.data.copy())
            lba += len(block)
    return np.concatenate(parts)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that does nothing within the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def killer(make_disc: str) -> Iterator[Killer]:
    """A station in which jobs can be killed."""
    disc_of = {"whole": whole, "scratched": scratched}[make_disc]
    with station('duplicates = "again"', start=False) as here:
        trace = here.folder / "trace"
        host = here.foreign_drive("demo", trace, time_scale=_SLOWLY)
        folder = here.folder / "discs"
        folder.mkdir()
        here.know_drive()  # else the sectors that it is tried out on would count as read
        here.start()
        yield Killer(here, host, trace, disc_of(folder))
