# SPDX-License-Identifier: Apache-2.0
"""The generic robot through real pyserial on a pseudo terminal, and runs that are killed."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.devices.loaders.contract import (
    Claim,
    LineHeld,
    LoaderLost,
    Motion,
    Outcome,
    Place,
    unannounced,
)
from imagerd.devices.loaders.generic_serial import GenericSerialLoader
from imagerd.devices.loaders.journal import Event, StackJournal, read_journal
from imagerd.devices.loaders.line import Limits
from imagerd.devices.loaders.profile import Profile, parse_profile
from imagerd.devices.loaders.registry import open_loader
from imagerd.devices.loaders.stack import End, StackRun, Verdict
from tests.loader_child import QUICK
from tests.robot import Mishap, PtyRobot, RobotArm, SimTray, World

IMPATIENT = parse_profile(
    'name = "impatient"\nbase = "generic"\n[timing]\nmove = 1.0\ntext = 1.0\nquiet = 0.01\n'
)
LOAD = Motion(Place.INPUT, Place.DRIVE, "I")


@contextlib.contextmanager
def robot(
    world: World, profile: Profile = QUICK, **mishaps: Mishap
) -> Iterator[tuple[GenericSerialLoader, RobotArm]]:
    """A robot on a terminal and its driver; motion n meets with the mishap given as ``_n``."""
    arm = RobotArm(world, {int(key[1:]): value for key, value in mishaps.items()}, sign_on=True)
    with PtyRobot(arm) as pty, GenericSerialLoader(pty.path, profile) as loader:
        yield loader, arm


def open_world(discs: int) -> World:
    world = World.with_stack(discs)
    world.tray_open = True
    return world


def test_a_load_moves_one_disc_and_says_so() -> None:
    world = open_world(2)
    announced: list[Motion] = []
    with robot(world) as (loader, _):
        assert loader.load(announced.append) == Claim(Outcome.DONE, LOAD, "X")
    assert announced == [LOAD]
    assert (world.tray, world.input) == ([1], [2])


def test_a_reject_takes_the_disc_and_then_drops_it() -> None:
    world = open_world(1)
    announced: list[Motion] = []
    with robot(world) as (loader, _):
        loader.load(unannounced)
        claim = loader.reject(announced.append)
    assert claim.done
    assert [motion.command for motion in announced] == ["G", "R"]
    assert world.reject == [1]


def test_a_refusal_carries_the_status_code_and_whether_the_input_is_empty() -> None:
    with robot(open_world(0)) as (loader, _):
        assert loader.load(unannounced) == Claim(Outcome.REFUSED, LOAD, "E", 22, none_left=True)
        status = loader.status()
    assert (status.alive, status.code) == (True, 22)
    assert "nothing could be picked from the input bin" in status.sentence


def test_no_answer_and_garbage_are_claims_and_no_exceptions() -> None:
    world = open_world(3)
    mishaps = {"_0": Mishap.SILENT_STILL, "_1": Mishap.GARBAGE_STILL}
    with robot(world, IMPATIENT, **mishaps) as (loader, _):
        assert loader.load(unannounced).outcome is Outcome.SILENT
        claim = loader.load(unannounced)
        assert (claim.outcome, claim.reply) == (Outcome.GARBLED, "ÿ?\x00")
        assert loader.load(unannounced).done


def test_a_dead_robot_is_not_alive_until_switched_off_and_on() -> None:
    with robot(open_world(1), IMPATIENT, _0=Mishap.DEAD) as (loader, arm):
        assert loader.load(unannounced).outcome is Outcome.SILENT
        assert not loader.status().alive
        arm.switch_off_and_on()
        assert loader.status().alive


def test_a_late_answer_is_not_taken_for_the_next_command_s() -> None:
    world = open_world(2)
    arm = RobotArm(world, pause=lambda: time.sleep(1.4 if not world.tray else 0.0))
    with PtyRobot(arm) as pty, GenericSerialLoader(pty.path, IMPATIENT) as loader:
        assert loader.load(unannounced).outcome is Outcome.SILENT
        assert loader.status().alive  # waits for the motion's end
        world.tray_open = False
        assert loader.unload(unannounced).outcome is Outcome.REFUSED


def test_home_and_recover_use_the_profile_s_letters() -> None:
    world = open_world(1)
    with robot(world) as (loader, _):
        assert loader.home(unannounced).done
        assert loader.recover(unannounced).outcome is Outcome.REFUSED
        world.gripper.append(world.input.pop())
        assert loader.recover(unannounced).done
    assert world.reject == [1]


def test_a_second_driver_is_refused_the_port() -> None:
    with robot(open_world(0)) as (loader, _), pytest.raises(LoaderLost, match="another program"):
        GenericSerialLoader(loader.url, QUICK)


def test_a_port_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(LoaderLost, match="no port /dev/ttyNONE"):
        open_loader("serial:/dev/ttyNONE")
    with pytest.raises(BadInput, match="serial, person"):
        open_loader("nimbus")
    with pytest.raises(BadInput, match="write serial:"):
        open_loader("serial:/dev/ttyS0,speed=3")


def test_a_port_that_is_pulled_is_lost() -> None:
    arm = RobotArm(open_world(1))
    with PtyRobot(arm) as pty:
        loader = GenericSerialLoader(pty.path, IMPATIENT)
    with pytest.raises(LoaderLost, match="plug it in again"):
        loader.load(unannounced)
    loader.close()


def test_the_registry_opens_a_robot_by_its_address() -> None:
    with PtyRobot(RobotArm(open_world(1))) as pty:
        loader = open_loader(f"serial:{pty.path},profile=kiosk")
        assert loader.name == f"kiosk robot on {pty.path}"
        with pytest.raises(NotAvailable, match="one input bin"):
            loader.load(unannounced, bank=1)
        loader.close()


@pytest.mark.parametrize("mishap", [m for m in Mishap if m is not Mishap.DEAD])
def test_a_stack_on_a_real_line_survives_each_mishap(tmp_path: Path, mishap: Mishap) -> None:
    world = World.with_stack(3)
    for attempt in range(5):
        mishaps = {"_0": mishap, "_3": mishap} if attempt == 0 else {}
        with (
            robot(world, IMPATIENT, **mishaps) as (loader, _),
            StackJournal(tmp_path / "line.jsonl") as journal,
        ):
            run = StackRun(
                loader, SimTray(world), lambda n: Verdict(True), journal, limits=Limits(0)
            )
            with contextlib.suppress(LineHeld):
                assert run.run(cleared=attempt > 0).ended is End.EMPTY
                break
        world.cleared_by_hand()
    assert world.input == []
    assert world.violations == []
    assert world.all_discs == [1, 2, 3]


class Parent:
    """World, robot and drive of a child that is killed at its k-th step."""

    def __init__(self, folder: Path, kill_at: int | None) -> None:
        self.world = World.with_stack(3, frozenset({2}))
        self.journal = folder / "line.jsonl"
        self.archived: Counter[int] = Counter()
        self.steps = 0
        self._kill_at = kill_at
        self._child: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self._tray = SimTray(self.world)

    def step(self) -> None:
        """One thing more has happened; is it the child's last?"""
        if self.steps == self._kill_at and self._child is not None:
            self._kill_at = None
            self._child.send_signal(signal.SIGKILL)
            time.sleep(0.02)
        self.steps += 1

    def run(self) -> int:
        """Start a child, serve it until it ends, return its exit code."""
        arm = RobotArm(self.world, pause=self.step, before=lambda n: self.step())
        path = self._folder / f"tray{self.steps}.sock"
        with PtyRobot(arm) as pty, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            command = [sys.executable, "-m", "tests.loader_child", pty.path, str(path)]
            self._child = subprocess.Popen([*command, str(self.journal)])
            server = threading.Thread(target=self._serve, args=(listener,))
            server.start()
            code = self._child.wait(60)
            server.join()
        return code

    def _serve(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("r") as lines:
            for line in lines:
                self.step()
                answer = self._answer(line.split())
                self.step()
                with contextlib.suppress(OSError):
                    connection.sendall(b"yes\n" if answer else b"no\n")

    def _answer(self, words: list[str]) -> bool:
        match words:
            case ["unlock"]:
                self._tray.unlock()
            case ["open"]:
                self._tray.open_tray()
            case ["close"]:
                self._tray.close_tray()
            case ["present"]:
                return self._tray.medium_present(0)
            case ["archive", _]:
                self.archived[self.world.tray[-1]] += 1
                return True
        return False


def steps_of_a_whole_run(folder: Path) -> int:
    parent = Parent(folder, None)
    assert parent.run() == 0
    return parent.steps


def test_a_run_killed_at_any_moment_is_taken_up_again(tmp_path: Path) -> None:
    """kill -9 at a dozen moments: while the arm moves, before and after, at the tray."""
    whole = steps_of_a_whole_run(tmp_path)
    moments = random.Random(7).sample(range(whole), 12)
    for moment in moments:
        folder = tmp_path / str(moment)
        folder.mkdir()
        parent = Parent(folder, moment)
        assert parent.run() == -signal.SIGKILL, moment
        assert parent.run() == 0, moment
        world = parent.world
        assert world.violations == [], moment
        assert world.all_discs == [1, 2, 3], moment
        assert world.input + world.gripper + world.tray == [], moment
        assert set(world.accept) <= set(parent.archived), moment
        out = [e for e in read_journal(parent.journal) if e.event is Event.OUT]
        said = Counter(entry.target for entry in out)
        assert said[Place.ACCEPT] + said[Place.UNSURE] >= len(world.accept), moment
        assert said[Place.ACCEPT] <= len(world.accept), moment
