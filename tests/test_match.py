# SPDX-License-Identifier: Apache-2.0
"""A disc gets its name, whatever its container; and what nearly fits is told as what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from imagerd.cli.main import cli
from imagerd.disc.layout import SectorFormat, TrackMode
from tests.dats import write_datafile
from tests.sources import MemorySource, audio, data, memory_blocks, memory_disc
from tests.toolkit_images import write_cue, write_iso

MIXED = (data(60), audio(300, pregap=10), audio(250))


def imagerctl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def told(*arguments: str | Path, code: int = 0) -> Any:
    result = imagerctl(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def files(disc: MemorySource, name: str = "Game") -> dict[str, bytes]:
    """The files that Redump would list."""
    return {
        f"{name} (Track {track.number}).bin": disc.raw[track.number].tobytes()
        for track in disc.layout.tracks
    }


@pytest.fixture(autouse=True)
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERD_CATALOG", str(tmp_path / "catalog.sqlite"))


def learn(folder: Path, games: dict[str, dict[str, bytes]], **more: str) -> None:
    dat = write_datafile(folder / f"{more.get('name', 'list')}.dat", games, **more)
    assert imagerctl("dat", "import", dat).exit_code == 0


def test_a_disc_gets_the_name_of_the_game_with_its_tracks(tmp_path: Path) -> None:
    disc, other = memory_disc(MIXED), memory_disc(MIXED, seed=2)
    learn(tmp_path, {"Other": files(other), "Game & Co (USA)": {"Game.cue": b"x", **files(disc)}})
    sheet = write_cue(tmp_path, disc)
    image = told("match", sheet)["images"][0]
    assert image["result"]["verdict"] == "match"
    (found,) = image["result"]["candidates"]
    assert (found["name"], found["dat"]) == ("Game & Co (USA)", "Maker - System")
    assert [(t["fit"], t["by"]) for t in found["tracks"]] == [("same", "sha1")] * 3
    shown = imagerctl("match", sheet)
    assert "match  Game & Co (USA)" in shown.stdout
    assert "by SHA-1" in shown.stdout
