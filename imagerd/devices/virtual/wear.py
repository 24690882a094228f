# SPDX-License-Identifier: Apache-2.0
"""What a read of a hurt surface gives: luck, the drive's own tries and its own correction.

The outcome of read `k` of sector `L` depends on the plan's seed, on the drive, on `L` and `k`, the
speed and the way to the sector; never on the machine.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace

import numpy as np

from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.answers import UNREADABLE
from imagerd.devices.virtual.faultbook import Damage, Outcome, mix
from imagerd.devices.virtual.faults import Approach
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.surface import Wear, flat_factor, steep_factor
from imagerd.disc.layout import Layout
from imagerd.disc.spiral import SPIRALS, Spiral

LOST_TRACKING = Sense(3, 2, 0)  # no seek complete
_CORRECTS = 72.0  # wrong bytes that the P and Q of a sector correct without erasures, about
_CORRECTS_SOFT = 5.0  # how much that depends on where they lie
_BLOCK_CORRECTS = 60.0  # the same of a block of a DVD or BD, in bytes a sector
_LUCK = 0.5  # of the natural logarithm of the wrong bytes
_FIRST, _RAW = 12, 2352  # damaged bytes: not the sync, which is made anew by the drive
_RECALIBRATE = 0.15  # seconds, after every fourth try
_MOST_TRIES_OF_AUDIO = 2
_UNIT = float(1 << 64)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a sector is read: kB/s where it lies, the seconds of a turn there, the way to it, the
    drive's tries, whether the sector has P and Q (audio has not) and the drive corrects by them.
    """

    speed: float
    turn: float
    approach: Approach
    tries: int
    has_parity: bool
    corrects: bool


