# SPDX-License-Identifier: Apache-2.0
"""From hints, looks and losses to the true story of each drive: a state machine without I/O.

A hint (a uevent, say) never says what is; it only makes a look at the drive due. What a look finds
becomes events: each insertion exactly once, in order, with a generation of its own. Times are
seconds of any monotonic clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Seen(StrEnum):
    """What a look at a drive found."""

    MEDIUM = "medium"  # there is a disc, readable or not
    NONE = "none"  # empty, or the tray is open
    UNSURE = "unsure"  # becoming ready, busy, or not ours to open just now
    GONE = "gone"  # no drive answers there


@dataclass(frozen=True, slots=True)
class Presence:
    """What a look found. `new`: the drive says that the medium was changed since it was last asked.

    `eject_request`: the button was pressed. `note`: why it is UNSURE, for a person.
    """

    seen: Seen
    new: bool = False
    eject_request: bool = False
    note: str = ""


class EventKind(StrEnum):
    """What happened to a drive."""

    ADDED = "added"
    REMOVED = "removed"
    MEDIUM_IN = "medium-in"
    MEDIUM_OUT = "medium-out"
    EJECT_REQUEST = "eject-request"


@dataclass(frozen=True, slots=True)
class DriveEvent:
    """A change that the drive itself has confirmed.

    `generation` counts the media of that drive from 1; 0 before the first. MEDIUM_IN, MEDIUM_OUT
    and EJECT_REQUEST carry that of the medium they are about.
    """

    kind: EventKind
    address: str
    generation: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A look follows `debounce` after the last hint, `debounce_most` after the first.

    A drive that is not sure is looked at again after `unsure`, doubling up to `unsure_most`.
    `poll` is the slow look that catches lost hints; a source of drives may set its own.
    """

    debounce: float = 0.25
    debounce_most: float = 1.5
    unsure: float = 0.5
    unsure_most: float = 4.0
    poll: float = 10.0
    button: float = 1.0  # presses closer than that are one


@dataclass(frozen=True, slots=True)
class Look:
    """A look that is due. `epoch` tells it from looks at an earlier drive of that address."""

    address: str
    epoch: int


@dataclass(slots=True)
class _Drive:
    epoch: int
    generation: int
    poll: float
    due: float
    announced: bool = False
    medium: bool = False
    new: bool = False  # a change was reported while it was not sure
    looking: bool = False
    hinted: float | None = None  # the first hint since the last look
    doubts: int = 0
    pressed: float | None = None


