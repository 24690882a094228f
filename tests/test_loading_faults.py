# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a robot: the line is held in one sentence, mended, and goes on."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest

from imagerd.base.errors import OperatorError
from imagerd.daemon.protocol import LoaderView
from tests.loading_rig import Disc, Tower, data_disc, stack, tower
from tests.robot import Mishap


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Tower, Disc]]:
    """A tower at a running imagerd that has the disc of these tests already: quick work."""
    with tower(move=1.5, text=1.0) as line:
        disc = data_disc(line.here.folder, "KNOWN")
        stack(line, disc)
        line.start()
        assert line.run().accepted == 1
        yield line, disc


@pytest.fixture
def line(running: tuple[Tower, Disc]) -> Tower:
    """The tower with one disc in its input, and empty bins."""
    line, disc = running
    line.world.accept.clear()
    line.world.reject.clear()
    stack(line, disc)
    return line


def held(line: Tower, ended: LoaderView) -> str:
    """The sentence of a held line, as everybody sees it."""
    assert ended.held
    assert ended.sentence.count("\n") == 0
    status = line.here.client.status()
    assert status.loaders == (ended,)
    with pytest.raises(OperatorError, match="not running"):
        line.order("stop")
    return ended.sentence


def goes_on(line: Tower, discs: int = 1) -> LoaderView:
    """Clear the line by hand, say so, and work the rest of the stack of so many `discs`."""
    line.arm.cleared_by_hand()
    ended = line.run("cleared")
    assert (ended.held, ended.sentence) == (False, "The input is empty.")
    assert line.world.violations == []
    assert sorted(line.world.accept + line.world.reject) == sorted(line.arm.discs)[-discs:]
    return ended


UNACCOUNTED = {
    Mishap.DEAD: "gives no answer",
    Mishap.GARBAGE_STILL: r"answered 'ÿ?\x00' to input → drive",
    Mishap.FALSE_SUCCESS: "sees no disc and its tray is empty",
}


def test_a_load_that_nobody_can_account_for_holds_the_line_until_it_is_cleared(line: Tower) -> None:
    verb = "run"
    for mishap, words in UNACCOUNTED.items():
        line.plan(mishap)
        assert words in held(line, line.run(verb))
        assert len(line.world.input) == 1
        line.arm.cleared_by_hand()
        verb = "cleared"
    goes_on(line)


def test_a_robot_that_can_pick_no_more_is_looked_at_before_its_stack_counts_as_done(
    line: Tower,
) -> None:
    first = line.arm.motions  # picking fails twice; between, the tray is found empty
    line.arm.mishaps |= {first: Mishap.STUCK, first + 2: Mishap.STUCK}
    ended = line.run()
    assert "can pick no more" in held(line, ended)
    ended = line.run()
    assert (ended.held, ended.accepted, len(line.world.accept)) == (False, 1, 1)


def test_two_discs_at_once_hold_the_line_when_the_drive_still_sees_one(line: Tower) -> None:
    stack(line, line.arm.discs[1])
    line.plan(Mishap.DOUBLE)
    ended = line.run()
    assert "two discs came at once" in held(line, ended)
    assert len(line.world.accept + line.world.tray) == 2
    goes_on(line, discs=2)


def test_a_robot_that_is_stuck_over_the_drive_holds_the_line_with_the_disc_in_it(
    line: Tower,
) -> None:
    line.arm.hit["I"] = lambda: line.arm.mishaps.update(
        dict.fromkeys(range(line.arm.motions + 1, line.arm.motions + 3), Mishap.STUCK)
    )
    ended = line.run()
    assert "is still in demo" in held(line, ended)
    assert len(line.world.tray) == 1
    jobs = len(line.here.client.jobs(everything=True))
    table = line.here.ctl("loader", "list")
    assert "held" in table
    assert "is still in demo" in line.here.ctl("status")
    line.arm.mishaps.clear()
    assert line.run().accepted == 1  # mended without a hand on the discs
    assert len(line.world.accept) == 1
    assert len(line.here.client.jobs(everything=True)) == jobs  # the disc kept its verdict


def test_a_motion_that_was_made_but_not_understood_is_settled_by_the_drive(line: Tower) -> None:
    line.plan(Mishap.GARBAGE_MOVED, Mishap.SILENT_MOVED)
    ended = line.run()
    assert "sees no disc" in held(line, ended)  # the loading was clear; where is it now?
    assert len(line.world.accept) == 1
    assert line.run().sentence == "The input is empty."
    assert len(line.world.accept) == 1


def test_a_disc_that_the_line_did_not_load_is_left_alone(line: Tower) -> None:
    control = line.arm.control
    disc = line.arm.discs[1]
    control.insert(disc.image)
    line.here.until(lambda: control.state().tray_open, "imagerd to take it as a disc by hand")
    control.close_tray()
    ended = line.run()
    assert "did not load" in held(line, ended)
    control.remove()
    assert line.run().sentence == "The input is empty."


def leave_free(line: Tower, size: str) -> None:
    """Ask for so much free space in the archive."""
    here, before = line.here, line.here.log.read_text().count("was read again")
    text = here.config_file.read_text()
    here.config_file.write_text(re.sub("minimum_free = .*", f'minimum_free = "{size}"', text))
    line.kill(signal.SIGHUP)
    here.until(lambda: here.log.read_text().count("was read again") > before, "the reload")


def test_a_full_archive_makes_the_line_wait_with_the_disc_in_the_drive(line: Tower) -> None:
    leave_free(line, "900 TiB")
    line.order("run")
    line.here.until(lambda: "Waiting for free space" in line.loader.sentence, "the line to wait")
    line.order("stop")
    line.here.until(lambda: not line.loader.running, "the run to end")
    assert (line.loader.held, len(line.world.tray)) == (False, 1)
    line.order("run")
    line.here.until(lambda: "Waiting for free space" in line.loader.sentence, "the line to wait")
    leave_free(line, "1 MiB")
    line.here.until(lambda: not line.loader.running, "the run to end")
    assert line.loader.sentence == "The input is empty."
    assert len(line.world.accept) == 1


def test_a_unit_that_errs_on_a_low_stack_works_it_to_the_end() -> None:
    with tower(low_stack=True) as line:
        disc = data_disc(line.here.folder, "LOW")
        stack(line, disc)
        line.plan(Mishap.FALSE_ERROR)
        line.start()
        ended = line.run()
        assert (ended.accepted, ended.rejected) == (1, 0)
        assert not ended.held
        assert line.world.violations == []
