# SPDX-License-Identifier: Apache-2.0
"""The image verbs on a drive: the same answers as on the image that lies in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imagerd.cli.main import cli
from imagerd.devices.virtual.host import HostProcess, spawn_host
from tests.sources import audio, data, memory_disc
from tests.toolkit_images import write_cue

MIXED = (data(200), audio(150, pregap=20), audio(125, isrc="DEA371500001"), audio(90, pregap=7))
FAULTS = """
seed = 1
[[sectors]]
what = "unreadable"
lba = 50
count = 3
"""


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def host(tmp_path: Path) -> Iterator[HostProcess]:
    process = spawn_host(tmp_path / "v.sock", "v")
    yield process
    process.stop()


@pytest.fixture
def drive(tmp_path: Path) -> str:
    return f"virtual:{tmp_path / 'v.sock'}"


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return write_cue(tmp_path, memory_disc(MIXED, mcn="4006381333931"))


def test_a_disc_equals_the_image_that_lies_in_the_drive(
    host: HostProcess, drive: str, sheet: Path
) -> None:
    host.control.insert(sheet)
    result = imagerctl("compare", drive, sheet)
    assert result.exit_code == 0, result.output
    assert "Equal: 565 sectors compared (raw sectors)" in result.stdout
    told = json.loads(imagerctl("compare", "--json", drive, sheet).stdout)["comparison"]
    assert told["layout"] == told["details"] == []


def test_a_disc_is_verified_described_and_hashed_like_its_image(
    host: HostProcess, drive: str, sheet: Path
) -> None:
    host.control.insert(sheet)
    verified = imagerctl("verify", drive)
    assert verified.exit_code == 0, verified.output
    assert "Good: 200 sectors prove themselves" in verified.stdout
    described = [json.loads(imagerctl("info", "--json", name).stdout) for name in (drive, sheet)]
    assert described[0]["container"] == "drive"
    ids = [(told["disc"]["musicbrainz"], told["disc"]["toc"]) for told in described]
    assert ids[0] == ids[1]
    hashes = [
        json.loads(imagerctl("hash", "--whole", "--json", name).stdout)["hashes"]
        for name in (drive, sheet)
    ]
    assert hashes[0]["whole"] == hashes[1]["whole"]
    assert hashes[0]["tracks"] == hashes[1]["tracks"]
    assert not hashes[0]["files"]


def test_a_disc_is_converted_without_the_daemon(
    host: HostProcess, drive: str, sheet: Path, tmp_path: Path
) -> None:
    host.control.insert(sheet)
    for target in ("disc.iso", "copy.cue"):
        result = imagerctl("convert", drive, tmp_path / target)
        assert result.exit_code == 0, result.output
    told = json.loads(imagerctl("compare", "--json", sheet, tmp_path / "copy.cue").stdout)
    assert told["comparison"]["outcome"] == "equal"
    assert told["comparison"]["details"] == []
    assert imagerctl("compare", "--common", sheet, tmp_path / "disc.iso").exit_code == 0


def test_unreadable_sectors_are_listed_by_every_verb(
    host: HostProcess, drive: str, sheet: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "faults.toml"
    plan.write_text(FAULTS)
    host.control.insert(sheet, plan)
    verified = json.loads(imagerctl("verify", "--json", drive).stdout)["verdict"]
    assert verified["sectors"]["tracks"][0]["unreadable"]["ranges"] == [
        {"first": 50, "last": 52, "count": 3}
    ]
    assert verified["sectors"]["tracks"][0]["faults"] == {"medium": 3}
    compared = imagerctl("compare", drive, sheet)
    assert compared.exit_code == 2
    assert "3 sectors unreadable in the first: LBA 50–52" in compared.stdout
    hashed = imagerctl("hash", drive)
    assert hashed.exit_code == 1
    assert "LBA 50–52" in hashed.stdout
    converted = imagerctl("convert", drive, tmp_path / "copy.cue")
    assert converted.exit_code == 1
    assert "Unreadable, written as filling: 3 sectors, LBA 50–52." in converted.stdout


@pytest.mark.parametrize("verb", ["info", "verify", "hash"])
def test_an_empty_drive_is_one_sentence_and_exits_3(
    host: HostProcess, drive: str, verb: str
) -> None:
    result = imagerctl(verb, drive)
    assert result.exit_code == 3
    assert "insert a disc" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_virtual_drive_is_found_by_the_name_that_the_daemon_knows(
    host: HostProcess, drive: str, sheet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagerd.daemon.client import Client
    from imagerd.daemon.protocol import VirtualView

    host.control.insert(sheet)
    monkeypatch.setattr(Client, "virtual", lambda self: [VirtualView(name="left", address=drive)])
    assert imagerctl("info", "virtual:left").exit_code == 0
    unknown = imagerctl("info", "virtual:right")
    assert unknown.exit_code == 2
    assert "it has: left" in unknown.stderr
