# SPDX-License-Identifier: Apache-2.0
"""A person at one drive: what they do to it, and how they find out whether it was right."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imagerd.daemon.protocol import VirtualAdd
from imagerd.devices.virtual.client import VirtualControl
from imagerd.formats import open_image
from tests.killing import all_sectors
from tests.soak.book import Book, ImageLine, JobLine, Ledger
from tests.soak.discs import Disc, Press, Scratch
from tests.soak.ear import Ear
from tests.station import Station

POLL = "0.1"  # seconds between the watcher's looks
_PATIENCE = 90.0  # seconds
_LOOK = 0.1
_SHELF = 20


class Violation(Exception):
    """Something does not hold: one sentence."""


class Stopped(Exception):
    """Another thread has found a violation already."""


@dataclass(slots=True)
class Bench:
    """What all hands share."""

    station: Station
    ear: Ear
    ledger: Ledger
    stop: threading.Event = field(default_factory=threading.Event)
    configuring: threading.Lock = field(default_factory=threading.Lock)
    passing_lock: threading.Lock = field(default_factory=threading.Lock)
    passing: list[tuple[str, Disc]] = field(default_factory=list)  # half read, and in which drive


class Hands:
    """The person, their discs, and the drive."""

    def __init__(self, bench: Bench, name: str) -> None:
        folder = bench.station.folder / "discs" / name
        folder.mkdir(parents=True, exist_ok=True)
        self.bench, self.name = bench, name
        self.rng = random.Random()  # another for each episode
        self.cycles = self.episodes = 0
        runtime = bench.station.config.daemon.runtime
        self.control = VirtualControl(runtime / "virtual" / f"{name}.sock")
        self.press = Press(folder, name)
        self.book = Book(bench.station.config.daemon.state / "catalog.sqlite")
        self.shelf: deque[Disc] = deque()  # in the archive
        self.kind = ""
        self.mark = 0

    # -- what they do ---------------------------------------------------------------------

    def put_in(self, disc: Disc, plan: str | None = None) -> None:
        """Lay a disc in, in place of what is there, and close the tray: a cycle begins."""
        self.count()
        self.mark = self.bench.ear.mark()
        self.control.insert(disc.image, plan)

    def count(self) -> None:
        """A cycle begins: a tray is closed, over a disc or over nothing."""
        self.cycles += 1
        self.bench.ledger.cycle(self.kind)

    def pause(self, most: float) -> None:
        """Wait for a random time."""
        time.sleep(self.rng.uniform(0.0, most))

    def put_on_shelf(self, disc: Disc) -> None:
        """Keep a disc that is done with, and throw the oldest away."""
        self.shelf.append(disc)
        if len(self.shelf) > _SHELF:
            self.shelf.popleft().discard()

    def let_go(self) -> None:
        """Take what lies on the tray, and wait until the daemon has seen it."""
        if self.control.state().image:
            self.control.take()
        self.until_state("empty")

    def hand_over(self, disc: Disc) -> None:
        """Lay a half read disc where the person at the other drive finds it."""
        with self.bench.passing_lock:
            self.bench.passing.append((self.name, disc))

    def take_over(self) -> Disc | None:
        """A half read disc from the other drive, if one lies there."""
        with self.bench.passing_lock:
            lying = [entry for entry in self.bench.passing if entry[0] != self.name]
            if not lying:
                return None
            self.bench.passing.remove(lying[0])
            return lying[0][1]

    def workers(self) -> list[int]:
        """The process ids of the workers at this drive."""
        return self.bench.station.workers(self.name)

    def kill(self, worker: int) -> None:
        """End a worker without warning."""
        self.bench.ledger.kill()
        os.kill(worker, signal.SIGKILL)

    def reload(self) -> None:
        """Have the daemon read its configuration, now and then a wrong one before it."""
        with self.bench.configuring:
            if self.rng.random() < 0.3:
                self.bench.station.config_file.write_text("[policy]\noutput = 7\n")
                self._hang_up("the configuration stays as it was")
            policy = self.rng.choice(("", 'output = "cue"'))
            self.bench.station.configure(policy, poll_seconds=POLL)
            self._hang_up("the configuration was read again")

    @contextmanager
    def guest(self) -> Iterator[Hands]:
        """Hands at a drive that is there within the block only."""
        client, name = self.bench.station.client, f"guest-{self.name}"
        client.virtual_add(VirtualAdd(name=name))
        other = Hands(self.bench, name)
        other.kind, other.rng = self.kind, self.rng
        try:
            yield other
        finally:
            other.book.close()
            self.cycles += other.cycles
        client.virtual_remove(name)

    def _hang_up(self, sentence: str) -> None:
        log = self.bench.station.log
        at = log.stat().st_size
        assert self.bench.station.daemon is not None
        self.bench.station.daemon.send_signal(signal.SIGHUP)
        self.until(lambda: sentence in _from(log, at), f"imagerd to say that {sentence}")

    # -- what they wait for ---------------------------------------------------------------

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something to become true."""
        end = time.monotonic() + _PATIENCE
        while not holds():
            if self.bench.stop.is_set():
                raise Stopped
            if time.monotonic() > end:
                raise Violation(f"waited {_PATIENCE:.0f} seconds in vain for {what}")
            self.bench.ear.rest(_LOOK)

    def until_out(self, disc: Disc | None = None) -> None:
        """Wait until the tray opens."""
        what = "the tray to open" if disc is None else f"the tray to open on {disc.label}"
        self.until(lambda: self.control.state().tray_open, what)

    def until_reading(self, disc: Disc) -> str:
        """Wait until the disc is being read; the id of its job."""

        def reads() -> bool:
            job = self.bench.ear.job(self.name, self.mark)
            return job is not None and (job.name, job.state) == (disc.label, "reading")

        self.until(reads, f"{disc.label} to be read")
        job = self.bench.ear.job(self.name, self.mark)
        assert job is not None
        return job.id

    def until_state(self, *states: str) -> None:
        """Wait until the daemon says that of the drive."""

        def said() -> bool:
            view = self.bench.ear.drive(self.name, -1)
            return view is not None and view.state in states

        self.until(said, f"the drive to be {' or '.join(states)}")

    def until_job(self, disc: Disc, state: str) -> JobLine:
        """Wait until the one job of a disc is in a state."""
        self.until(lambda: self._states(disc) == [state], f"the job of {disc.label} to be {state}")
        return self.book.jobs(disc.label)[0]

    def until_looked(self) -> None:
        """Wait until the daemon has looked at the drive, from the beginning to the end."""
        before = self.control.state().commands
        self.until(lambda: self.control.state().commands >= before + 4, "a look at the drive")

    # -- what must hold -------------------------------------------------------------------

    def expect(self, disc: Disc, *courses: str, images: int = 1, begun: int = 1) -> list[JobLine]:
        """The disc's jobs, oldest first, are one of these courses; `done` ones are right.

        `images` is how many the job with an image has, `begun` how often a worker took it up at
        least.
        """
        jobs = self.book.jobs(disc.label)
        course = " ".join(job.state for job in jobs)
        if course not in courses:
            raise Violation(
                f"{disc.label} has the jobs [{course}] where [{'] or ['.join(courses)}] must be"
                f" ({' '.join(job.sentence for job in jobs)})"
            )
        made = [image for job in jobs for image in self._images(disc, job, images, begun)]
        self.bench.ledger.enter(disc.label, course.split(), len(made))
        return jobs

    def expect_damaged(self, disc: Disc, scratch: Scratch) -> None:
        """The disc's one job is partial; only what is scratched is missing, and that is said."""
        (job,) = self.expect(disc, "partial")
        (image,) = self.book.images(job.id)
        with open_image(image.path) as made, open_image(disc.image) as wanted:
            differing = np.flatnonzero((all_sectors(made) != all_sectors(wanted)).any(axis=1))
        lost = list(range(scratch.lba, scratch.lba + scratch.count))
        if differing.tolist() != lost or image.bad != len(lost):
            raise Violation(
                f"{image.path} differs at {differing.tolist()} and says {image.bad} bad sectors,"
                f" while {lost} cannot be read"
            )

    def expect_tray(self, *, opened: bool) -> None:
        """The tray is where it must be."""
        if self.control.state().tray_open is not opened:
            raise Violation(f"the tray is {'closed' if opened else 'open'}")

    def _images(self, disc: Disc, job: JobLine, images: int, begun: int) -> list[ImageLine]:
        made = self.book.images(job.id)
        finished = job.state in ("done", "partial")
        if len(made) != (images if finished else 0):
            raise Violation(f"the {job.state} job of {disc.label} has {len(made)} images")
        if finished and job.attempts < begun:
            raise Violation(f"the job of {disc.label} was begun {job.attempts} times, not {begun}")
        if job.state == "done" and (made[-1].bad or not _same(disc, made[-1].path)):
            raise Violation(f"{made[-1].path} is not what is on {disc.label}")
        return made

    def _states(self, disc: Disc) -> list[str]:
        return [job.state for job in self.book.jobs(disc.label)]


def _same(disc: Disc, image: Path) -> bool:
    try:
        return disc.is_in(image)
    except OSError as error:
        raise Violation(f"the image of {disc.label} cannot be read: {error}") from error


def _from(file: Path, at: int) -> str:
    with file.open("rb") as log:
        log.seek(at)
        return log.read().decode(errors="replace")
