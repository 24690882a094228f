# SPDX-License-Identifier: Apache-2.0
"""A simulated loader with physics: discs are things in places, and none is ever lost or made.

`World` holds the discs, `RobotArm` moves them by one-letter commands, `PtyRobot` puts the arm
behind a pseudo terminal, `MemoryWire` behind no time at all. `SimTray` is the drive.
"""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

from imagerd.base.errors import MediumError
from imagerd.devices.loaders.contract import Claim, Motion, Outcome


class Mishap(StrEnum):
    """What can happen to one motion."""

    STUCK = "stuck"  # E, nothing moves
    DOUBLE = "double"  # X, two discs move
    FALSE_ERROR = "false error"  # E, although it moves
    FALSE_SUCCESS = "false success"  # X, although nothing moves
    HALFWAY = "halfway"  # E, and the disc stays in the gripper
    SILENT_MOVED = "silent, moved"
    SILENT_STILL = "silent, not moved"
    GARBAGE_MOVED = "garbage, moved"
    GARBAGE_STILL = "garbage, not moved"
    DEAD = "dead"  # no answer to anything until it is switched off and on


@dataclass
class World:
    """Discs by number, in places; the last of a list is on top."""

    input: list[int] = field(default_factory=list)
    gripper: list[int] = field(default_factory=list)
    tray: list[int] = field(default_factory=list)
    accept: list[int] = field(default_factory=list)
    reject: list[int] = field(default_factory=list)
    unreadable: frozenset[int] = frozenset()
    tray_open: bool = False
    locked: bool = False
    arm_moving: bool = False
    violations: list[str] = field(default_factory=list)

    @classmethod
    def with_stack(cls, discs: int, unreadable: frozenset[int] = frozenset()) -> World:
        """Discs 1… in the input, 1 on top."""
        return cls(input=list(range(discs, 0, -1)), unreadable=unreadable)

    @property
    def all_discs(self) -> list[int]:
        places = (self.input, self.gripper, self.tray, self.accept, self.reject)
        return sorted(disc for place in places for disc in place)

    def crash(self, what: str) -> None:
        """Something that breaks machines: no test may see it."""
        self.violations.append(what)

    def cleared_by_hand(self) -> None:
        """A person puts what lies about into the reject bin and closes the tray."""
        self.reject += self.gripper + self.tray
        self.gripper.clear()
        self.tray.clear()
        self.tray_open = False


class SimTray:
    """The drive: a `Tray` on a `World`. Sees the top disc of a closed tray, if it is readable."""

    name = "drive 0"

    def __init__(self, world: World) -> None:
        self.world = world

    def unlock(self) -> None:
        self.world.locked = False

    def open_tray(self) -> None:
        if self.world.locked:
            raise MediumError("drive 0 does not open: its door is locked.")
        self.world.tray_open = True

    def close_tray(self) -> None:
        if self.world.arm_moving:
            self.world.crash("the tray closed on the arm")
        self.world.tray_open = False
        self.world.locked = self.medium_present(0)  # as udev does on every insertion

    def is_open(self) -> bool:
        return self.world.tray_open

    def medium_present(self, timeout: float) -> bool:
        tray = self.world.tray
        return not self.world.tray_open and bool(tray) and tray[-1] not in self.world.unreadable


