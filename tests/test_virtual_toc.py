# SPDX-License-Identifier: Apache-2.0
"""What the virtual drive says of a disc: TOC, disc, track, subchannel, structures, by hand."""

from __future__ import annotations

import dataclasses

from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Control, DiscType, Layout, Medium, TrackMode
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.virtual_commands import data_of, drive_with, send, sense_of, tell


def mixed() -> MemorySource:
    """Data 0–299, audio from 300 with INDEX 01 at 450, audio from 600."""
    return memory_disc(
        [
            data(300),
            audio(300, pregap=150, isrc="USABC1234567", indexes=(50,)),
            audio(200, control=Control.COPY_PERMITTED | Control.PRE_EMPHASIS),
        ],
        mcn="4901234567894",
    )


def extra() -> MemorySource:
    """Two audio tracks, then a second session of XA data."""
    return memory_disc(
        [audio(300), audio(300), data(200, TrackMode.MODE2, session=2)], disc_type=DiscType.XA
    )


def toc(kind: int, start: int = 0, msf: bool = False) -> list[int]:
    return [0x43, 2 if msf else 0, kind, 0, 0, 0, start, 4, 0, 0]


def test_format_0_lists_the_tracks_and_the_lead_out() -> None:
    drive = drive_with(mixed())
    expected = bytes((0, 34, 1, 3))
    expected += bytes((0, 0x14, 1, 0)) + (0).to_bytes(4, "big")
    expected += bytes((0, 0x10, 2, 0)) + (450).to_bytes(4, "big")
    expected += bytes((0, 0x13, 3, 0)) + (600).to_bytes(4, "big")
    expected += bytes((0, 0x13, 0xAA, 0)) + (800).to_bytes(4, "big")
    assert data_of(drive, toc(0)) == expected
    assert data_of(drive, toc(0), 12) == expected[:12]
    assert data_of(drive, toc(0, start=3)) == bytes((0, 18, 1, 3)) + expected[20:]
    assert data_of(drive, toc(0, start=0xAA)) == bytes((0, 10, 1, 3)) + expected[28:]
    assert sense_of(send(drive, toc(0, start=4))) == "05/24/00"


def test_format_0_in_msf_counts_from_the_start_of_the_first_pregap() -> None:
    reply = data_of(drive_with(mixed()), toc(0, msf=True))
    assert reply[8:12] == bytes((0, 0, 2, 0))
    assert reply[16:20] == bytes((0, 0, 8, 0))  # 450 + 150 = 600 frames
    assert reply[32:36] == bytes((0, 0, 12, 50))  # 800 + 150


def test_format_1_gives_the_first_track_of_the_last_session() -> None:
    start = 600 + 11400
    expected = bytes((0, 10, 1, 2, 0, 0x14, 3, 0)) + start.to_bytes(4, "big")
    assert data_of(drive_with(extra()), toc(1)) == expected


def points(reply: bytes) -> dict[tuple[int, int], bytes]:
    assert int.from_bytes(reply[:2], "big") == len(reply) - 2
    rows = [reply[at : at + 11] for at in range(4, len(reply), 11)]
    return {(row[0], row[3]): row for row in rows}


def test_format_2_gives_the_lead_in_of_each_session() -> None:
    reply = data_of(drive_with(extra()), toc(2, msf=True))
    assert reply[2:4] == bytes((1, 2))
    found = points(reply)
    assert found[1, 0xA0] == bytes((1, 0x10, 0, 0xA0, 0, 0, 0, 0, 1, 0x20, 0))
    assert found[1, 0xA1] == bytes((1, 0x10, 0, 0xA1, 0, 0, 0, 0, 2, 0, 0))
    assert found[1, 0xA2] == bytes((1, 0x10, 0, 0xA2, 0, 0, 0, 0, 0, 10, 0))  # 600 + 150
    assert found[1, 2] == bytes((1, 0x10, 0, 2, 0, 0, 0, 0, 0, 6, 0))
    assert found[2, 3] == bytes((2, 0x14, 0, 3, 0, 0, 0, 0, 2, 42, 0))  # 12150 = 2:42:00
    assert found[2, 0xA2] == bytes((2, 0x14, 0, 0xA2, 0, 0, 0, 0, 2, 44, 50))
    # B0: the next program area begins at 11850 + 150 = 2:40:00
    assert found[1, 0xB0] == bytes((1, 0x54, 0, 0xB0, 2, 40, 0, 2, 79, 59, 74))
    assert (2, 0xB0) not in found
    later = points(data_of(drive_with(extra()), toc(2, start=2, msf=True)))
    assert {session for session, _ in later} == {2}


