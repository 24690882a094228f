# SPDX-License-Identifier: Apache-2.0
"""The discs of the guest's tests, written once each into the guest's memory."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np

from imagerd.disc.layout import DiscType, Layout, SectorFormat, TrackMode
from imagerd.sectors.convert import to_raw
from tests.iso9660 import iso_image
from tests.kernel.inside.machine import tell, write
from tests.sources import MemorySource, TrackPlan, audio, data, lay_out, memory_disc

DISCS: dict[str, MemorySource] = {
    "mode1": memory_disc([data(600)], seed=11),
    "xa": memory_disc([TrackPlan(TrackMode.MODE2, 600, form2=3)], disc_type=DiscType.XA, seed=12),
    "mixed": memory_disc(
        [data(500), audio(450, 150), audio(300, 33, isrc="QZIMG2600001")], seed=13
    ),
    "music": memory_disc(
        [audio(400), audio(450, 150, isrc="QZIMG2600002"), audio(400, 75)],
        mcn="4006381333931",
        seed=14,
    ),
    "extra": memory_disc(
        [audio(400), audio(350, 150), TrackPlan(TrackMode.MODE2, 400, session=2, form2=2)],
        disc_type=DiscType.XA,
        seed=15,
    ),
}

# Programs guess the order of the bytes by whether it sounds like music; noise never does.
for _track in DISCS["music"].layout.tracks:
    _wave = np.sin(np.arange((_track.end - _track.start) * 588) * (0.02 * _track.number))
    _tone = np.stack([9000 * _wave, 5000 * _wave], axis=1).astype("<i2")
    DISCS["music"].raw[_track.number] = _tone.view(np.uint8).reshape(-1, 2352)
    DISCS["music"].raw[_track.number][: _track.pregap] = 0


def folder() -> Path:
    """Where they are: each lane has its own."""
    return Path(f"/srv/discs/{os.getpid()}")


@functools.cache
def image_of(name: str) -> Path:
    """The .cue of a disc of `DISCS`."""
    return write(DISCS[name], folder() / f"{name}.cue")


@functools.cache
def blank(name: str, sectors: int) -> Path:
    """An .iso with nothing in it but its size."""
    path = folder() / f"{name}.iso"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(sectors * 2048)
    return path


@functools.cache
def tree() -> Path:
    """Files for a volume: texts and noise, in folders."""
    root = folder() / "tree"
    rng = np.random.default_rng(1)
    for number in range(12):
        path = root / f"folder {number % 3}" / f"File with a long name {number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.integers(0, 256, 40_000 * number + 1, np.uint8).tobytes())
    return root


@functools.cache
def volume(label: str = "GUEST") -> Path:
    """An .iso with ISO 9660, Rock Ridge and Joliet, made by another people's program."""
    path = folder() / f"{label}.iso"
    tell("genisoimage", "-quiet", "-r", "-J", "-V", label, "-o", path, tree())
    return path


@functools.cache
def udf() -> Path:
    """An .iso with UDF and ISO 9660."""
    path = folder() / "udf.iso"
    tell("genisoimage", "-quiet", "-udf", "-r", "-J", "-V", "BRIDGE", "-o", path, tree())
    return path


@functools.cache
def game() -> tuple[Path, MemorySource]:
    """A mixed disc whose data track is a volume: what a game is."""
    files = {"README.TXT": b"hello\r\n", "GAME.BIN": bytes(range(256)) * 2000}
    content = np.frombuffer(iso_image("GAME", files, pad_to=500), np.uint8).reshape(-1, 2048)
    layout: Layout = lay_out([data(500), audio(450, 150), audio(300)])
    rng = np.random.default_rng(3)
    raw = {
        track.number: rng.integers(0, 256, (track.end - track.start, 2352), np.uint8)
        for track in layout.tracks
    }
    raw[1] = to_raw(content, SectorFormat.USER, TrackMode.MODE1, 0)
    raw[2][:150] = 0
    source = MemorySource(layout, raw)
    return write(source, folder() / "game.cue"), source


def plan(name: str, text: str) -> Path:
    """A fault plan as a file."""
    path = folder() / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
