# SPDX-License-Identifier: Apache-2.0
"""The sheet for a bare .bin: what its sectors tell, beside the file, which is not touched."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from imagerd.cli.main import cli
from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.formats import open_image
from tests.discs_formats import noise, raw_volume, read_all, volume_sectors
from tests.judges import ask
from tests.sources import audio, data, memory_disc
from tests.toolkit_images import write_cue


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def with_sub(rows: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> bytes:
    return np.hstack((rows, np.zeros((len(rows), 96), np.uint8))).tobytes()


MODE2 = memory_disc([data(40, TrackMode.MODE2, form2=3)]).raw[1]
BARE = {
    "MODE1/2352": raw_volume(60).tobytes(),
    "MODE1/2352 RW_RAW": with_sub(raw_volume(60)),
    "MODE2/2352": MODE2.tobytes(),
    "MODE1/2048": volume_sectors(60).tobytes(),
    "AUDIO": memory_disc([audio(30)]).raw[1].tobytes(),
}


@pytest.mark.parametrize("kind", BARE)
def test_the_sheet_says_of_the_file_what_the_file_says(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "my game.img"
    path.write_bytes(BARE[kind])
    before = path.stat()
    told = json.loads(imagerctl("info", path, "--json").stdout)
    assert f"TRACK 01 {kind}" in told["sheet"]
    done = imagerctl("convert", "--sheet-only", path, tmp_path / "my game.cue")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "my game.cue").read_bytes().decode() == told["sheet"]
    assert path.stat() == before
    with closing(open_image(path)) as bare, closing(open_image(tmp_path / "my game.cue")) as image:
        assert image.layout == bare.layout
        assert image.warnings == ()
        area = range(image.layout.end)
        assert np.array_equal(read_all(image, area), read_all(bare, area))
    assert json.loads(imagerctl("info", path, "--json").stdout)["sheet"] is None  # it has one now


def test_bchunk_takes_the_sheet(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(BARE["MODE1/2352"])
    assert (
        imagerctl("convert", "--sheet-only", tmp_path / "x.bin", tmp_path / "x.cue").exit_code == 0
    )
    ask("bchunk", "x.bin", "x.cue", "out", cwd=tmp_path)
    assert (tmp_path / "out01.iso").read_bytes() == BARE["MODE1/2048"]


def test_a_sheet_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(BARE["MODE1/2352"])
    (tmp_path / "x.cue").write_text("a person's")
    refused = imagerctl("convert", "--sheet-only", tmp_path / "x.bin", tmp_path / "x.cue")
    assert refused.exit_code == 2
    assert (tmp_path / "x.cue").read_text() == "a person's"
    again = ("convert", "--sheet-only", "--overwrite", tmp_path / "x.bin", tmp_path / "x.cue")
    assert imagerctl(*again).exit_code == 0


@pytest.mark.parametrize("target", ["sub/x.cue", "x.toc"])
def test_a_sheet_is_a_cue_beside_its_file(tmp_path: Path, target: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "x.bin").write_bytes(BARE["MODE1/2352"])
    refused = imagerctl("convert", "--sheet-only", tmp_path / "x.bin", tmp_path / target)
    assert refused.exit_code == 2
    assert "beside" in refused.stderr


def test_what_has_a_table_of_its_own_gets_no_sheet(tmp_path: Path) -> None:
    sheet = write_cue(tmp_path, memory_disc([data(20), audio(20)]))
    refused = imagerctl("convert", "--sheet-only", sheet, tmp_path / "y.cue")
    assert refused.exit_code == 2
    assert "no bare .bin" in refused.stderr
    assert json.loads(imagerctl("info", sheet, "--json").stdout)["sheet"] is None


def test_noise_is_not_given_a_sheet_it_cannot_have(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(noise(1, SectorFormat.RAW.size, 3).tobytes()[:-1])
    assert imagerctl("info", tmp_path / "x.bin").exit_code == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "x.bin"]