def test_pressed_discs_have_no_pma_and_no_atip() -> None:
    drive = drive_with(mixed())
    for kind in (3, 4, 6):
        assert sense_of(send(drive, toc(kind, msf=True))) == "05/24/00"


def test_cd_text_is_given_pack_by_pack() -> None:
    text = build([Text(0, PackType.TITLE, 1, "A song"), Text(0, PackType.TITLE, 0, "Songs")], 3)
    source = mixed()
    source._layout = dataclasses.replace(source.layout, cd_text=text)
    reply = data_of(drive_with(source), toc(5))
    assert reply[:4] == (len(text.packs) + 2).to_bytes(2, "big") + bytes(2)
    assert reply[4:] == text.packs
    assert sense_of(send(drive_with(mixed()), toc(5))) == "05/24/00"


def test_disc_information() -> None:
    reply = data_of(drive_with(extra()), [0x51, 0, 0, 0, 0, 0, 0, 0, 34, 0])
    assert reply[:9] == bytes((0, 32, 0x0E, 1, 2, 3, 3, 0x20, 0x20))
    assert reply[16:24] == b"\xff" * 8
    assert len(reply) == 34


def track_information(kind: int, number: int) -> list[int]:
    return [0x52, kind, *number.to_bytes(4, "big"), 0, 0, 36, 0]


def test_track_information_by_address_track_and_session() -> None:
    drive = drive_with(mixed())
    by_track = data_of(drive, track_information(1, 2))
    assert by_track[:8] == bytes((0, 34, 2, 1, 0, 0x00, 0x0F, 0))
    assert by_track[8:12] == (450).to_bytes(4, "big")
    assert by_track[24:28] == (150).to_bytes(4, "big")
    assert data_of(drive, track_information(0, 310)) == by_track  # in its pregap
    assert data_of(drive, track_information(2, 1))[2] == 1
    assert data_of(drive, track_information(1, 1))[5:7] == bytes((0x04, 0x01))
    for wrong in (track_information(1, 9), track_information(0, 9999), track_information(2, 2)):
        assert sense_of(send(drive, wrong)) == "05/24/00"


def test_capacity_is_the_last_address_before_the_lead_out() -> None:
    drive = drive_with(extra())
    last = 600 + 11400 + 200 - 1
    assert data_of(drive, [0x25] + [0] * 9) == last.to_bytes(4, "big") + (2048).to_bytes(4, "big")


def sub_channel(kind: int, track: int = 0, msf: bool = False) -> list[int]:
    return [0x42, 2 if msf else 0, 0x40, kind, 0, 0, track, 0, 24, 0]


def test_sub_channel_position_mcn_and_isrc() -> None:
    drive = drive_with(mixed())
    send(drive, [0xBE, 0, 0, 0, 0x01, 0xF9, 0, 0, 1, 0xF8, 0, 0])  # LBA 505: track 2, index 2
    position = data_of(drive, sub_channel(1))
    assert position[:8] == bytes((0, 0x15, 0, 12, 1, 0x10, 2, 2))
    assert position[8:16] == (505).to_bytes(4, "big") + (55).to_bytes(4, "big")
    assert data_of(drive, sub_channel(1, msf=True))[8:16] == bytes((0, 0, 8, 55, 0, 0, 0, 55))
    mcn = data_of(drive, sub_channel(2))
    assert mcn == bytes((0, 0x15, 0, 20, 2, 0, 0, 0, 0x80)) + b"4901234567894" + bytes(2)
    isrc = data_of(drive, sub_channel(3, track=2))
    assert isrc == bytes((0, 0x15, 0, 20, 3, 0x10, 2, 0, 0x80)) + b"USABC1234567" + bytes(3)
    assert data_of(drive, sub_channel(3, track=3))[8] == 0
    assert data_of(drive_with(extra()), sub_channel(2))[8] == 0
    assert sense_of(send(drive, sub_channel(3, track=9))) == "05/24/00"
    assert sense_of(send(drive, sub_channel(4))) == "05/24/00"
    assert data_of(drive, [0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0]) == bytes((0, 0x15, 0, 0))


