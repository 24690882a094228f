# SPDX-License-Identifier: Apache-2.0
"""The three discs of the demo, made in a folder: scratched data, data and music, music."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagerd.base.progress import run
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Control, Layout, SectorFormat
from imagerd.disc.source import Bytes2D
from imagerd.formats.write import WriteOptions, write_image
from imagerd.sectors.convert import to_raw
from tests.iso9660 import iso_image, write_iso
from tests.sources import MemorySource, TrackPlan, audio, data, lay_out

SCRATCHES = """\
# A data disc with a hard life. The reader never sees this file.
seed = 7

[[sectors]]             # a scratch: gone for good
what = "unreadable"
lba = 4000
count = 13

[[sectors]]             # a pinhole
what = "unreadable"
lba = 9001
sense = "03/11/00"

[[sectors]]             # dirt: comes with patience, and more often when read slowly
what = "flaky"
lba = 12000
count = 40
p = 0.2
better = [{ max_speed = 1412, p = 0.7 }]

[[sectors]]             # a region that reads, but slowly
what = "slow"
lba = 15000
count = 64
seconds = 0.5

[[sectors]]             # comes back wrong without any complaint, four times of five
what = "wrong"
lba = 17005
count = 2
p = 0.8
"""


@dataclass(frozen=True, slots=True)
class DemoDisc:
    """A disc for a virtual drive: `lost` are the LBAs that no reader can get."""

    title: str
    image: Path
    faults: Path | None = None
    lost: frozenset[int] = frozenset()


def make_discs(folder: Path) -> tuple[DemoDisc, DemoDisc, DemoDisc]:
    """The three of them."""
    return scratched_data(folder), mixed_mode(folder), music(folder)


def scratched_data(folder: Path) -> DemoDisc:
    """A data CD of 39 MiB with an ISO 9660 volume, and a plan of its scratches."""
    rng = np.random.default_rng(1)
    files = {
        "README.TXT": b"Put a disc in and walk away.\r\n",
        "NUMBERS.BIN": rng.integers(0, 256, 38 << 20, np.uint8).tobytes(),
    }
    image = write_iso(folder / "field-notes.iso", "FIELD_NOTES", files, sectors=20_000)
    plan = folder / "scratches.toml"
    plan.write_text(SCRATCHES)
    lost = frozenset(range(4000, 4013)) | {9001}
    return DemoDisc("a scratched data disc", image, plan, lost)


def mixed_mode(folder: Path) -> DemoDisc:
    """Track 1 data, tracks 2 and 3 music, each with a pregap."""
    volume = iso_image("GAME_DISC", {"GAME.EXE": b"MZ" + bytes(3 << 20)}, pad_to=6000)
    plans = [data(6000), audio(3000, 150), audio(2250, 150)]
    source = _disc(plans, volume)
    return DemoDisc("a game: data and music", _write(source, folder / "game.cue"))


def music(folder: Path) -> DemoDisc:
    """Four tracks with pregaps, ISRCs, a catalog number and CD-Text."""
    plans = [
        audio(3000, isrc="QZIMG2600001"),
        audio(2500, 150, isrc="QZIMG2600002", control=Control.COPY_PERMITTED),
        audio(4000, 225, isrc="QZIMG2600003", indexes=(1000,)),
        audio(2000, 75, isrc="QZIMG2600004", control=Control.PRE_EMPHASIS),
    ]
    titles = ["Tones for Testing", "Low", "Middle", "High", "Higher"]
    texts = [Text(0, PackType.TITLE, number, title) for number, title in enumerate(titles)]
    texts.append(Text(0, PackType.PERFORMER, 0, "The Sine Waves"))
    source = _disc(plans, None, "4006381333931")
    layout = source.layout
    with_text = Layout(
        layout.medium, layout.sessions, layout.disc_type, layout.mcn, build(texts, len(plans))
    )
    return DemoDisc(
        "an audio disc", _write(MemorySource(with_text, source.raw), folder / "tones.cue")
    )


def _disc(plans: list[TrackPlan], volume: bytes | None, mcn: str | None = None) -> MemorySource:
    layout = lay_out(plans, mcn=mcn)
    raw: dict[int, Bytes2D] = {}
    for track in layout.tracks:
        if track.is_data:
            user = np.frombuffer(volume or b"", np.uint8).reshape(-1, 2048)
            raw[track.number] = to_raw(user, SectorFormat.USER, track.mode, track.start)
        else:
            raw[track.number] = _tone(track.end - track.start, track.pregap, 110 * track.number)
    return MemorySource(layout, raw)


def _tone(sectors: int, pregap: int, hertz: float) -> Bytes2D:
    """A sine wave with a little noise, as no two samples of real music are alike; silent gap."""
    count = sectors * 588
    rng = np.random.default_rng(int(hertz))
    wave = 9000 * np.sin(np.arange(count) * (2 * np.pi * hertz / 44100))
    both = np.stack([wave, 0.7 * wave], axis=1) + rng.normal(0, 60, (count, 2))
    samples = both.astype("<i2")
    samples[: pregap * 588] = 0
    return samples.view(np.uint8).reshape(sectors, 2352)


def _write(source: MemorySource, target: Path) -> Path:
    run(write_image(source, target, WriteOptions(hash=False)))
    return target
