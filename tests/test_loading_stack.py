# SPDX-License-Identifier: Apache-2.0
"""A robot, a stack and a real imagerd: everything is archived, and each disc ends in its bin."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from imagerd.daemon.protocol import Notice
from imagerd.devices.loaders.journal import Event
from tests.loading_rig import Disc, Tower, data_disc, stack, tower

SCRATCH = "[[sectors]]\nwhat = 'unreadable'\nlba = 150\ncount = 3\n"


def odd_disc(folder: Path) -> Disc:
    """One that a drive for CDs cannot identify: a DVD."""
    image = folder / "dvd.iso"
    with image.open("wb") as file:
        file.truncate(2048 * 600_000)
    return Disc(image)


def listen(here: Tower) -> tuple[threading.Thread, list[Notice]]:
    """Collect the daemon's events until it ends."""
    heard: list[Notice] = []
    ear = threading.Thread(target=lambda: heard.extend(here.here.client.events()))
    ear.start()
    return ear, heard


def test_a_stack_is_archived_and_sorted_with_every_move_on_record_before_it_is_made() -> None:
    towers: list[Tower] = []
    unannounced: list[str] = []

    def on_record(_number: int) -> None:
        last, letter = towers[0].entries[-1], towers[0].arm.letter
        if last.event is not Event.SEND or last.command != letter:
            unannounced.append(letter)

    with tower(before=on_record, drive='media = ["cd"]\n') as line:
        towers.append(line)
        folder = line.here.folder
        first = data_disc(folder, "FIRST")
        scratched = data_disc(folder, "SCRATCHED", 420, SCRATCH)
        second = data_disc(folder, "SECOND", 440)
        stack(line, first, scratched, odd_disc(folder), second, first)
        line.start()
        ear, heard = listen(line)
        watcher = subprocess.Popen(
            [sys.executable, "-m", "imagerd.cli.main", "watch"],
            env=line.here.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "running" in line.here.ctl("loader", "run", "robot")
        line.here.until(lambda: not line.loader.running, "the run to end")
        ended = line.loader
        assert ended.sentence == "The input is empty."
        assert (ended.accepted, ended.rejected, ended.held) == (3, 2, False)
        assert (line.world.accept, line.world.reject) == ([1, 4, 5], [2, 3])
        assert line.world.all_discs == [1, 2, 3, 4, 5]
        assert line.world.violations == []
        assert unannounced == []
        jobs = line.here.client.jobs(everything=True)[::-1]
        assert [(job.name, job.state) for job in jobs] == [
            ("FIRST", "done"),
            ("SCRATCHED", "partial"),
            ("", "failed"),
            ("SECOND", "done"),
            ("FIRST", "skipped"),
        ]
        for job, disc in ((jobs[0], first), (jobs[3], second)):
            assert line.here.image_of(job).read_bytes() == disc.image.read_bytes()
        noted = [entry.text for entry in line.entries if entry.event is Event.JOB]
        assert noted == [job.id for job in jobs]
        table = line.here.ctl("loader", "list")
        assert "The input is empty." in table
        assert line.here.stop() == 0
        ear.join(10)
        watched = watcher.communicate(timeout=30)[0]
    assert "Disc 2 is on its way to the reject bin." in watched
    told = [notice.loader.sentence for notice in heard if notice.loader is not None]
    assert "Disc 1 is on its way into demo." in told
    assert "Disc 2 is on its way to the reject bin." in told
    assert told[-1] == "The input is empty."
