# SPDX-License-Identifier: Apache-2.0
"""READ, READ CD and READ CD-DA of the virtual drive against the bytes of the disc."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.devices.virtual.disc import Kind
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.selection import selected
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import DiscType, Medium, SectorFormat, TrackMode
from imagerd.disc.source import Bytes2D
from tests.sources import MemorySource, TrackPlan, audio, data, memory_blocks, memory_disc
from tests.virtual_commands import (
    MUCH,
    RAW,
    USER,
    data_of,
    drive_with,
    read_10,
    read_12,
    read_cd,
    send,
    sense_of,
)


def mixed() -> MemorySource:
    """Mode 1 at 0–99, audio at 100–199, form 1 and 2 from 11600 in a second session."""
    return memory_disc(
        [data(100), audio(100, pregap=20), data(80, TrackMode.MODE2, session=2, form2=3)],
        disc_type=DiscType.XA,
    )


def rows(reply: bytes, size: int = 2352) -> Bytes2D:
    return np.frombuffer(reply, np.uint8).reshape(-1, size)


def test_raw_sectors_are_those_of_the_disc() -> None:
    source = mixed()
    drive = drive_with(source)
    for first, track, count in ((0, 1, 100), (100, 2, 100), (11600, 3, 80)):
        read = rows(data_of(drive, read_cd(first, count), MUCH))
        assert np.array_equal(read, source.raw[track])
    assert data_of(drive, read_cd(5, 3), MUCH) == source.raw[1][5:8].tobytes()


def test_short_stored_sectors_come_raw() -> None:
    plans = [data(40), data(30, TrackMode.MODE2, form2=2)]
    raw = memory_disc(plans)
    forms = (SectorFormat.USER, SectorFormat.MODE2)
    short = memory_disc(
        [
            TrackPlan(plan.mode, plan.sectors, form2=plan.form2, stored=form)
            for plan, form in zip(plans, forms, strict=True)
        ]
    )
    drive = drive_with(short)
    for first, track, count in ((0, 1, 40), (40, 2, 30)):
        assert data_of(drive, read_cd(first, count), MUCH) == raw.raw[track].tobytes()


def test_blocks_of_user_data_in_all_three_sizes() -> None:
    source = mixed()
    drive = drive_with(source)
    expected = source.raw[1][10:15, 16:2064].tobytes()
    assert data_of(drive, read_10(10, 5), MUCH) == expected
    assert data_of(drive, read_12(10, 5), MUCH) == expected
    assert data_of(drive, [0x08, 0, 0, 10, 5, 0], MUCH) == expected
    form1 = source.raw[3][3:8, 24:2072].tobytes()
    assert data_of(drive, read_10(11603, 5), MUCH) == form1
    dvd = memory_blocks(64, medium=Medium.DVD)
    assert data_of(drive_with(dvd), read_12(3, 61), MUCH) == dvd.raw[1][3:].tobytes()


def test_a_length_of_zero_reads_nothing_but_in_read_6() -> None:
    drive = drive_with(memory_blocks(300))
    assert data_of(drive, read_10(0, 0)) == b""
    assert data_of(drive, read_12(0, 0)) == b""
    assert data_of(drive_with(mixed()), read_cd(0, 0)) == b""
    assert len(data_of(drive, [0x08, 0, 0, 0, 0, 0], MUCH)) == 256 * 2048


def test_blocks_that_have_no_2048_bytes_are_refused() -> None:
    drive = drive_with(mixed())
    for lba in (100, 150, 11600):  # audio, audio, form 2
        reply = send(drive, read_10(lba, 1))
        assert sense_of(reply) == "05/64/00"
        assert len(reply.data) == 0
    crossing = send(drive, read_10(98, 4))
    assert sense_of(crossing) == "05/64/00"
    assert crossing.sense is not None
    assert crossing.sense.information == 100
    assert len(crossing.data) == 2 * 2048


def test_addresses_beyond_the_disc_and_between_sessions() -> None:
    drive = drive_with(mixed())
    for cdb in (read_10(11680, 1), read_10(11679, 2), read_cd(11680, 1), read_cd(-151, 1)):
        assert sense_of(send(drive, cdb)) == "05/21/00"
    for cdb in (read_10(200, 1), read_cd(5000, 2), read_cd(11599, 1)):
        assert sense_of(send(drive, cdb)) == "05/63/00"
    into_gap = send(drive, read_cd(198, 4), MUCH)
    assert sense_of(into_gap) == "05/63/00"
    assert len(into_gap.data) == 2 * 2352


def test_the_first_pregap_can_be_read_as_far_as_the_profile_says() -> None:
    drive = drive_with(mixed(), overread_before=75)
    pregap = rows(data_of(drive, read_cd(-75, 75), MUCH))
    assert pregap[0, 12:16].tobytes() == bytes((0x00, 0x01, 0x00, 0x01))  # MSF 00:01:00, mode 1
    assert sense_of(send(drive, read_cd(-76, 1))) == "05/21/00"
    songs = drive_with(memory_disc([audio(50)]), overread_after=2)
    assert data_of(songs, read_cd(-150, 2), MUCH) == bytes(2 * 2352)
    assert data_of(songs, read_cd(50, 2), MUCH) == bytes(2 * 2352)
    assert sense_of(send(songs, read_cd(52, 1))) == "05/21/00"


def test_expected_sector_types() -> None:
    drive = drive_with(mixed())
    homes = {Kind.CDDA: 130, Kind.MODE1: 20, Kind.FORM1: 11603, Kind.FORM2: 11600}
    for wanted in range(1, 6):
        for kind, lba in homes.items():
            expected = "ok" if wanted == kind else "05/64/00"
            assert sense_of(send(drive, read_cd(lba, 1, kind=wanted))) == expected
    partly = send(drive, read_cd(11600, 8, kind=Kind.FORM2), MUCH)
    assert sense_of(partly) == "05/64/00"
    assert len(partly.data) == 3 * 2352
    assert sense_of(send(drive, read_cd(0, 1, kind=6))) == "05/24/00"


def test_a_command_for_any_type_ends_where_data_meets_audio() -> None:
    drive = drive_with(mixed())
    reply = send(drive, read_cd(90, 20), MUCH)
    assert sense_of(reply) == "05/64/00"
    assert reply.sense is not None
    assert reply.sense.information == 100
    assert len(reply.data) == 10 * 2352


# Bytes of a record by byte 9 (MMC-6, tables 350 and 351): mode 1, formless, form 1, form 2.
# None: illegal.
SELECTIONS = {
    0x00: (0, 0, 0, 0),
    0x10: (2048, 2336, 2048, 2328),
    0x18: (2336, 2336, 2328, 2328),
    0x20: (4, 4, 4, 4),
    0x28: (None, None, None, None),
    0x30: (2052, 2340, None, None),
    0x38: (2340, 2340, None, None),
    0x40: (0, 0, 8, 8),
    0x48: (None, None, None, None),
    0x50: (2048, 2336, 2056, 2336),
    0x58: (2336, 2336, 2336, 2336),
    0x60: (4, 4, 12, 12),
    0x68: (None, None, None, None),
    0x70: (2052, 2340, 2060, 2340),
    0x78: (2340, 2340, 2340, 2340),
    0x80: (12, 12, 12, 12),
    0x88: (None, None, None, None),
    0x90: (None, None, None, None),
    0x98: (None, None, None, None),
    0xA0: (16, 16, 16, 16),
    0xA8: (None, None, None, None),
    0xB0: (2064, 2352, None, None),
    0xB8: (2352, 2352, None, None),
    0xC0: (None, None, None, None),
    0xC8: (None, None, None, None),
    0xD0: (None, None, None, None),
    0xD8: (None, None, None, None),
    0xE0: (16, 16, 24, 24),
    0xE8: (None, None, None, None),
    0xF0: (2064, 2352, 2072, 2352),
    0xF8: (2352, 2352, 2352, 2352),
}


@pytest.mark.parametrize("parts", SELECTIONS)
def test_every_selection_of_fields_has_the_size_of_the_standard(parts: int) -> None:
    kinds = (Kind.MODE1, Kind.FORMLESS, Kind.FORM1, Kind.FORM2)
    for kind, size in zip(kinds, SELECTIONS[parts], strict=True):
        part = selected(kind, parts)
        assert (None if part is None else part.stop - part.start) == size
    of_audio = selected(Kind.CDDA, parts)
    assert of_audio == (slice(0, 2352) if parts else slice(0, 0))


@pytest.mark.parametrize("parts", SELECTIONS)
def test_selected_fields_are_the_right_bytes_of_the_sector(parts: int) -> None:
    source = mixed()
    drive = drive_with(source)
    homes = ((20, 1, 20, 0), (11603, 3, 3, 2), (11600, 3, 0, 3))
    for lba, track, row, column in homes:
        size = SELECTIONS[parts][column]
        reply = send(drive, read_cd(lba, 1, parts), MUCH)
        if size is None:
            assert sense_of(reply) == "05/24/00"
            continue
        sector = source.raw[track][row].tobytes()
        assert len(reply.data) == size
        assert bytes(reply.data) in sector


def test_records_of_mixed_forms_have_sizes_of_their_own() -> None:
    source = mixed()
    read = data_of(drive_with(source), read_cd(11600, 8, USER, sub=2), MUCH)
    assert len(read) == 3 * (2328 + 16) + 5 * (2048 + 16)
    assert read[:2328] == source.raw[3][0, 24:].tobytes()


def test_formless_mode_2_is_told_from_xa_by_its_subheader() -> None:
    source = memory_disc([data(20, TrackMode.MODE2)])
    source.raw[1][:, 16:20] = 7
    drive = drive_with(source)
    assert len(data_of(drive, read_cd(0, 2, USER), MUCH)) == 2 * 2336
    assert sense_of(send(drive, read_cd(0, 1, kind=Kind.FORMLESS))) == "ok"


def test_read_cd_msf() -> None:
    source = mixed()
    drive = drive_with(source)
    reply = data_of(drive, [0xB9, 0, 0, 0, 2, 10, 0, 2, 13, RAW, 0, 0], MUCH)
    assert reply == source.raw[1][10:13].tobytes()
    assert sense_of(send(drive, [0xB9, 0, 0, 0, 2, 13, 0, 2, 10, RAW, 0, 0])) == "05/24/00"
    assert sense_of(send(drive, [0xB9, 0, 0, 0, 60, 0, 0, 2, 10, RAW, 0, 0])) == "05/24/00"


# -- C2 and subchannel ------------------------------------------------------------------------


def test_c2_comes_before_the_subchannel_and_is_zero_on_good_sectors() -> None:
    source = mixed()
    read = rows(data_of(drive_with(source), read_cd(120, 10, RAW | 2, sub=1), MUCH), 2742)
    assert np.array_equal(read[:, :2352], source.raw[2][20:30])
    assert not read[:, 2352:2646].any()
    assert read[:, 2646:].any()
    swapped = drive_with(source, sub_before_c2=True)
    other = rows(data_of(swapped, read_cd(120, 10, RAW | 2, sub=1), MUCH), 2742)
    assert np.array_equal(other[:, 2352:2448], read[:, 2646:])
    assert not other[:, 2448:].any()


@pytest.mark.parametrize(
    ("sizes", "field", "record"),
    [((294,), 2, 2646), ((294,), 4, None), ((296,), 4, 2648), ((296,), 2, None), ((), 2, None)],
)
def test_c2_fields_by_profile(sizes: tuple[int, ...], field: int, record: int | None) -> None:
    drive = drive_with(mixed(), c2_sizes=sizes)
    reply = send(drive, read_cd(0, 1, RAW | field))
    if record is None:
        assert sense_of(reply) == "05/24/00"
    else:
        assert len(reply.data) == record
    assert sense_of(send(drive, read_cd(0, 1, RAW | 6))) == "05/24/00"


def q_bits(sub: Bytes2D) -> Bytes2D:
    """Q out of raw P–W, bit by bit."""
    bits = sub >> 6 & 1
    values = bits.reshape(-1, 12, 8) @ (1 << np.arange(7, -1, -1))
    return values.astype(np.uint8)


def test_q_tells_track_index_and_both_times() -> None:
    drive = drive_with(memory_disc([audio(100), audio(200, pregap=50)]))
    raw = rows(data_of(drive, read_cd(80, 120, RAW, sub=1), MUCH), 2448)[:, 2352:]
    q = q_bits(raw)
    # LBA 80, track 1: 00:01:05 in it, 00:03:05 absolute
    assert q[0, :10].tobytes() == bytes.fromhex("01 01 01 00 01 05 00 00 03 05".replace(" ", ""))
    # LBA 110, in the pregap of track 2: INDEX 00, counting down 39 frames to INDEX 01
    assert q[30, :3].tobytes() == bytes((0x01, 0x02, 0x00))
    assert q[30, 7:10].tobytes() == bytes((0x00, 0x03, 0x35))
    assert q[30, 3:6].tobytes() == bytes((0, 0, 0x39))
    assert raw[30, 0] & 0x80  # P is set in a pause
    assert q[70, :6].tobytes() == bytes((0x01, 0x02, 0x01, 0, 0, 0))  # LBA 150 is INDEX 01


def test_formatted_q_is_16_bytes_bcd_or_binary() -> None:
    source = memory_disc([audio(400)])
    plain = rows(data_of(drive_with(source), read_cd(310, 1, RAW, sub=2)), 2368)[0, 2352:]
    assert plain[:10].tobytes() == bytes((0x01, 0x01, 0x01, 0, 0x04, 0x10, 0, 0, 0x06, 0x10))
    assert plain[10:12].any()
    odd = drive_with(source, q_binary=True, q_crc=False, sub_modes=(2,))
    binary = rows(data_of(odd, read_cd(310, 1, RAW, sub=2)), 2368)[0, 2352:]
    assert binary[:12].tobytes() == bytes((0x01, 1, 1, 0, 4, 10, 0, 0, 6, 10, 0, 0))
    assert sense_of(send(odd, read_cd(310, 1, RAW, sub=1))) == "05/24/00"


def test_the_subchannel_may_lag() -> None:
    source = memory_disc([audio(100)])
    straight = data_of(drive_with(source), read_cd(20, 5, 0, sub=1))
    late = data_of(drive_with(source, sub_shift=2), read_cd(22, 5, 0, sub=1))
    assert late == straight


def test_a_stored_subchannel_is_given_as_it_is() -> None:
    rng = np.random.default_rng(5)
    plain = memory_disc([audio(60)])
    stored = rng.integers(0, 256, (60, 96), np.uint8)
    source = memory_disc([audio(60)])
    track = source.layout.tracks[0]
    assert track.stored is SectorFormat.RAW
    with_sub = memory_disc_with_sub(source, stored)
    drive = drive_with(with_sub)
    read = rows(data_of(drive, read_cd(10, 20, RAW, sub=1), MUCH), 2448)
    assert np.array_equal(read[:, :2352], plain.raw[1][10:30])
    assert np.array_equal(read[:, 2352:], stored[10:30])
    r_to_w = rows(data_of(drive, read_cd(10, 20, 0, sub=4), MUCH), 96)
    assert np.array_equal(r_to_w, stored[10:30] & 0x3F)


def memory_disc_with_sub(source: MemorySource, sub: Bytes2D) -> MemorySource:
    plan = TrackPlan(TrackMode.AUDIO, len(sub))
    layout = memory_disc([plan]).layout
    session = layout.sessions[0]
    track = replace(session.tracks[0], stored=SectorFormat.RAW_SUB)
    layout = replace(layout, sessions=(replace(session, tracks=(track,)),))
    return MemorySource(layout, {1: np.concatenate((source.raw[1], sub), axis=1)})


# -- read offset ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    offset=st.one_of(st.integers(-1300, 1300), st.sampled_from((588, -588, 1176, 0))),
    first=st.integers(0, 60),
    count=st.integers(1, 20),
)
def test_audio_comes_shifted_by_the_read_offset(offset: int, first: int, count: int) -> None:
    source = memory_disc([audio(90)])
    drive = drive_with(source, read_offset=offset)
    read = np.frombuffer(data_of(drive, read_cd(first, count), MUCH), np.uint32)
    disc = np.zeros(588 * (90 + 20), np.uint32)
    disc[588 * 10 : 588 * 100] = source.raw[1].reshape(-1).view(np.uint32)
    # Sample i of the disc is delivered at i + offset.
    start = 588 * (10 + first) - offset
    assert np.array_equal(read, disc[start : start + 588 * count])


def test_data_sectors_are_not_shifted() -> None:
    source = mixed()
    drive = drive_with(source, read_offset=667)
    assert data_of(drive, read_cd(0, 100), MUCH) == source.raw[1].tobytes()


def test_a_missing_sector_spoils_all_audio_it_contributes_to() -> None:
    source = memory_disc([audio(60)], bad=frozenset((20,)))
    late = drive_with(source, read_offset=30)
    bad = [lba for lba in range(60) if sense_of(send(late, read_cd(lba, 1))) != "ok"]
    assert bad == [20, 21]
    early = drive_with(source, read_offset=-30)
    assert [x for x in range(60) if sense_of(send(early, read_cd(x, 1))) != "ok"] == [19, 20]


# -- audio commands on data -------------------------------------------------------------------


def scrambled(sector: bytes) -> bytes:
    """ECMA-130, annex B, bit by bit."""
    register, out = 1, bytearray(sector[:12])
    for byte in sector[12:]:
        mask = 0
        for bit in range(8):
            mask |= (register & 1) << bit
            register = register >> 1 | ((register ^ register >> 1) & 1) << 14
        out.append(byte ^ mask)
    return bytes(out)


def d8(lba: int, count: int, form: int) -> list[int]:
    place = list(lba.to_bytes(4, "big", signed=True))
    return [0xD8, 0, *place, *count.to_bytes(4, "big"), form, 0]


def test_read_cd_da_delivers_data_scrambled() -> None:
    source = mixed()
    drive = drive_with(source, d8=True)
    assert data_of(drive, d8(50, 1, 0)) == scrambled(source.raw[1][50].tobytes())
    both = data_of(drive, d8(99, 2, 0))
    assert both == scrambled(source.raw[1][99].tobytes()) + source.raw[2][0].tobytes()
    sizes = {0: 2352, 1: 2368, 2: 2448, 3: 96, 8: 2742}
    for form, size in sizes.items():
        assert len(data_of(drive, d8(120, 2, form))) == 2 * size
    assert data_of(drive, d8(120, 2, 3)) == data_of(drive, read_cd(120, 2, 0, sub=1))
    assert sense_of(send(drive, d8(0, 1, 5))) == "05/24/00"


@pytest.mark.parametrize("way", ["refuse", "scrambled", "plain"])
def test_data_read_as_audio_by_profile(way: str) -> None:
    source = mixed()
    drive: VirtualDrive = drive_with(source, audio_on_data=way)
    reply = send(drive, read_cd(30, 1, USER, kind=Kind.CDDA))
    sector = source.raw[1][30].tobytes()
    if way == "refuse":
        assert sense_of(reply) == "05/64/00"
    else:
        assert bytes(reply.data) == (scrambled(sector) if way == "scrambled" else sector)


def test_raw_commands_are_refused_on_a_dvd() -> None:
    drive = drive_with(memory_blocks(10), d8=True)
    assert sense_of(send(drive, read_cd(0, 1))) == "05/30/02"
    assert sense_of(send(drive, d8(0, 1, 0))) == "05/30/02"


def test_a_medium_that_the_drive_cannot_read_makes_it_not_ready() -> None:
    drive = VirtualDrive(DriveProfile(media=("cd",)))
    drive.insert(memory_blocks(10))
    assert [sense_of(send(drive, [0] * 6)) for _ in range(2)] == ["06/28/00", "02/30/00"]


def test_a_short_host_buffer_cuts_the_transfer() -> None:
    drive = drive_with(mixed())
    assert len(send(drive, read_cd(0, 10), 5000).data) == 5000
