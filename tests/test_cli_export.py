# SPDX-License-Identifier: Apache-2.0
"""`export` and `submission` as a person uses them: by path, by the catalog, by a job."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from imagerd.cli.main import cli
from imagerd.devices.scsi import Command, Direction, Reply
from imagerd.devices.virtual.faults import FaultPlan
from imagerd.devices.virtual.target import VirtualDrive
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.subchannel import deinterleave
from imagerd.sectors.subgen import build_sub
from imagerd.toolkit.redumper.states import State
from tests import redumper_judge as judge
from tests.archive_world import Place
from tests.sources import audio, data, memory_disc
from tests.test_cli_accounts import write_map
from tests.toolkit_images import write_cue, write_iso
from tests.virtual_commands import poll

MIXED = (data(220), audio(200, pregap=75), audio(100))
FAULT = """
[[sectors]]
lba = 30
what = "unreadable"
"""


@pytest.fixture(autouse=True)
def own_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERD_CATALOG", str(tmp_path / "state" / "catalog.sqlite"))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def told(*arguments: str | Path, code: int = 0) -> Any:
    result = imagerctl(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_an_image_by_its_path(tmp_path: Path) -> None:
    disc = memory_disc(MIXED, seed=41)
    sheet = write_cue(tmp_path, disc)
    result = told("export", sheet, "--redumper", "-o", tmp_path / "set", "--make-subcode")
    assert {Path(name).suffix for name in result["result"]["files"]} == {
        ".scram", ".state", ".subcode", ".toc", ".fulltoc", ".log",
    }  # fmt: skip
    done = judge.split(tmp_path / "set" / "disc")
    assert [t.data for t in done.tracks] == [disc.raw[n].tobytes() for n in (1, 2, 3)]
    again = imagerctl("export", sheet, "--redumper", "-o", tmp_path / "set")
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_the_subchannel_beside_an_image_is_taken_if_it_is_of_it(tmp_path: Path) -> None:
    disc = memory_disc(MIXED, seed=42)
    sheet = write_cue(tmp_path, disc)
    sub = build_sub(disc.layout, 0, disc.layout.end)
    sheet.with_suffix(".sub").write_bytes(deinterleave(sub).tobytes())
    told("export", sheet, "--redumper", "-o", tmp_path / "one")
    written = (tmp_path / "one" / "disc.subcode").read_bytes()
    assert written[45150 * 96 :] == sub.tobytes()
    sheet.with_suffix(".sub").write_bytes(b"another program's")
    result = told("export", sheet, "--redumper", "-o", tmp_path / "two")
    assert "move it away" in result["remarks"][0]
    assert not any((tmp_path / "two" / "disc.subcode").read_bytes())


def test_what_a_map_file_knows_to_be_bad_is_skipped(tmp_path: Path) -> None:
    sectors = memory_disc([data(60)]).raw[1][:, 16:2064]
    image = write_iso(tmp_path, np.ascontiguousarray(sectors).tobytes())
    write_map(tmp_path / "disc.map", (0, 7 * 2048, "+"), (7 * 2048, 2048, "-"),
              (8 * 2048, 52 * 2048, "+"))  # fmt: skip
    image.write_bytes(image.read_bytes()[: 7 * 2048] + bytes(2048) + image.read_bytes()[8 * 2048 :])
    told("export", image, "--redumper", "-o", tmp_path / "set", code=1)
    files = judge.Set(tmp_path / "set" / "disc")
    assert set(files.sector(7, 0)[1]) == {State.ERROR_SKIP}
    assert set(files.sector(8, 0)[1]) == {State.SUCCESS_C2_OFF}, "generated, so never proven"
    form = imagerctl("submission", image)
    assert form.exit_code == 1
    assert "not to be submitted" in form.stdout


def test_an_archived_disc_by_id_by_job_and_by_the_folder_of_its_job(tmp_path: Path) -> None:
    """The circle: disc, virtual drive, archive, set, split, and the disc again."""
    disc = memory_disc(MIXED, seed=43)
    place = Place(tmp_path, disc, faults=FAULT, policy="keep_subchannel = true")
    outcome = place.insert()
    assert outcome.job is not None
    for number, what in enumerate((str(1), outcome.job[:8], str(place.images()[0]))):
        folder = tmp_path / f"set{number}"
        result = told("export", what, "--redumper", "-o", folder, "--name", "disc", code=1)
        assert "drive: " in (folder / "disc.log").read_text()
        assert result["result"]["counts"]["error_skip"] == 588
        _is_the_disc(folder, disc, lost={30})
    job = tmp_path / "state" / "jobs" / outcome.job
    told("export", job, "--redumper", "-o", tmp_path / "raw", "--name", "disc", code=1)
    _is_the_disc(tmp_path / "raw", disc, lost={30})
    with Workspace.open(job) as work:
        read = work.read_sub(0, disc.layout.end)
    written = (tmp_path / "raw" / "disc.subcode").read_bytes()
    assert written[45150 * 96 :] == read.tobytes()
    form = told("submission", outcome.job[:8], code=1)
    assert form["dumping_info"]["d_drive_model"]
    assert form["dumping_info"]["d_dumping_date"]


def _oddly(command: Command, reply: Reply) -> Reply:
    """A drive that fills in what is reserved, in each line of its table of contents."""
    data = bytearray(reply.data)
    if command.cdb[0] == 0x43 and command.cdb[2] in (0, 2) and len(data) > 15:
        data[7] = 0x5A
    return replace(reply, data=bytes(data)) if reply.ok else reply


@pytest.mark.parametrize("faults", ["", FAULT])
def test_the_small_files_are_byte_by_byte_what_the_drive_replied(
    tmp_path: Path, faults: str
) -> None:
    """Also of a job that is done and gone: the report beside the image has them."""
    disc = memory_disc([audio(200), audio(200, pregap=75)], seed=45)
    place = Place(tmp_path, disc, faults=faults)
    place.medium, place.alter = "cd-r", _oddly
    place.insert()
    told("export", "1", "--redumper", "-o", tmp_path / "set", "--name", "disc", code=bool(faults))
    virtual = VirtualDrive()
    virtual.insert(disc, medium="cd-r")
    while poll(virtual) != "ok":
        pass
    asks = {".toc": (0, 0, 1), ".fulltoc": (2, 2, 1), ".pma": (2, 3, 0), ".atip": (2, 4, 0)}
    for suffix, (msf, form, first) in asks.items():  # the commands that redumper sends
        cdb = bytes((0x43, msf, form, 0, 0, 0, first, 0x10, 0, 0))
        asked = Command(cdb, Direction.IN, 4096)
        reply = bytes(_oddly(asked, virtual.execute(asked)).data)
        assert reply
        assert (tmp_path / "set" / f"disc{suffix}").read_bytes() == reply
    assert (tmp_path / "set" / "disc.toc").read_bytes()[7] == 0x5A
    assert not (tmp_path / "set" / "disc.cdtext").exists()
    assert "READ TOC" not in (tmp_path / "set" / "disc.log").read_text()


def test_a_job_that_made_two_images_means_its_latest(tmp_path: Path) -> None:
    disc = memory_disc(MIXED, seed=44)
    place = Place(tmp_path, disc, faults=FAULT)
    job = place.insert().job
    place.faults = FaultPlan()
    assert place.insert().job == job
    assert len(place.images()) == 2
    told("export", str(job), "--redumper", "-o", tmp_path / "set", "--name", "disc")
    assert not any(track.errors for track in judge.split(tmp_path / "set" / "disc").tracks)


def _is_the_disc(folder: Path, disc: Any, lost: set[int]) -> None:
    for track, own in zip(judge.split(folder / "disc").tracks, disc.layout.tracks, strict=True):
        assert set(track.errors) == {lba for lba in lost if own.start <= lba < own.end}
        assert (track.start, track.end) == (own.start, own.end)
        for lba in set(range(own.start, own.end)) - lost:
            at = lba - own.start
            assert track.data[at * 2352 : (at + 1) * 2352] == disc.raw[own.number][at].tobytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere",), "No image is called"),
        (("nowhere", "--no-catalog"), "is not to be asked"),
        ((".",), "no job's folder"),
        (("disc.cue", "--name", "../x"), "without a folder"),
        (("disc.cue", "--read-offset", "99999"), "more than 150 sectors"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_sentence(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cue(tmp_path, memory_disc([audio(20)]))
    with Place(tmp_path, memory_disc([audio(20)])).world():
        pass  # so that there is a catalog to be asked
    result = imagerctl("export", *arguments, "--redumper", "-o", "set")
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert not list(tmp_path.glob("set/*"))


def test_the_form_goes_to_a_file_as_its_suffix_says(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc(MIXED))
    assert imagerctl("submission", sheet, "-o", tmp_path / "form.txt").exit_code == 0
    text = (tmp_path / "form.txt").read_text()
    assert "\tTitle: (REQUIRED)" in text
    assert 'name="disc (Track 2).bin"' in text
    assert imagerctl("submission", sheet, "-o", tmp_path / "form.json").exit_code == 0
    form = json.loads((tmp_path / "form.json").read_text())
    assert form["tracks_and_write_offsets"]["d_tracks"].count("<rom ") == 3
    again = imagerctl("submission", sheet, "-o", tmp_path / "form.txt")
    assert again.exit_code == 2
    assert text == (tmp_path / "form.txt").read_text()


def test_a_hostile_name_stays_in_its_line(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc([audio(30)]))
    result = imagerctl("submission", sheet, "--name", '../a"b\n\x1b[2J')
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert 'FILE ".._a_b__[2J.bin" BINARY' in result.stdout
