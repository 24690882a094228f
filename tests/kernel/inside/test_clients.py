# SPDX-License-Identifier: Apache-2.0
"""Other people's programs on an attached drive give what they give on an image or a real disc.

Each drive is shared by the tests of one disc: attaching is what takes time here.
"""

from __future__ import annotations

import fcntl
import os
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.judges import judge
from tests.kernel.inside.images import DISCS, blank, game, image_of, plan, tree, udf, volume
from tests.kernel.inside.machine import Drive, drive, insert, leftovers, properties, tell, until

MEDIUM_ERRORS = """\
[[sectors]]
what = "unreadable"
lba = [300, 901]
count = 3
"""
BAD = {300, 301, 302, 901, 902, 903}


@pytest.fixture(scope="module")
def client() -> Iterator[Drive]:
    """One drive for all; each test puts its disc in."""
    with drive(volume()) as one:
        yield one
    assert not leftovers("client")


def same_lines(pattern: str, one: str, other: str) -> None:
    """What matters of two outputs is there, and the same."""
    found = re.findall(pattern, one, re.MULTILINE)
    assert found, one
    assert found == re.findall(pattern, other, re.MULTILINE)


# -- a data disc ------------------------------------------------------------------------------


def test_isoinfo_tells_of_the_drive_what_it_tells_of_the_image(client: Drive) -> None:
    node = insert(client, volume())
    assert tell("isoinfo", "-d", "-i", node) == tell("isoinfo", "-d", "-i", volume())
    listed = tell("isoinfo", "-J", "-f", "-i", node)
    assert "File with a long name 11.bin" in listed
    assert listed == tell("isoinfo", "-J", "-f", "-i", volume())


@pytest.mark.parametrize(("kind", "image"), [("iso9660", volume), ("udf", udf)])
def test_the_kernel_mounts_the_disc_and_every_file_is_there(
    client: Drive, kind: str, image: type, tmp_path: Path
) -> None:
    node = insert(client, image())
    tell("mount", "-t", kind, "-o", "ro", node, tmp_path)
    try:
        assert tell("diff", "-r", tree(), tmp_path) == ""
    finally:
        tell("umount", tmp_path)


def test_udev_blkid_and_lsblk_know_the_disc(client: Drive) -> None:
    node = insert(client, volume())
    told = properties(node)
    assert (told["ID_CDROM"], told["ID_CDROM_MEDIA"], told["ID_CDROM_MEDIA_CD"]) == ("1",) * 3
    assert (told["ID_FS_TYPE"], told["ID_FS_LABEL"]) == ("iso9660", "GUEST")
    assert told["ID_SCSI_SERIAL"] == "IMAGERD00001-client"
    assert told["ID_CDROM_MEDIA_TRACK_COUNT_DATA"] == "1"
    assert tell("blkid", "-o", "value", "-s", "LABEL", node).strip() == "GUEST"
    listed = tell("lsblk", "--noheadings", "--bytes", "-o", "TYPE,SIZE,VENDOR,MODEL", node).split()
    assert listed == ["rom", str(volume().stat().st_size), "IMAGERD", "VIRTUAL", "DRIVE"]


def test_readom_copies_the_disc(client: Drive, tmp_path: Path) -> None:
    node = insert(client, volume())
    copy = tmp_path / "copy.iso"
    tell("readom", f"dev={node}", f"f={copy}")
    assert copy.read_bytes() == volume().read_bytes()


def test_dd_reads_the_whole_disc_and_ends_where_it_ends(client: Drive, tmp_path: Path) -> None:
    node = insert(client, volume())
    copy = tmp_path / "copy.iso"
    tell("dd", f"if={node}", f"of={copy}", "bs=64k")
    assert copy.read_bytes() == volume().read_bytes()


# -- damage -----------------------------------------------------------------------------------


