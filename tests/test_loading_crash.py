# SPDX-License-Identifier: Apache-2.0
"""imagerd is killed or stopped in the middle of a stack: no disc is lost, none archived twice."""

from __future__ import annotations

import signal

from imagerd.devices.loaders.journal import Event, Phase, position_of
from tests.loading_rig import Tower, data_disc, stack, tower

SECTORS = 6_000
SCALE = 0.6  # of the drive's time: so many sectors take a second


def phase(line: Tower) -> Phase:
    return position_of(line.entries).phase


def died(line: Tower) -> None:
    """Wait until the killed daemon is gone, and start another."""
    here = line.here
    assert here.daemon is not None
    here.daemon.wait(30)
    here.daemon = None
    line.start()


def reading(line: Tower) -> bool:
    return any(
        job.state == "reading" and job.progress is not None and job.progress.done > 0
        for job in line.here.client.jobs()
    )


def test_a_stack_goes_on_after_kills_at_its_worst_moments() -> None:
    with tower(time_scale=SCALE) as line:
        here = line.here
        labels = ["LOADED", "IMAGED", "DONE", "SORTED"]
        sizes = [400, SECTORS, 410, 420]
        discs = [data_disc(here.folder, *disc) for disc in zip(labels, sizes, strict=True)]
        stack(line, *discs)
        line.start()

        line.arm.hit["I"] = line.kill  # the arm takes disc 1 to the drive
        line.order("run")
        died(line)
        assert phase(line) is Phase.LOADING
        assert line.loader.held
        assert "Interrupted at disc 1" in line.loader.sentence

        line.order("run")  # disc 1 is done, disc 2 is being imaged
        here.until(lambda: reading(line), "disc 2 to be read")
        line.kill()
        died(line)
        assert phase(line) is Phase.IN_DRIVE
        assert here.client.jobs()[0].state == "paused"

        line.order("run")
        here.until(lambda: len(states(line)) == 3 and states(line)[-1] == "done", "disc 3")
        line.kill()  # with disc 3 archived, and still in the drive
        died(line)

        line.arm.hit["I"] = lambda: line.arm.hit.update(A=line.kill)  # disc 4 comes out again
        line.order("run")
        died(line)
        assert phase(line) is Phase.UNLOADING

        ended = line.run()
        assert ended.sentence == "The input is empty."
        assert states(line) == ["done"] * 4
        assert (line.world.accept, line.world.reject) == ([1, 2, 3, 4], [])
        assert (ended.accepted, ended.rejected) == (4, 0)
        assert line.world.violations == []
        jobs = here.client.jobs(everything=True)[::-1]
        assert [job.name for job in jobs] == labels
        for job, disc in zip(jobs, discs, strict=True):
            assert here.image_of(job).read_bytes() == disc.image.read_bytes()


def states(line: Tower) -> list[str]:
    return [job.state for job in line.here.client.jobs(everything=True)][::-1]


def test_sigterm_ends_a_run_after_the_motion_under_way_and_stop_after_the_disc() -> None:
    with tower(time_scale=SCALE) as line:
        here = line.here
        stack(line, data_disc(here.folder, "LONG", SECTORS), data_disc(here.folder, "SHORT"))
        line.start()
        line.arm.hit["I"] = lambda: line.kill(signal.SIGTERM)
        line.order("run")
        assert here.daemon is not None
        assert here.daemon.wait(60) == 0
        assert line.world.tray == [1]
        assert (phase(line), line.entries[-1].event) == (Phase.IN_DRIVE, Event.STOPPED)

        line.start()
        line.order("run")
        here.until(lambda: reading(line), "disc 1 to be read")
        assert here.stop() == 0
        assert (phase(line), line.entries[-1].event) == (Phase.IN_DRIVE, Event.STOPPED)

        line.start()
        line.order("run")
        here.until(lambda: line.loader.sentence == "Disc 1 is in demo.", "disc 1 to go on")
        assert "stops after the disc at hand" in line.order("stop").sentence
        here.until(lambda: not line.loader.running, "the run to end")
        assert (line.world.input, line.world.accept) == ([2], [1])
        assert (line.loader.accepted, line.loader.held) == (1, False)
        assert "Stopped as asked" in line.loader.sentence

        assert line.run().sentence == "The input is empty."
        assert line.loader.accepted == 2
        assert states(line) == ["done", "done"]
        assert (line.world.accept, line.world.violations) == ([1, 2], [])


def test_a_drive_that_is_lost_holds_the_line_until_it_is_back() -> None:
    with tower(time_scale=SCALE) as line:
        stack(line, data_disc(line.here.folder, "LONG", SECTORS))
        line.start()
        line.order("run")
        line.here.until(lambda: reading(line), "disc 1 to be read")
        line.arm.control.unplug()
        line.here.until(lambda: not line.loader.running, "the run to end")
        assert line.loader.held
        assert "demo" in line.loader.sentence
        assert (phase(line), line.world.reject) == (Phase.IN_DRIVE, [])
        line.arm.control.replug()
        line.here.until(lambda: bool(line.here.client.drives()), "the drive to be found again")
        assert line.run().accepted == 1
        assert states(line) == ["done"]
