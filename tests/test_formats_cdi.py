# SPDX-License-Identifier: Apache-2.0
"""DiscJuggler images, built after psx-spx's tables of offsets, and hostile ones."""

from __future__ import annotations

import struct
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import (
    Control,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)
from imagerd.formats import open_image
from imagerd.sectors.convert import from_raw
from tests.discs_formats import MemorySource, raw_sectors, read_all
from tests.sheets import SubSource, assert_same_sectors, damage, opens_or_is_refused, sub_of

NAME = b"C:\\games\\disc.cdi"
READ_MODES = {
    SectorFormat.USER: 0,
    SectorFormat.MODE2: 1,
    SectorFormat.RAW: 2,
    SectorFormat.RAW_SUB: 4,
}
MODES = {TrackMode.AUDIO: 0, TrackMode.MODE1: 1, TrackMode.MODE2: 2}


def put(size: int, *fields: tuple[int, bytes]) -> bytes:
    """A block of zeros with `fields` at offsets in it, as tables of structures give them."""
    block = bytearray(size)
    for at, value in fields:
        block[at : at + len(value)] = value
    return bytes(block)


def u32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def header(tracks: int) -> bytes:
    f = len(NAME)
    return put(
        0x30 + f,
        (0, bytes.fromhex("ffff 0000 0100 0000 ffff ffff")),
        (0x0F, bytes((tracks,))),
        (0x10, bytes((f,)) + NAME),
        (0x1C + f, b"\2"),
        (0x27 + f, b"\x80" + u32(360000)),
        (0x2E + f, b"\x98\0"),
    )


def track_block(tracks: int, track: Track, start: int, *, last: bool) -> bytes:
    """A track whose first sector in the file has the LBA `start`."""
    ends = [*(i.lba for i in track.indexes if i.number > 1), track.end]
    lengths = [track.index1 - start]
    at = track.index1
    for end in ends:
        lengths.append(end - at)
        at = end
    rest = put(
        0xE4 - 0x30 - 6,
        (0x38 - 0x36, bytes((MODES[track.mode],))),
        (0x40 - 0x36, u32(track.session - 1, track.number - 1)),
        (0x48 - 0x36, u32(start + 150, track.end - start)),
        (0x60 - 0x36, u32(READ_MODES[track.stored], track.control)),
        (0x69 - 0x36, u32(track.end - start)),
        (0x71 - 0x36, (track.isrc or "").encode().ljust(12, b"\0") + u32(bool(track.isrc))),
        (0x82 - 0x36, b"\xff" * 8),
        (0xC8 - 0x36, b"\xff" * 4),
        (0xDE - 0x36, bytes((not last,))),
        (0xE0 - 0x36, b"\0\0\xff\xff"),
    )
    indexes = struct.pack("<H", len(lengths)) + u32(*lengths) + u32(0)
    return header(tracks) + indexes + rest


def session_block(tracks: int) -> bytes:
    return put(15, (1, bytes((tracks,))), (9, b"\1"), (13, b"\xff\xff"))


def cdi(path: Path, source: MemorySource) -> Path:
    """The image of `source`, 150 sectors before each session in it."""
    layout = source.layout
    data, blocks = b"", b""
    total = len(layout.tracks)
    for session in layout.sessions:
        blocks += session_block(len(session.tracks))
        for track in session.tracks:
            start = track.start
            if track is session.tracks[0]:
                start -= 150
                data += bytes(150 * track.stored.size)
            sectors = source.tracks[track.number]
            if isinstance(source, SubSource):
                sub = source.sub(track.start, len(sectors))
                sectors = from_raw(sectors, track.stored, track.mode, sub)
            data += sectors.tobytes()
            blocks += track_block(total, track, start, last=track is session.tracks[-1])
    packs = layout.cd_text.packs if layout.cd_text else b""
    info = header(total) + u32(layout.end) + b"\6VOLUME" + b"\0" + u32(1, 1)
    info += (layout.mcn or "").encode().ljust(13, b"\0") + u32(bool(layout.mcn), len(packs))
    info += packs + bytes(8) + struct.pack("<I", 0x80000006)
    footer = bytes((len(layout.sessions),)) + blocks + session_block(0) + info
    path.write_bytes(data + footer + struct.pack("<I", len(footer) + 4))
    return path


def old_cdi(path: Path, source: MemorySource, version: int) -> Path:
    """The image of `source` as versions 2 and 3 have it: shorter blocks, a place in the file."""
    mark = bytes.fromhex("0000 0100 0000 ffff")  # the header goes on with it
    tail = b"" if version == 0x80000004 else bytes(9)
    data, body = b"", struct.pack("<H", len(source.layout.sessions))
    for session in source.layout.sessions:
        body += struct.pack("<H", len(session.tracks))
        for track in session.tracks:
            opening = track is session.tracks[0]
            start = track.start - (150 if opening else 0)
            block = track_block(3, track, start, last=False)
            body += u32(0) + mark + block[: len(block) - (0xE4 - 0x81)] + tail
            data += bytes(150 * opening * track.stored.size)
            data += source.tracks[track.number].tobytes()
        body += bytes(12 if version == 0x80000004 else 13)
    path.write_bytes(data + body + struct.pack("<II", version, len(data)))
    return path