def structure(kind: int, media: int = 0, layer: int = 0) -> list[int]:
    return [0xAD, media, 0, 0, 0, 0, layer, kind, 0x10, 0x04, 0, 0]


def test_physical_format_of_a_single_layer_dvd() -> None:
    reply = data_of(drive_with(memory_blocks(1000)), structure(0))
    assert reply[:4] == bytes((0x08, 0x02, 0, 0))
    assert len(reply) == 2052
    start, end = int.from_bytes(reply[9:12], "big"), int.from_bytes(reply[13:16], "big")
    assert reply[4 + 2] & 0x70 == 0
    assert (start, end - start + 1) == (0x30000, 1000)


def sparse(layout: Layout) -> MemorySource:
    return MemorySource(layout, {})


def two_layers(medium: Medium, total: int, layer_break: int) -> Layout:
    small = memory_blocks(1, medium=medium, layers=(layer_break,)).layout
    session = small.sessions[0]
    track = dataclasses.replace(session.tracks[0], end=total)
    return dataclasses.replace(
        small, sessions=(dataclasses.replace(session, tracks=(track,), lead_out=total),)
    )


def test_physical_format_of_two_layers_shows_the_break() -> None:
    total, layer0 = 4_000_000, 2_086_912
    drive = drive_with(sparse(two_layers(Medium.DVD, total, layer0)))
    body = data_of(drive, structure(0))[4:]
    assert body[2] & 0x70 == 0x30  # two layers, opposite track path
    start, end, end0 = (int.from_bytes(body[at : at + 3], "big") for at in (5, 9, 13))
    assert end0 - start + 1 == layer0
    assert layer0 + end - (end0 ^ 0xFFFFFF) + 1 == total


def test_disc_information_units_of_a_bd_show_its_layers() -> None:
    total, layer0 = 24_000_000, 12_219_392
    drive = drive_with(sparse(two_layers(Medium.BD, total, layer0)))
    reply = data_of(drive, structure(0, media=1))
    assert reply[:4] == bytes((0x10, 0x02, 0, 0))
    assert len(reply) == 4100
    units = [reply[at : at + 64] for at in (4, 68)]
    assert all(unit[:3] == b"DI\x01" and unit[8:11] == b"BDO" for unit in units)
    assert [unit[3] & 7 for unit in units] == [0, 1]
    assert [unit[12] >> 4 for unit in units] == [2, 2]
    fields = [[int.from_bytes(u[at : at + 4], "big") for at in (20, 24, 28)] for u in units]
    last_psn, first_aun, _ = fields[1]
    _, first_aun0, last_aun0 = fields[0]
    assert last_aun0 - first_aun0 + 2 == layer0
    assert last_psn - first_aun + 1 == total - layer0
    assert reply[132:134] == bytes(2)


def test_structures_that_do_not_fit_the_medium_are_refused() -> None:
    dvd = drive_with(memory_blocks(10))
    assert sense_of(send(dvd, structure(0, media=1))) == "05/24/00"
    assert sense_of(send(dvd, structure(0, layer=1))) == "05/24/00"
    assert sense_of(send(dvd, structure(2))) == "05/24/00"
    assert data_of(dvd, structure(1))[4:] == bytes(4)
    assert data_of(dvd, structure(0xFF))[4::4] == bytes((0x00, 0x01, 0x04))
    assert sense_of(send(drive_with(mixed()), structure(0))) == "05/30/02"


def test_a_dvd_has_one_track() -> None:
    drive = drive_with(memory_blocks(1000))
    reply = data_of(drive, toc(0))
    assert reply[4:12] == bytes((0, 0x14, 1, 0, 0, 0, 0, 0))
    assert reply[12:20] == bytes((0, 0x14, 0xAA, 0, 0, 0, 0x03, 0xE8))
    assert sense_of(send(drive, toc(2))) == "05/24/00"
    assert sense_of(send(drive, sub_channel(2))) == "05/64/00"
    track = data_of(drive, track_information(1, 1))
    assert track[7] == 0x02
    assert track[28:32] == (999).to_bytes(4, "big")
    assert sense_of(tell(drive, [0] * 6)) == "ok"
