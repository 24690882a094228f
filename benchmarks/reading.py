# SPDX-License-Identifier: Apache-2.0
"""From the virtual drive to a workspace on the disk: the engine as the daemon's worker runs it.

The virtual drive lives in the same process and takes no time of its own, so every second is ours
or its arithmetic; a real drive is the limit long before. The peer copies the same bytes by `cp`
and brings them onto the disk (`sync`), as the engine does before it calls a job done.

``python -m benchmarks.reading KIND IMAGE`` runs one of them alone, for the memory.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.table import ROUNDS, Row, command, markdown, peak_memory, workplace
from imagerd.base.progress import run
from imagerd.devices.drive import OpticalDrive
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Medium, SectorFormat, TrackMode, single_track
from imagerd.disc.source import SectorSource
from imagerd.formats import iso, open_image
from imagerd.recovery.budget import Budget, End
from imagerd.recovery.engine import recover
from imagerd.recovery.job import Job, LayoutRecord, ReadFeatures
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.convert import to_raw

SECTORS = 60_000  # 141 MB of raw sectors: 13 minutes of a CD
DVD_SECTORS = 400_000  # 819 MB: more than any CD has

LEAST = 200e6  # bytes a second
MOST_CPU = 0.10  # of a core, at the speeds below
MOST_MEMORY = 150e6
AT_52X = 52 * 75  # sectors of a CD a second
AT_16X = 16 * 1385e3 / 2048  # of a DVD
_BATCH = 4096
NO_FAULTS = FaultPlan()


@dataclass(frozen=True, slots=True)
class Kind:
    """What is read: `mode` of the disc's one track; `extras`: C2 pointers and P to W, too."""

    name: str
    mode: TrackMode
    extras: bool
    sectors_a_second: float

    @property
    def size(self) -> int:
        """Bytes of a sector."""
        return 2048 if self.mode is TrackMode.BLOCKS else 2352


KINDS = {
    "data": Kind("data", TrackMode.MODE1, False, AT_52X),
    "data-all": Kind("data with C2 and subchannel", TrackMode.MODE1, True, AT_52X),
    "audio": Kind("audio with C2 and subchannel", TrackMode.AUDIO, True, AT_52X),
    "dvd": Kind("DVD", TrackMode.BLOCKS, False, AT_16X),
}


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one run, on the wall and of the processor."""

    wall: float
    cpu: float


def make_image(folder: Path, kind: Kind, sectors: int) -> Path:
    """An image of noise, valid where sectors can be; in the page cache."""
    rng = np.random.default_rng(1)
    is_dvd = kind.mode is TrackMode.BLOCKS
    data = folder / ("disc.iso" if is_dvd else "disc.bin")
    with data.open("wb") as stream:
        for at in range(0, sectors, _BATCH):
            count = min(_BATCH, sectors - at)
            if kind.mode is TrackMode.MODE1:
                user = rng.integers(0, 256, (count, 2048), np.uint8)
                stream.write(to_raw(user, SectorFormat.USER, kind.mode, at).data)
            else:
                stream.write(rng.integers(0, 256, (count, kind.size), np.uint8).data)
    if is_dvd:
        return data
    mode = "AUDIO" if kind.mode is TrackMode.AUDIO else "MODE1/2352"
    sheet = folder / "disc.cue"
    sheet.write_text(f'FILE "disc.bin" BINARY\n  TRACK 01 {mode}\n    INDEX 01 00:00:00\n')
    return sheet


def _opened(image: Path, kind: Kind) -> SectorSource:
    """The image; an .iso that would fit a CD is a DVD all the same."""
    if kind.mode is not TrackMode.BLOCKS:
        return open_image(image)
    dvd = iso.open_image(image)
    dvd.layout = single_track(
        dvd.layout.sectors, kind.mode, medium=Medium.DVD, stored=SectorFormat.USER
    )
    return dvd


def recover_once(image: Path, kind: Kind, folder: Path, faults: FaultPlan = NO_FAULTS) -> Spent:
    """Read all of `image` through the virtual drive into a new workspace in `folder`."""
    with closing(_opened(image, kind)) as source:
        virtual = VirtualDrive(DriveProfile.load("plain"))
        virtual.insert(source, faults)
        with closing(OpticalDrive(virtual)) as drive:
            drive.identify()
            drive.wait_ready(10)
            job = Job(
                "disc",
                LayoutRecord.of(drive.layout),
                features=ReadFeatures(c2=kind.extras, sub=kind.extras),
            )
            with Workspace.create(folder, job) as work:
                wall, cpu = time.perf_counter(), time.process_time()
                result = run(recover(drive, work, Budget()))
                spent = Spent(time.perf_counter() - wall, time.process_time() - cpu)
        assert faults is not NO_FAULTS or result.end is End.COMPLETE, result
    return spent


def _best(image: Path, kind: Kind, place: Path) -> tuple[Spent, float]:
    """The fastest of a few runs, and of the peer's in turn with them."""
    folder, copy = place / "work", place / "copy"
    data = image if image.suffix == ".iso" else image.with_suffix(".bin")
    peer = command("sh", "-c", f"cp '{data}' '{copy}' && sync '{copy}'")
    ours: list[Spent] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        ours.append(recover_once(image, kind, folder))
        shutil.rmtree(folder)
        theirs.append(_seconds(peer))
        copy.unlink()
    return min(ours, key=lambda spent: spent.wall), min(theirs)


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _kind_rows(key: str, place: Path) -> Iterator[Row]:
    kind = KINDS[key]
    image = make_image(place, kind, SECTORS)
    spent, peer = _best(image, kind, place)
    size = SECTORS * kind.size
    yield Row(
        f"recovery of {kind.name}",
        f"{size / spent.wall / 1e6:.0f} MB/s",
        f"cp && sync {size / peer / 1e6:.0f} MB/s",
        peer / spent.wall,
        target="≥ 200 MB/s",
        reached=size / spent.wall >= LEAST,
    )
    share = spent.cpu / SECTORS * kind.sectors_a_second
    yield Row(
        f"processor for that at {'16x' if key == 'dvd' else '52x'}, the virtual drive's included",
        f"{100 * share:.1f} % of a core",
        target="< 10 %",
        reached=share < MOST_CPU,
    )


def _memory_row(key: str, sectors: int) -> Row:
    with workplace() as place:
        image = make_image(place, KINDS[key], sectors)
        size = peak_memory(sys.executable, "-m", "benchmarks.reading", key, image)
    return Row(
        f"memory of the recovery of {KINDS[key].name}, {sectors * KINDS[key].size / 1e6:.0f} MB",
        f"{size / 1e6:.0f} MB",
        target="< 150 MB",
        reached=size < MOST_MEMORY,
    )


def rows() -> Iterator[Row]:
    """Speed and processor time of each kind of disc, then memory."""
    for key in KINDS:
        with workplace() as place:
            yield from _kind_rows(key, place)
    yield _memory_row("data-all", SECTORS)
    yield _memory_row("dvd", DVD_SECTORS)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        with workplace() as alone:
            recover_once(Path(sys.argv[2]), KINDS[sys.argv[1]], alone / "work")
    else:
        print(markdown(list(rows())))
