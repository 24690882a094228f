# SPDX-License-Identifier: Apache-2.0
"""BlindWrite images, built after libMirage's structures, and hostile ones."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import BadInput
from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Control, Index, Layout, Medium, Session, Track, TrackMode
from imagerd.formats import open_image
from imagerd.sectors.subchannel import deinterleave
from tests.discs_formats import MemorySource, read_all, volume_sectors
from tests.sheets import SubSource, assert_same_sectors, damage, opens_or_is_refused, sub_of

KINDS = {TrackMode.AUDIO: 1, TrackMode.MODE1: 2, TrackMode.MODE2: 3, TrackMode.BLOCKS: 6}


def data_block(length: int, offset: int, start: int, sectors: int, name: str) -> bytes:
    wide = name.encode("utf-16-le")
    words = struct.pack("<10I2i", 0, length, 0, 0, 0, 0, offset, 0, 0, 0, start, sectors)
    return words + struct.pack("<I", len(wide)) + wide + bytes(4)


def entry(kind: int, control: int, point: int, pregap: int, start: int, length: int) -> bytes:
    row = bytearray(64)
    row[0], row[10], row[11], row[12] = kind, control, 1, point
    struct.pack_into("<I", row, 22, pregap)
    struct.pack_into("<ii", row, 42, start, length)
    return bytes(row) + (b"" if kind in (0, 6) else bytes(8))


def sheet(kind: int, sessions: list[bytes], blocks: list[bytes], mcn: str, packs: bytes) -> bytes:
    disc = bytearray(112)
    struct.pack_into("<HH", disc, 32, kind, len(sessions))
    disc[48:62] = bytes((bool(mcn),)) + mcn.encode().ljust(13, b"\0")
    struct.pack_into("<4H", disc, 80, 0, 0, len(packs), 0x38 if kind < 0x10 else 0)
    struct.pack_into("<I", disc, 108, 0 if kind < 0x10 else 0x38)
    table = struct.pack("<II", len(blocks), 6) + b"D:\0\0\0\0" + b"".join(blocks)
    body = b"".join(sessions)
    lengths = struct.pack("<5I", 10, 4, len(table), len(body), 0)
    middle = bytes(10) + bytes(4) + packs + bytes(0x38)
    head = b"BWT5 STREAM SIGN" + disc + bytes(112)
    return head + lengths + middle + table + body + bytes(4) + b"BWT5 STREAM FOOT"


def b6t(path: Path, source: SubSource, *, sub: bool) -> Path:
    """The image of `source`: a data block for each track, each session from 150 before it on."""
    layout = source.layout
    data, blocks, sessions = b"", [], []
    for session in layout.sessions:
        rows = b"".join(entry(0, 0, point, 0, 0, 0) for point in (0xA0, 0xA1, 0xA2))
        for track in session.tracks:
            opening = track is session.tracks[0]
            start = track.start - (150 if opening else 0)
            raw = source.tracks[track.number]
            if sub:
                channels = deinterleave(source.sub(track.start, len(raw)))
                raw = np.concatenate((raw, channels), axis=1)
            blocks.append(data_block(raw.size, len(data), track.start, len(raw), "C:\\x\\disc.b6i"))
            data += raw.tobytes()
            length = track.end - start
            rows += entry(
                KINDS[track.mode], track.control, track.number, track.index1 - start, start, length
            )
        first, last = session.tracks[0].number, session.tracks[-1].number
        count = 3 + len(session.tracks)
        sessions.append(
            struct.pack(
                "<HBBiiHH", session.number, count, 3, session.start - 150, session.lead_out,
                first, last,
            )
            + rows
        )  # fmt: skip
    packs = layout.cd_text.packs if layout.cd_text else b""
    path.write_bytes(sheet(8, sessions, blocks, layout.mcn or "", packs))
    path.with_name("disc.b6i").write_bytes(data)
    return path


def mixed() -> Layout:
    data = Track(1, 1, TrackMode.MODE1, (Index(1, 0),), 30, control=Control.DATA)
    song = Track(
        2, 1, TrackMode.AUDIO, (Index(0, 30), Index(1, 40)), 60, control=Control.PRE_EMPHASIS
    )
    extra = Track(3, 2, TrackMode.MODE2, (Index(1, 11460),), 11490, control=Control.DATA)
    return Layout(
        Medium.CD, (Session(1, (data, song), 60), Session(2, (extra,), 11490)),
        mcn="4006381333931", cd_text=build([Text(0, PackType.TITLE, 1, "Song")], 3),
    )  # fmt: skip


@pytest.mark.parametrize("sub", [False, True])
def test_sessions_tracks_codes_texts_and_subchannel_are_read(tmp_path: Path, sub: bool) -> None:
    source = SubSource(mixed())
    image = open_image(b6t(tmp_path / "x.b6t", source, sub=sub))
    try:
        found = image.layout
        assert [(t.indexes, t.end, t.mode, t.control) for t in found.tracks] == [
            (t.indexes, t.end, t.mode, t.control) for t in source.layout.tracks
        ]
        assert (found.mcn, found.cd_text) == (source.layout.mcn, source.layout.cd_text)
        assert [s.lead_out for s in found.sessions] == [60, 11490]
        assert_same_sectors(image, MemorySource(mixed()))
        assert image.warnings == ()
        if sub:
            assert sub_of(image, 45) == source.sub(45, 1).tobytes()
    finally:
        image.close()


def test_a_dvd_may_lie_in_several_files(tmp_path: Path) -> None:
    rows = volume_sectors(50)
    (tmp_path / "a.b5i").write_bytes(rows[:30].tobytes())
    (tmp_path / "b.b5i").write_bytes(rows[30:45].tobytes())
    blocks = [
        data_block(30 * 2048, 0, 0, 30, "a.b5i"),
        data_block(20 * 2048, 0, 30, 20, "b.b5i"),
    ]
    session = struct.pack("<HBBiiHH", 1, 1, 0, 0, 50, 1, 1) + entry(6, 4, 1, 0, 0, 50)
    path = tmp_path / "x.b5t"
    path.write_bytes(sheet(0x10, [session], blocks, "", b""))
    image = open_image(path)
    try:
        assert image.layout.medium is Medium.DVD
        assert np.array_equal(image.read(0, 30).data, rows[:30])
        assert np.array_equal(image.read(30, 15).data, rows[30:45])
        assert not (image.read(45, 5).states > 1).any()
        assert "5 sectors" in str(image.warnings[0])
    finally:
        image.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return b6t(tmp_path_factory.mktemp("whole") / "x.b6t", SubSource(mixed()), sub=False)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_description_opens_or_is_refused(whole: Path, data: st.DataObject) -> None:
    damaged = whole.with_name("damaged.b6t")
    damaged.write_bytes(data.draw(damage(whole.read_bytes(), first=16)))
    opens_or_is_refused(damaged)


def test_what_no_disc_has_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.b6t"
    session = struct.pack("<HBBiiHH", 1, 1, 0, -150, 50, 1, 1) + entry(1, 0, 1, 150, -150, 200)
    for blocks, sentence in (
        ([], "in no data block"),
        ([data_block(0, 0, 0, 50, "a.b6i")], "have 0 bytes"),
        ([data_block(5 * 2352, 0, 0, 5, "a.b6i")], "more than one data block"),
        ([data_block(50 * 2352, 0, 0, 50, "../../a.b6i")], "outside its folder"),
        ([data_block(50 * 2352, 0, 0, 50, "a.b6i")], "not there"),
    ):
        path.write_bytes(sheet(8, [session], blocks, "", b""))
        with pytest.raises(BadInput, match=rf"{sentence}.*\.$"):
            open_image(path)


def test_the_sectors_before_a_session_are_no_part_of_it(tmp_path: Path) -> None:
    track = Track(1, 1, TrackMode.AUDIO, (Index(1, 0),), 30)
    source = SubSource(Layout(Medium.CD, (Session(1, (track,), 30),)))
    image = open_image(b6t(tmp_path / "x.b6t", source, sub=False))
    try:
        assert list(image.layout.ranges()) == [range(30)]
        assert np.array_equal(read_all(image, range(30)), source.tracks[1])
    finally:
        image.close()
