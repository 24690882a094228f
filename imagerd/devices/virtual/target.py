# SPDX-License-Identifier: Apache-2.0
"""The virtual drive: an MMC target over any sector source, as a `Transport` in this process.

It parses CDBs and builds replies on its own, sharing nothing with the commands that imagerd sends,
so that one side checks the other.
"""

from __future__ import annotations

from dataclasses import replace

from imagerd.base.errors import BadInput, DriveLost
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import (
    INTERNAL_FAILURE,
    RESET,
    UNKNOWN_COMMAND,
    refuse,
    timed_out,
)
from imagerd.devices.virtual.clock import Clock
from imagerd.devices.virtual.commands import COMMANDS, read_range
from imagerd.devices.virtual.faults import NO_FAULTS, DriveFault, DriveTrouble, FaultPlan
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.state import DriveState
from imagerd.disc.source import SectorSource


class VirtualDrive:
    """One drive. Not thread safe, but for `unplug`, which ends a hanging command at once.

    Time is simulated: a reply's `seconds` say how long it would have taken, and a command that
    would have taken longer than its timeout is a timeout. With `realtime` (or a `time_scale`
    above 0) the drive also sleeps that long (times the scale).
    """

    def __init__(
        self,
        profile: DriveProfile | None = None,
        name: str = "virtual",
        *,
        realtime: bool = False,
        time_scale: float = 0.0,
    ) -> None:
        self._profile = profile if profile is not None else DriveProfile()
        self._name = name
        self.clock = Clock(1.0 if realtime else time_scale)
        self.state = DriveState(self._profile, self.clock)
        self._plugged = True

    # -- Transport ------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"virtual:{self._name}"

    @property
    def profile(self) -> DriveProfile:
        """The model of drive."""
        return self._profile

    @property
    def max_transfer(self) -> int:
        """The most bytes that one command can move."""
        return self._profile.max_transfer

    def execute(self, command: Command) -> Reply:
        """Carry out one command. Raises `DriveLost` while it is unplugged."""
        if not self._plugged:
            raise DriveLost(f"{self.name} is not plugged in; plug it in again and start over.")
        trouble = self._trouble(command)
        if trouble is not None:
            reply = self._suffer(trouble, command)
            if reply is not None:
                return self._timed(reply, command)
            delay = trouble.seconds
            reply = self._dispatch(command)
            return self._timed(replace(reply, seconds=reply.seconds + delay), command)
        return self._timed(self._dispatch(command), command)

    def close(self) -> None:
        """Take the medium out and let go of its source; idempotent."""
        self.state.take_out()

    # -- what a person does ---------------------------------------------------------------

    def insert(
        self,
        source: SectorSource,
        faults: FaultPlan = NO_FAULTS,
        what: str = "",
        *,
        medium: str = "",
    ) -> None:
        """Put a medium in and close the tray. The drive closes `source` when it comes out.

        `medium`: the recordable disc that it is (see `recordable.RECORDABLE`); else it is a
        pressed one. Raises `BadInput` if the image cannot be on such a disc.
        """
        self.state.insert(source, faults, what, medium)

    def place(
        self,
        source: SectorSource,
        faults: FaultPlan = NO_FAULTS,
        what: str = "",
        *,
        medium: str = "",
    ) -> None:
        """Lay a medium on the open, empty tray, as a robot does; `close_tray` loads it.

        Raises `BadInput` if the tray is closed or a medium lies on it, and as `insert` does.
        """
        self._reach(full=False)
        self.state.lay(source, faults, what, medium)

    def take(self) -> None:
        """Take the medium off the open tray. Raises `BadInput` if it is closed or empty."""
        self._reach(full=True)
        self.state.take_out()

    def remove(self) -> None:
        """Take the medium out, as if by a paper clip: the lock does not matter."""
        self.state.open_tray()
        self.state.take_out()

    def open_tray(self) -> None:
        """Open the tray; the medium lies on it."""
        self.state.open_tray()

    def close_tray(self) -> None:
        """Close the tray, over a medium or not."""
        self.state.close_tray()

    def press_eject(self) -> bool:
        """Press the button. False if the drive is locked: then it is an event for the host."""
        return self.state.press_eject()

    def unplug(self) -> None:
        """Pull the plug: every command raises `DriveLost`, also one that hangs just now."""
        self._plugged = False
        self.clock.wake()

    def replug(self) -> None:
        """Plug it in again: power on, with a unit attention."""
        self.clock.calm()
        self.state.power_on()
        self._plugged = True

    @property
    def plugged(self) -> bool:
        """Whether it answers at all."""
        return self._plugged

    def _reach(self, *, full: bool) -> None:
        """Raise `BadInput` unless the tray is open, and full or empty as wanted."""
        if not self.state.tray_open:
            raise BadInput(f"The tray of {self.name} is closed; open it first.")
        if full is not (self.state.loaded is not None):
            lies = "no disc lies" if full else "a disc lies already"
            raise BadInput(f"On the tray of {self.name} {lies}.")

    # -- inside ---------------------------------------------------------------------------

    def _dispatch(self, command: Command) -> Reply:
        cdb = command.cdb
        entry = COMMANDS.get(cdb[0]) if cdb else None
        if entry is None or len(cdb) < entry.size:
            return refuse(UNKNOWN_COMMAND)
        state = self.state
        if state.attentions and not entry.quiet and not self._still_becoming_ready():
            return refuse(state.attentions.popleft())
        if entry.ready and (sense := state.not_ready()) is not None:
            return refuse(sense)
        try:
            return entry.handler(state, command)
        except OSError:  # of the image's files: gone, or on a disk that fails
            return refuse(INTERNAL_FAILURE)

    def _still_becoming_ready(self) -> bool:
        """A new medium is announced when it is ready, not while the disc spins up."""
        return self.state.becoming_ready and self.state.attentions[0] != RESET

    def _trouble(self, command: Command) -> DriveFault | None:
        loaded = self.state.loaded
        if loaded is None or not command.cdb:
            return None
        area = read_range(command.cdb)
        lba, count = area if area is not None else (0, 0)
        return loaded.book.trouble(area is not None, lba, count)

    def _suffer(self, trouble: DriveFault, command: Command) -> Reply | None:
        """What comes of trouble with the drive; None if the command is answered late."""
        if trouble.what is DriveTrouble.LOST:
            self.unplug()
            raise DriveLost(f"{self.name} is gone; plug it in again and resume.")
        if trouble.what is DriveTrouble.RESET:
            self.state.power_on()
            return refuse(self.state.attentions.popleft())
        return timed_out(command.timeout) if trouble.what is DriveTrouble.TIMEOUT else None

    def _timed(self, reply: Reply, command: Command) -> Reply:
        """Let the time pass that the reply took; past the timeout the host has given up."""
        seconds = reply.seconds or self._profile.command
        if seconds > command.timeout:
            reply, seconds = timed_out(command.timeout), command.timeout
            self.state.abort()
        self.clock.spend(seconds)
        if not self._plugged:
            raise DriveLost(f"{self.name} was unplugged; plug it in again and resume.")
        return reply if reply.seconds else replace(reply, seconds=seconds)