def test_the_map_of_ddrescue_is_the_fault_plan(client: Drive, tmp_path: Path) -> None:
    node = insert(client, blank("worn", 1500), plan("worn", MEDIUM_ERRORS))
    copy, log = tmp_path / "copy", tmp_path / "map"
    tell("ddrescue", "--sector-size=2048", "--idirect", "--quiet", node, copy, log)
    blocks = re.findall(r"^0x(\S+)\s+0x(\S+)\s+([-+*/?])$", log.read_text(), re.MULTILINE)
    bad = {
        sector
        for pos, size, status in blocks
        if status != "+"
        for sector in range(int(pos, 16) // 2048, (int(pos, 16) + int(size, 16)) // 2048)
    }
    assert bad == BAD
    assert copy.stat().st_size == 1500 * 2048


def test_the_kernel_reports_a_bad_sector_and_reads_those_beside_it(client: Drive) -> None:
    node = insert(client, blank("worn", 1500), plan("worn", MEDIUM_ERRORS))
    for lba in (299, 303, 900, 904):
        tell(*_one_sector(node, lba))
    for lba in sorted(BAD):
        # ENODATA is the kernel's word for a medium error
        assert "No data available" in tell(*_one_sector(node, lba), ok=(1,))
    log = tell("dmesg")
    assert "Sense Key : Medium Error" in log
    assert "Add. Sense: L-EC uncorrectable error" in log


def _one_sector(node: str, lba: int) -> tuple[str, ...]:
    return ("dd", f"if={node}", "of=/dev/null", "bs=2048", f"skip={lba}", "count=1", "iflag=direct")


# -- data and music ---------------------------------------------------------------------------


def test_cd_info_tells_of_the_drive_what_it_tells_of_the_image(client: Drive) -> None:
    image = image_of("mixed")
    node = insert(client, image)
    of_drive = tell("cd-info", "--no-cddb", "--no-device-info", f"--cdrom-device={node}")
    of_image = tell("cd-info", "--no-cddb", "--no-device-info", f"--cue-file={image}")
    same_lines(r"^ *\d+: (\S+ +\d+ \w+)", of_drive, of_image)
    same_lines(r"^170: (\S+ +\d+) leadout", of_drive, of_image)


def test_wodim_tells_the_tracks(client: Drive) -> None:
    node = insert(client, image_of("mixed"))
    told = tell("wodim", "-toc", f"dev={node}")
    starts = [track.index1 for track in DISCS["mixed"].layout.tracks]
    found = re.findall(r"^track: *(\w+) lba: +(\d+) .* mode: (\S+)", told, re.MULTILINE)
    assert [int(lba) for _, lba, _ in found] == [*starts, DISCS["mixed"].layout.end]
    assert [mode for _, _, mode in found[:3]] == ["1", "-1", "-1"]


def test_cd_paranoia_reads_every_track_to_the_bit(client: Drive, tmp_path: Path) -> None:
    source = DISCS["music"]
    node = insert(client, image_of("music"))
    for track in source.layout.tracks:
        target = tmp_path / f"{track.number}.wav"
        tell("cd-paranoia", "-q", "-d", node, "-w", str(track.number), target)
        with wave.open(str(target)) as file:
            data = file.readframes(file.getnframes())
        # A track goes from its INDEX 01 to the next one's.
        later = [other.index1 for other in source.layout.tracks if other.number > track.number]
        rows = np.concatenate([source.raw[other.number] for other in source.layout.tracks])
        right = rows[track.index1 : later[0] if later else source.layout.end]
        assert data == right.tobytes(), track.number


def test_cdrdao_finds_pauses_codes_and_tracks(client: Drive, tmp_path: Path) -> None:
    node = insert(client, image_of("music"))
    toc = tmp_path / "disc.toc"
    tell(judge("cdrdao"), "read-toc", "--device", node, "--driver", "generic-mmc", toc)
    sheet = toc.read_text()
    assert sheet.count("TRACK AUDIO") == 3
    assert 'CATALOG "4006381333931"' in sheet
    assert 'ISRC "QZIMG2600002"' in sheet
    assert re.findall(r"^START (\S+)", sheet, re.MULTILINE) == ["00:02:00", "00:01:00"]


def test_cdrdao_copies_every_sector_of_a_game(client: Drive, tmp_path: Path) -> None:
    image, source = game()
    node = insert(client, image)
    copy, toc = tmp_path / "copy.bin", tmp_path / "copy.toc"
    options = ("--driver", "generic-mmc", "--read-raw", "--datafile", copy)
    tell(judge("cdrdao"), "read-cd", "--device", node, *options, toc)
    found = np.fromfile(copy, np.uint8).reshape(-1, 2352)
    songs = np.concatenate((source.raw[2][150:], source.raw[3]))  # the pause is told in the sheet
    assert np.array_equal(found[:500], source.raw[1])
    swapped = found[500:].reshape(len(songs), -1, 2)[:, :, ::-1]
    assert np.array_equal(swapped.reshape(len(songs), 2352), songs)


def test_the_data_track_of_a_game_can_be_mounted(client: Drive, tmp_path: Path) -> None:
    node = insert(client, game()[0])
    tell("mount", "-t", "iso9660", "-o", "ro", node, tmp_path)
    try:
        files = {path.name.upper(): path.read_bytes() for path in tmp_path.iterdir()}
        assert files["README.TXT"] == b"hello\r\n"
        assert files["GAME.BIN"] == bytes(range(256)) * 2000
    finally:
        tell("umount", tmp_path)


def test_the_kernels_ioctls_play_a_track_and_pause_it(client: Drive) -> None:
    play, subchannel, pause, resume, stop = 0x5303, 0x530B, 0x5301, 0x5302, 0x5307
    node = insert(client, image_of("music"))
    second = DISCS["music"].layout.tracks[1]
    span = (*_msf(second.index1), *_msf(second.end))

    def status(fd: int) -> tuple[int, int]:
        told = bytearray(16)  # struct cdrom_subchnl
        told[0] = 2  # addresses as MSF
        fcntl.ioctl(fd, subchannel, told)
        return told[1], told[3]  # audio status, track

    fd = os.open(node, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, play, bytes(span))
        assert status(fd) == (0x11, 2)
        fcntl.ioctl(fd, pause)
        assert status(fd) == (0x12, 2)
        fcntl.ioctl(fd, resume)
        assert status(fd) == (0x11, 2)
        fcntl.ioctl(fd, stop)
        assert status(fd)[0] in (0x13, 0x15)
    finally:
        os.close(fd)


def _msf(lba: int) -> tuple[int, int, int]:
    return (lba + 150) // 4500, (lba + 150) // 75 % 60, (lba + 150) % 75


# -- the tray ---------------------------------------------------------------------------------


def test_eject_opens_the_tray_and_closes_it(client: Drive) -> None:
    node = insert(client, volume())
    tell("eject", node)
    assert client.one.control.state().tray_open
    until(lambda: "ID_CDROM_MEDIA" not in properties(node), "udev to see the open tray")
    tell("eject", "-t", node)
    assert not client.one.control.state().tray_open
    until(lambda: properties(node).get("ID_FS_LABEL") == "GUEST", "udev to know the disc again")


def test_udev_knows_dvds_bds_and_recordable_discs(client: Drive) -> None:
    kinds = {"cd-r": "CD_R", "cd-rw": "CD_RW", "dvd+r": "DVD_PLUS_R", "bd-r": "BD_R"}
    image = {"cd": blank("small", 400), "dvd": blank("dvd", 600_000), "bd": blank("bd", 9_000_000)}
    expected = {"": {"cd": "CD", "dvd": "DVD", "bd": "BD"}}
    for medium, name in (*kinds.items(), ("", "")):
        for family, path in image.items():
            wanted = expected[""][family] if not medium else name
            if medium and not medium.startswith(family):
                continue
            client.swap(path, medium=medium)
            key = f"ID_CDROM_MEDIA_{wanted}"
            until(lambda key=key: properties(client.node).get(key) == "1", key)  # type: ignore[misc]