class Presences:
    """All drives and what is believed of them. Every method returns the events that follow."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self._drives: dict[str, _Drive] = {}
        self._generations: dict[str, int] = {}
        self._held: Counter[str] = Counter()
        self._epoch = 0

    @property
    def media(self) -> dict[str, bool]:
        """The drives that were announced, and whether each is believed to hold a medium."""
        return {name: drive.medium for name, drive in self._drives.items() if drive.announced}

    def listed(self, addresses: Mapping[str, float], now: float) -> tuple[DriveEvent, ...]:
        """All drives that there are now, each with the seconds between slow looks at it."""
        events: list[DriveEvent] = []
        for address in [known for known in self._drives if known not in addresses]:
            events += self._lose(address, self._drives.pop(address))
        for address, poll in addresses.items():
            if address in self._drives:
                self._drives[address].poll = poll
                continue
            self._epoch += 1
            generation = self._generations.get(address, 0)
            self._drives[address] = _Drive(self._epoch, generation, poll, now)
        return tuple(events)

    def hint(self, address: str, now: float) -> None:
        """Something may have happened to a drive."""
        drive = self._drives.get(address)
        if drive is None:
            return  # the listing that follows will find it
        first = now if drive.hinted is None else drive.hinted
        drive.hinted = first
        wanted = min(now + self.timing.debounce, first + self.timing.debounce_most)
        drive.due = wanted

    def hint_all(self, now: float) -> None:
        """Hints were lost."""
        for address in self._drives:
            self.hint(address, now)

    def button(self, address: str, now: float) -> tuple[DriveEvent, ...]:
        """The eject button was pressed."""
        drive = self._drives.get(address)
        if drive is None or not drive.announced:
            return ()
        last, drive.pressed = drive.pressed, now
        if last is not None and now - last < self.timing.button:
            return ()
        return (DriveEvent(EventKind.EJECT_REQUEST, address, drive.generation),)

    def hold(self, address: str) -> None:
        """Leave a drive alone: a worker has it. Holds nest."""
        self._held[address] += 1

    def release(
        self, address: str, now: float, *, medium_out: bool = False
    ) -> tuple[DriveEvent, ...]:
        """Look at it again, at once. `medium_out`: whoever held it took the medium out."""
        if self._held[address]:
            self._held[address] -= 1
        drive = self._drives.get(address)
        if drive is None or self._held[address]:
            return ()
        drive.due, drive.hinted = now, None
        if medium_out and drive.medium:
            return self._out(address, drive)
        return ()

    def due(self, now: float) -> tuple[Look, ...]:
        """The looks to take now; each is answered by `looked`, once."""
        looks = []
        for address, drive in self._drives.items():
            if drive.due <= now and self._free(address, drive):
                drive.looking, drive.hinted = True, None
                looks.append(Look(address, drive.epoch))
        return tuple(looks)

    def next_due(self) -> float | None:
        """When the next look is due; None while there is nothing to wait for."""
        times = (drive.due for name, drive in self._drives.items() if self._free(name, drive))
        return min(times, default=None)

    def looked(self, look: Look, presence: Presence, now: float) -> tuple[DriveEvent, ...]:
        """What a look found. Looks at drives that are gone since, or held, tell nothing."""
        address = look.address
        drive = self._drives.get(address)
        if drive is None or drive.epoch != look.epoch:
            return ()
        drive.looking = False
        if self._held[address]:
            return self._pressed(address, presence, now)
        if drive.hinted is None:  # else a hint came after the look began: it stays due
            drive.due = now + self._pause(drive, presence.seen)
        if presence.seen is Seen.GONE:
            return self._lose(address, drive)
        added = self._announce(address, drive)
        medium = self._medium(address, drive, presence)
        return (*added, *medium, *self._pressed(address, presence, now))

    def _pressed(self, address: str, presence: Presence, now: float) -> tuple[DriveEvent, ...]:
        return self.button(address, now) if presence.eject_request else ()

    def _free(self, address: str, drive: _Drive) -> bool:
        return not drive.looking and not self._held[address]

    def _pause(self, drive: _Drive, seen: Seen) -> float:
        if seen is not Seen.UNSURE:
            drive.doubts = 0
            return drive.poll
        pause = self.timing.unsure * 2.0 ** min(drive.doubts, 16)
        drive.doubts += 1
        return min(pause, self.timing.unsure_most)

    def _announce(self, address: str, drive: _Drive) -> tuple[DriveEvent, ...]:
        if drive.announced:
            return ()
        drive.announced = True
        return (DriveEvent(EventKind.ADDED, address, drive.generation),)

    def _medium(self, address: str, drive: _Drive, presence: Presence) -> tuple[DriveEvent, ...]:
        if presence.seen is Seen.UNSURE:
            drive.new |= presence.new
            return ()
        new, drive.new = drive.new or presence.new, False
        if presence.seen is Seen.NONE:
            return self._out(address, drive)
        if drive.medium and not new:
            return ()
        gone = self._out(address, drive)
        drive.medium = True
        drive.generation += 1
        self._generations[address] = drive.generation
        return (*gone, DriveEvent(EventKind.MEDIUM_IN, address, drive.generation))

    def _out(self, address: str, drive: _Drive) -> tuple[DriveEvent, ...]:
        if not drive.medium:
            return ()
        drive.medium = False
        return (DriveEvent(EventKind.MEDIUM_OUT, address, drive.generation),)

    def _lose(self, address: str, drive: _Drive) -> tuple[DriveEvent, ...]:
        events = self._out(address, drive)
        drive.new = False
        if not drive.announced:
            return events
        drive.announced = False
        return (*events, DriveEvent(EventKind.REMOVED, address, drive.generation))