class RobotArm:
    """Answers commands and moves discs, with a mishap for the n-th motion where one is planned."""

    def __init__(
        self,
        world: World,
        mishaps: Mapping[int, Mishap] | None = None,
        *,
        sign_on: bool = False,
        before: Callable[[int], None] = lambda number: None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """`before` is told the number of each motion; `pause` passes the time of one."""
        self.world = world
        self.mishaps = dict(mishaps or {})
        self.motions = 0
        self.dead = False
        self._awake = not sign_on
        self._code = "00"
        self._before = before
        self._pause = pause

    def switch_off_and_on(self) -> None:
        self.dead = False

    def command(self, letter: str) -> bytes:
        """The bytes that it answers."""
        if self.dead:
            return b""
        if letter == "V":
            self._awake = True
            return b"SIM V1.0\r\n"
        if not self._awake:
            return b""
        if letter == "S":
            return self._code.encode() + b"\r\n"
        return self._motion(letter)

    def _motion(self, letter: str) -> bytes:
        number, self.motions = self.motions, self.motions + 1
        mishap = self.mishaps.get(number)
        if letter == "R" and mishap is Mishap.FALSE_SUCCESS:
            mishap = None  # the gripper opens, or says that it does not: gravity does the rest
        if letter not in "IP" and mishap is Mishap.FALSE_ERROR:
            mishap = None  # known only of picking from a low stack
        self._before(number)
        if mishap is Mishap.DEAD:
            self.dead = True
            return b""
        self.world.arm_moving = True
        self._pause()
        still = (
            Mishap.STUCK,
            Mishap.FALSE_SUCCESS,
            Mishap.SILENT_STILL,
            Mishap.GARBAGE_STILL,
        )
        moved = mishap not in still and self._move(letter, mishap)
        self.world.arm_moving = False
        return self._answer(moved, mishap)

    def _answer(self, moved: bool, mishap: Mishap | None) -> bytes:
        if moved and mishap is not Mishap.HALFWAY:
            self._code = "00"
        elif mishap is not None or self.world.gripper:
            self._code = "65"
        match mishap:
            case Mishap.SILENT_MOVED | Mishap.SILENT_STILL:
                return b""
            case Mishap.GARBAGE_MOVED | Mishap.GARBAGE_STILL:
                return b"\xff?\x00"
            case Mishap.FALSE_SUCCESS:
                return b"X"
            case Mishap.FALSE_ERROR | Mishap.HALFWAY | Mishap.STUCK:
                return b"E"
        return b"X" if moved else b"E"

    def _move(self, letter: str, mishap: Mishap | None) -> bool:
        world = self.world
        match letter:
            case "P":
                return self._pick(world.input, mishap)
            case "I":
                return self._load(mishap)
            case "G" | "K":
                return self._from_tray(mishap)
            case "A":
                return self._drop(world.accept, mishap)
            case "R":
                return bool(world.gripper) and self._release(world.reject)
            case "C":
                return True
        world.crash(f"unknown command {letter!r}")
        return False

    def _load(self, mishap: Mishap | None) -> bool:
        world = self.world
        held = bool(world.gripper)
        if not world.tray_open:
            world.crash("the arm met a closed tray")
            return False
        if held and mishap is Mishap.HALFWAY:
            return False
        if not held and not self._pick(world.input, mishap):
            return False
        if mishap is Mishap.HALFWAY:
            return True
        if world.tray:
            world.crash("a disc was put on another")
        return self._release(world.tray)

    def _from_tray(self, mishap: Mishap | None) -> bool:
        world = self.world
        if not world.tray_open:
            world.crash("the arm met a closed tray")
            return False
        self._code = "00" if world.tray else "21"
        return not world.gripper and self._take(world.tray, 1)

    def _drop(self, target: list[int], mishap: Mishap | None) -> bool:
        if not self.world.gripper and not self._from_tray(mishap):
            return False
        return mishap is Mishap.HALFWAY or self._release(target)

    def _pick(self, source: list[int], mishap: Mishap | None) -> bool:
        if self.world.gripper:
            return False
        self._code = "00" if source else "22"
        return self._take(source, 2 if mishap is Mishap.DOUBLE else 1)

    def _take(self, source: list[int], count: int) -> bool:
        taken = [source.pop() for _ in range(min(count, len(source)))]
        self.world.gripper += reversed(taken)
        return bool(taken)

    def _release(self, target: list[int]) -> bool:
        target += self.world.gripper
        self.world.gripper.clear()
        return True


class MemoryWire:
    """A robot's line without time: what has not been answered yet never will be."""

    def __init__(self, arm: RobotArm) -> None:
        self.arm = arm
        self._heard = b""

    def drain(self) -> None:
        self._heard = b""

    def send(self, data: bytes) -> None:
        for letter in data.decode("ascii"):
            self._heard += self.arm.command(letter)

    def listen(self, timeout: float, quiet: float) -> bytes:
        heard, self._heard = self._heard, b""
        return heard

    def close(self) -> None:
        pass


class PtyRobot:
    """The arm behind a pseudo terminal, served by a thread; `path` is the port."""

    def __init__(self, arm: RobotArm) -> None:
        self.arm = arm
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._wake_out, self._wake_in = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="robot")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.write(self._wake_in, b".")
        self._thread.join()
        for fd in (self._master, self._slave, self._wake_in, self._wake_out):
            os.close(fd)

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._wake_out], [], [])
            if self._wake_out in ready:
                return
            for letter in os.read(self._master, 64).decode("ascii"):
                os.write(self._master, self.arm.command(letter))


def done(motion: Motion) -> Claim:
    """The claim of a robot to which nothing happens."""
    return Claim(Outcome.DONE, motion)
