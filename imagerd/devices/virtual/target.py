# SPDX-License-Identifier: Apache-2.0
"""The virtual drive: an MMC target over any sector source, as a `Transport` in this process.

It parses CDBs and builds replies on its own, sharing nothing with the commands that imagerd sends,
so that one side checks the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from imagerd.base.errors import BadInput, DriveLost
from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual import discinfo, events, identify, mechanism, modes, reading
from imagerd.devices.virtual.answers import (
    INTERNAL_FAILURE,
    RESET,
    UNKNOWN_COMMAND,
    refuse,
    s32,
    timed_out,
    u16,
    u24,
    u32,
)
from imagerd.devices.virtual.clock import Clock
from imagerd.devices.virtual.faults import NO_FAULTS, DriveFault, DriveTrouble, FaultPlan
from imagerd.devices.virtual.features import get_configuration
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.readcd import read_cd, read_cd_msf, read_cdda
from imagerd.devices.virtual.state import DriveState
from imagerd.devices.virtual.structure import read_disc_structure
from imagerd.disc.source import SectorSource

Handler = Callable[[DriveState, Command], Reply]


@dataclass(frozen=True, slots=True)
class Entry:
    """A command of the drive. `ready`: needs a medium; `quiet`: reports no unit attention.

    `size` is the length of its CDB; shorter ones are refused.
    """

    handler: Handler
    size: int
    ready: bool = False
    quiet: bool = False


COMMANDS: Final[Mapping[int, Entry]] = MappingProxyType(
    {
        0x00: Entry(identify.test_unit_ready, 6, ready=True),
        0x03: Entry(identify.request_sense, 6, quiet=True),
        0x08: Entry(reading.read_6, 6, ready=True),
        0x12: Entry(identify.inquiry, 6, quiet=True),
        0x15: Entry(modes.mode_select_6, 6),
        0x1A: Entry(modes.mode_sense_6, 6),
        0x1B: Entry(mechanism.start_stop, 6),
        0x1E: Entry(mechanism.prevent_allow, 6),
        0x25: Entry(discinfo.read_capacity, 10, ready=True),
        0x28: Entry(reading.read_10, 10, ready=True),
        0x2B: Entry(reading.seek_10, 10, ready=True),
        0x42: Entry(discinfo.read_sub_channel, 10, ready=True),
        0x43: Entry(discinfo.read_toc, 10, ready=True),
        0x46: Entry(get_configuration, 10, quiet=True),
        0x4A: Entry(events.get_event_status, 10, quiet=True),
        0x51: Entry(discinfo.read_disc_information, 10, ready=True),
        0x52: Entry(discinfo.read_track_information, 10, ready=True),
        0x55: Entry(modes.mode_select_10, 10),
        0x5A: Entry(modes.mode_sense_10, 10),
        0x5C: Entry(mechanism.read_buffer_capacity, 10),
        0xA8: Entry(reading.read_12, 12, ready=True),
        0xAC: Entry(mechanism.get_performance, 12),
        0xAD: Entry(read_disc_structure, 12, ready=True),
        0xB6: Entry(mechanism.set_streaming, 12),
        0xB9: Entry(read_cd_msf, 12, ready=True),
        0xBB: Entry(mechanism.set_cd_speed, 12),
        0xBD: Entry(mechanism.mechanism_status, 12),
        0xBE: Entry(read_cd, 12, ready=True),
        0xD8: Entry(read_cdda, 12, ready=True),
    }
)


def read_range(cdb: bytes) -> tuple[int, int] | None:
    """LBA and count of a command that reads sectors; None for any other."""
    code = cdb[0]
    entry = COMMANDS.get(code)
    if entry is None or len(cdb) < entry.size:
        return None
    if code == 0xBE:
        return s32(cdb, 2), u24(cdb, 6)
    if code in (0x28, 0xA8, 0xD8):
        return s32(cdb, 2), u16(cdb, 7) if code == 0x28 else u32(cdb, 6)
    if code == 0x08:
        return (cdb[1] & 0x1F) << 16 | u16(cdb, 2), cdb[4] or 256
    if code == 0xB9:
        start, end = ((cdb[at] * 60 + cdb[at + 1]) * 75 + cdb[at + 2] for at in (3, 6))
        return start - 150, max(end - start, 0)
    return None


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

    def insert(self, source: SectorSource, faults: FaultPlan = NO_FAULTS, what: str = "") -> None:
        """Put a medium in and close the tray. The drive closes `source` when it comes out."""
        self.state.insert(source, faults, what)

    def place(self, source: SectorSource, faults: FaultPlan = NO_FAULTS, what: str = "") -> None:
        """Lay a medium on the open, empty tray, as a robot does; `close_tray` loads it.

        Raises `BadInput` if the tray is closed or a medium lies on it.
        """
        self._reach(full=False)
        self.state.lay(source, faults, what)

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
        loaded = self.state.present
        return (
            loaded is not None
            and self.clock.now < loaded.ready_at
            and self.state.attentions[0] != RESET
        )

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
