# SPDX-License-Identifier: Apache-2.0
"""`imagerctl archive` as a person meets it: what it says, and where it stops before it begins."""

from __future__ import annotations

import json

import pytest

from imagerd.archive.stages import Stage
from imagerd.base.progress import Progress, run
from imagerd.catalog.records import JobState
from imagerd.cli.verbs.archive import stage_words
from imagerd.devices.virtual.host import spawn_host
from imagerd.formats import WriteOptions, write_image
from tests.sources import audio, data, memory_disc
from tests.station import station


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Stage(JobState.IDENTIFYING, Progress(0, 0, what="identifying")), "identifying"),
        (Stage(JobState.READING, Progress(5, 90, what="pass 1: reading")), "pass 1: reading"),
        (
            Stage(JobState.READING, Progress(5, 90, what="pass 1: reading"), bad=3, suspect=1),
            "3 bad, 1 doubtful, pass 1: reading",
        ),
        (
            Stage(JobState.READING, Progress(87, 90, what="pass 6: retrying"), bad=3,
                  budget_left=61.0),
            "3 bad, at most 1:01 more, pass 6: retrying",
        ),
        (Stage(JobState.WRITING, Progress(5, 90, what="track 1")), "writing track 1"),
    ],
    ids=str,
)  # fmt: skip
def test_a_stage_is_told_with_the_damage_first(stage: Stage, words: str) -> None:
    assert stage_words(stage) == words


def test_the_outcome_is_told_with_where_it_lies_and_what_was_left_out() -> None:
    with station(start=False) as here:
        disc = here.folder / "disc.cue"
        run(write_image(memory_disc([data(300), audio(400, 150)]), disc, WriteOptions(sync=False)))
        socket = here.folder / "d.sock"
        host = spawn_host(socket, "d")
        try:
            host.control.insert(disc)
            drive, out = f"virtual:{socket}", here.folder / "out"
            refused = here.ctl("archive", drive, "-o", disc, ok=(2,))
            assert refused == ""
            assert not host.control.state().tray_open, "nothing was done to the disc"
            told = here.ctl("archive", drive, "-o", out, "--policy", "output=iso")
            host.control.insert(disc)
            again = json.loads(here.ctl("archive", drive, "-o", out, "--json"))
        finally:
            host.stop()
        assert told.startswith("done  ")
        image = next(out.glob("*/*.iso"))
        assert str(image) in told
        assert "Left out: audio track 2." in told
        assert (again["state"], again["image"]) == ("skipped", None)