class WornSurface:
    """One insertion of a hurt disc in one drive: knows the wear, counts the reads."""

    def __init__(self, wear: Wear, layout: Layout, profile: DriveProfile, seed: int) -> None:
        self._wear, self._profile = wear, profile
        self._spiral: Spiral = SPIRALS[layout.medium]
        self._is_cd = layout.is_cd
        self._seed = mix(seed ^ zlib.crc32(profile.serial.encode()))
        self._disc_seed = seed
        self._reads: dict[int, int] = {}
        _as_seen(wear, self._spiral, profile)
        top = max(profile.cd_speed, profile.dvd_speed if not layout.is_cd else 0)
        self._touched = wear.touched(top / self._spiral.rate)

    def quiet(self, lba: int, count: int) -> bool:
        """Whether these sectors can come to no harm."""
        return not self._touched[max(lba, 0) : max(lba + count, 0)].any()

    def reads(self, lba: int) -> int:
        """How often `lba` was read from the surface, the drive's own tries included."""
        return self._reads.get(lba, 0)

    def read(self, lba: int, manner: Manner) -> Outcome:
        """Read a sector, trying again as the drive does by itself."""
        if not 0 <= lba < len(self._touched) or not self._touched[lba]:
            return Outcome()
        seconds = 0.0
        last = Outcome(sense=UNREADABLE)
        for number in range(1 + manner.tries):
            if number:
                seconds += manner.turn
                seconds += _RECALIBRATE if number % 4 == 0 else 0.0
            last = self._once(lba, manner, number)
            settled = last.sense is None and (last.user_sense is None or not manner.corrects)
            if settled or (not manner.corrects and number >= _MOST_TRIES_OF_AUDIO):
                break
        if last.user_sense is not None and manner.corrects and self._lies(lba):
            last = Outcome(damage=last.damage)
        return replace(last, seconds=seconds)

    def _once(self, lba: int, manner: Manner, number: int) -> Outcome:
        count = self._reads[lba] = self._reads.get(lba, 0) + 1
        way = manner.approach if number == 0 else Approach.AGAIN
        if self._chance(lba, count, 1) < self._trips(lba, manner.speed, way):
            return Outcome(sense=LOST_TRACKING)
        core, loose = self._wrong(lba, count, manner.speed)
        if core + loose < 1:
            return Outcome()
        if not self._is_cd:
            return Outcome() if core + loose < _BLOCK_CORRECTS else Outcome(sense=UNREADABLE)
        if not manner.has_parity:  # audio comes as it is, C2 pointers and all
            return Outcome(damage=self._damage(lba, count, core, loose))
        limit = _CORRECTS + _CORRECTS_SOFT * self._gauss(lba, count, 2)
        correctable = core + loose < limit
        if correctable and manner.corrects:
            return Outcome()
        damage = self._damage(lba, count, core, loose)
        if correctable:
            return Outcome(damage=damage, correctable=True)
        raw = None if self._profile.gives_uncorrected else UNREADABLE
        return Outcome(user_sense=UNREADABLE, raw_sense=raw, damage=damage)

    def _trips(self, lba: int, speed: float, way: Approach) -> float:
        """The probability to lose the track: greater if the head came through what lies before."""
        trip: float = float(self._wear.trip[lba])
        if not trip:
            return 0.0
        trip = min(trip * math.sqrt(speed / self._spiral.rate / 8), 1.0)
        return 1 - (1 - trip) ** 3 if way is Approach.FORWARD else trip

    def _wrong(self, lba: int, count: int, speed: float) -> tuple[int, int]:
        """Bytes that always come wrong, and those that do this time."""
        times = speed / self._spiral.rate
        usual = float(self._wear.flat[lba]) * flat_factor(times)
        usual += float(self._wear.steep[lba]) * steep_factor(times)
        loose = usual * math.exp(_LUCK * self._gauss(lba, count, 3))
        core = int(self._wear.core[lba])
        return core, min(int(loose), _RAW - _FIRST - core)

    def _damage(self, lba: int, count: int, core: int, loose: int) -> Damage:
        """Core bytes lie where they always do, half of them with the same wrong value."""
        fixed = np.random.default_rng([self._disc_seed & 0xFFFFFFFF, lba])
        places = fixed.permutation(_RAW - _FIRST)[:core] + _FIRST
        stuck = fixed.integers(1, 256, core, dtype=np.uint8)
        rng = np.random.default_rng([self._seed & 0xFFFFFFFF, lba, count])
        fresh = rng.integers(1, 256, core + loose, dtype=np.uint8)
        fresh[:core] = np.where(np.arange(core) % 2, stuck, fresh[:core])
        others = rng.integers(_FIRST, _RAW, loose)
        offsets, first = np.unique(np.concatenate((places, others)), return_index=True)
        seen = rng.random(len(offsets)) >= self._profile.c2_missed
        return self._with_false_flags(rng, Damage(offsets, fresh[first], seen))

    def _with_false_flags(self, rng: np.random.Generator, damage: Damage) -> Damage:
        nervous = int(len(damage.offsets) * self._profile.c2_false)
        if not nervous:
            return damage
        extra = np.setdiff1d(rng.integers(_FIRST, _RAW, nervous), damage.offsets)
        return Damage(
            np.append(damage.offsets, extra),
            np.append(damage.xor, np.zeros(len(extra), np.uint8)),
            np.append(damage.flagged, np.ones(len(extra), np.bool_)),
        )

    def _lies(self, lba: int) -> bool:
        """Whether the drive passes a sector as good that it could not correct."""
        lies = self._profile.lies
        return bool(lies) and self._chance(lba, self.reads(lba), 4) < lies

    def _chance(self, lba: int, count: int, what: int) -> float:
        return mix(mix(mix(self._seed + what) ^ lba) ^ count) / _UNIT

    def _gauss(self, lba: int, count: int, what: int) -> float:
        one, two = self._chance(lba, count, what), self._chance(lba, count, what + 16)
        return math.sqrt(-2 * math.log(max(one, 1e-12))) * math.cos(2 * math.pi * two)


def _as_seen(wear: Wear, spiral: Spiral, profile: DriveProfile) -> None:
    """What this drive makes of the wear: how good its optics are, and how bad near the rim."""
    wear.flat *= np.float32(profile.optics)
    wear.steep *= np.float32(profile.optics)
    if profile.weak_from:
        radius = spiral.radii(np.arange(len(wear.steep))) * 1000
        beyond = np.maximum(radius - profile.weak_from, 0)
        rng = np.random.default_rng(zlib.crc32(profile.serial.encode()))
        uneven = np.exp(rng.normal(0, 0.8, len(radius)))
        wear.steep += (uneven * (np.exp(beyond * profile.weak_growth) - 1)).astype(np.float32)
