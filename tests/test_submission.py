# SPDX-License-Identifier: Apache-2.0
"""The form of redump.org: what is filled in is right, and what is not known is not made up."""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.digests import digest_bytes
from imagerd.base.progress import run
from imagerd.disc.layout import Medium, SectorFormat, TrackMode
from imagerd.disc.source import Sectors, SectorState
from imagerd.formats import open_image
from imagerd.sectors.convert import to_raw
from imagerd.sectors.subgen import build_sub
from imagerd.toolkit.sound import SoundHash
from imagerd.toolkit.submission.facts import DiscFound, Question, Rom, find_out
from imagerd.toolkit.submission.form import (
    IF_EXISTS,
    NOTICE,
    REQUIRED,
    Submission,
    dat_line,
    fill_in,
    frame_line,
)
from imagerd.toolkit.submission.tap import OddFrame
from imagerd.toolkit.submission.volume import hex_dump
from tests.iso9660 import iso_image
from tests.sources import MemorySource, TrackPlan, audio, data, memory_blocks, memory_disc
from tests.test_redumper_export import Told

ASKED = Question("Game & Co", corrected=6, write_offset=2, drive=("PLEXTOR", "PX", "1.0"))


def found_in(source: MemorySource | Told, question: Question = ASKED) -> DiscFound:
    return run(find_out(source, question))


def form_of(source: MemorySource | Told, question: Question = ASKED) -> Submission:
    return fill_in(found_in(source, question), question)


def values(form: Submission) -> dict[str, str]:
    return {field.label: field.value for section in form.sections for field in section.fields}


def psx(program: bytes = b"BOOT = cdrom:\\SLUS_003.12;1\r\n", *, edc: bool = False) -> MemorySource:
    """A PlayStation disc of one track; the files' date is 2026-01-02."""
    image = bytearray(
        iso_image("LABEL", {"SYSTEM.CNF": program, "SLUS_003.12": b"program"}, pad_to=200)
    )
    image[16 * 2048 + 8 : 16 * 2048 + 40] = b"PLAYSTATION".ljust(32)
    disc = memory_disc([TrackPlan(TrackMode.MODE2, 200)])
    body = np.zeros((200, 2332), np.uint8)
    body[:, 2] = body[:, 6] = 0x08
    body[:, 8 : 8 + 2048] = np.frombuffer(bytes(image), np.uint8).reshape(-1, 2048)
    body[190:, 2] = body[190:, 6] = 0x20  # form 2 at the end
    raw = to_raw(body, SectorFormat.XA_USER, TrackMode.MODE2, 0)
    if not edc:
        raw[190:, 2348:] = 0
    return MemorySource(disc.layout, {1: raw})


def test_the_dat_has_each_track_as_it_is_on_the_disc() -> None:
    disc = memory_disc([data(160), audio(200, pregap=75), audio(90)], seed=21)
    form = form_of(disc)
    dat = values(form)["DAT"]
    roms = ElementTree.fromstring(f"<game>{dat}</game>").findall("rom")
    assert len(roms) == 3
    for rom, track in zip(roms, disc.layout.tracks, strict=True):
        stored = disc.raw[track.number].tobytes()
        assert rom.attrib == {
            "name": f"Game & Co (Track {track.number}).bin",
            "size": str(len(stored)),
            "crc": f"{zlib.crc32(stored):08x}",
            "md5": hashlib.md5(stored).hexdigest(),
            "sha1": hashlib.sha1(stored).hexdigest(),
        }


def test_the_cue_sheet_names_the_files_of_the_dat_and_opens(tmp_path: Path) -> None:
    plans = [data(160), audio(200, pregap=75, isrc="DEA371500001"), data(60, session=2)]
    disc = memory_disc(plans, mcn="0123456789012", seed=22)
    found = found_in(disc, Question("disc"))
    assert found.cue is not None
    assert found.cue.startswith("CATALOG 0123456789012\r\n")
    for rom, track in zip(found.roms, disc.layout.tracks, strict=True):
        assert f'FILE "{rom.name}" BINARY' in found.cue
        (tmp_path / rom.name).write_bytes(disc.raw[track.number].tobytes())
    (tmp_path / "disc.cue").write_text(found.cue, newline="")
    image = open_image(tmp_path / "disc.cue")
    assert image.layout == disc.layout
    assert not image.warnings
    image.close()


