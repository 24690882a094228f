# SPDX-License-Identifier: Apache-2.0
"""The published set: 48 damaged discs of eight kinds, each from its seed.

Small discs, so that all of it runs in an hour: 12,000 sectors of a CD lie between 25.0 and 27.0 mm.
Six of each kind: three of mode 1, one of mode 2, one of audio, one DVD. `python -m
benchmarks.recovery discs` prints them with their fault plans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.disc.layout import Medium, SectorFormat, TrackMode, single_track
from imagerd.disc.source import SectorSource
from imagerd.disc.spiral import SPIRALS
from imagerd.formats import iso, open_image
from imagerd.sectors.convert import to_raw

SECTORS = 12_000
SMALL = 2_000
CONTENTS = ("mode1", "mode1", "mode1", "xa", "audio", "dvd")
_BATCH = 2000
_INNER = {"dvd": 24.0}
_OUTER = {"dvd": 24.3}  # mm, where so many sectors end


@dataclass(frozen=True, slots=True)
class Disc:
    """One of the set: its kind of damage, what is on it, the drive that reads it, and the plan."""

    name: str
    kind: str
    content: str
    drive: str
    plan: str

    @property
    def faults(self) -> FaultPlan:
        """The plan, parsed."""
        return FaultPlan.parse(self.plan, self.name)

    @property
    def profile(self) -> DriveProfile:
        """The drive."""
        return DriveProfile.load(self.drive)

    @property
    def is_data(self) -> bool:
        """Whether its sectors prove themselves or are at least data: all but audio."""
        return self.content != "audio"


@dataclass(frozen=True, slots=True)
class _Place:
    """The stretch of radii with sectors, in mm, and the luck of a disc."""

    inner: float
    outer: float
    rng: np.random.Generator

    def radius(self, low: float = 0.0, high: float = 1.0) -> float:
        """Somewhere between two shares of the stretch."""
        return float(self.inner + self.rng.uniform(low, high) * (self.outer - self.inner))

    def between(self, low: float, high: float) -> float:
        """A number."""
        return float(self.rng.uniform(low, high))


Hurts = list[dict[str, float | str]]


def _radial(place: _Place) -> Hurts:
    return [
        {
            "what": "scratch",
            "angle": place.between(0, 1),
            "inner": place.radius(0.0, 0.4),
            "outer": place.radius(0.6, 1.0),
            "width": place.between(2.2, 4.6),
            "slant": place.between(-0.03, 0.03),
            "strength": place.between(2, 30),
            "trip": place.between(0.0, 0.15),
        }
        for _ in range(3)
    ]


def _circumferential(place: _Place) -> Hurts:
    hurts: Hurts = []
    for _ in range(2):
        inner = place.radius(0.05, 0.85)
        hurts.append(
            {
                "what": "ring",
                "angle": place.between(0, 1),
                "arc": place.between(0.15, 0.7),
                "inner": inner,
                "outer": inner + place.between(0.02, 0.07),
                "width": place.between(3.0, 6.5),
                "strength": place.between(5, 40),
                "trip": place.between(0.1, 0.6),
            }
        )
    return hurts


def _rot(place: _Place) -> Hurts:
    return [
        {
            "what": "rot",
            "inner": place.radius(0.8, 0.95),
            "size": place.between(0.05, 0.12) * (place.outer - place.inner),
            "strength": place.between(20, 60),
            "trip": place.between(0.05, 0.2),
        }
    ]


def _prints(place: _Place) -> Hurts:
    return [
        {
            "what": "print",
            "angle": place.between(0, 1),
            "inner": place.radius(),
            "size": place.between(3, 7),
            "strength": place.between(80, 260),
        }
        for _ in range(2)
    ]


def _weak(place: _Place) -> Hurts:
    return [{"what": "weak", "strength": place.between(1.5, 6)}]


def _sound(place: _Place) -> Hurts:
    return [{"what": "weak", "strength": place.between(0.05, 0.3)}]


def _fading(place: _Place) -> Hurts:
    size = place.between(0.4, 1.2) * (place.outer - place.inner)
    return [{"what": "fading", "size": size, "strength": place.between(20, 60)}]


def _mixed(place: _Place) -> Hurts:
    return [*_radial(place)[:1], *_prints(place)[:1], *_circumferential(place)[:1]]


# Damage, and the drives that read the discs in turn
KINDS: dict[str, tuple[Callable[[_Place], Hurts], tuple[str, ...]]] = {
    "radial scratches": (_radial, ("workshop", "office")),
    "circumferential scratches": (_circumferential, ("workshop", "office")),
    "rot from the rim": (_rot, ("workshop", "office")),
    "fingerprints": (_prints, ("office", "workshop")),
    "weak pressing": (_weak, ("workshop", "office")),
    "drive bad towards the end": (_sound, ("tired",)),
    "CD-R fading": (_fading, ("office", "workshop")),
    "cached lies": (_mixed, ("cheat",)),
}

SMALL_SET = (
    ("radial scratches", "mode1", "workshop"),
    ("circumferential scratches", "mode1", "office"),
    ("rot from the rim", "mode1", "workshop"),
    ("fingerprints", "mode1", "office"),
    ("cached lies", "mode1", "cheat"),
    ("radial scratches", "audio", "workshop"),
)


def discs() -> Iterator[Disc]:
    """All 48, always the same."""
    for number, (kind, (hurts, drives)) in enumerate(KINDS.items()):
        for index, content in enumerate(CONTENTS):
            yield _disc(kind, hurts, content, drives[index % len(drives)], number * 100 + index)


def small_discs() -> Iterator[Disc]:
    """One disc of each of some kinds, of `SMALL` sectors: for what runs where all is emulated."""
    for number, (kind, content, drive) in enumerate(SMALL_SET):
        yield _disc(kind, KINDS[kind][0], content, drive, 9000 + number, SMALL)


def copies(kind: str, content: str, drive: str, seed: int, count: int) -> tuple[Disc, ...]:
    """`count` discs of one pressing, each with its own damage of that kind."""
    hurts, _ = KINDS[kind]
    return tuple(_disc(kind, hurts, content, drive, seed * 10 + n) for n in range(count))


def _disc(
    kind: str,
    hurts: Callable[[_Place], Hurts],
    content: str,
    drive: str,
    seed: int,
    sectors: int = SECTORS,
) -> Disc:
    rng = np.random.default_rng([4, seed])
    outer = _OUTER.get(content, 27.0) if sectors == SECTORS else _cd_radius(sectors)
    place = _Place(_INNER.get(content, 25.0), outer, rng)
    lines = [f"seed = {seed}"]
    for hurt in hurts(place):
        lines.append("\n[[surface]]")
        lines += [
            f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value:.4f}"
            for key, value in hurt.items()
        ]
    return Disc(f"{kind}, {content} {seed}", kind, content, drive, "\n".join(lines) + "\n")


def _cd_radius(sectors: int) -> float:
    """In mm, where so many sectors of a CD end."""
    return SPIRALS[Medium.CD].radius(sectors) * 1000


def image_of(content: str, folder: Path, sectors: int = SECTORS) -> Path:
    """The image of a sound disc, made once in `folder`: noise, valid where sectors can be.

    A folder holds images of one size.
    """
    is_dvd = content == "dvd"
    data = folder / f"{content}.{'iso' if is_dvd else 'bin'}"
    sheet = data if is_dvd else data.with_suffix(".cue")
    if sheet.exists():
        return sheet
    rng = np.random.default_rng(7)
    with data.open("wb") as stream:
        for at in range(0, sectors, _BATCH):
            stream.write(_rows(content, rng, at, min(_BATCH, sectors - at)))
    if not is_dvd:
        mode = {"audio": "AUDIO", "xa": "MODE2/2352"}.get(content, "MODE1/2352")
        sheet.write_text(f'FILE "{data.name}" BINARY\n  TRACK 01 {mode}\n    INDEX 01 00:00:00\n')
    return sheet


def _rows(content: str, rng: np.random.Generator, lba: int, count: int) -> bytes:
    if content == "mode1":
        user = rng.integers(0, 256, (count, 2048), np.uint8)
        return to_raw(user, SectorFormat.USER, TrackMode.MODE1, lba).tobytes()
    if content == "xa":
        body = rng.integers(0, 256, (count, 2332), np.uint8)
        body[:, :8] = 0
        body[:, 2] = body[:, 6] = 0x08  # data, form 1
        return to_raw(body, SectorFormat.XA_USER, TrackMode.MODE2, lba).tobytes()
    return rng.integers(0, 256, (count, 2048 if content == "dvd" else 2352), np.uint8).tobytes()


def opened(content: str, image: Path) -> SectorSource:
    """The image as a source; an .iso that would fit a CD is a DVD all the same."""
    if content != "dvd":
        return open_image(image)
    dvd = iso.open_image(image)
    dvd.layout = single_track(
        dvd.layout.sectors, TrackMode.BLOCKS, medium=Medium.DVD, stored=SectorFormat.USER
    )
    return dvd
