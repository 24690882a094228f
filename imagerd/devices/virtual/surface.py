# SPDX-License-Identifier: Apache-2.0
"""Damage as it lies on a disc: scratches, rings, rot, prints, in millimetres and turns.

A fault plan can say what happens at an address; this says where the disc is hurt, and the addresses
follow from the spiral. `wear_of` makes of it what each sector suffers; `reading` (in `wear.py`)
makes of that what a read gives.

The figures: CIRC corrects a burst of 2.4 mm of track (ECMA-130, annex; 4000 bits) and spreads what
is longer over somewhat more than a sector; an ECC block of a DVD stands 6 mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Layout, Medium
from imagerd.disc.spiral import SPIRALS, Spiral

Levels = npt.NDArray[np.float32]

_MM: Final = 1e-3
_BURST: Final = {Medium.CD: 2.4 * _MM, Medium.DVD: 6.0 * _MM, Medium.BD: 7.0 * _MM}
_RAW: Final = 2352
_LUCKY: Final = 4.0  # how much worse than usual a read can be: where less than that never shows


class Hurt(StrEnum):
    """Kinds of damage to a surface."""

    SCRATCH = "scratch"  # across the turns
    RING = "ring"  # along them
    ROT = "rot"  # the layer gone from a radius outwards
    PRINT = "print"  # a finger's
    WEAK = "weak"  # a bad pressing: everywhere, in clouds
    FADING = "fading"  # dye that the light has bleached


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceFault:
    """One hurt. Radii and lengths in mm, angles in turns, `strength` in wrong bytes a sector at 8x.

    Scratch: at `angle` from radius `inner` to `outer`, `width` mm of each turn; `slant` turns a mm.
    Ring: all turns from `inner` to `outer`, over `arc` turns from `angle`; each sector loses
    `width` mm; `trip` is the probability that the tracking is lost there. Rot: from `inner` on,
    e-fold every `size` mm. Print: around radius `inner` and `angle`, of `size` mm. Weak and
    fading: everywhere; fading grows e-fold every `size` mm outwards.
    """

    what: Hurt
    angle: float = 0.0
    inner: float = 0.0
    outer: float = 60.0
    width: float = 0.0
    arc: float = 1.0
    slant: float = 0.0
    size: float = 1.0
    strength: float = 0.0
    trip: float = 0.0


class Wear:
    """What each sector of a disc suffers; arrays by LBA from 0, float32.

    `core`: bytes that come wrong at every read. `flat` and `steep`: bytes that do at 8x, as the
    luck of the read has it; with the speed the steep ones grow in proportion, the flat ones little.
    `trip`: probability that the tracking is lost.
    """

    def __init__(self, sectors: int) -> None:
        self.core: Levels = np.zeros(sectors, np.float32)
        self.flat: Levels = np.zeros(sectors, np.float32)
        self.steep: Levels = np.zeros(sectors, np.float32)
        self.trip: Levels = np.zeros(sectors, np.float32)

    def touched(self, times: float) -> npt.NDArray[np.bool_]:
        """(n,): whether a read at up to `times` 1x can come to any harm."""
        worst = self.flat * flat_factor(times) + self.steep * steep_factor(times)
        hit: npt.NDArray[np.bool_] = (worst * _LUCKY >= 1) | (self.core >= 1) | (self.trip > 0)
        return hit


def flat_factor(times: float) -> float:
    """How many more of the `flat` bytes are wrong at `times` 1x than at 8x."""
    return float((times / 8) ** 0.3)


def steep_factor(times: float) -> float:
    """The same of the `steep` ones."""
    return float(times / 8)


def wear_of(faults: tuple[SurfaceFault, ...], layout: Layout, seed: int) -> Wear:
    """What the sectors of a disc suffer of `faults`. Only layer 0 of a disc is hurt."""
    spiral = SPIRALS[layout.medium]
    sectors = layout.layers[0] if layout.layers else layout.end
    wear = Wear(layout.end)
    burst = _BURST.get(layout.medium, _BURST[Medium.BD])
    for number, fault in enumerate(faults):
        place = _Place(spiral, sectors, np.random.default_rng([seed & 0xFFFFFFFF, number]), burst)
        _HURTS[fault.what](fault, place, wear)
    if spiral.block > 1:
        _by_block(wear, spiral.block)
    np.minimum(wear.core, _RAW - 12, out=wear.core)
    np.minimum(wear.trip, 1.0, out=wear.trip)
    return wear


@dataclass(frozen=True, slots=True)
class _Place:
    """The disc under a hurt: `burst` metres of track are corrected."""

    spiral: Spiral
    sectors: int
    rng: np.random.Generator
    burst: float

    def radii_mm(self) -> npt.NDArray[np.float64]:
        """Of every sector."""
        return self.spiral.radii(np.arange(self.sectors)) / _MM

    def turns_of(self, inner: float, outer: float) -> npt.NDArray[np.int64]:
        """The numbers of the whole turns between two radii in mm."""
        first = max((inner * _MM - self.spiral.inner) / self.spiral.pitch, 0)
        last = (outer * _MM - self.spiral.inner) / self.spiral.pitch
        return np.arange(int(np.ceil(first)), max(int(last), 0))

    def lost(self, metres: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Bytes lost of a gap in the track of so many metres."""
        beyond = np.maximum(np.asarray(metres, np.float64) - self.burst, 0)
        result: npt.NDArray[np.float64] = beyond / self.spiral.sector * _RAW
        return result

    def clouds(self, turns: float) -> npt.NDArray[np.float64]:
        """(sectors,) a smooth random field around 1, that changes over so many turns."""
        grain = max(int(turns * self.spiral.sectors_per_turn(0)), 1)
        knots = self.rng.normal(0, 1, self.sectors // grain + 3)
        at = np.arange(self.sectors) / grain
        return np.exp(np.interp(at, np.arange(len(knots)), knots))


def _scratch(fault: SurfaceFault, place: _Place, wear: Wear) -> None:
    turns = place.turns_of(fault.inner, fault.outer)
    if not len(turns):
        return
    radius = fault.inner + (turns - turns[0]) * place.spiral.pitch / _MM
    position = place.spiral.sector_at(
        turns + (fault.angle + fault.slant * (radius - fault.inner)) % 1
    )
    lba = position.astype(np.int64)
    # Deeper in the middle than at its ends, and never quite even.
    along = np.linspace(0, np.pi, len(turns))
    width = fault.width * _MM * np.sqrt(np.sin(along)) * place.rng.uniform(0.7, 1.2, len(turns))
    lost = place.lost(width)
    for step, share in ((0, 0.55), (1, 0.45)):  # CIRC spreads a burst over more than a sector
        inside = (lba + step >= 0) & (lba + step < place.sectors)
        np.add.at(wear.core, lba[inside] + step, lost[inside] * share)
        np.add.at(wear.flat, lba[inside] + step, fault.strength)
        np.add.at(wear.trip, lba[inside] + step, fault.trip)


def _ring(fault: SurfaceFault, place: _Place, wear: Wear) -> None:
    for turn in place.turns_of(fault.inner, fault.outer).tolist():
        ends = place.spiral.sector_at(
            np.array([turn + fault.angle, turn + fault.angle + fault.arc])
        )
        first, last = (int(end) for end in ends)
        part = slice(max(first, 0), min(max(last, first + 1), place.sectors))
        if part.start >= part.stop:
            continue
        count = part.stop - part.start
        depth = np.sqrt(np.sin(np.linspace(0.15, np.pi - 0.15, count)))
        width = fault.width * _MM * depth * place.rng.uniform(0.6, 1.2, count)
        wear.core[part] += place.lost(width).astype(np.float32)
        wear.flat[part] += fault.strength
        wear.trip[part] += (fault.trip * depth).astype(np.float32)


def _rot(fault: SurfaceFault, place: _Place, wear: Wear) -> None:
    radius = place.radii_mm()
    depth = (radius - fault.inner) / fault.size
    inside = np.flatnonzero(depth > -4)
    eaten = np.exp(np.minimum(depth[inside], 6)) * place.clouds(0.4)[inside]
    wear.flat[inside] += (fault.strength * eaten).astype(np.float32)
    holes = place.rng.random(len(inside)) < 0.02 * np.minimum(eaten, 10)
    wear.core[inside[holes]] += (place.rng.exponential(120, int(holes.sum()))).astype(np.float32)
    wear.trip[inside] += np.clip(fault.trip * (depth[inside] - 1), 0, 0.95).astype(np.float32)


def _print(fault: SurfaceFault, place: _Place, wear: Wear) -> None:
    radius = place.radii_mm()
    angle = (place.spiral.turns(np.arange(place.sectors)) - fault.angle) * 2 * np.pi
    x, y = radius * np.cos(angle) - fault.inner, radius * np.sin(angle)
    distance = np.hypot(x, y) / fault.size
    near = np.flatnonzero(distance < 1.5)
    ridges = 0.6 + 0.4 * np.sin(np.hypot(x[near] - 3, y[near] + 2) * 2 * np.pi / 0.5)
    level = fault.strength * np.exp(-((distance[near]) ** 2) * 2) * ridges
    wear.flat[near] += (level * 0.6).astype(np.float32)
    wear.steep[near] += (level * 0.4).astype(np.float32)


def _weak(fault: SurfaceFault, place: _Place, wear: Wear) -> None:
    level = fault.strength * place.clouds(30) * place.clouds(1.5) * place.clouds(0.11)
    wear.steep[: place.sectors] += level.astype(np.float32)


def _fading(fault: SurfaceFault, place: _Place, wear: Wear) -> None:
    radius = place.radii_mm()
    level = fault.strength * np.exp((radius - radius[-1]) / fault.size)
    level *= place.clouds(60) * np.sqrt(place.clouds(0.3))
    wear.steep[: place.sectors] += level.astype(np.float32)


_HURTS: Final[dict[Hurt, Callable[[SurfaceFault, _Place, Wear], None]]] = {
    Hurt.SCRATCH: _scratch,
    Hurt.RING: _ring,
    Hurt.ROT: _rot,
    Hurt.PRINT: _print,
    Hurt.WEAK: _weak,
    Hurt.FADING: _fading,
}


def _by_block(wear: Wear, block: int) -> None:
    """Sectors that are corrected together suffer together, as much as all of them."""
    for level, together in (
        (wear.core, np.add),
        (wear.flat, np.add),
        (wear.steep, np.add),
        (wear.trip, np.maximum),
    ):
        whole = len(level) - len(level) % block
        blocks = level[:whole].reshape(-1, block)
        blocks[:] = together.reduce(blocks, axis=1)[:, np.newaxis] / (
            1 if together is np.maximum else block
        )
