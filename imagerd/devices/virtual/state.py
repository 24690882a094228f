# SPDX-License-Identifier: Apache-2.0
"""What a virtual drive remembers between commands: tray and lock, medium, events, settings."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.answers import (
    BECOMING_READY,
    INCOMPATIBLE_MEDIUM,
    MEDIUM_CHANGED,
    NO_MEDIUM_TRAY_CLOSED,
    NO_MEDIUM_TRAY_OPEN,
    RESET,
)
from imagerd.devices.virtual.buffer import Buffer
from imagerd.devices.virtual.clock import Clock
from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.faultbook import FaultBook
from imagerd.devices.virtual.faults import NO_FAULTS, FaultPlan
from imagerd.devices.virtual.modepages import ModePages
from imagerd.devices.virtual.player import Player
from imagerd.devices.virtual.profile import DriveProfile
from imagerd.devices.virtual.recordable import recordable
from imagerd.devices.virtual.surface import wear_of
from imagerd.devices.virtual.toc import TocReplies
from imagerd.devices.virtual.wear import WornSurface
from imagerd.disc.source import SectorSource

_FASTEST = 0xFFFF
_DVD_1X = 1385  # kB/s
POLL = 0.25  # seconds that pass, in simulated time, while someone asks whether it is done yet


class MediaEvent(IntEnum):
    """Events of the media class (MMC-6, table 286)."""

    NONE = 0
    EJECT_REQUEST = 1
    NEW_MEDIA = 2
    REMOVAL = 3


@dataclass(slots=True)
class Loaded:
    """A medium in the drive, with all that was derived from it when it went in."""

    disc: Disc
    book: FaultBook
    toc: TocReplies
    buffer: Buffer
    ready_at: float
    what: str = ""  # for whoever asks which image it is
    surface: WornSurface | None = None  # None: it is sound

    def quiet(self, lba: int, count: int) -> bool:
        """Whether nothing can be wrong with these sectors: the quick way is open."""
        return self.book.quiet(lba, count) and (
            self.surface is None or self.surface.quiet(lba, count)
        )


class DriveState:
    """Tray, lock, events and settings of one drive; the command handlers work on this."""

    def __init__(self, profile: DriveProfile, clock: Clock) -> None:
        self.profile = profile
        self.clock = clock
        self.loaded: Loaded | None = None
        self.tray_open = False
        self.prevented = False  # the host cannot eject either, until it allows it again
        self.persistent = False  # only the button does not work, whatever disc is in
        self.spinning = True
        self.player = Player(clock)
        self.attentions: deque[Sense] = deque()
        self.media_events: deque[MediaEvent] = deque()
        self.operational_changes = 0
        self.head = 0
        self.insertions = 0
        self.reset_settings()

    def reset_settings(self) -> None:
        """Speeds and mode pages as after power on."""
        self.asked_speed = self._turns_at = _FASTEST
        self.modes = ModePages()

    @property
    def top_speed(self) -> int:
        """kB/s at which the present medium can be read at best."""
        if self.loaded is None or self.loaded.disc.is_cd:
            return self.profile.cd_speed
        medium = self.loaded.disc.layout.medium.value
        return self.profile.bd_speed if medium == "bd" else self.profile.dvd_speed

    @property
    def speed(self) -> int:
        """kB/s at which the present medium is read: what was asked for, as the drive has it."""
        top = self.top_speed
        if self.asked_speed >= top:
            return top
        if self.loaded is None or self.loaded.disc.is_cd:
            return self.profile.nearest_speed(self.asked_speed)
        return max(self.asked_speed, _DVD_1X)

    @property
    def locked(self) -> bool:
        """Whether the button does not open the tray."""
        return self.prevented or self.persistent

    # -- head and spindle -----------------------------------------------------------------

    @property
    def place(self) -> int:
        """Where the head is: it moves while something is played."""
        return self.player.position if self.player.engaged else self.head

    def halt(self) -> None:
        """End what is played; the head stays where it has come to."""
        self.head = self.place
        self.player.stop()

    def spin_down(self) -> None:
        """Stop the disc. The drive stays ready: the next reading spins it up again."""
        self.halt()
        self.spinning = False

    def spin_up(self) -> float:
        """Let the disc turn; seconds until it does."""
        seconds = 0.0 if self.spinning else self.profile.spin_up
        self.spinning = True
        return seconds

    def change_speed(self) -> float:
        """Turn as fast as was asked for; seconds until the disc does."""
        changed, self._turns_at = self._turns_at != self.speed, self.speed
        return self.profile.speed_change if changed else 0.0

    # -- media and tray -------------------------------------------------------------------

    def insert(
        self, source: SectorSource, plan: FaultPlan = NO_FAULTS, what: str = "", kind: str = ""
    ) -> None:
        """Put a medium on the tray and close it; what was there is taken out."""
        self.lay(source, plan, what, kind)
        self.tray_open = False
        self._new_media()

    def lay(
        self, source: SectorSource, plan: FaultPlan = NO_FAULTS, what: str = "", kind: str = ""
    ) -> None:
        """Lay a medium into the tray, in place of what is there. The tray stays where it is.

        Raises `BadInput` if it cannot be of that `kind`; then nothing has changed.
        """
        written = recordable(kind, source.layout)
        self.take_out()
        disc = Disc(source, self.profile, written)
        self.loaded = Loaded(
            disc,
            FaultBook(plan, self.profile.give_up),
            TocReplies(disc.layout, disc.kind),
            Buffer(self.profile.cache_kb * 1024 // disc.size),
            self.clock.now + self.profile.spin_up,
            what,
            self._surface(plan, disc),
        )

    def _surface(self, plan: FaultPlan, disc: Disc) -> WornSurface | None:
        if not plan.surface:
            return None
        wear = wear_of(plan.surface, disc.layout, plan.seed)
        return WornSurface(wear, disc.layout, self.profile, plan.seed)

    def take_out(self) -> None:
        """Take the medium off the tray, closing its source. The tray stays where it is."""
        if self.loaded is None:
            return
        was_inside = not self.tray_open
        self.loaded.disc.close()
        self.loaded = None
        if was_inside:
            self._removed()

    def open_tray(self) -> None:
        """Open the tray, whatever the lock says. The medium lies on it."""
        if self.tray_open:
            return
        self.tray_open = True
        self.prevented = False
        self._removed()

    def close_tray(self) -> None:
        """Close the tray; a medium that lies on it is loaded anew."""
        if not self.tray_open:
            return
        self.tray_open = False
        if self.loaded is not None:
            self.loaded.ready_at = self.clock.now + self.profile.spin_up
            self._new_media()

    def press_eject(self) -> bool:
        """The button. Whether the tray has moved; locked, it is an event for the host."""
        if self.tray_open:
            self.close_tray()
        elif self.locked:
            self.media_events.append(MediaEvent.EJECT_REQUEST)
            return False
        else:
            self.open_tray()
        return True

    def power_on(self) -> None:
        """As after a reset or when plugged in again."""
        self.prevented = self.persistent = False
        self.player.stop()
        self.spinning = True
        self.reset_settings()
        self.media_events.clear()
        self.attentions.clear()
        self.attentions.append(RESET)
        self.head = 0
        if self.loaded is not None:
            self.loaded.buffer.drop()

    def abort(self) -> None:
        """The host gave up on a command: what was being read does not stay in the buffer."""
        if self.loaded is not None:
            self.loaded.buffer.drop()

    def _new_media(self) -> None:
        self.insertions += 1
        self.media_events.append(MediaEvent.NEW_MEDIA)
        self.operational_changes += 1
        self.head = 0
        self.spinning = True
        if MEDIUM_CHANGED not in self.attentions:
            self.attentions.append(MEDIUM_CHANGED)
        if self.loaded is not None:
            self.loaded.buffer.drop()

    def _removed(self) -> None:
        self.player.stop()
        self.media_events.append(MediaEvent.REMOVAL)
        self.operational_changes += 1
        if MEDIUM_CHANGED in self.attentions:
            self.attentions.remove(MEDIUM_CHANGED)

    # -- readiness ------------------------------------------------------------------------

    @property
    def present(self) -> Loaded | None:
        """The medium, if the tray is closed over one."""
        return None if self.tray_open else self.loaded

    @property
    def becoming_ready(self) -> bool:
        """Whether the medium in it still spins up; till then nobody is told of it."""
        return self.present is not None and self.clock.now < self.present.ready_at

    def not_ready(self) -> Sense | None:
        """Why a command that needs a medium cannot be carried out now, or None."""
        if self.tray_open:
            return NO_MEDIUM_TRAY_OPEN
        if self.loaded is None:
            return NO_MEDIUM_TRAY_CLOSED
        if self.becoming_ready:
            self.clock.idle(POLL)
            return BECOMING_READY
        return None if self.loaded.disc.readable else INCOMPATIBLE_MEDIUM

    @property
    def usable(self) -> Loaded | None:
        """The medium, if it is ready and of a kind that the drive reads."""
        loaded = self.present
        if loaded is None or self.becoming_ready or not loaded.disc.readable:
            return None
        return loaded
