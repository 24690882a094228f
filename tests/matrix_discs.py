# SPDX-License-Identifier: Apache-2.0
"""The discs of the conversion matrix, and what is left of one when a container cannot hold all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.disc.source import Bytes2D, Sectors, SectorSource
from imagerd.formats import Container, Feature, Image, Trait, open_image
from imagerd.formats.registry import COOKED, ROWS
from imagerd.sectors.blocks import read_all
from imagerd.sectors.subchannel import deinterleave, interleave, q_of
from imagerd.sectors.subgen import build_sub
from imagerd.sectors.views import RawView
from imagerd.toolkit.convert import ConvertOptions, ConvertResult, convert
from tests.discs_formats import noise
from tests.sources import MemorySource, TrackPlan, audio, data, memory_disc, track_bytes

WRITTEN = [container for container, row in ROWS.items() if row.writer]
CDS = [container for container in WRITTEN if container not in COOKED]
PRE_EMPHASIS = Control.PRE_EMPHASIS | Control.COPY_PERMITTED


class WithSub:
    """A disc in memory with its subchannel, which is `sub[number]` of each track."""

    def __init__(self, disc: MemorySource, wrong: tuple[int, ...] = ()) -> None:
        """`wrong`: LBAs whose Q is as a LibCrypt master has it: times changed, and the CRC."""
        self._disc = disc
        self.raw = disc.raw
        self.sub = {track.number: self._made(track, wrong) for track in disc.layout.tracks}

    def _made(self, track: Track, wrong: tuple[int, ...]) -> Bytes2D:
        sub = build_sub(self.layout, track.start, track.end - track.start).copy()
        channels = deinterleave(sub)
        noise = np.random.default_rng(track.number).integers(0, 256, (len(sub), 72), np.uint8)
        channels[:, 24:] = noise
        for lba in wrong:
            if track.start <= lba < track.end:
                q = channels[lba - track.start, 12:24]
                q[[4, 8]] ^= 0x11  # a second of the relative time, a frame of the absolute
                q[10:] ^= 0x80
        return interleave(channels)

    @property
    def layout(self) -> Layout:
        return self._disc.layout

    def read(self, lba: int, count: int) -> Sectors:
        block = self._disc.read(lba, count)
        track = self.layout.track_at(lba)
        assert track is not None
        rows = self.sub[track.number][lba - track.start :][: len(block)]
        return replace(block, sub=rows)

    def close(self) -> None:
        self._disc.close()


def _with_texts(disc: MemorySource) -> MemorySource:
    tracks = disc.layout.tracks
    texts = [Text(0, PackType.TITLE, number, f"Title {number}") for number in range(len(tracks))]
    texts += [Text(0, PackType.PERFORMER, 0, "Somebody")]
    layout = replace(disc.layout, cd_text=build(texts, len(tracks)))
    return MemorySource(layout, disc.raw)


def _at(*tracks: Track, form2: int = 0, **more: object) -> MemorySource:
    """A disc of these tracks where they are, whatever lies between them."""
    sessions = []
    for number in sorted({track.session for track in tracks}):
        own = tuple(track for track in tracks if track.session == number)
        sessions.append(Session(number, own, own[-1].end))
    layout = Layout(Medium.CD, tuple(sessions), **more)  # type: ignore[arg-type]
    return MemorySource(layout, {t.number: track_bytes(t, 1, form2) for t in tracks})


def _data(number: int, session: int, start: int, end: int, **more: object) -> Track:
    mode = TrackMode(str(more.pop("mode", "mode1")))
    return Track(
        number, session, mode, (Index(1, start),), end, control=Control.DATA, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _song(number: int, session: int, start: int, index1: int, end: int) -> Track:
    indexes = (Index(0, start), Index(1, index1)) if index1 > start else (Index(1, start),)
    return Track(number, session, TrackMode.AUDIO, indexes, end)


def _xa(sectors: int, form2: int, **more: object) -> TrackPlan:
    return TrackPlan(TrackMode.MODE2, sectors, form2=form2, **more)  # type: ignore[arg-type]


MODE1 = memory_disc([data(160)])
MIXED = memory_disc([data(200), audio(220, pregap=150), audio(90, 33)])
EXTRA = _with_texts(
    memory_disc(
        [
            audio(160, isrc="QZIMG2600001", control=Control.COPY_PERMITTED),
            audio(120, pregap=10, isrc="QZIMG2600002"),
            _xa(170, 2, session=2),
        ],
        mcn="4006408130000",
        disc_type=DiscType.XA,
    )
)
GD = _at(
    _data(1, 1, 0, 60),
    _song(2, 1, 60, 210, 240),
    _data(3, 2, 45000, 45040),
    _song(4, 2, 45040, 45190, 45220),
    _data(5, 2, 45220, 45260),
)
LOUD_GD = _at(
    _data(1, 1, 0, 60),
    _data(2, 2, 45000, 45040),
    _song(3, 2, 45040, 45190, 45220),
    _song(4, 2, 45220, 45370, 45400),
)
LOUD_GD.raw[4][140:150] = noise(10, 2352, 4)
ODD_SESSIONS = _at(
    _song(1, 1, 0, 0, 160),
    _data(2, 2, 160 + 11400 + 37, 11800),
    _data(3, 3, 11800 + 6900 - 25, 18900, mode="mode2"),
    form2=3,
    disc_type=DiscType.XA,
)
LIBCRYPT = (14, 19, 41, 46, 100)
DISCS: dict[str, SectorSource] = {
    "mode 1": MODE1,
    "mode 2 form 1": memory_disc([_xa(160, 0)], disc_type=DiscType.XA),
    "mode 2 form 1 and 2": memory_disc([_xa(200, 3)], disc_type=DiscType.XA),
    "CD-I": memory_disc([_xa(170, 2)], disc_type=DiscType.CDI),
    "audio": memory_disc(
        [
            audio(150, indexes=(40,)),
            audio(180, pregap=20, control=PRE_EMPHASIS, isrc="QZIMG2600001", indexes=(30, 60)),
        ],
        mcn="4006408130000",
    ),
    "hidden track": memory_disc([audio(210, pregap=70), audio(40)]),
    "mixed mode": MIXED,
    "gaps not stored": memory_disc(
        [data(100), audio(220, pregap=150, pregap_virtual=150), audio(60, 12, pregap_virtual=5)]
    ),
    "CD-Extra": EXTRA,
    "three sessions": memory_disc([data(160, session=number) for number in (1, 2, 3)]),
    "sessions at odd distances": ODD_SESSIONS,
    "GD-ROM": GD,
    "GD-ROM with sound in a pregap": LOUD_GD,
    "subchannel": WithSub(
        memory_disc([_xa(180, 1), audio(60, 20)], disc_type=DiscType.XA), wrong=LIBCRYPT
    ),
    "subchannel of sessions": WithSub(EXTRA, wrong=(3, 161, 11_700)),
    "subchannel of a GD-ROM": WithSub(GD, wrong=(9,)),
}


def bare(layout: Layout) -> Layout:
    """The disc itself: without how, and which of, its sectors are stored.

    An INDEX 00 of no length says nothing of a disc, and not every container can write it.
    """

    def of_disc(track: Track) -> Track:
        indexes = tuple(i for i in track.indexes if i.number or i.lba < track.index1)
        return replace(
            track,
            indexes=indexes,
            stored=SectorFormat.RAW,
            pregap_virtual=0,
            postgap_virtual=0,
        )

    return layout.with_tracks(of_disc)


def left_of(layout: Layout, traits: tuple[Trait, ...]) -> Layout:
    """What is left of a disc when it is without `traits`, and nothing else changes."""
    lost = frozenset(trait.feature for trait in traits)

    def track_left(track: Track) -> Track:
        indexes = [i for i in track.indexes if i.number < 2 or Feature.INDEXES not in lost]
        control = track.control & Control.DATA if Feature.FLAGS in lost else track.control
        isrc = None if Feature.ISRC in lost else track.isrc
        return replace(track, indexes=tuple(indexes), control=control, isrc=isrc)

    left = bare(layout).with_tracks(track_left)
    for trait in traits:
        if trait.feature is Feature.PREGAPS:
            left = _without_pregap(left, int(trait.sentence.removeprefix("the pregap of track ")))
    xa = any(track.mode is TrackMode.MODE2 for track in left.tracks)
    made = DiscType.XA if xa else DiscType.CDDA_OR_ROM
    return replace(
        left,
        mcn=None if Feature.MCN in lost else left.mcn,
        cd_text=None if Feature.CD_TEXT in lost else left.cd_text,
        disc_type=made if Feature.DISC_TYPE in lost else left.disc_type,
    )


def _without_pregap(layout: Layout, number: int) -> Layout:
    """The pregap of that track belongs to the one before."""
    index1 = next(track.index1 for track in layout.tracks if track.number == number)

    def moved(track: Track) -> Track:
        if track.number == number - 1:
            return replace(track, end=index1)
        if track.number == number:
            return replace(track, indexes=tuple(i for i in track.indexes if i.number))
        return track

    return layout.with_tracks(moved)


def named(folder: Path, container: Container, stem: str = "x") -> Path:
    """What an image is called."""
    return folder / (f"{stem}.bin.ecm" if container is Container.ECM else f"{stem}.{container}")


def opened(target: Path) -> Image:
    """The whole of what was written: an .ecm is described by its sheet."""
    return open_image(target.with_name("x.cue") if target.suffix == ".ecm" else target)


@dataclass(frozen=True)
class Made:
    """An image, and what was told when it was written."""

    path: Path
    result: ConvertResult

    def lacks(self, feature: Feature) -> bool:
        """Whether the container was said to lose that."""
        return any(trait.feature is feature for trait in self.result.lost)


def made(source: SectorSource, folder: Path, container: Container) -> Made | None:
    """`source` converted; None where the container refuses such a disc in a sentence."""
    folder.mkdir(exist_ok=True)
    target = named(folder, container)
    try:
        return Made(target, run(convert(source, target, ConvertOptions(quick=True))))
    except BadInput:
        return None


def raw_sectors(source: SectorSource) -> Iterator[tuple[range, Sectors]]:
    """All sectors of each track, raw, and their subchannel."""
    view = RawView(source)
    for track in source.layout.tracks:
        area = range(track.start, track.end)
        yield area, read_all(view, area.start, len(area))


def assert_sectors(image: SectorSource, source: SectorSource, *, sub: bool, told: str) -> None:
    """Every sector is the same, and with `sub` its subchannel."""
    view = RawView(image)
    for area, block in raw_sectors(source):
        found = read_all(view, area.start, len(area))
        assert np.array_equal(found.data, block.data), (told, area)
        if sub:
            assert found.sub is not None and block.sub is not None, (told, area)
            assert np.array_equal(found.sub, block.sub), (told, area)


def wrong_q(source: SectorSource) -> tuple[int, ...]:
    """LBAs whose Q is not what the layout says: those a .sbi would list."""
    view = RawView(source)
    found: list[int] = []
    for track in source.layout.tracks:
        block = read_all(view, track.start, track.end - track.start)
        assert block.sub is not None
        plain = q_of(build_sub(source.layout, track.start, len(block)))
        differ = (q_of(block.sub) != plain).any(axis=1)
        found += [track.start + int(row) for row in np.flatnonzero(differ)]
    return tuple(found)


def open_made(one: Made) -> closing[Image]:
    """The image, closed at the end of a with statement."""
    return closing(opened(one.path))


def written(source: SectorSource, folder: Path, container: Container) -> Path:
    """The image that `source` is converted to."""
    one = made(source, folder, container)
    assert one is not None
    return one.path


def raw_of(source: SectorSource, track: Track, first: int | None = None) -> bytes:
    """The raw sectors of a track, from its start or from LBA `first` on."""
    start = track.start if first is None else first
    return read_all(RawView(source), start, track.end - start).data.tobytes()
