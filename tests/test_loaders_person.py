# SPDX-License-Identifier: Apache-2.0
"""A person as a loader: asked in sentences, believed as much as a robot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagerd.base.errors import BadInput
from imagerd.devices.loaders.contract import LineHeld, Outcome, unannounced
from imagerd.devices.loaders.journal import StackJournal
from imagerd.devices.loaders.line import Limits
from imagerd.devices.loaders.person import Patience, PersonLoader
from imagerd.devices.loaders.prompts import Answer, Prompt, Wish
from imagerd.devices.loaders.registry import Context, check_loader, open_loader
from imagerd.devices.loaders.stack import End, StackRun, Verdict
from tests.robot import SimTray, World


class Person:
    """Does what is asked, and says so or lets the drive say it."""

    def __init__(self, world: World, *, talks: bool) -> None:
        self.world = world
        self.talks = talks
        self.asked: list[Prompt] = []

    def __call__(self, prompt: Prompt) -> Answer:
        self.asked.append(prompt)
        world = self.world
        match prompt.wish:
            case Wish.LOAD if not world.input:
                return Answer.NONE_LEFT
            case Wish.LOAD:
                world.tray.append(world.input.pop())
            case Wish.TAKE:
                world.accept.append(world.tray.pop())
            case Wish.REJECT:
                if not world.tray:
                    return Answer.CANNOT
                world.reject.append(world.tray.pop())
            case Wish.CLEAR:
                return Answer.CANNOT
        if self.talks:
            return Answer.DONE
        world.tray_open = False  # pushes the tray in, and says nothing
        return Answer.WAIT


def clockwork() -> tuple[Callable[[], float], Callable[[float], None]]:
    """A clock that only sleeping moves."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return lambda: now[0], sleep


@pytest.mark.parametrize("talks", [True, False])
def test_a_person_works_a_stack(tmp_path: Path, talks: bool) -> None:
    world = World.with_stack(3)
    person = Person(world, talks=talks)
    clock, sleep = clockwork()
    loader = PersonLoader(SimTray(world), person, clock=clock, sleep=sleep)
    with StackJournal(tmp_path / "line.jsonl") as journal:
        run = StackRun(loader, SimTray(world), lambda n: Verdict(n != 2), journal, limits=Limits(0))
        report = run.run()
    assert (report.ended, report.accepted, report.rejected) == (End.EMPTY, 2, 1)
    assert (world.accept, world.reject) == ([1, 3], [2])
    assert person.asked[0].sentence == (
        "Put the next disc into drive 0, or say that there are no more."
    )


def test_a_person_who_does_not_come_is_silent_after_an_hour() -> None:
    clock, sleep = clockwork()
    world = World(tray_open=True)
    loader = PersonLoader(
        SimTray(world), lambda prompt: Answer.WAIT, clock=clock, sleep=sleep, patience=Patience()
    )
    assert loader.load(unannounced).outcome is Outcome.SILENT
    assert clock() >= 3600


def test_a_person_who_says_done_without_a_disc_is_not_believed(tmp_path: Path) -> None:
    world = World.with_stack(1)
    answers: Iterator[Answer] = iter([Answer.DONE, Answer.CANNOT, Answer.CANNOT])
    loader = PersonLoader(SimTray(world), lambda prompt: next(answers))
    with StackJournal(tmp_path / "line.jsonl") as journal:
        run = StackRun(loader, SimTray(world), lambda n: Verdict(True), journal, limits=Limits(0))
        with pytest.raises(LineHeld, match="sees no disc and its tray is empty"):
            run.run()


def test_the_registry_needs_a_drive_and_a_prompt_for_a_person() -> None:
    with pytest.raises(BadInput, match="needs a drive and a prompt"):
        open_loader("person")
    tray = SimTray(World())
    loader = open_loader("person", Context(tray=tray, ask=lambda prompt: Answer.DONE))
    assert loader.name == "person at drive 0"
    assert loader.home(unannounced).done


def test_a_run_that_died_while_it_asked_for_a_disc_asks_again_and_counts_none(
    tmp_path: Path,
) -> None:
    world = World.with_stack(1)
    person = Person(world, talks=False)
    clock, sleep = clockwork()

    class Killed(Exception):
        pass

    def killed(_prompt: Prompt) -> Answer:
        raise Killed

    with StackJournal(tmp_path / "line.jsonl") as journal, pytest.raises(Killed):
        loader = PersonLoader(SimTray(world), killed, clock=clock, sleep=sleep)
        StackRun(loader, SimTray(world), lambda _: Verdict(True), journal).run()
    with StackJournal(tmp_path / "line.jsonl") as journal:
        loader = PersonLoader(SimTray(world), person, clock=clock, sleep=sleep)
        report = StackRun(
            loader, SimTray(world), lambda _: Verdict(True), journal, limits=Limits(0)
        ).run()
    assert (report.accepted, report.rejected, report.unsure) == (1, 0, 0)
    assert Wish.REJECT not in {prompt.wish for prompt in person.asked}


def test_a_disc_pushed_in_again_is_not_taken_for_gone_while_the_drive_spins_up() -> None:
    looked: list[float] = []

    class SlowTray(SimTray):
        def medium_present(self, timeout: float) -> bool:
            looked.append(timeout)
            return timeout > 10.0  # it takes that long to see the disc

    clock, sleep = clockwork()
    world = World(tray=[1])
    patience = Patience(total=20.0, look=5.0)
    loader = PersonLoader(
        SlowTray(world), lambda _: Answer.WAIT, patience=patience, clock=clock, sleep=sleep
    )
    assert loader.unload(unannounced).outcome is Outcome.SILENT
    assert min(looked) > 10.0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("conveyor:/dev/ttyS0", "serial, person"),
        ("person:/dev/ttyS0", "no port"),
        ("serial:", "no loader"),
        ("serial:/dev/ttyS0,profile=nobodys", "nobodys"),
        ("serial:/dev/ttyS0,speed=3", "no loader"),
    ],
)
def test_an_address_is_checked_without_opening_it(address: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        check_loader(address)


def test_right_addresses_pass_the_check_though_nothing_is_there() -> None:
    check_loader("person")
    check_loader("serial:/dev/no-such-port,profile=generic")