def test_what_a_person_must_say_is_marked_and_null_for_programs() -> None:
    form = form_of(memory_disc([data(60)]))
    shown = values(form)
    for label in ("Title", "System", "Category", "Region", "Languages", "Logs Link"):
        assert shown[label] == REQUIRED
    for label in ("Disc Serial", "Version", "Data Side Mastering SID Code"):
        assert shown[label] == IF_EXISTS
    plain = form.plain()
    common = plain["common_disc_info"]
    assert isinstance(common, dict)
    assert common["d_title"] is None
    assert common["d_ring_0_ma1"] is None
    assert common["d_media"] == "CD"
    assert REQUIRED not in str({k: v for k, v in plain.items() if k != "to_fill_in"})
    assert form.notes[0] == NOTICE
    assert "may be refused" in form.text()


def test_a_playstation_disc_tells_its_program_its_date_and_its_edc() -> None:
    form = form_of(psx())
    shown = values(form)
    assert shown["EXE/Build Date"] == "2026-01-02"
    assert shown["Comments"].splitlines() == ["[T:ISN] SLUS-00312", "[T:VOL] LABEL"]
    assert shown["EDC"] == "No", "form 2 sectors with an EDC of 0"
    assert values(form_of(psx(edc=True)))["EDC"] == "Yes"
    assert shown["Error Count"] == "0"
    pvd = shown["Primary Volume Descriptor (PVD)"].splitlines()
    assert [line[:7] for line in pvd] == [f"03{n}0 : " for n in "234567"]
    whole = psx().raw[1][16, 24 : 24 + 2048].tobytes()
    told = bytes.fromhex("".join(line[7:55] for line in pvd))
    assert told == whole[0x320:0x380]


@pytest.mark.parametrize(
    "settings",
    [
        b"",
        b"BOOT = cdrom:\\NONE.EXE;1",
        b"\xff" * 2048,
        b"BOOT=cdrom:",
        b"BOOT = cdrom:..\\..\\X;1",
    ],
)
def test_odd_settings_of_a_playstation_disc_give_no_date(settings: bytes) -> None:
    assert values(form_of(psx(settings)))["EXE/Build Date"] == IF_EXISTS


def test_headers_of_consoles_are_told() -> None:
    disc = memory_disc([data(60)], seed=23)
    user = np.zeros((60, 2048), np.uint8)
    user[0, :16] = np.frombuffer(b"SEGA SEGASATURN ", np.uint8)
    disc.raw[1] = to_raw(user, SectorFormat.USER, TrackMode.MODE1, 0)
    header = values(form_of(disc))["Header"].splitlines()
    assert len(header) == 16
    assert header[0] == (
        "0000 : 53 45 47 41 20 53 45 47  41 53 41 54 55 52 4E 20   SEGA SEGASATURN "
    )
    assert "Header" not in values(form_of(memory_disc([data(60)])))


def test_errors_are_counted_and_a_dump_with_unread_sectors_is_warned_of() -> None:
    disc = memory_disc([data(200), audio(50)], seed=24)
    disc.raw[1][40, 700] ^= 4
    states = {90: SectorState.FAILED, 91: SectorState.UNREAD, 100: SectorState.SUSPECT}
    found = found_in(Told(disc, states))
    assert found.errors == 3
    assert found.wrong.ranges == (range(40, 41),)
    assert found.lost.ranges == (range(90, 92),)
    assert found.doubtful.ranges == (range(100, 101),)
    assert any("not to be submitted" in note for note in found.caveats)
    assert found_in(memory_disc([audio(40)])).errors is None


@given(
    lead=st.integers(0, 1500),
    tail=st.integers(0, 1500),
    holes=st.lists(st.integers(0, 60_000), max_size=3),
    cuts=st.lists(st.integers(1, 120), max_size=4),
)
def test_the_universal_hash_is_that_of_the_sound_between_the_silence(
    lead: int, tail: int, holes: list[int], cuts: list[int]
) -> None:
    samples = np.zeros(120 * 588, np.uint32)
    samples[lead : len(samples) - tail] = 0x00010002
    for hole in holes:
        samples[hole : hole + 2000] = 0
    sound = SoundHash()
    at = 0
    for cut in sorted({*cuts, 120}):
        sound.update(samples[at * 588 : cut * 588].view(np.uint8).reshape(-1, 2352))
        at = cut
    stripped = samples.tobytes()
    words = np.flatnonzero(samples)
    first, last = int(words[0]), int(words[-1])
    assert sound.hexdigest() == hashlib.sha1(stripped[first * 4 : (last + 1) * 4]).hexdigest()
    assert (sound.lead, sound.tail) == (first, len(samples) - last - 1)


