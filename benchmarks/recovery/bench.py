# SPDX-License-Identifier: Apache-2.0
"""One disc in one drive before one client: its hours, and the truth about what it says it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.recovery.discs import Disc, image_of, opened
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.source import Bytes2D

Marks = npt.NDArray[np.bool_]


class OutOfTime(Exception):
    """The drive's hours are spent."""


@dataclass(slots=True)
class Bench:
    """A drive with a disc in it, and a stop watch on the drive's own clock.

    A client calls `claim` with what it holds for good; that makes the curve.
    """

    disc: Disc
    virtual: VirtualDrive
    limit: float  # seconds of the drive
    began: float = 0.0
    commands: int = 0
    claimed: int = 0
    curve: list[tuple[float, int]] = field(default_factory=list)

    # -- the transport that clients use --------------------------------------------------

    @property
    def name(self) -> str:
        """As the virtual drive says."""
        return self.virtual.name

    @property
    def max_transfer(self) -> int:
        """The most bytes of one command."""
        return self.virtual.max_transfer

    def execute(self, command: Command) -> Reply:
        """Pass a command on, as long as there is time."""
        if self.seconds > self.limit:
            raise OutOfTime
        self.commands += 1
        return self.virtual.execute(command)

    def close(self) -> None:
        """The bench outlives its clients."""

    # -- the stop watch ------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Of the drive, so far."""
        return self.virtual.clock.now - self.began

    def claim(self, good: int) -> None:
        """The client now holds so many sectors as good."""
        if good > self.claimed:
            self.claimed = good
            if self.curve and self.seconds - self.curve[-1][0] < 1.0:
                self.curve[-1] = (self.curve[-1][0], good)
            else:
                self.curve.append((self.seconds, good))


@dataclass(frozen=True, slots=True)
class Held:
    """What a client has in the end: rows as it stores them, and which it calls good."""

    rows: Bytes2D
    good: Marks


Client = Callable[[Bench, OpticalDrive, Path], Held]


@dataclass(frozen=True, slots=True)
class Result:
    """Of one client with one disc. `recovered`: called good and right; `wrong`: good and not.

    `guest`: on a /dev/srN of the kernel; `stopped`: it had not ended when the time was up.
    """

    disc: str
    kind: str
    content: str
    client: str
    sectors: int
    recovered: int
    wrong: int
    hours: float
    commands: int
    curve: tuple[tuple[float, int], ...]
    guest: bool = False
    stopped: bool = False

    @property
    def lost(self) -> int:
        """Sectors that are not to be had from it."""
        return self.sectors - self.recovered


@contextmanager
def bench_of(disc: Disc, images: Path, limit: float) -> Iterator[Bench]:
    """The disc in its drive, ready."""
    virtual = VirtualDrive(disc.profile)
    virtual.insert(opened(disc.content, image_of(disc.content, images)), disc.faults)
    with closing(virtual):
        yield Bench(disc, virtual, limit)


def run_client(
    name: str, client: Client, disc: Disc, images: Path, folder: Path, limit: float
) -> Result:
    """One client with one disc; `folder` is its own, to be thrown away."""
    with bench_of(disc, images, limit) as bench, closing(OpticalDrive(bench)) as drive:
        drive.wait_ready(60)
        drive.identify()
        bench.began, bench.commands = bench.virtual.clock.now, 0
        held = client(bench, drive, folder)
        right = right_rows(disc, images, held.rows)
        return Result(
            disc.name,
            disc.kind,
            disc.content,
            name,
            len(held.good),
            int(np.count_nonzero(held.good & right)),
            int(np.count_nonzero(held.good & ~right)),
            bench.seconds / 3600,
            bench.commands,
            tuple(bench.curve),
        )


def right_rows(disc: Disc, images: Path, rows: Bytes2D, lba: int = 0) -> Marks:
    """Which rows, from `lba` on, are as on the disc; rows of 2048 bytes are the user data."""
    path = image_of(disc.content, images)
    data = path if path.suffix == ".iso" else path.with_suffix(".bin")
    size = 2048 if disc.content == "dvd" else 2352
    truth = np.memmap(data, np.uint8, "r").reshape(-1, size)[lba : lba + len(rows)]
    if size == 2352 and rows.shape[1] == 2048:
        start = 24 if disc.content == "xa" else 16
        truth = truth[:, start : start + 2048]
    right: Marks = (rows == truth).all(axis=1)
    return right
