# SPDX-License-Identifier: Apache-2.0
"""A drive that does as a script says, clocks that do not wait, and strategies for damage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from imagerd.devices.drive import DriveIdentity
from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import DiscType, Layout, Medium, SectorFormat
from imagerd.disc.source import Bytes2D, Fault, FaultKind, Sectors, SectorState
from imagerd.disc.spiral import SPIRALS
from imagerd.recovery.budget import Clock
from imagerd.recovery.job import Job, LayoutRecord, ReadFeatures
from imagerd.sectors.blocks import read_all
from imagerd.sectors.scramble import scramble
from imagerd.sectors.subgen import build_sub
from tests.sources import MemorySource, TrackPlan, audio, data, memory_blocks, memory_disc

SCRIPTED = DriveIdentity("SCRIPTED", "DRIVE", "1.0", "", "scripted")
SENSES = {
    FaultKind.MEDIUM: (3, 0x11, 5),
    FaultKind.REFUSED: (5, 0x64, 0),
    FaultKind.NOT_READY: (2, 4, 1),
}


def seeks_the_shift(request: ReadRequest) -> bool:
    """Whether a good sector is read once more only to learn how data read as audio is shifted."""
    return request.as_audio and request.count == 5


@dataclass
class Spot:
    """How one sector behaves. `heals`: attempts that fail before it reads; None for never.

    `at_most` is the fastest speed (kB/s) at which it reads; `audio`: it reads as CD-DA only.
    What `spoils` says happens to what is read: "edc" a wrong byte, "c2" flagged bytes, "far" the
    bytes of another place.
    """

    kind: FaultKind = FaultKind.MEDIUM
    heals: int | None = None
    at_most: int | None = None
    audio: bool = False
    spoils: str = ""


@dataclass
class ScriptedDrive:
    """A `Reader` over a source. `spots` are its damage, `trace` all that it was asked."""

    source: MemorySource
    spots: dict[int, Spot] = field(default_factory=dict)
    batch: int = 26
    gives_prefix: bool = True
    c2: bool = False
    sub: bool = False
    on_attempt: Callable[[ReadRequest], None] = lambda _: None
    media_generation: int = 0
    identity: DriveIdentity = SCRIPTED
    speed: int | None = None
    trace: list[ReadRequest] = field(default_factory=list)
    speeds: list[int | None] = field(default_factory=list)
    flushes: int = 0
    tries: Counter[int] = field(default_factory=Counter)

    @property
    def layout(self) -> Layout:
        return self.source.layout

    def max_sectors(self, stored: SectorFormat) -> int:
        return self.batch

    def set_speed(self, kb_s: int | None) -> None:
        self.speed = kb_s
        self.speeds.append(kb_s)

    def flush_cache(self, lba: int) -> None:
        self.flushes += 1

    def set_recovery(self, *, uncorrected: bool = False, retries: int | None = None) -> bool:
        return False

    def attempt(self, request: ReadRequest) -> ReadResult:
        self.on_attempt(request)
        self.trace.append(request)
        assert request.count <= self.batch
        lba, end = request.lba, request.lba + request.count
        fault = None
        for spot in (s for s in range(lba, end) if s in self.spots):
            self.tries[spot] += 1
            if self._fails(spot, request):
                kind = self.spots[spot].kind
                good = spot if self.gives_prefix else lba
                fault = Fault(good, end - good, kind, SENSES.get(kind), 0.5)
                end = good
                break
        block = None if end == lba else self._block(request, end - lba)
        return ReadResult(request.lba, request.count, block, fault, 0.01)

    def _fails(self, lba: int, request: ReadRequest) -> bool:
        spot = self.spots[lba]
        if spot.at_most is not None and self.speed is not None and self.speed <= spot.at_most:
            return False
        if spot.spoils:
            return False
        if spot.audio and request.as_audio:
            return False
        return spot.heals is None or self.tries[lba] <= spot.heals

    def _spoils(self, lba: int) -> str:
        spot = self.spots.get(lba)
        if spot is None or (spot.heals is not None and self.tries[lba] > spot.heals):
            return ""
        return spot.spoils

    def _block(self, request: ReadRequest, count: int) -> Sectors:
        lba = request.lba
        block = read_all(self.source, lba, count)
        rows = block.data.copy()
        is_cd = self.layout.is_cd
        c2 = np.zeros((count, 294), np.uint8) if is_cd and self.c2 and request.c2 else None
        sub = build_sub(self.layout, lba, count) if is_cd and self.sub and request.sub else None
        for row in range(count):
            self._spoil(self._spoils(lba + row), rows, c2, sub, lba, row)
            track = self.layout.track_at(lba + row)
            if request.as_audio and track is not None and track.is_data:
                rows[row : row + 1] = scramble(rows[row : row + 1])
        states = np.full(count, SectorState.READ, np.uint8)
        return Sectors(lba, block.format, rows, states, sub, c2)

    def _spoil(
        self, how: str, rows: Bytes2D, c2: Bytes2D | None, sub: Bytes2D | None, lba: int, row: int
    ) -> None:
        if how in ("edc", "c2"):
            rows[row, 100] ^= 0x55
        if how == "c2" and c2 is not None:
            c2[row, 12] = 0x08
        if how == "ruin":
            rows[row, 16:2352:3] ^= 0x77
        if how == "far":
            far = lba + row + (50 if self.layout.track_at(lba + row + 50) else -50)
            rows[row] = read_all(self.source, far, 1).data[0]
            if sub is not None:
                sub[row] = build_sub(self.layout, far, 1)[0]


class FastClock:
    """Time that passes only by sleeping and by being asked."""

    def __init__(self, tick: float = 0.001) -> None:
        self.now, self.tick, self.slept = 1000.0, tick, 0.0

    def __call__(self) -> float:
        self.now += self.tick
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds

    def clock(self) -> Clock:
        return Clock(self, lambda: 1_700_000_000.0 + self(), self.sleep)


def job_for(source: MemorySource, *, fingerprint: str = "disc", **features: bool) -> Job:
    """A job for the disc of `source`."""
    return Job(fingerprint, LayoutRecord.of(source.layout), features=ReadFeatures(**features))


def original(source: MemorySource) -> dict[int, Bytes2D]:
    """The right bytes of every sector."""
    return {
        lba: read_all(source, lba, 1).data[0] for area in source.layout.ranges() for lba in area
    }


def data_disc(sectors: int = 400) -> MemorySource:
    """One mode 1 track."""
    return memory_disc([data(sectors)])


def mixed_disc() -> MemorySource:
    """Data, then two audio tracks with pauses, and a second session with mode 2."""
    plans: list[TrackPlan] = [
        data(300),
        audio(320, pregap=150),
        audio(100),
        TrackPlan(_MODE2, 200, session=2, form2=3),
    ]
    return memory_disc(plans, disc_type=DiscType.XA)


def dvd(sectors: int = 700) -> MemorySource:
    """A DVD of so many blocks."""
    return memory_blocks(sectors)


_MODE2 = data(1).mode.MODE2

kinds = st.sampled_from([FaultKind.MEDIUM, FaultKind.TIMEOUT, FaultKind.REFUSED])
spots = st.builds(
    Spot,
    kind=kinds,
    heals=st.none() | st.integers(1, 12),
    at_most=st.sampled_from([None, None, 400, 1500]),
    audio=st.booleans(),
    spoils=st.sampled_from(["", "", "edc", "ruin", "c2", "far"]),
)


@st.composite
def damage(draw: st.DrawFn, layout: Layout) -> dict[int, Spot]:
    """A few stretches of sectors that behave alike, anywhere on the disc."""
    found: dict[int, Spot] = {}
    areas = list(layout.ranges())
    for _ in range(draw(st.integers(0, 4))):
        area = draw(st.sampled_from(areas))
        begin = draw(st.integers(area.start, area.stop - 1))
        spot = draw(spots)
        for lba in range(begin, min(begin + draw(st.integers(1, 40)), area.stop)):
            found[lba] = spot
    return found


def worth_reading(needed: npt.NDArray[np.bool_], lba: int) -> bool:
    """Whether a read is for something that is needed, and never passes by a turn of else."""
    turn = SPIRALS[Medium.CD].sectors_per_turn(lba)
    gaps = np.diff(np.flatnonzero(needed), prepend=-1, append=len(needed))
    return bool(needed.any()) and int(gaps.max()) <= turn + 1
