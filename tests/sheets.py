# SPDX-License-Identifier: Apache-2.0
"""What the tests of containers with a layout and raw sectors share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.base.progress import run
from imagerd.disc.layout import Index, Layout, SectorFormat, Track
from imagerd.disc.source import Bytes2D, Sectors, SectorSource
from imagerd.formats import Image, WriteOptions, WrittenImage, open_image, write_image
from imagerd.sectors.subgen import build_sub
from tests.discs_formats import MemorySource, read_all


class SubSource(MemorySource):
    """A disc in memory with subchannel: right P and Q, and noise in R to W."""

    def read(self, lba: int, count: int) -> Sectors:
        block = super().read(lba, count)
        return replace(block, sub=self.sub(lba, len(block)))

    def sub(self, lba: int, count: int) -> Bytes2D:
        sub = build_sub(self.layout, lba, count).copy()
        for row in range(count):
            sub[row] |= np.random.default_rng(lba + row).integers(0, 64, 96, np.uint8)
        return sub


@contextmanager
def written(
    source: SectorSource, target: Path, options: WriteOptions | None = None
) -> Iterator[tuple[WrittenImage, Image]]:
    """`source` written as `target`, and that opened again."""
    result = run(write_image(source, target, options or WriteOptions(sync=False, hash=False)))
    image = open_image(target)
    try:
        yield result, image
    finally:
        image.close()


def assert_same_sectors(image: SectorSource, source: SectorSource) -> None:
    """Every sector of every session is the same."""
    for area in source.layout.ranges():
        if len(area):
            assert np.array_equal(read_all(image, area), read_all(source, area))


def sub_of(image: SectorSource, lba: int) -> bytes:
    """The raw subchannel of one sector."""
    block = image.read(lba, 1)
    assert block.sub is not None
    return block.sub[0].tobytes()


def tracks_mapped(layout: Layout, change: dict[str, object], *, number: int = 0) -> Layout:
    """The layout with fields of each track replaced; `number`: counted from there, if not 0."""
    sessions, count = [], number
    for session in layout.sessions:
        tracks = []
        for track in session.tracks:
            fields = dict(change, number=count) if number else change
            tracks.append(replace(track, **fields))  # type: ignore[arg-type]
            count += 1
        sessions.append(replace(session, tracks=tuple(tracks)))
    return replace(layout, sessions=tuple(sessions))


def stored_whole(layout: Layout, stored: SectorFormat = SectorFormat.RAW) -> Layout:
    """The layout with nothing virtual."""
    return tracks_mapped(layout, {"stored": stored, "pregap_virtual": 0, "postgap_virtual": 0})


def without_empty_pregaps(layout: Layout) -> Layout:
    """The layout without any INDEX 00 that has no length."""

    def cut(track: Track) -> tuple[Index, ...]:
        return tuple(i for i in track.indexes if i.number or i.lba < track.index1)

    sessions = tuple(
        replace(s, tracks=tuple(replace(t, indexes=cut(t)) for t in s.tracks))
        for s in layout.sessions
    )
    return replace(layout, sessions=sessions)


def opens_or_is_refused(path: Path) -> None:
    """The image opens and gives its sectors, or is refused with one sentence."""
    try:
        image = open_image(path)
    except BadInput as error:
        text = str(error)
        assert text.endswith("."), text
        assert "\n" not in text, text
        return
    try:
        for area in image.layout.ranges():
            for lba in {area.start, area.stop - 1, (area.start + area.stop) // 2}:
                if lba in area:
                    assert 1 <= len(image.read(lba, 10**9)) <= 2048
    finally:
        image.close()


@st.composite
def damage(draw: st.DrawFn, data: bytes, *, first: int = 0) -> bytes:
    """`data` with bytes changed from `first` on, cut short, or both."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(first, len(data) - 1))
        changed[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, changed[at] ^ 1]))
    if draw(st.booleans()):
        del changed[draw(st.integers(first, len(data))) :]
    return bytes(changed)
