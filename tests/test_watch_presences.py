# SPDX-License-Identifier: Apache-2.0
"""The story of each drive: every insertion once, in order, whatever hints come or get lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from imagerd.devices.presence import (
    DriveEvent,
    EventKind,
    Look,
    Presence,
    Presences,
    Seen,
    Timing,
)

A = "/dev/sr0"
TIMING = Timing()
ADDED, REMOVED = EventKind.ADDED, EventKind.REMOVED
IN, OUT, EJECT = EventKind.MEDIUM_IN, EventKind.MEDIUM_OUT, EventKind.EJECT_REQUEST


def kinds(events: tuple[DriveEvent, ...]) -> list[EventKind]:
    return [event.kind for event in events]


class Fixture:
    """One listed drive and a clock that runs to the next look."""

    def __init__(self, timing: Timing = TIMING) -> None:
        self.presences = Presences(timing)
        self.now = 0.0
        self.presences.listed({A: 10.0}, 0.0)

    def look(self, seen: Seen, *, new: bool = False, eject: bool = False) -> list[EventKind]:
        due = self.presences.next_due()
        assert due is not None
        self.now = max(self.now, due)
        (look,) = self.presences.due(self.now)
        return kinds(self.presences.looked(look, Presence(seen, new, eject), self.now))


def test_a_drive_is_added_when_it_first_answers_and_a_medium_in_it_at_start_counts() -> None:
    assert Fixture().look(Seen.MEDIUM, new=True) == [ADDED, IN]
    assert Fixture().look(Seen.NONE) == [ADDED]
    assert Fixture().look(Seen.UNSURE) == [ADDED]
    assert Fixture().look(Seen.GONE) == []


def test_a_medium_is_told_of_once_however_often_it_is_seen() -> None:
    drive = Fixture()
    drive.look(Seen.NONE)
    assert drive.look(Seen.MEDIUM, new=True) == [IN]
    assert [drive.look(Seen.MEDIUM) for _ in range(3)] == [[], [], []]
    assert drive.look(Seen.NONE) == [OUT]
    assert drive.look(Seen.MEDIUM) == [IN]


def test_a_disc_swapped_between_two_looks_is_another_disc() -> None:
    drive = Fixture()
    drive.look(Seen.MEDIUM)
    assert drive.look(Seen.MEDIUM, new=True) == [OUT, IN]
    assert drive.look(Seen.UNSURE, new=True) == []
    assert drive.look(Seen.UNSURE) == []
    assert drive.look(Seen.MEDIUM) == [OUT, IN]


def test_a_drive_that_is_not_sure_changes_nothing_and_is_asked_less_and_less_often() -> None:
    drive = Fixture()
    drive.look(Seen.MEDIUM)
    times = []
    for _ in range(6):
        assert drive.look(Seen.UNSURE) == []
        times.append(drive.now)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 4.0]
    assert drive.look(Seen.MEDIUM) == []


def test_a_burst_of_hints_is_one_look_and_endless_hints_do_not_put_it_off_for_ever() -> None:
    drive = Fixture()
    drive.look(Seen.NONE)
    for step in range(40):
        now = 1.0 + step * 0.1
        if drive.presences.due(now):
            assert now >= 1.0 + TIMING.debounce_most
            return
        drive.presences.hint(A, now)
    raise AssertionError("hints put the look off for ever")


def test_a_hint_during_a_look_makes_another_look_due() -> None:
    drive = Fixture()
    (look,) = drive.presences.due(0.0)
    drive.presences.hint(A, 0.1)
    assert drive.presences.due(0.5) == (), "one look at a time"
    drive.presences.looked(look, Presence(Seen.NONE), 0.6)
    assert drive.presences.next_due() == 0.1 + TIMING.debounce


def test_a_drive_that_is_held_is_not_looked_at_and_looked_at_at_once_when_released() -> None:
    drive = Fixture()
    drive.look(Seen.MEDIUM)
    drive.presences.hold(A)
    drive.presences.hold(A)
    drive.presences.hint(A, 1.0)
    assert drive.presences.due(1000.0) == ()
    assert drive.presences.next_due() is None
    drive.presences.release(A, 1000.0)
    assert drive.presences.due(1000.0) == (), "holds nest"
    drive.presences.release(A, 1001.0)
    assert drive.presences.next_due() == 1001.0


def test_a_look_that_was_under_way_when_a_drive_was_taken_tells_nothing() -> None:
    drive = Fixture()
    drive.look(Seen.MEDIUM)
    drive.presences.hint(A, 20.0)
    (look,) = drive.presences.due(30.0)
    drive.presences.hold(A)
    assert drive.presences.looked(look, Presence(Seen.NONE), 30.1) == ()
    assert kinds(drive.presences.release(A, 31.0, medium_out=True)) == [OUT]
    assert drive.look(Seen.MEDIUM) == [IN]


def test_a_drive_that_vanishes_takes_its_medium_with_it_and_generations_go_on() -> None:
    drive = Fixture()
    drive.look(Seen.MEDIUM)
    events = drive.presences.listed({}, 20.0)
    assert events == (DriveEvent(OUT, A, 1), DriveEvent(REMOVED, A, 1))
    drive.presences.listed({A: 10.0}, 30.0)
    (look,) = drive.presences.due(30.0)
    assert drive.presences.looked(look, Presence(Seen.MEDIUM), 30.0) == (
        DriveEvent(ADDED, A, 1),
        DriveEvent(IN, A, 2),
    )


def test_a_look_at_a_drive_that_was_exchanged_meanwhile_tells_nothing() -> None:
    drive = Fixture()
    (look,) = drive.presences.due(0.0)
    drive.presences.listed({}, 1.0)
    drive.presences.listed({A: 10.0}, 2.0)
    assert drive.presences.looked(look, Presence(Seen.MEDIUM), 3.0) == ()
    assert drive.look(Seen.NONE) == [ADDED]


def test_a_drive_that_is_gone_though_listed_is_removed_once_and_may_come_back() -> None:
    drive = Fixture()
    drive.look(Seen.MEDIUM)
    assert drive.look(Seen.GONE) == [OUT, REMOVED]
    assert drive.look(Seen.GONE) == []
    assert drive.look(Seen.NONE) == [ADDED]


def test_a_button_pressed_is_told_once_whoever_heard_it() -> None:
    drive = Fixture()
    assert drive.presences.button(A, 0.0) == ()
    assert drive.look(Seen.MEDIUM, eject=True) == [ADDED, IN, EJECT]
    assert drive.presences.button(A, drive.now + 0.1) == ()
    assert kinds(drive.presences.button(A, drive.now + 5)) == [EJECT]
    assert drive.presences.button("/dev/sr9", 0.0) == ()


@dataclass
class Truth:
    """A drive as it is: which insertion is in it, and whether it will say that it is new."""

    medium: int | None = None
    inserted: int = 0
    plugged: bool = True
    attention: bool = False
    dizzy: int = 0  # looks that find it not ready


@dataclass
class Play:
    """Truth and belief side by side, on a clock that only the play moves."""

    presences: Presences = field(default_factory=Presences)
    truth: Truth = field(default_factory=Truth)
    now: float = 0.0
    looks: list[Look] = field(default_factory=list)
    told: list[DriveEvent] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)  # insertions, in the order they were told of
    holds: int = 0

    def act(self, action: str, amount: float) -> None:
        truth = self.truth
        match action:
            case "insert" if truth.medium is None:
                truth.inserted += 1
                truth.medium, truth.attention = truth.inserted, True
                truth.dizzy = int(amount)
            case "remove":
                truth.medium = None
            case "hint":
                self.presences.hint(A, self.now)
            case "hint all":
                self.presences.hint_all(self.now)
            case "dizzy":
                truth.dizzy = int(amount)
            case "unplug":
                truth.plugged, truth.medium = False, None
                self.list()
            case "plug":
                truth.plugged = True
                self.list()
            case "hold":
                self.answer()
                self.presences.hold(A)
                self.holds += 1
            case "release" if self.holds:
                self.holds -= 1
                self.tell(self.presences.release(A, self.now))
            case "begin to look":
                self.looks += self.presences.due(self.now)
            case "wait":
                self.pass_time(amount)

    def list(self) -> None:
        self.tell(self.presences.listed({A: 10.0} if self.truth.plugged else {}, self.now))

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        self.answer()
        while (due := self.presences.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.looks += self.presences.due(self.now)
            self.answer()
        self.now = end

    def answer(self) -> None:
        looks, self.looks = self.looks, []
        for look in looks:
            events = self.presences.looked(look, self.sample(), self.now)
            self.tell(events)

    def sample(self) -> Presence:
        truth = self.truth
        if not truth.plugged:
            return Presence(Seen.GONE)
        new, truth.attention = truth.attention, False
        if truth.dizzy:
            truth.dizzy -= 1
            return Presence(Seen.UNSURE, new)
        return Presence(Seen.NONE if truth.medium is None else Seen.MEDIUM, new)

    def tell(self, events: tuple[DriveEvent, ...]) -> None:
        for event in events:
            if event.kind is IN:
                assert self.truth.medium is not None
                self.seen.append(self.truth.medium)
        self.told += events


ACTIONS = st.tuples(
    st.sampled_from(
        ["insert", "remove", "hint", "hint all", "dizzy", "unplug", "plug", "hold", "release"]
        + ["begin to look"] * 3
        + ["wait"] * 6
    ),
    st.sampled_from([0.0, 0.1, 0.4, 1.0, 3.0, 11.0]),
)


@given(st.lists(ACTIONS, max_size=40))
@settings(max_examples=300, deadline=None)
def test_each_insertion_is_told_once_in_order_and_belief_becomes_truth(
    actions: list[tuple[str, float]],
) -> None:
    play = Play()
    play.list()
    for action, amount in actions:
        play.act(action, amount)
    for _ in range(play.holds):
        play.act("release", 0.0)
    play.act("wait", 60.0)
    assert play.seen == sorted(set(play.seen)), "once, and in order"
    expected = {A: play.truth.medium is not None} if play.truth.plugged else {}
    assert play.presences.media == expected
    if play.truth.plugged and play.truth.medium is not None:
        assert play.seen[-1] == play.truth.medium
    check_grammar(play.told)


def check_grammar(told: list[DriveEvent]) -> None:
    """ADDED (IN OUT)* REMOVED, and generations that only rise, by one an insertion."""
    added = medium = False
    generation = 0
    for event in told:
        match event.kind:
            case EventKind.ADDED:
                assert not added
                added = True
            case EventKind.REMOVED:
                assert added
                assert not medium
                added = False
            case EventKind.MEDIUM_IN:
                assert added
                assert not medium
                medium = True
                generation += 1
            case EventKind.MEDIUM_OUT:
                assert medium
                medium = False
        assert event.generation == generation
