# SPDX-License-Identifier: Apache-2.0
"""MMC commands: CDBs against a decoder written apart from them, replies against known bytes."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.devices import mmc, mmc_config, mmc_info, mmc_modes, mmc_read, mmc_structure, mmc_toc
from imagerd.devices.scsi import Direction, Sense
from imagerd.disc import cdtext
from imagerd.disc.layout import Medium
from imagerd.disc.msf import Msf

LBAS = st.integers(-45150, 2**31 - 1)


def decode(cdb: bytes) -> Mapping[str, int]:
    """Fields of a CDB as the tables of MMC-6 have them, by struct and not by slices."""
    opcode = cdb[0]
    if opcode == 0xBE:
        _, kind, lba, high, low, main, sub, _ = struct.unpack(">BBiBHBBB", cdb)
        return {"type": kind >> 2 & 7, "lba": lba, "count": high << 16 | low, "main": main & 0xF8,
                "error": main >> 1 & 3, "sub": sub & 7}  # fmt: skip
    if opcode == 0xB9:
        _, kind, _, *msf, main, sub, _ = struct.unpack(">BBB6BBBB", cdb)
        return {"type": kind >> 2 & 7, "main": main & 0xF8, "error": main >> 1 & 3, "sub": sub & 7,
                "start": (msf[0] * 60 + msf[1]) * 75 + msf[2],
                "end": (msf[3] * 60 + msf[4]) * 75 + msf[5]}  # fmt: skip
    if opcode == 0xD8:
        _, _, lba, count, sub, _ = struct.unpack(">BBiIBB", cdb)
        return {"lba": lba, "count": count, "sub": sub}
    if opcode == 0xA8:
        _, flags, lba, count, _, _ = struct.unpack(">BBiIBB", cdb)
        return {"lba": lba, "count": count, "fua": flags >> 3 & 1}
    if opcode == 0x28:
        _, flags, lba, _, count, _ = struct.unpack(">BBiBHB", cdb)
        return {"lba": lba, "count": count, "fua": flags >> 3 & 1}
    if opcode == 0x43:
        _, msf, form, _, _, _, track, length, _ = struct.unpack(">BBBBBBBHB", cdb)
        return {"msf": msf >> 1 & 1, "format": form & 15, "track": track, "length": length}
    if opcode == 0xAD:
        _, media, address, layer, form, length, agid, _ = struct.unpack(">BBIBBHBB", cdb)
        return {"media": media & 15, "address": address, "layer": layer, "format": form,
                "length": length, "agid": agid >> 6}  # fmt: skip
    if opcode == 0x46:
        _, scope, start, _, _, _, length, _ = struct.unpack(">BBHBBBHB", cdb)
        return {"scope": scope & 3, "start": start, "length": length}
    if opcode == 0x52:
        _, by, number, _, length, _ = struct.unpack(">BBIBHB", cdb)
        return {"by": by & 3, "number": number, "length": length}
    if opcode == 0xBB:
        _, rotation, read, write, *_ = struct.unpack(">BBHH6B", cdb)
        return {"rotation": rotation & 3, "read": read, "write": write}
    raise AssertionError(f"no decoder for {opcode:#04x}")


@given(
    LBAS,
    st.integers(0, 0xFFFFFF),
    st.sampled_from(mmc_read.Part),
    st.sampled_from(mmc_read.ErrorField),
    st.sampled_from(mmc_read.SubSelect),
    st.sampled_from(mmc_read.SectorType),
)
def test_read_cd_says_what_it_was_given(
    lba: int,
    count: int,
    part: mmc_read.Part,
    error: mmc_read.ErrorField,
    sub: mmc_read.SubSelect,
    kind: mmc_read.SectorType,
) -> None:
    request = mmc_read.ReadCd(lba, count, part, error, sub, kind)
    command = request.command()
    assert len(command.cdb) == 12
    assert decode(command.cdb) == {
        "type": kind, "lba": lba, "count": count, "main": part, "error": error >> 1, "sub": sub,
    }  # fmt: skip
    sizes = {0: 0, 2: 294, 4: 296}[error] + {0: 0, 1: 96, 2: 16}[sub]
    assert command.length == count * (sizes + (2352 if part == 0xF8 else 2048))
    assert command.direction is Direction.IN


@given(st.integers(0, 449_000), st.integers(0, 900), st.sampled_from(mmc_read.ErrorField))
def test_read_cd_msf_says_what_it_was_given(
    start: int, count: int, error: mmc_read.ErrorField
) -> None:
    first, last = Msf.from_frames(start), Msf.from_frames(start + count)
    command = mmc_read.ReadCdMsf(first, last, error=error).command()
    fields = decode(command.cdb)
    assert (fields["start"], fields["end"], fields["error"]) == (start, start + count, error >> 1)
    assert command.length == count * (2352 + error.size)


def test_read_cd_msf_refuses_to_run_backward() -> None:
    with pytest.raises(ValueError, match="backward"):
        mmc_read.ReadCdMsf(Msf(0, 2, 1), Msf(0, 2, 0)).command()


@given(LBAS, st.integers(0, 0xFFFF), st.booleans(), st.sampled_from(mmc_read.CddaSub))
def test_the_other_reads_say_what_they_were_given(
    lba: int, count: int, fua: bool, sub: mmc_read.CddaSub
) -> None:
    assert decode(mmc_read.Read10(lba, count, fua).command().cdb) == {
        "lba": lba, "count": count, "fua": fua,
    }  # fmt: skip
    assert decode(mmc_read.Read12(lba, count, fua).command().cdb) == {
        "lba": lba, "count": count, "fua": fua,
    }  # fmt: skip
    command = mmc_read.ReadCdda(lba, count, sub).command()
    assert decode(command.cdb) == {"lba": lba, "count": count, "sub": sub}
    assert command.length == count * {0: 2352, 1: 2368, 2: 2448, 3: 96, 8: 2742}[sub]


def test_dropping_the_cache_moves_no_data() -> None:
    command = mmc_read.Read12(1234, 0, fua=True).command()
    assert command.direction is Direction.NONE
    assert command.length == 0


@given(st.integers(0, 255), st.sampled_from((0, 1)), st.integers(0, 3), st.integers(8, 0xFFFF))
def test_read_disc_structure_says_what_it_was_given(
    form: int, media: int, layer: int, length: int
) -> None:
    command = mmc_structure.ReadDiscStructure(form, media, layer, length).command()
    assert decode(command.cdb) == {
        "media": media, "address": 0, "layer": layer, "format": form, "length": length, "agid": 0,
    }  # fmt: skip


@given(st.integers(0, 3), st.integers(0, 0xFFFF), st.integers(8, 0xFFFF))
def test_get_configuration_says_what_it_was_given(scope: int, start: int, length: int) -> None:
    command = mmc_config.GetConfiguration(scope, start, length).command()
    assert decode(command.cdb) == {"scope": scope, "start": start, "length": length}


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 2))
def test_read_track_information_says_what_it_was_given(number: int, by: int) -> None:
    fields = decode(mmc_info.ReadTrackInformation(number, by).command().cdb)
    assert (fields["number"], fields["by"]) == (number, by)


@given(st.integers(0, 100_000), st.booleans())
def test_set_cd_speed_says_what_it_was_given(speed: int, cav: bool) -> None:
    fields = decode(mmc_modes.SetCdSpeed(speed, cav).command().cdb)
    assert fields == {"rotation": cav, "read": min(speed, 0xFFFF), "write": 0xFFFF}


def test_toc_formats_ask_in_full_at_once() -> None:
    requests: dict[int, mmc.MmcCommand[object]] = {
        0: mmc_toc.ReadToc(), 1: mmc_toc.ReadSessionInfo(), 2: mmc_toc.ReadFullToc(),
        4: mmc_toc.ReadAtip(), 5: mmc_toc.ReadCdText(),
    }  # fmt: skip
    for form, request in requests.items():
        command = request.command()
        fields = decode(command.cdb)
        assert fields["format"] == form
        assert fields["length"] == command.length
        assert fields["msf"] == (form in (2, 4))
    assert requests[0].command().length >= 4 + 100 * 8
    assert requests[5].command().length >= 4 + 8 * 256 * 18


@pytest.mark.parametrize(
    ("request_", "cdb"),
    [
        (mmc.TestUnitReady(), "000000000000"),
        (mmc.RequestSense(), "030000001200"),
        (mmc.Inquiry(), "120000002400"),
        (mmc.InquirySerial(), "12018000ff00"),
        (mmc.StartStop(start=True, load_eject=True), "1b0000000300"),
        (mmc.StartStop(start=False, load_eject=True, immediate=True), "1b0100000200"),
        (mmc.PreventAllow(True), "1e0000000100"),
        (mmc.ReadCapacity(), "25000000000000000000"),
        (mmc_config.GetMediaEvent(), "4a010000100000000800"),
        (mmc_config.MechanismStatus(), "bd0000000000000000080000"),
        (mmc_modes.SenseCapabilities(), "5a002a00000000005000"),
        (mmc_modes.SenseErrorRecovery(), "5a000100000000002000"),
        (mmc_info.ReadDiscInformation(), "51000000000000002200"),
        (mmc_info.ReadPosition(), "42004001000000001800"),
        (mmc_info.ReadMcn(), "42004002000000001800"),
        (mmc_info.ReadIsrc(7), "42004003000007001800"),
    ],
)
def test_commands_without_arguments_are_these_bytes(
    request_: mmc.MmcCommand[object], cdb: str
) -> None:
    assert request_.command().cdb.hex() == cdb


def test_inquiry_gives_who_it_is() -> None:
    raw = bytes((0x05, 0x80, 0, 0x32, 0x1F, 0, 0, 0)) + b"HL-DT-STBD-RE  WH16NS40 1.05"
    found = mmc.Inquiry().parse(raw)
    assert found == mmc.InquiryData(5, True, "HL-DT-ST", "BD-RE  WH16NS40", "1.05")


def test_inquiry_makes_other_bytes_visible() -> None:
    raw = bytes((5, 0x80, 0, 0, 31, 0, 0, 0)) + b"A\xff\x00\x00    " + b"B" * 16 + b"1\x012 "
    found = mmc.Inquiry().parse(raw)
    assert (found.vendor, found.revision) == ("A?", "1?2")


def test_a_serial_number_is_believed_only_from_its_page() -> None:
    assert mmc.InquirySerial().parse(b"\x05\x80\x00\x04K1B2") == "K1B2"
    assert mmc.InquirySerial().parse(b"\x05\x80\x00\x05 K1 \0xxxx") == "K1"
    assert mmc.InquirySerial().parse(b"\x05\x00\x00\x04K1B2") == ""


def test_capacity_counts_sectors() -> None:
    assert mmc.ReadCapacity().parse(bytes.fromhex("0004f0a900000800")) == mmc.Capacity(
        0x4F0AA, 2048
    )


@pytest.mark.parametrize(
    "request_",
    [
        mmc.Inquiry(), mmc.InquirySerial(), mmc.ReadCapacity(), mmc_config.GetConfiguration(),
        mmc_config.GetMediaEvent(), mmc_config.MechanismStatus(), mmc_modes.SenseCapabilities(),
        mmc_modes.SenseErrorRecovery(), mmc_toc.ReadToc(), mmc_toc.ReadSessionInfo(),
        mmc_toc.ReadFullToc(), mmc_toc.ReadAtip(), mmc_toc.ReadCdText(), mmc_info.ReadMcn(),
        mmc_info.ReadDiscInformation(), mmc_info.ReadTrackInformation(1), mmc_info.ReadPosition(),
        mmc_info.ReadIsrc(1), mmc_structure.ReadDiscStructure(0), mmc_structure.ReadCopyright(),
        mmc_structure.ReadPhysicalFormat(),
    ],
    ids=lambda request_: type(request_).__name__,
)  # fmt: skip
class TestAnyReply:
    def test_an_empty_reply_is_a_short_one(self, request_: mmc.MmcCommand[object]) -> None:
        with pytest.raises(mmc.ShortReply):
            request_.parse(b"")

    @given(data=st.binary(max_size=120))
    def test_any_bytes_are_parsed_or_are_a_short_reply(
        self, request_: mmc.MmcCommand[object], data: bytes
    ) -> None:
        with contextlib.suppress(mmc.ShortReply):
            request_.parse(data)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_disc_information_of_a_bd_or_none(data: bytes) -> None:
    mmc_structure.ReadBdInformation().parse(data)


def test_configuration_gives_profile_and_features() -> None:
    cd_read = bytes.fromhex("001e0904") + b"\x03\0\0\0"
    serial = bytes.fromhex("01080308") + b"1234 AB "
    streaming = bytes.fromhex("01071504") + bytes(4)
    cut_off = bytes.fromhex("010c0310") + b"2012"
    body = cd_read + serial + streaming + cut_off
    raw = (len(body) + 4).to_bytes(4, "big") + b"\0\0\0\x08" + body
    found = mmc_config.GetConfiguration().parse(raw)
    assert found.profile == mmc_config.Profile.CD_ROM
    assert found.claims_c2 is True
    assert found.claims_cd_text is True
    assert found.serial == "1234 AB"
    assert found.streams
    assert set(found.features) == {0x1E, 0x108, 0x107}
    assert found.features[0x1E].current
    assert found.features[0x1E].version == 2
    bare = mmc_config.GetConfiguration().parse(bytes.fromhex("0000000400000010"))
    assert (bare.profile, bare.claims_c2, bare.serial, bare.streams) == (0x10, None, "", False)


@pytest.mark.parametrize(
    ("profile", "medium"),
    [(0, None), (2, None), (8, Medium.CD), (0xA, Medium.CD), (0x10, Medium.DVD), (0x1B, Medium.DVD),
     (0x20, None), (0x2B, Medium.DVD), (0x40, Medium.BD), (0x43, Medium.BD), (0x50, Medium.HDDVD),
     (0x5A, Medium.HDDVD), (0xFFFF, None)],
)  # fmt: skip
def test_profiles_belong_to_families(profile: int, medium: Medium | None) -> None:
    assert mmc_config.medium_of(profile) is medium


def test_media_events() -> None:
    parse = mmc_config.GetMediaEvent().parse
    assert parse(bytes.fromhex("0006045e02020000")) == mmc_config.MediaEvent(2, False, True)
    assert parse(bytes.fromhex("0006045e01010000")) == mmc_config.MediaEvent(1, True, False)
    assert parse(bytes.fromhex("00028000")) is None
    assert parse(bytes.fromhex("0006060000000000")) is None


def test_capabilities_page() -> None:
    page = bytearray(bytes((0x2A, 0x18)) + bytes(24))
    page[2], page[5], page[6] = 0x0B, 0x1F, 0x29
    page[8:10], page[12:14], page[14:16] = b"\x21\x13", b"\x02\x00", b"\x0b\x06"
    for descriptors in (0, 8):
        header = bytes(6) + descriptors.to_bytes(2, "big") + bytes(descriptors)
        found = mmc_modes.SenseCapabilities().parse(header + bytes(page))
        assert found.c2
        assert found.accurate_stream
        assert not found.isrc
        assert found.can_lock
        assert not found.locked
        assert found.can_eject
        assert (found.loader, found.buffer_kb) == (1, 512)
        assert (found.max_read_speed, found.read_speed) == (8467, 2822)


def test_the_wrong_mode_page_is_not_taken_for_the_right_one() -> None:
    with pytest.raises(mmc.ShortReply):
        mmc_modes.SenseCapabilities().parse(bytes(8) + bytes((0x01, 10)) + bytes(10))


def test_error_recovery_is_given_back_as_it_was() -> None:
    page = bytes((0x81, 0x0A, 0x20, 0x08)) + bytes(8)
    found = mmc_modes.SenseErrorRecovery().parse(bytes(8) + page)
    assert (found.flags, found.retries) == (0x20, 8)
    command = mmc_modes.SelectErrorRecovery(found.page).command()
    assert command.direction is Direction.OUT
    assert command.cdb == bytes.fromhex("55100000000000001400")
    assert command.data == bytes(8) + b"\x01" + page[1:]


def test_set_streaming_has_a_descriptor() -> None:
    command = mmc_modes.SetStreaming(5540, 2295103).command()
    start, end, size, time = struct.unpack(">4x4I", command.data[:20])
    assert (start, end, size, time) == (0, 2295103, 5540, 1000)
    assert int.from_bytes(command.cdb[9:11], "big") == len(command.data) == 28
    assert mmc_modes.SetStreaming(None).command().data[0] == 0x04


def test_the_full_toc_of_a_cd_extra() -> None:
    rows = [
        "01 14 00 a0 00 00 00 00 01 00 00", "01 10 00 a1 00 00 00 00 01 00 00",
        "01 10 00 a2 00 00 00 00 10 00 00", "01 10 00 01 00 00 00 00 00 02 00",
        "01 50 00 b0 12 20 00 02 4f 3b 49", "02 14 00 a0 00 00 00 00 02 20 00",
        "02 14 00 a1 00 00 00 00 02 00 00", "02 14 00 a2 00 00 00 00 14 00 00",
        "02 14 00 02 00 00 00 00 12 22 00",
    ]  # fmt: skip
    body = b"".join(bytes.fromhex(row) for row in rows)
    raw = (len(body) + 2).to_bytes(2, "big") + b"\x01\x02" + body
    found = mmc_toc.ReadFullToc().parse(raw + b"more than the header tells")
    assert found.raw == raw
    assert (found.first_session, found.last_session, len(found.entries)) == (1, 2, 9)
    last = found.entries[-1]
    assert (last.session, last.adr, last.control, last.point) == (2, 1, 4, 2)
    assert last.start == (0x12, 0x22, 0)
    assert found.entries[4].adr == 5


def test_the_short_toc_has_negative_addresses_too() -> None:
    raw = bytes.fromhex("0012 0101 00140100ffffff6a 0014aa00000003e8".replace(" ", ""))
    found = mmc_toc.ReadToc().parse(raw)
    assert [(t.number, t.control, t.lba) for t in found.tracks] == [(1, 4, -150), (0xAA, 4, 1000)]


def test_session_info() -> None:
    raw = bytes.fromhex("000a010200140300000186a0")
    assert mmc_toc.ReadSessionInfo().parse(raw) == mmc_toc.SessionInfo(1, 2, 3, 100000)


def test_cd_text_comes_as_whole_packs_without_padding() -> None:
    text = cdtext.build([cdtext.Text(0, cdtext.PackType.TITLE, 0, "Album")], tracks=1)
    body = text.packs + bytes(18) + b"\0\0"
    raw = (len(body) + 2).to_bytes(2, "big") + bytes(2) + body
    assert mmc_toc.ReadCdText().parse(raw) == text.packs
    assert mmc_toc.ReadCdText().parse(bytes((0, 2, 0, 0))) == b""


def test_disc_information() -> None:
    raw = bytearray(34)
    raw[2], raw[3], raw[4], raw[5], raw[6], raw[7], raw[8] = 0x1E, 1, 2, 3, 4, 0x80, 0x20
    raw[12:16] = b"\0\0\x01\x02"
    found = mmc_info.ReadDiscInformation().parse(bytes(raw))
    assert found == mmc_info.DiscInformation(
        mmc_info.DiscState.COMPLETE, 3, True, 1, 2, 3, 4, 0x20, 0x102
    )


def test_track_information() -> None:
    raw = bytearray(36)
    raw[2], raw[3], raw[5], raw[6], raw[7] = 2, 1, 0x24, 0x02, 2
    raw[8:12], raw[24:28], raw[28:32] = b"\0\0\x10\0", b"\0\1\0\0", b"\0\1\x0f\xff"
    found = mmc_info.ReadTrackInformation(2).parse(bytes(raw))
    assert found == mmc_info.TrackInformation(
        2, 1, 4, True, 2, False, False, 0x1000, 0x10000, 0x10FFF
    )


def test_position() -> None:
    raw = bytes.fromhex("0015000c01100302000003e8ffffffb5")
    assert mmc_info.ReadPosition().parse(raw) == mmc_info.Position(1, 0, 3, 2, 1000, -75)


def sub_channel(valid: bool, text: bytes) -> bytes:
    return bytes((0, 0x15, 0, 20, 2, 0, 0, 0, 0x80 if valid else 0)) + text.ljust(15, b"\0")


def test_mcn_and_isrc_are_told_only_if_they_are_some() -> None:
    mcn, isrc = mmc_info.ReadMcn().parse, mmc_info.ReadIsrc(1).parse
    assert mcn(sub_channel(True, b"4006381333931")) == "4006381333931"
    assert mcn(sub_channel(False, b"4006381333931")) is None
    assert mcn(sub_channel(True, b"0000000000000")) is None
    assert mcn(sub_channel(True, b"40063813\0\0\0")) is None
    assert isrc(sub_channel(True, b"GBAYE0000351")) == "GBAYE0000351"
    assert isrc(sub_channel(True, b"000000000000")) is None
    assert isrc(sub_channel(True, b"GB-AYE-00-00")) is None


def physical_format(layers: int, opposite: bool, start: int, end: int, end0: int) -> bytes:
    body = bytearray(2048)
    body[0], body[2] = 0x01, (layers - 1) << 5 | opposite << 4 | 1
    body[5:8], body[9:12], body[13:16] = (v.to_bytes(3, "big") for v in (start, end, end0))
    return b"\x08\x02\0\0" + bytes(body)


def test_dvd_sizes() -> None:
    parse = mmc_structure.ReadPhysicalFormat().parse
    single = parse(physical_format(1, False, 0x30000, 0x30000 + 2_295_103, 0))
    assert (single.layers, single.sectors, single.plausible) == (1, 2_295_104, True)
    # Two layers, opposite path: 2,084,960 + 2,084,960 sectors.
    end0 = 0x30000 + 2_084_960 - 1
    first_of_layer1 = end0 ^ 0xFFFFFF
    opposite = parse(physical_format(2, True, 0x30000, first_of_layer1 + 2_084_959, end0))
    assert (opposite.layer0, opposite.sectors) == (2_084_960, 2 * 2_084_960)
    assert not parse(physical_format(1, False, 0x30000, 0, 0)).plausible


@given(st.integers(1, 2_200_000), st.integers(1, 2_200_000))
def test_two_layers_in_opposite_path_add_up(layer0: int, layer1: int) -> None:
    layer1 = min(layer0, layer1)  # the way back is no longer than the way out
    end0 = 0x30000 + layer0 - 1
    found = mmc_structure.parse_physical_format(
        physical_format(2, True, 0x30000, (end0 ^ 0xFFFFFF) + layer1 - 1, end0)[4:]
    )
    assert (found.layer0, found.sectors) == (layer0, layer0 + layer1)


def test_copyright_lists_the_regions_that_may_play() -> None:
    found = mmc_structure.ReadCopyright().parse(bytes.fromhex("0006000001fd0000"))
    assert found == mmc_structure.Copyright(1, (2,))


def bd_unit(
    kind: bytes, layer: int, layers: int, last: int, first_aun: int, last_aun: int
) -> bytes:
    head = b"DI" + bytes((1, 1 << 3 | layer, 0, layer, 0x20, 0)) + kind + b"\x01"
    body = bytes((layers << 4, 0, 0, 0, 0, 0, 0, 0)) + struct.pack(
        ">III", last, first_aun, last_aun
    )
    return (head + body).ljust(64 if kind == b"BDO" else 112, b"\0")


@pytest.mark.parametrize("kind", [b"BDO", b"BDR", b"BDW"])
def test_bd_layers(kind: bytes) -> None:
    first = bd_unit(kind, 0, 2, 0, 0x20000, 0x20000 + 12_000_000 - 2)
    second = bd_unit(kind, 1, 2, 0x1000000 + 9_999_999, 0x1000000, 0)
    layers = mmc_structure.ReadBdInformation().parse(
        b"\x10\x02\0\0" + (first + second).ljust(4096, b"\0")
    )
    assert [layer.sectors for layer in layers] == [12_000_000, 10_000_000]
    one = mmc_structure.parse_disc_information(
        bd_unit(kind, 0, 1, 0x20000 + 999, 0x20000, 0).ljust(4096, b"\0")
    )
    assert [(layer.layer, layer.layers, layer.sectors) for layer in one] == [(0, 1, 1000)]


def test_request_sense_gives_sense_or_none() -> None:
    assert mmc.RequestSense().parse(Sense(3, 0x11, 5, 77).pack()) == Sense(3, 0x11, 5, 77)
    assert mmc.RequestSense().parse(bytes(18)) is None
