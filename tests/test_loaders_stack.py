# SPDX-License-Identifier: Apache-2.0
"""An unattended run against a robot with physics, to which anything may happen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.base.errors import NotAvailable, UnreadableDisc
from imagerd.devices.loaders.contract import LineHeld, Place
from imagerd.devices.loaders.generic_serial import GenericSerialLoader
from imagerd.devices.loaders.journal import Event, Phase, StackJournal, read_journal
from imagerd.devices.loaders.line import Limits
from imagerd.devices.loaders.profile import Profile, load_profile
from imagerd.devices.loaders.stack import End, StackReport, StackRun, Verdict
from tests.robot import MemoryWire, Mishap, RobotArm, SimTray, World
from tests.strategies_loaders import Plan, plans

GENERIC = load_profile("generic")


class Bench:
    """One world, its robot, and runs over one journal."""

    def __init__(self, folder: Path, plan: Plan, profile: Profile = GENERIC) -> None:
        self.plan = plan
        self.world = plan.world()
        self.arm = RobotArm(self.world, plan.mishaps, sign_on=True)
        self.profile = profile
        self.journal = folder / "line.jsonl"
        self.archived: list[tuple[int, int]] = []  # number in the journal, disc
        self.sentences: list[str] = []

    def archive(self, number: int) -> Verdict:
        disc = self.world.tray[-1]
        self.archived.append((number, disc))
        return Verdict(disc not in self.plan.bad)

    def run(self, *, cleared: bool = False, expect: int | None = None) -> StackReport | None:
        """The report, or None where the line was held."""
        loader = GenericSerialLoader("memory", self.profile, MemoryWire(self.arm))
        with StackJournal(self.journal) as journal:
            run = StackRun(
                loader, SimTray(self.world), self.archive, journal, expect=expect, limits=Limits(0)
            )
            try:
                return run.run(cleared=cleared)
            except LineHeld as held:
                self.sentences.append(str(held))
                return None

    def run_with_help(self, *, person: bool = True) -> StackReport:
        """Runs until one ends by itself; a person puts the machine right between."""
        report = self.run()
        for _ in range(30):
            if report is not None:
                return report
            self.arm.switch_off_and_on()
            if person:
                self.world.cleared_by_hand()
            report = self.run(cleared=person)
        raise AssertionError(f"never ended: {self.sentences}")

    def check_physics(self) -> None:
        assert self.world.violations == []
        assert self.world.all_discs == list(range(1, self.plan.discs + 1))


def bench(folder: Path, discs: int, profile: Profile = GENERIC, **mishaps: Mishap) -> Bench:
    """A bench where motion n meets with the mishap given as ``_n``."""
    planned = {int(key[1:]): value for key, value in mishaps.items()}
    return Bench(folder, Plan(discs, frozenset(), frozenset(), planned), profile)


def test_a_stack_without_mishaps_goes_through_in_order(tmp_path: Path) -> None:
    line = Bench(tmp_path, Plan(4, frozenset({3}), frozenset({2}), {}))
    report = line.run(expect=4)
    assert report is not None
    assert (report.ended, report.accepted, report.rejected, report.unsure) == (End.EMPTY, 2, 2, 0)
    assert line.world.accept == [1, 4]
    assert line.world.reject == [2, 3]
    assert line.archived == [(1, 1), (2, 2), (4, 4)]
    assert report.sentence == "The input is empty."
    line.check_physics()


@pytest.mark.parametrize("name", ["microboards-k", "get-first", "pick-first", "kiosk", "generic"])
def test_every_shipped_profile_works_a_stack(tmp_path: Path, name: str) -> None:
    line = Bench(tmp_path, Plan(3, frozenset(), frozenset({2}), {}), load_profile(name))
    report = line.run()
    assert report is not None
    assert (report.accepted, report.rejected) == (2, 1)
    line.check_physics()


def test_every_motion_is_on_record_before_it_is_sent(tmp_path: Path) -> None:
    seen: list[int] = []

    def before(number: int) -> None:
        sent = [entry for entry in read_journal(line.journal) if entry.event is Event.SEND]
        seen.append(len(sent))
        assert len(sent) == number + 1

    line = bench(tmp_path, 2)
    line.arm = RobotArm(line.world, before=before)
    assert line.run() is not None
    assert len(seen) == 5  # two in, two out, and one that finds the input empty


@given(plans())
@settings(max_examples=150, deadline=None)
def test_whatever_happens_no_disc_is_lost_and_every_account_is_true(plan: Plan) -> None:
    with TemporaryDirectory() as folder:
        line = Bench(Path(folder), plan)
        report = line.run_with_help()
        line.check_physics()
        left = line.world.input + line.world.gripper + line.world.tray
        assert not left or report.ended is End.CANNOT_PICK
        archived = Counter(disc for _, disc in line.archived)
        assert all(count == 1 for count in archived.values())
        assert set(line.world.accept) <= set(archived) - plan.bad
        accounts = [entry for entry in read_journal(line.journal) if entry.event is Event.OUT]
        said = Counter(entry.target for entry in accounts)
        assert (said[Place.ACCEPT], said[Place.REJECT], said[Place.UNSURE]) == (
            report.accepted,
            report.rejected,
            report.unsure,
        )
        discs = dict(line.archived)
        for entry in accounts:
            if entry.target is Place.ACCEPT:
                assert discs[entry.disc] in line.world.accept
            if entry.target is Place.REJECT and entry.disc in discs:
                assert discs[entry.disc] in line.world.reject


@given(plans(st.sampled_from([Mishap.STUCK, Mishap.SILENT_MOVED, Mishap.GARBAGE_MOVED])))
@settings(max_examples=100, deadline=None)
def test_a_line_that_was_held_is_taken_up_again_without_a_person(plan: Plan) -> None:
    with TemporaryDirectory() as folder:
        line = Bench(Path(folder), plan)
        report = line.run_with_help(person=False)
        line.check_physics()
        if report.ended is End.EMPTY:
            assert len(line.world.accept + line.world.reject) == plan.discs
        accepted = {disc for _, disc in line.archived} - plan.bad
        assert set(line.world.accept) <= accepted


def test_two_discs_at_once_hold_the_line(tmp_path: Path) -> None:
    line = bench(tmp_path, 3, _0=Mishap.DOUBLE)
    assert line.run() is None
    assert "still reports a disc" in line.sentences[0]
    assert "two discs came at once" in line.sentences[0]
    assert line.run() is None, "without a person it must not go on: nobody knows the second disc"
    line.check_physics()


def test_a_silent_robot_that_moved_is_believed_only_through_the_drive(tmp_path: Path) -> None:
    line = bench(tmp_path, 2, _0=Mishap.SILENT_MOVED)
    report = line.run()
    assert report is not None
    assert report.accepted == 2


def test_a_dead_robot_holds_the_line_and_the_tray_stays_open(tmp_path: Path) -> None:
    line = bench(tmp_path, 2, _0=Mishap.DEAD)
    assert line.run() is None
    assert "gives no answer" in line.sentences[0]
    assert line.world.tray_open, "nobody knows where the arm is"
    line.arm.switch_off_and_on()
    report = line.run()
    assert report is not None
    assert report.accepted == 2


def test_garbage_with_an_empty_drive_holds_the_line(tmp_path: Path) -> None:
    line = bench(tmp_path, 2, _0=Mishap.GARBAGE_STILL)
    assert line.run() is None
    assert "look where the disc is" in line.sentences[0]
    report = line.run()
    assert report is not None
    assert report.accepted == 2


def test_an_error_on_a_low_stack_is_believed_only_of_units_that_never_lie(tmp_path: Path) -> None:
    (tmp_path / "kiosk").mkdir()
    kiosk = bench(tmp_path / "kiosk", 2, load_profile("kiosk"), _0=Mishap.FALSE_ERROR)
    report = kiosk.run()
    assert report is not None
    assert report.accepted == 2
    generic = bench(tmp_path, 2, _0=Mishap.FALSE_ERROR)
    assert generic.run() is None
    assert "reports a disc" in generic.sentences[0]


def test_a_false_success_on_an_empty_tray_holds_the_line(tmp_path: Path) -> None:
    line = bench(tmp_path, 2, _0=Mishap.FALSE_SUCCESS)
    assert line.run() is None
    assert "its tray is empty" in line.sentences[0]


def test_a_loader_that_is_empty_and_a_disc_that_is_unreadable_are_told_apart(
    tmp_path: Path,
) -> None:
    line = Bench(tmp_path, Plan(1, frozenset({1}), frozenset(), {}))
    report = line.run()
    assert report is not None
    assert (report.ended, report.rejected) == (End.EMPTY, 1)
    out = [entry for entry in read_journal(line.journal) if entry.event is Event.OUT]
    assert "upside down, or unreadable" in out[0].text


def test_a_unit_that_cannot_say_empty_is_not_made_to_say_it(tmp_path: Path) -> None:
    line = bench(tmp_path, 1, load_profile("mute"))
    line.arm = RobotArm(line.world)
    report = line.run()
    assert report is not None
    assert report.ended is End.CANNOT_PICK
    assert "look whether input and gripper are empty" in report.sentence


def test_a_count_that_does_not_agree_is_said(tmp_path: Path) -> None:
    report = bench(tmp_path, 2).run(expect=3)
    assert report is not None
    assert "3 discs were expected, and 2 came" in report.sentence


def test_the_next_stack_is_counted_anew_and_its_discs_numbered_on(tmp_path: Path) -> None:
    line = bench(tmp_path, 2)
    assert line.run(expect=2) is not None
    line.world.input = [line.world.accept.pop()]
    report = line.run(expect=1)
    assert report is not None
    assert (report.accepted, report.sentence) == (1, "The input is empty.")
    assert [number for number, _ in line.archived] == [1, 2, 3]


def test_a_foreign_disc_in_the_drive_holds_the_line(tmp_path: Path) -> None:
    line = bench(tmp_path, 1)
    line.world.tray.append(line.world.input.pop())
    assert line.run() is None
    assert "did not load" in line.sentences[0]


def test_a_disc_taken_out_of_the_drive_by_hand_holds_the_line(tmp_path: Path) -> None:
    line = bench(tmp_path, 1)
    with StackJournal(line.journal) as journal:
        loader = GenericSerialLoader("memory", GENERIC, MemoryWire(line.arm))
        report = StackRun(loader, SimTray(line.world), lambda n: None, journal).run()
    assert report.ended is End.STOPPED
    line.world.cleared_by_hand()
    assert line.run() is None
    assert "the drive sees none" in line.sentences[0]
    report_after = line.run(cleared=True)
    assert report_after is not None
    assert report_after.unsure == 1


def test_a_disc_that_the_archive_cannot_read_is_rejected_with_its_reason(tmp_path: Path) -> None:
    line = bench(tmp_path, 1)

    def archive(number: int) -> Verdict:
        raise UnreadableDisc("No table of contents.")

    line.archive = archive  # type: ignore[method-assign]
    report = line.run()
    assert report is not None
    assert report.rejected == 1
    verdicts = [e for e in read_journal(line.journal) if e.event is Event.VERDICT]
    assert verdicts[0].text == "No table of contents."


def test_a_full_archive_holds_the_line_with_the_disc_in_the_drive(tmp_path: Path) -> None:
    line = bench(tmp_path, 1)
    archive = line.archive

    def full(number: int) -> Verdict:
        raise NotAvailable("The archive is full; make room.")

    line.archive = full  # type: ignore[method-assign]
    assert line.run() is None
    assert "The archive is full" in line.sentences[0]
    line.archive = archive  # type: ignore[method-assign]
    report = line.run()
    assert report is not None
    assert report.accepted == 1


def test_stop_is_obeyed_between_discs(tmp_path: Path) -> None:
    line = bench(tmp_path, 3)
    loader = GenericSerialLoader("memory", GENERIC, MemoryWire(line.arm))
    with StackJournal(line.journal) as journal:
        tray = SimTray(line.world)
        run = StackRun(
            loader, tray, line.archive, journal, stop=lambda: bool(line.archived), limits=Limits(0)
        )
        report = run.run()
    assert (report.ended, report.accepted) == (End.STOPPED, 1)
    assert line.world.tray == []


def test_a_journal_that_cannot_be_written_stops_the_motion(tmp_path: Path) -> None:
    line = bench(tmp_path, 1)
    with StackJournal(line.journal) as journal:
        loader = GenericSerialLoader("memory", GENERIC, MemoryWire(line.arm))

        def full(entry: object) -> None:
            raise NotAvailable("The disk is full.")

        run = StackRun(loader, SimTray(line.world), line.archive, journal, limits=Limits(0))
        journal.write = full  # type: ignore[method-assign]
        with pytest.raises(NotAvailable):
            run.run()
    assert line.arm.motions == 0


def test_the_position_is_idle_after_a_run(tmp_path: Path) -> None:
    line = bench(tmp_path, 2)
    assert line.run() is not None
    with StackJournal(line.journal) as journal:
        assert journal.position.phase is Phase.IDLE
        assert journal.position.disc == 2


def test_a_world_keeps_its_discs() -> None:
    world = World.with_stack(3)
    world.cleared_by_hand()
    assert world.all_discs == [1, 2, 3]