def test_the_universal_hash_is_only_told_where_all_of_the_sound_was_read() -> None:
    disc = memory_disc([audio(60)], seed=25)
    disc.raw[1][0] = disc.raw[1][59] = 0
    whole = found_in(disc)
    assert whole.universal == hashlib.sha1(disc.raw[1][1:59].tobytes()).hexdigest()
    assert not any("universal" in note for note in whole.caveats)
    assert f"Universal Hash (SHA-1): {whole.universal}" in values(form_of(disc))["Comments"]
    disc.raw[1][59, -24:] = 1  # sound up to where the correction put in silence
    assert any("may lack samples" in note for note in found_in(disc).caveats)
    lost = found_in(Told(disc, {30: SectorState.FAILED}))
    assert lost.universal is None
    assert found_in(memory_disc([data(60), audio(40)])).universal is None
    silent = memory_disc([audio(40)])
    silent.raw[1][:] = 0
    assert found_in(silent).universal is None


def test_frames_of_q_that_were_made_wrong_are_listed_as_redumper_does() -> None:
    disc = memory_disc([data(200)], seed=26)

    class Odd(Told):
        def read(self, lba: int, count: int) -> Sectors:
            block = super().read(lba, count)
            assert block.sub is not None
            sub = block.sub.copy()
            if lba <= 100 < block.end:
                sub[100 - lba, 95] ^= 0x40  # the lowest bit of the CRC
            return replace(block, sub=sub)

    found = found_in(Odd(disc))
    right = build_sub(disc.layout, 100, 1)[0]
    bits = "".join("1" if byte & 0x40 else "0" for byte in right)
    crc = int(bits[-16:], 2) ^ 1
    assert [frame.lba for frame in found.frames] == [100]
    assert frame_line(found.frames[0]) == (
        f"MSF: 00:03:25 Q-Data: 410101 00:01:25 00 00:03:25 {crc:04X}"
    )
    form = fill_in(found, ASKED)
    assert "MSF: 00:03:25" in values(form)["SubIntention Data (SecuROM/LibCrypt)"]


def test_a_dvd_has_a_size_digests_and_layer_breaks_instead_of_tracks() -> None:
    disc = memory_blocks(300, layers=(150,), seed=27)
    form = form_of(disc, Question("Film"))
    shown = values(form)
    stored = disc.raw[1].tobytes()
    assert shown["Media Type"] == "DVD-9"
    assert shown["Layerbreak"] == "150"
    assert shown["Size"] == str(len(stored))
    assert shown["SHA1"] == hashlib.sha1(stored).hexdigest()
    assert 'name="Film.iso"' in shown["DAT"]
    assert "Cuesheet" not in shown
    assert shown["Layer 1 Mastering SID Code"] == IF_EXISTS
    bd = values(form_of(memory_blocks(90, medium=Medium.BD), Question("Film")))
    assert bd["Media Type"] == "BD-25"
    assert bd["Permanent Information & Control (PIC)"] == REQUIRED


def test_what_is_not_as_it_should_be_is_said() -> None:
    short = memory_disc([data(60, stored=SectorFormat.USER), audio(300, 150, pregap_virtual=150)])
    notes = "\n".join(found_in(short, Question("x")).caveats)
    assert "track 1 were generated" in notes
    assert "track 2 lack its gap" in notes
    assert "may hold the drive's read offset" in notes
    assert "write offset is not known" in notes
    assert "No subchannel was kept" in notes
    moved = "\n".join(found_in(Told(memory_disc([audio(60)])), ASKED).caveats)
    assert "read offset of +6 samples was taken out" in moved
    assert "No subchannel" not in moved


@given(st.text(max_size=40))
def test_any_name_makes_a_line_that_is_xml(name: str) -> None:
    name = "".join(c for c in name if c.isprintable())
    line = dat_line(Rom(name, digest_bytes(b"x")))
    assert ElementTree.fromstring(line).attrib["name"] == name


@given(st.binary(max_size=70), st.integers(0, 0xFF0))
def test_a_hex_dump_can_be_read_again(raw: bytes, start: int) -> None:
    lines = hex_dump(raw, start).splitlines()
    read = b"".join(bytes.fromhex(re.sub(r"\s", "", line[7:55])) for line in lines)
    assert read == raw
    assert all(line.startswith(f"{start + 16 * n:04X} : ") for n, line in enumerate(lines))


def test_a_frame_is_told_byte_for_byte() -> None:
    frame = OddFrame(14105 - 150, bytes(range(0x10, 0x1C)))
    assert frame_line(frame) == "MSF: 03:08:05 Q-Data: 101112 13:14:15 16 17:18:19 1A1B"
