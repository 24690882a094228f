# SPDX-License-Identifier: Apache-2.0
"""A simulated robot that feeds a virtual drive of a real imagerd: a whole unattended station.

What the robot lays on the tray is what the drive loads when imagerd closes it, and the drive's
tray, not the robot's idea of it, says whether the arm meets it open.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagerd.daemon.protocol import LoaderView
from imagerd.devices.loaders.journal import Entry, read_journal
from imagerd.devices.virtual.client import VirtualControl
from imagerd.devices.virtual.host import spawn_host
from tests.iso9660 import write_iso
from tests.robot import Mishap, PtyRobot, RobotArm, World
from tests.station import Station, station

QUICK = """\
name = "quick"
base = "generic"

[timing]
move = {move}
text = {text}
quiet = 0.02

[quirks]
error_on_low_stack = {low_stack}
"""

TABLE = """
[loader.robot]
driver = "serial"
port = "{port}"
profile = "quick.toml"
drive = "demo"
"""


@dataclass(frozen=True, slots=True)
class Disc:
    """An image and, if it is scratched, the text of a fault plan."""

    image: Path
    faults: str | None = None


class DriveArm(RobotArm):
    """An arm over the tray of a virtual drive."""

    def __init__(
        self, world: World, *, before: Callable[[int], None] = lambda number: None
    ) -> None:
        super().__init__(world, sign_on=True, before=before)
        self.discs: dict[int, Disc] = {}
        self.letter = ""
        self.hit: dict[str, Callable[[], None]] = {}  # what the next motion of a letter sets off
        self.lies: int | None = None
        self._control: VirtualControl | None = None

    @property
    def control(self) -> VirtualControl:
        assert self._control is not None
        return self._control

    def over(self, control: VirtualControl, discs: Mapping[int, Disc]) -> None:
        """Stand at a drive, with these discs."""
        self._control = control
        self.discs = dict(discs)

    def command(self, letter: str) -> bytes:
        if letter in "VS":
            return super().command(letter)
        self.letter = letter
        self.world.tray_open = self.control.state().tray_open
        self.hit.pop(letter, lambda: None)()
        answer = super().command(letter)
        self.lay()
        return answer

    def lay(self) -> None:
        """Make what lies on the tray of the drive what lies there in the world."""
        tray = self.world.tray
        top = tray[-1] if tray else None
        if top == self.lies:
            return
        if not self.control.state().tray_open:
            self.world.crash("the tray closed on the arm")
            return
        if self.lies is not None:
            self.control.take()
        if top is not None:
            disc = self.discs[top]
            self.control.place(disc.image, disc.faults)
        self.lies = top

    def cleared_by_hand(self) -> None:
        """A person empties all into the reject bin, and mends the robot."""
        self.world.cleared_by_hand()
        if not self.control.state().tray_open:
            self.control.press_eject()
        self.lay()
        self.control.close_tray()
        self.mishaps.clear()
        self.switch_off_and_on()


@dataclass(frozen=True, slots=True)
class Tower:
    """A station, its robot, and what is in the robot's bins."""

    here: Station
    arm: DriveArm

    @property
    def world(self) -> World:
        return self.arm.world

    @property
    def loader(self) -> LoaderView:
        return self.here.client.loaders()[0]

    @property
    def entries(self) -> list[Entry]:
        journal = self.here.folder / "state/loaders/robot.jsonl"
        return read_journal(journal) if journal.exists() else []

    def plan(self, *mishaps: Mishap) -> None:
        """What happens to the next motions."""
        for number, mishap in enumerate(mishaps, self.arm.motions):
            self.arm.mishaps[number] = mishap

    def order(self, verb: str) -> LoaderView:
        """Say `run`, `cleared` or `stop`."""
        return self.here.client.loader("robot", verb)

    def run(self, verb: str = "run") -> LoaderView:
        """Say `run` or `cleared`, wait until the run has ended, and return how."""
        self.order(verb)
        self.here.until(lambda: not self.loader.running, "the run to end")
        return self.loader

    def start(self) -> None:
        """Run imagerd and wait until it has found the drive."""
        self.here.start()
        self.until_drive()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the daemon a signal."""
        assert self.here.daemon is not None
        self.here.daemon.send_signal(number)

    def until_drive(self) -> None:
        self.here.until(lambda: bool(self.here.client.drives()), "the drive to be found")


@contextmanager
def tower(
    *,
    move: float = 10.0,
    text: float = 5.0,
    low_stack: bool = False,
    before: Callable[[int], None] = lambda number: None,
    policy: str = "",
    drive: str = "",
    time_scale: float = 0.0,
) -> Iterator[Tower]:
    """A robot with empty bins at the drive `demo`; imagerd is not started yet.

    `drive` is the text of the virtual drive's profile; `before` is told each motion's number.
    """
    arm = DriveArm(World(), before=before)
    with (
        PtyRobot(arm) as robot,
        station(policy, TABLE.format(port=robot.path), start=False) as here,
    ):
        quick = QUICK.format(move=move, text=text, low_stack=str(low_stack).lower())
        (here.folder / "quick.toml").write_text(quick)
        (here.folder / "drive.toml").write_text(drive)
        host = virtual_drive(here, time_scale)
        arm.over(host, {})
        try:
            yield Tower(here, arm)
        finally:
            host.quit()


def virtual_drive(here: Station, time_scale: float = 0.0) -> VirtualControl:
    """A virtual drive that lives as long as a real one: longer than the daemon."""
    folder = here.config.daemon.runtime / "virtual"
    folder.mkdir(parents=True)
    profile = here.folder / "drive.toml"
    return spawn_host(
        folder / "demo.sock",
        "demo",
        profile=profile if profile.exists() else "plain",
        time_scale=time_scale,
    ).control


def stack(tower: Tower, *discs: Disc) -> None:
    """Fill the input: the first on top, numbered on from those that were there before."""
    first = len(tower.arm.discs) + 1
    numbers = range(first, first + len(discs))
    tower.arm.discs.update(zip(numbers, discs, strict=True))
    tower.world.input[:0] = reversed(numbers)


def data_disc(folder: Path, label: str, sectors: int = 400, faults: str | None = None) -> Disc:
    """A small data CD of its own content."""
    text = f"This is {label}.\r\n".encode() * 40
    image = write_iso(folder / f"{label}.iso", label, {"README.TXT": text}, sectors=sectors)
    return Disc(image, faults)


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