def mixed(stored: SectorFormat = SectorFormat.RAW) -> Layout:
    song = Track(
        1, 1, TrackMode.AUDIO, (Index(1, 0), Index(2, 20)), 30, isrc="USXX19801234",
        control=Control.COPY_PERMITTED,
    )  # fmt: skip
    more = Track(2, 1, TrackMode.AUDIO, (Index(0, 30), Index(1, 40)), 60)
    game = Track(3, 2, TrackMode.MODE2, (Index(1, 11460),), 11490, stored, Control.DATA)
    return Layout(
        Medium.CD, (Session(1, (song, more), 60), Session(2, (game,), 11490)),
        mcn="4006381333931", cd_text=build([Text(0, PackType.TITLE, 1, "Song")], 3),
    )  # fmt: skip


@pytest.mark.parametrize("stored", [SectorFormat.RAW, SectorFormat.MODE2, SectorFormat.USER])
def test_sessions_tracks_indexes_codes_and_texts_are_read(
    tmp_path: Path, stored: SectorFormat
) -> None:
    layout = mixed(stored)
    image = open_image(cdi(tmp_path / "x.cdi", MemorySource(layout)))
    try:
        assert image.warnings == ()
        assert image.format == "cdi"
        found = image.layout
        assert found.sessions == layout.sessions
        assert (found.mcn, found.cd_text) == (layout.mcn, layout.cd_text)
        assert_same_sectors(image, MemorySource(layout))
    finally:
        image.close()


@pytest.mark.parametrize("version", [0x80000004, 0x80000005])
def test_older_versions_are_read(tmp_path: Path, version: int) -> None:
    layout = mixed(SectorFormat.MODE2)
    image = open_image(old_cdi(tmp_path / "x.cdi", MemorySource(layout), version))
    try:
        assert image.layout.sessions == layout.sessions
        assert_same_sectors(image, MemorySource(layout))
    finally:
        image.close()


def test_subchannel_behind_each_sector_is_read(tmp_path: Path) -> None:
    raw = Track(1, 1, TrackMode.AUDIO, (Index(1, 0),), 30)
    track = replace(raw, stored=SectorFormat.RAW_SUB)
    source = SubSource(Layout(Medium.CD, (Session(1, (raw,), 30),)))
    source.layout = Layout(Medium.CD, (Session(1, (track,), 30),))
    image = open_image(cdi(tmp_path / "x.cdi", source))
    try:
        assert image.layout.tracks == (track,)
        assert np.array_equal(read_all(image, range(30)), source.tracks[1])
        assert sub_of(image, 17) == source.sub(17, 1).tobytes()
    finally:
        image.close()


def test_headers_tell_the_mode(tmp_path: Path) -> None:
    source = MemorySource(mixed())
    source.tracks[3] = raw_sectors(TrackMode.MODE1, 11460, 30)
    image = open_image(cdi(tmp_path / "x.cdi", source))
    try:
        assert image.layout.tracks[2].mode is TrackMode.MODE1
        assert "track 3 is declared mode2" in str(image.warnings[0])
    finally:
        image.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "x.cdi"
    return cdi(path, MemorySource(mixed(SectorFormat.USER))).read_bytes()


def test_every_cut_of_the_description_opens_or_is_refused(tmp_path: Path, whole: bytes) -> None:
    footer = struct.unpack("<I", whole[-4:])[0]
    for version in (0x80000004, 0x80000005, 0x80000006):
        for cut in range(0, 900, 7):
            body = whole[-footer:][:cut]
            where = 0 if version < 0x80000006 else len(body) + 8
            path = tmp_path / "x.cdi"
            path.write_bytes(body + struct.pack("<II", version, where))
            opens_or_is_refused(path)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_description_opens_or_is_refused(whole: bytes, data: st.DataObject) -> None:
    footer = struct.unpack("<I", whole[-4:])[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.cdi"
        path.write_bytes(data.draw(damage(whole, first=len(whole) - footer)))
        opens_or_is_refused(path)


def test_what_no_disc_has_is_refused_with_a_sentence(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "x.cdi"
    footer = struct.unpack("<I", whole[-4:])[0]
    changed = bytearray(whole)
    changed[-footer] = 200
    path.write_bytes(changed)
    with pytest.raises(BadInput, match=r"200 sessions.*\.$"):
        open_image(path)
    path.write_bytes(whole[:-4] + struct.pack("<I", 1 << 31))
    with pytest.raises(BadInput, match=r"DiscJuggler.*\.$"):
        open_image(path)
