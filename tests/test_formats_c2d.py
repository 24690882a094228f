# SPDX-License-Identifier: Apache-2.0
"""Images of WinOnCD, built after the structures that libMirage and Aaru tell, and hostile ones."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Control, Index, Layout, Medium, Session, Track, TrackMode
from imagerd.formats import open_image
from tests.discs_formats import MemorySource
from tests.sheets import assert_same_sectors, damage, opens_or_is_refused

HEADER = 196
MODES = {TrackMode.AUDIO: 0xFF, TrackMode.MODE1: 1, TrackMode.MODE2: 2}


def row(track: Track, index: Index, last: int, offset: int, *, compressed: int = 0) -> bytes:
    body = struct.pack("<IIIQI", 44, index.lba, last, offset, track.stored.size)
    body += (track.isrc or "").encode().ljust(12, b"\0")
    flags = int(track.control & Control.DATA) | 2 * bool(track.control & Control.PRE_EMPHASIS)
    numbers = (flags, track.session, track.number, index.number, MODES[track.mode], compressed)
    return body + bytes(numbers) + bytes(2)


def c2d(path: Path, source: MemorySource, *, after: bool = False, compressed: int = 0) -> Path:
    """The image of `source`; its CD-Text lies behind the header or, `after`, behind the rows."""
    layout = source.layout
    packs = layout.cd_text.packs if layout.cd_text else b""
    count = sum(len(track.indexes) for track in layout.tracks)
    rows_at = HEADER + (0 if after else len(packs))
    offset = HEADER + len(packs) + count * 44
    rows, data = b"", b""
    for track in layout.tracks:
        ends = [*(index.lba for index in track.indexes[1:]), track.end]
        for at, (index, end) in enumerate(zip(track.indexes, ends, strict=True)):
            where = 0xFFFFFFFF if at else offset + len(data)
            rows += row(track, index, end - 1, where, compressed=compressed)
        data += source.tracks[track.number].tobytes()
    head = b"Roxio Image File Format 3.0".ljust(32, b"\0")
    head += struct.pack("<HH", HEADER, bool(layout.mcn)) + (layout.mcn or "").encode().ljust(14)
    head += struct.pack("<HIII", count, len(packs), rows_at, 0)
    head = head.ljust(HEADER, b"\0")
    path.write_bytes(head + (rows + packs if after else packs + rows) + data)
    return path


def mixed() -> Layout:
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 30, control=Control.DATA)
    song = Track(
        2, 1, TrackMode.AUDIO, (Index(0, 30), Index(1, 40), Index(2, 50)), 60,
        control=Control.PRE_EMPHASIS, isrc="USXX19801234",
    )  # fmt: skip
    extra = Track(3, 2, TrackMode.MODE2, (Index(1, 11460),), 11490, control=Control.DATA)
    return Layout(
        Medium.CD, (Session(1, (data, song), 60), Session(2, (extra,), 11490)),
        mcn="4006381333931", cd_text=build([Text(0, PackType.TITLE, 1, "Song")], 3),
    )  # fmt: skip


@pytest.mark.parametrize("after", [False, True])
def test_sessions_tracks_indexes_codes_and_texts_are_read(tmp_path: Path, after: bool) -> None:
    source = MemorySource(mixed())
    image = open_image(c2d(tmp_path / "x.c2d", source, after=after))
    try:
        assert image.warnings == ()
        assert image.layout.sessions == source.layout.sessions
        assert image.layout.mcn == source.layout.mcn
        assert image.layout.cd_text == source.layout.cd_text
        assert_same_sectors(image, source)
    finally:
        image.close()


def test_compressed_tracks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"compressed.*\.$"):
        open_image(c2d(tmp_path / "x.c2d", MemorySource(mixed()), compressed=1))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_image_opens_or_is_refused(whole: bytes, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.c2d"
        head = data.draw(damage(whole[:600], first=32))
        path.write_bytes(head + whole[len(head) :])
        opens_or_is_refused(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "x.c2d"
    return c2d(path, MemorySource(mixed())).read_bytes()
