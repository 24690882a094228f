# SPDX-License-Identifier: Apache-2.0
"""A program that knows nothing of us takes the virtual drive for a real one: cdrdao, by SG_IO."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from imagerd.devices.virtual.host import spawn_host
from tests.judges import judge
from tests.sources import MemorySource, audio, data, memory_disc
from tests.toolkit_images import write_cue
from tests.umockdev_path_rig import program_beside_the_drive

RAW, SUB = 2352, 96


@contextmanager
def inserted(folder: Path, source: MemorySource, medium: str = "") -> Iterator[Path]:
    """The socket of a drive with this disc in it."""
    host = spawn_host(folder / "drive.sock", "drive")
    try:
        host.control.insert(write_cue(folder, source), medium=medium)
        yield folder / "drive.sock"
    finally:
        host.stop()


def cdrdao(socket: Path, verb: str, *options: str) -> str:
    """What it says; it must succeed."""
    driver = ("--device", "/dev/sg0", "--driver", "generic-mmc")
    command = (judge("cdrdao"), verb, *driver, "-v", "2", *options)
    done = program_beside_the_drive(socket, *command, folder=socket.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_cdrdao_copies_every_sector_with_its_subchannel(tmp_path: Path) -> None:
    source = memory_disc([data(1000), audio(800, pregap=150), audio(500)], mcn="4901234567894")
    with inserted(tmp_path, source) as socket:
        options = ("--read-raw", "--read-subchan", "rw_raw", "--datafile", "copy.bin", "copy.toc")
        cdrdao(socket, "read-cd", *options)
    copy = np.fromfile(tmp_path / "copy.bin", np.uint8).reshape(-1, RAW + SUB)
    songs = np.concatenate((source.raw[2][150:], source.raw[3]))  # the pause is told in the sheet
    assert np.array_equal(copy[:1000, :RAW], source.raw[1])
    swapped = copy[1000:, :RAW].reshape(len(songs), -1, 2)[:, :, ::-1]
    assert np.array_equal(swapped.reshape(len(songs), RAW), songs)
    assert 'CATALOG "4901234567894"' in (tmp_path / "copy.toc").read_text()


def test_cdrdao_finds_pauses_and_codes_in_our_subchannel(tmp_path: Path) -> None:
    source = memory_disc(
        [audio(600, isrc="USABC1234567"), audio(700, pregap=75), audio(400)], mcn="4901234567894"
    )
    with inserted(tmp_path, source) as socket:
        said = cdrdao(socket, "read-toc", "disc.toc")
    sheet = (tmp_path / "disc.toc").read_text()
    assert sheet.count("TRACK AUDIO") == 3
    assert 'CATALOG "4901234567894"' in sheet
    assert 'ISRC "USABC1234567"' in sheet
    assert re.findall(r"^START (\S+)", sheet, re.MULTILINE) == ["00:01:00"]
    assert "PQ sub-channel reading (audio track) is supported, data format is BCD" in said


@pytest.mark.parametrize(
    ("medium", "rewritable", "maker"),
    [("", "no", "n/a"), ("cd-r", "no", "97:00:00"), ("cd-rw", "yes", "97:00:00")],
)
def test_cdrdao_tells_recordable_discs_from_pressed_ones(
    tmp_path: Path, medium: str, rewritable: str, maker: str
) -> None:
    with inserted(tmp_path, memory_disc([data(600)]), medium) as socket:
        said = cdrdao(socket, "disk-info")
    told = dict(re.findall(r"^(\S[^:]*?) *: (\S+)", said, re.MULTILINE))
    assert (told["CD-RW"], told["CD-R medium"].rstrip(":")) == (rewritable, maker)
    assert (told["Sessions"], told["Last Track"], told["Appendable"]) == ("1", "1", "no")
