# SPDX-License-Identifier: Apache-2.0
"""Discs by the thousand: small ones, each with a label of its own, and what is wrong with some."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.formats import open_image
from imagerd.sectors.convert import to_raw
from tests.iso9660 import iso_image, write_iso
from tests.killing import all_sectors
from tests.sources import MemorySource, audio, data, lay_out
from tests.toolkit_images import write_cue

TIME_SCALE = 0.05  # real seconds for each of the drive's
_SECTORS = (120, 240)
_AUDIO, _PAUSE = 80, 20
_TOO_LARGE_FOR_A_CD = 460_000  # sectors

# Each command that reads takes a second and a half: by the scale some hundredths in reality.
# Longer, and the drive would count as being in trouble.
SLOW = """
[[sectors]]
what = "slow"
lba = 50
count = 400
every = 23
seconds = 1.5
"""
_SCRATCH = """
[[sectors]]
what = "unreadable"
lba = {lba}
count = {count}
seconds = 0.01
"""


@dataclass(frozen=True, slots=True)
class Disc:
    """A disc for a drive: `label` is its name in the catalog, `image` what is on it."""

    label: str
    image: Path

    def is_in(self, image: Path) -> bool:
        """Whether that image is this disc, sector by sector."""
        if image.suffix == self.image.suffix == ".iso":
            return image.read_bytes() == self.image.read_bytes()
        with open_image(image) as made, open_image(self.image) as wanted:
            one, other = all_sectors(made), all_sectors(wanted)
            return one.shape == other.shape and bool((one == other).all())

    def discard(self) -> None:
        """Throw it away."""
        self.image.unlink()
        self.image.with_suffix(".bin").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Scratch:
    """Sectors that cannot be read."""

    lba: int
    count: int

    @property
    def plan(self) -> str:
        """The fault plan."""
        return _SCRATCH.format(lba=self.lba, count=self.count)


def a_scratch(rng: random.Random) -> Scratch:
    """Damage that any of these discs has room for."""
    return Scratch(rng.randint(40, 100), rng.randint(1, 3))


class Press:
    """Makes discs, no two alike: `rng` says what is on them."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._made = 0

    def data(self, rng: random.Random) -> Disc:
        """A data disc."""
        label, sectors = self._label(), rng.randint(*_SECTORS)
        path = self._folder / f"{label}.iso"
        return Disc(label, write_iso(path, label, _files(rng), sectors=sectors))

    def mixed(self, rng: random.Random) -> Disc:
        """A data track, a pause and an audio track: it becomes a .cue with a .bin."""
        label = self._label()
        user = np.frombuffer(iso_image(label, _files(rng), pad_to=160), np.uint8).reshape(-1, 2048)
        layout = lay_out([data(len(user)), audio(_AUDIO, pregap=_PAUSE)])
        first, second = layout.tracks
        sound = np.frombuffer(rng.randbytes(_AUDIO * 2352), np.uint8).reshape(-1, 2352).copy()
        sound[:_PAUSE] = 0
        raw = to_raw(user, SectorFormat.USER, TrackMode.MODE1, first.start)
        source = MemorySource(layout, {first.number: raw, second.number: sound})
        return Disc(label, write_cue(self._folder, source, label))

    def too_large(self, rng: random.Random) -> Disc:
        """A disc that is no CD; the file has holes, and takes no room."""
        disc = self.data(rng)
        with disc.image.open("r+b") as file:
            file.truncate(_TOO_LARGE_FOR_A_CD * 2048)
        return disc

    def _label(self) -> str:
        self._made += 1
        return f"{self._name.upper()}{self._made:05}"


def _files(rng: random.Random) -> dict[str, bytes]:
    return {"NOISE.BIN": rng.randbytes(60 * 2048)}
