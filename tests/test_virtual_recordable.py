# SPDX-License-Identifier: Apache-2.0
"""What a virtual drive says of a disc that was written by a drive, once it is finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from imagerd.base.errors import BadInput
from imagerd.cli.verbs.virtual import command
from imagerd.daemon.protocol import VirtualAdd, VirtualInsert, VirtualView
from imagerd.daemon.rig import Rig
from imagerd.devices.mmc_config import Profile
from imagerd.devices.virtual.client import SocketTransport
from imagerd.devices.virtual.host import spawn_host
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.recordable import RECORDABLE
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.disc.layout import Medium, TrackMode, single_track
from tests.drives import drive_with as optical_drive_with
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.toolkit_images import write_cue
from tests.virtual_commands import data_of, poll, send, sense_of, tell


def two_sessions() -> MemorySource:
    """Data 0–599, audio 600–999 with a pregap of 150; data from 12400 on in a second session."""
    return memory_disc([data(600), audio(400, pregap=150), data(200, TrackMode.MODE2, session=2)])


def drive_with(source: MemorySource, medium: str, **profile: object) -> VirtualDrive:
    drive = VirtualDrive(DriveProfile(**profile))  # type: ignore[arg-type]
    drive.insert(source, medium=medium)
    while poll(drive) != "ok":
        pass
    return drive


def toc(kind: int, msf: bool = True) -> list[int]:
    return [0x43, 2 if msf else 0, kind, 0, 0, 0, 0, 4, 0, 0]


def current_profile(drive: VirtualDrive) -> int:
    return int.from_bytes(data_of(drive, [0x46, 0, 0, 0, 0, 0, 0, 0, 8, 0])[6:8], "big")


def features(drive: VirtualDrive) -> dict[int, tuple[bool, bytes]]:
    reply = data_of(drive, [0x46, 0, 0, 0, 0, 0, 0, 8, 0, 0])
    found, at = {}, 8
    while at < len(reply):
        body = reply[at + 4 : at + 4 + reply[at + 3]]
        found[int.from_bytes(reply[at : at + 2], "big")] = bool(reply[at + 2] & 1), body
        at += 4 + len(body)
    return found


def source_for(name: str, layers: tuple[int, ...] = ()) -> MemorySource:
    medium = RECORDABLE[name]
    if medium is Medium.CD:
        return two_sessions()
    return memory_blocks(1000, medium=medium, layers=layers)


PROFILES = {
    "cd-r": Profile.CD_R,
    "cd-rw": Profile.CD_RW,
    "dvd-r": Profile.DVD_R,
    "dvd-rw": Profile.DVD_RW,
    "dvd+r": Profile.DVD_PLUS_R,
    "dvd+rw": Profile.DVD_PLUS_RW,
    "bd-r": Profile.BD_R,
    "bd-re": Profile.BD_RE,
}


@pytest.mark.parametrize("name", RECORDABLE)
def test_the_current_profile_is_that_of_the_kind_and_is_listed(name: str) -> None:
    drive = drive_with(source_for(name), name)
    number = current_profile(drive)
    assert number == PROFILES[name]
    listed = features(drive)[0x0000][1]
    entries = {
        int.from_bytes(listed[at : at + 2], "big"): listed[at + 2]
        for at in range(0, len(listed), 4)
    }
    assert [each for each, flag in entries.items() if flag] == [number]
    assert {Profile.CD_ROM, Profile.DVD_ROM, Profile.BD_ROM} <= set(entries)


@pytest.mark.parametrize("name", RECORDABLE)
def test_reading_features_are_current_and_nothing_claims_to_write(name: str) -> None:
    drive = drive_with(source_for(name), name)
    found = features(drive)
    reads = {Medium.CD: 0x001E, Medium.DVD: 0x001F, Medium.BD: 0x0040}
    for medium, code in reads.items():
        assert found[code][0] is (medium is RECORDABLE[name])
    assert found[0x001D][0] is (RECORDABLE[name] is Medium.CD)
    assert found[0x002A] == (name == "dvd+rw", bytes(4))
    assert found[0x002B] == (name == "dvd+r", bytes(4))
    writing = {0x0020, 0x0021, 0x0023, 0x002D, 0x002E, 0x002F, 0x0041}
    assert not writing & set(found)
    assert data_of(drive, [0x5A, 0, 0x2A, 0, 0, 0, 0, 1, 0, 0])[8 + 3] == 0


@pytest.mark.parametrize("name", RECORDABLE)
def test_the_disc_is_complete_and_may_be_erasable(name: str) -> None:
    reply = data_of(drive_with(source_for(name), name), [0x51, 0, 0, 0, 0, 0, 0, 0, 34, 0])
    assert reply[2] & 0x0F == 0x0E
    assert bool(reply[2] & 0x10) is name.endswith(("rw", "re"))
    assert reply[16:24] == b"\xff" * 8
    assert reply[7] & 3 == (3 if name == "dvd+rw" else 0)
    assert bool(reply[7] & 0x80) is name.startswith("cd")
    assert bool(any(reply[12:16])) is name.startswith("cd")


@pytest.mark.parametrize(("name", "kind"), [("cd-r", 0x80), ("cd-rw", 0xC0)])
def test_the_groove_tells_lead_in_room_and_whether_it_is_rewritable(name: str, kind: int) -> None:
    drive = drive_with(two_sessions(), name)
    reply = data_of(drive, toc(4))
    assert reply[:4] == bytes((0, 26, 0, 0))
    assert len(reply) == 28
    assert reply[4] & 0x80
    assert reply[6] == kind
    assert reply[8:11] == bytes((97, 0, 0))
    assert reply[12:15] == bytes((79, 59, 74))
    assert data_of(drive, toc(4, msf=False)) == reply  # times are always in MSF


def test_a_disc_of_more_than_80_minutes_has_the_room_for_it() -> None:
    layout = single_track(400_000, TrackMode.AUDIO)
    drive = drive_with(MemorySource(layout, {}), "cd-r")
    assert data_of(drive, toc(4))[12:15] == bytes((88, 55, 25))  # 400150 frames


def test_the_pma_has_the_disc_and_every_track() -> None:
    drive = drive_with(two_sessions(), "cd-r")
    reply = data_of(drive, toc(3))
    assert int.from_bytes(reply[:2], "big") == len(reply) - 2
    rows = [reply[at : at + 11] for at in range(4, len(reply), 11)]
    assert [(row[1] >> 4, row[3]) for row in rows] == [(2, 0), (1, 1), (1, 2), (1, 3)]
    number = int.from_bytes(data_of(drive, [0x51, *[0] * 7, 34, 0])[12:16], "big")
    assert "".join(f"{digits:02x}" for digits in rows[0][4:7]) == f"{number:06}"
    # Track 2: from LBA 750, 00:12:00, to LBA 1000, 00:15:25
    assert rows[2][4:11] == bytes((0, 15, 25, 0, 0, 12, 0))
    assert rows[3][1] == 0x14


def test_another_disc_has_another_number() -> None:
    ask = [0x51, *[0] * 7, 34, 0]
    first = data_of(drive_with(memory_disc([data(300)]), "cd-r"), ask)
    again = data_of(drive_with(memory_disc([data(300)]), "cd-r"), ask)
    other = data_of(drive_with(memory_disc([data(301)]), "cd-r"), ask)
    assert first[12:16] == again[12:16] != other[12:16]


def test_the_lead_in_is_a_track_of_recordable_cds_alone() -> None:
    ask = [0x52, 1, 0, 0, 0, 0, 0, 0, 36, 0]
    reply = data_of(drive_with(two_sessions(), "cd-r"), ask)
    assert reply[:4] == bytes((0, 34, 0, 0))
    assert int.from_bytes(reply[8:12], "big", signed=True) == (97 * 60 - 100 * 60) * 75 - 150
    for drive in (drive_with(two_sessions(), ""), drive_with(memory_blocks(10), "dvd-r")):
        assert sense_of(send(drive, ask)) == "05/24/00"


@pytest.mark.parametrize("name", ["", "cd-r"])
def test_a_complete_disc_has_no_invisible_track_and_none_that_is_open(name: str) -> None:
    drive = drive_with(two_sessions(), name)
    for cdb in (
        [0x52, 1, 0, 0, 0, 0xFF, 0, 0, 36, 0],
        [0x52, 5, 0, 0, 0, 1, 0, 0, 36, 0],  # the next open track after number 1
        [0x52, 1, 0, 0, 0, 4, 0, 0, 36, 0],
        [0x52, 3, 0, 0, 0, 1, 0, 0, 36, 0],
    ):
        assert sense_of(send(drive, cdb)) == "05/24/00"


def test_resources_of_writing_are_no_part_of_disc_information() -> None:
    drive = drive_with(two_sessions(), "cd-r")
    for kind in (1, 2, 7):
        assert sense_of(send(drive, [0x51, kind, 0, 0, 0, 0, 0, 0, 34, 0])) == "05/24/00"


def test_the_mode_header_names_the_medium() -> None:
    ask = [0x5A, 0, 0x01, 0, 0, 0, 0, 1, 0, 0]
    kinds = {
        "": (0x01, 0x02, 0x03),
        "cd-r": (0x11, 0x12, 0x13),
        "cd-rw": (0x21, 0x22, 0x23),
    }
    for name, expected in kinds.items():
        discs = (memory_disc([data(10)]), memory_disc([audio(10)]), two_sessions())
        assert tuple(data_of(drive_with(disc, name), ask)[2] for disc in discs) == expected
    drive = drive_with(memory_blocks(10), "dvd-r")
    assert data_of(drive, ask)[2] == 0
    drive.open_tray()
    assert data_of(drive, ask)[2] == 0x71


def structure(drive: VirtualDrive, code: int, media: int = 0) -> bytes:
    return data_of(drive, [0xAD, media, 0, 0, 0, 0, 0, code, 0x10, 0x04, 0, 0])[4:]


@pytest.mark.parametrize(
    ("name", "book", "kind", "room"),
    [
        ("dvd-r", 0x25, 0x02, 2_298_496),
        ("dvd-rw", 0x32, 0x04, 2_298_496),
        ("dvd+r", 0xA1, 0x02, 2_295_104),
        ("dvd+rw", 0x92, 0x04, 2_295_104),
    ],
)
def test_the_lead_in_of_a_recordable_dvd_tells_its_book_and_its_whole_room(
    name: str, book: int, kind: int, room: int
) -> None:
    drive = drive_with(memory_blocks(1000), name)
    body = structure(drive, 0)
    assert (body[0], body[2]) == (book, kind)
    start, end = (int.from_bytes(body[at : at + 3], "big") for at in (5, 9))
    assert end - start + 1 == room
    assert data_of(drive, [0x25, *[0] * 9])[:4] == (999).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("name", "profile"),
    [("dvd-r", Profile.DVD_R_DL), ("dvd+r", Profile.DVD_PLUS_R_DL), ("bd-r", Profile.BD_R)],
)
def test_two_layers_make_it_a_disc_of_two_layers(name: str, profile: int) -> None:
    source = source_for(name, layers=(600,))
    assert current_profile(drive_with(source, name)) == profile
    drive, virtual, _ = optical_drive_with(None)
    virtual.insert(source_for(name, layers=(600,)), medium=name)
    drive.wait_ready(10)
    assert drive.layout.layers == (600,)
    assert drive.layout.end == 1000


@pytest.mark.parametrize("name", RECORDABLE)
def test_our_own_drive_reads_such_a_disc_as_any_other(name: str) -> None:
    source = source_for(name)
    drive, virtual, _ = optical_drive_with(None)
    virtual.insert(source, medium=name)
    drive.wait_ready(10)
    assert drive.layout.sectors == source.layout.sectors
    block = drive.read(5, 10)
    assert block.data.tobytes() == source.raw[1][5 : 5 + len(block)].tobytes()


def test_a_drive_that_does_not_tell_takes_it_for_a_pressed_one() -> None:
    drive = drive_with(two_sessions(), "cd-r", tells_recordable=False)
    assert current_profile(drive) == Profile.CD_ROM
    assert sense_of(send(drive, toc(4))) == "05/24/00"
    assert len(features(drive)[0x0000][1]) == 3 * 4
    assert 0x002B not in features(drive)


def test_an_image_that_cannot_be_on_such_a_disc_is_refused_and_nothing_changes() -> None:
    inside = memory_blocks(10)
    drive = drive_with(inside, "")
    for source, name in (
        (memory_blocks(10), "cd-r"),
        (two_sessions(), "dvd+r"),
        (memory_blocks(1000, layers=(500,)), "dvd-rw"),
        (memory_blocks(10), "floppy"),
    ):
        with pytest.raises(BadInput, match=name.replace("+", r"\+")):
            drive.insert(source, medium=name)
    assert not inside.closed
    assert tell(drive, [0] * 6).ok


def test_the_pointer_of_a_second_session_leads_to_the_lead_in_of_the_groove() -> None:
    for name, minute in (("", 95), ("cd-r", 97)):
        reply = data_of(drive_with(two_sessions(), name), toc(2))
        rows = [reply[at : at + 11] for at in range(4, len(reply), 11)]
        assert next(row for row in rows if row[3] == 0xC0)[8] == minute


def sheet_in(folder: Path) -> Path:
    return write_cue(folder, memory_disc([audio(30)]))


def profile_at(socket: Path) -> int:
    with SocketTransport(socket) as drive:
        return data_of(drive, [0x46, 0, 0, 0, 0, 0, 0, 0, 8, 0])[7]


def test_a_host_puts_in_what_it_is_told(tmp_path: Path) -> None:
    socket, sheet = tmp_path / "d.sock", sheet_in(tmp_path)
    host = spawn_host(socket, "d")
    try:
        with pytest.raises(BadInput, match="cannot be on a bd-r"):
            host.control.insert(sheet, medium="bd-r")
        host.control.insert(sheet, medium="cd-rw")
        assert profile_at(socket) == Profile.CD_RW
        host.control.press_eject()
        host.control.take()
        host.control.place(sheet, medium="cd-r")
        host.control.close_tray()
        assert profile_at(socket) == Profile.CD_R
    finally:
        host.stop()


def test_the_verb_and_the_daemon_pass_it_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, sheet = Rig(tmp_path), sheet_in(tmp_path)

    class Client:
        def virtual_insert(self, name: str, wanted: VirtualInsert) -> VirtualView:
            return rig.insert(name, wanted)

    monkeypatch.setattr("imagerd.cli.verbs.virtual.connect", lambda socket: Client())
    rig.add(VirtualAdd(name="demo"))
    try:
        words = ["insert", "demo", str(sheet), "--medium", "cd-r"]
        done = CliRunner().invoke(command, words, catch_exceptions=False)
        assert done.exit_code == 0
        assert profile_at(tmp_path / "demo.sock") == Profile.CD_R
    finally:
        rig.close()
