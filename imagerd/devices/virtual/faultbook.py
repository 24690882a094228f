# SPDX-License-Identifier: Apache-2.0
"""A fault plan at work: counts the attempts and says what comes of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.faults import (
    Approach,
    DriveFault,
    FaultPlan,
    SectorFault,
    What,
)

_CHUNK = 64  # sectors of one entry of the index
_MASK = (1 << 64) - 1
_NEAR = 150  # sectors: nearer than this the head need not seek


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a sector that come wrong: `offsets`, what is XORed there, which have a C2 bit."""

    offsets: npt.NDArray[np.int64]
    xor: npt.NDArray[np.uint8]
    flagged: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt on one sector gives. `sense` None: its bytes are delivered.

    `damage` and `c2` go together: a damage that C2 knows of makes reads of user data fail, with
    `user_sense`, and those of raw data with `raw_sense`, unless nothing is to be corrected.
    `correctable`: a read that is to be corrected gets the sector undamaged. `hang`: the fault that
    keeps the drive from answering.
    """

    seconds: float = 0.0
    sense: Sense | None = None
    user_sense: Sense | None = None
    raw_sense: Sense | None = None
    damage: Damage | None = None
    hang: SectorFault | None = None
    correctable: bool = False


_FINE = Outcome()


def approach_of(head: int, lba: int) -> Approach:
    """How a head that last read `head` comes to `lba`."""
    if head == lba:
        return Approach.AGAIN
    if 0 < lba - head <= _NEAR:
        return Approach.FORWARD
    if 0 < head - lba <= _NEAR:
        return Approach.BACKWARD
    return Approach.SEEK


class FaultBook:
    """The faults of one insertion: an index over the plan, and the attempts so far."""

    def __init__(self, plan: FaultPlan, give_up: float) -> None:
        self._plan = plan
        self._give_up = give_up
        self._attempts: dict[int, int] = {}
        self._index: dict[int, tuple[SectorFault, ...]] = {}
        self._commands = 0
        self._reads = 0
        self._left = [fault.times for fault in plan.drive]
        for fault in plan.sectors:
            for area in fault.areas:
                for chunk in range(area.start // _CHUNK, (area.stop - 1) // _CHUNK + 1):
                    entry = self._index.get(chunk, ())
                    self._index[chunk] = (*entry, fault) if fault not in entry else entry

    def quiet(self, lba: int, count: int) -> bool:
        """Whether nothing at all is planned near these sectors: the quick way is open."""
        index = self._index
        if not index:
            return True
        return not any(
            chunk in index for chunk in range(lba // _CHUNK, (lba + count - 1) // _CHUNK + 1)
        )

    def attempts(self, lba: int) -> int:
        """How often `lba` has been read from the medium; counted for planned sectors only."""
        return self._attempts.get(lba, 0)

    def attempt(self, lba: int, speed: int, approach: Approach) -> Outcome:
        """Read `lba` once more from the medium."""
        faults = [f for f in self._index.get(lba // _CHUNK, ()) if f.hits(lba)]
        if not faults:
            return _FINE
        number = self._attempts[lba] = self._attempts.get(lba, 0) + 1
        outcome = _FINE
        for fault in faults:
            if fault.times is None or number <= fault.times:
                outcome = self._apply(fault, outcome, lba, number, speed, approach)
        return outcome

    def trouble(self, reading: bool, lba: int, count: int) -> DriveFault | None:
        """Count a command; the trouble with the drive that it meets, if any."""
        self._commands += 1
        self._reads += reading
        for number, fault in enumerate(self._plan.drive):
            if self._left[number] and self._meets(fault, reading, lba, count):
                self._left[number] -= 1
                return fault
        return None

    def _meets(self, fault: DriveFault, reading: bool, lba: int, count: int) -> bool:
        if fault.command is not None:
            return self._commands >= fault.command
        if fault.read is not None:
            return reading and self._reads >= fault.read
        return reading and fault.lba is not None and lba <= fault.lba < lba + count

    def _apply(
        self,
        fault: SectorFault,
        so_far: Outcome,
        lba: int,
        number: int,
        speed: int,
        approach: Approach,
    ) -> Outcome:
        seconds = so_far.seconds + (fault.seconds or 0.0)
        failing = so_far.seconds + (self._give_up if fault.seconds is None else fault.seconds)
        sense, user, damage, hang = so_far.sense, so_far.user_sense, so_far.damage, so_far.hang
        chance = self._chance(fault, lba, number)
        if fault.what is What.UNREADABLE or (
            fault.what is What.FLAKY and chance >= _probability(fault, speed, approach)
        ):
            seconds, sense = failing, fault.sense
        elif fault.what is What.FLAKY:
            seconds = so_far.seconds
        elif fault.what is What.HANG:
            seconds, hang = so_far.seconds, fault
        elif fault.what in (What.WRONG, What.C2) and chance < fault.p:
            damage = self._damage(fault, lba, number)
            if fault.what is What.C2:
                user = fault.sense
                sense = fault.sense if fault.refused else sense
        return Outcome(seconds, sense, user, damage=damage, hang=hang)

    def _chance(self, fault: SectorFault, lba: int, number: int) -> float:
        """A number in [0, 1), from seed, LBA and attempt; the same for the same three."""
        del fault  # two faults on one sector share their luck: seed, LBA and attempt say all
        return mix(mix(mix(self._plan.seed) ^ (lba & _MASK)) ^ number) / (_MASK + 1)

    def _damage(self, fault: SectorFault, lba: int, number: int) -> Damage:
        attempt = 0 if fault.stable else number
        rng = np.random.default_rng([self._plan.seed & _MASK, lba & _MASK, attempt])
        # One byte at least is user data under the EDC; none is sync or header.
        first = rng.integers(24, 2048)
        others = rng.choice(np.arange(16, 2048), fault.bytes - 1, replace=False)
        offsets = np.unique(np.append(others, first)).astype(np.int64)
        xor = rng.integers(1, 256, len(offsets), dtype=np.uint8)
        seen = rng.random(len(offsets)) >= fault.missed
        return Damage(offsets, xor, seen & (fault.what is What.C2))


def _probability(fault: SectorFault, speed: int, approach: Approach) -> float:
    """The best of those that hold for this attempt."""
    ways = [fault.p]
    ways += [
        better.p
        for better in fault.better
        if (better.max_speed is None or speed <= better.max_speed)
        and (better.approach is None or better.approach is approach)
    ]
    return max(ways)


def mix(value: int) -> int:
    """A step of SplitMix64: every bit of the result depends on every bit of `value`."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
