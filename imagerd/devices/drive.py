# SPDX-License-Identifier: Apache-2.0
"""An optical drive: who it is, what it holds, and its disc as a sector source.

A drive is used by one thread at a time. All that concerns the disc is found out when it is first
asked for (`layout`, `read`, `attempt`) and stays what it was found to be until `identify` is called
again: if the disc was changed in between, reading raises `WrongDisc` rather than mix two discs.
`media_generation` counts such changes. After a mere reset of the drive (06/29) or a media event
the table of contents is compared before reading goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from imagerd.base.errors import NoMedium, NotAvailable, UnreadableDisc
from imagerd.devices.features import NO_FEATURES, ReadFeatures, Sends, probe
from imagerd.devices.identify import Identified, fingerprint, identify
from imagerd.devices.link import CommandFailed, Link
from imagerd.devices.mmc import Inquiry, InquirySerial, PreventAllow, StartStop, TestUnitReady
from imagerd.devices.mmc_config import (
    Configuration,
    FeatureCode,
    GetConfiguration,
    GetMediaEvent,
    MediaEvent,
    MediaEventCode,
    medium_of,
)
from imagerd.devices.mmc_info import DiscInformation, ReadDiscInformation, ReadIsrc, ReadMcn
from imagerd.devices.mmc_modes import (
    MAX_SPEED,
    Capabilities,
    ErrorRecovery,
    SelectErrorRecovery,
    SenseCapabilities,
    SenseErrorRecovery,
    SetCdSpeed,
    SetStreaming,
)
from imagerd.devices.mmc_read import Read12
from imagerd.devices.mmc_toc import ReadTocReply
from imagerd.devices.reading import ReadRequest, ReadResult, SectorReader
from imagerd.devices.scsi import Transport
from imagerd.devices.sense import ILLEGAL_REQUEST, DriveStatus, explain, needs_start, status_of
from imagerd.disc.layout import Layout, Medium, SectorFormat
from imagerd.disc.source import Sectors

_OPTICAL = 5  # peripheral device type
_PROBE_AGAIN = 100  # reads until features that nothing could be found out of are tried again
_SPIN_UP = 10.0  # seconds that another disc may take until the drive tells of it
_SETTLE = 60.0  # seconds that a drive may take to come back while a disc is read


@dataclass(frozen=True, slots=True)
class DriveIdentity:
    """Which drive it is. `serial` is "" where it tells none; `address` how it was opened."""

    vendor: str
    product: str
    revision: str
    serial: str
    address: str


class OpticalDrive:
    """A drive behind a transport. A `SectorSource` once a medium is in it.

    `sleep` and `clock` are for tests. Closing the drive closes the transport.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.link = Link(transport)
        self._sleep = sleep
        self._clock = clock
        self._identity: DriveIdentity | None = None
        self._disc: Identified | None = None
        self._known = 0  # the generation of the medium that was last looked at
        self._reader: SectorReader | None = None
        self._adopted = NO_FEATURES  # of its model, found out on another disc
        self._features = NO_FEATURES
        self._unprobed, self._probe_after = 0, 1  # calls since it was tried, and until it is
        self._speed: int | None = None
        self._speed_wanted = False
        self._recovery: ErrorRecovery | None = None  # page 01h as it is to be left behind
        self._recovery_wanted: bytes | None = None  # as we have changed it

    # -- the drive

    @property
    def address(self) -> str:
        """How the drive was opened."""
        return self.link.transport.name

    @property
    def media_generation(self) -> int:
        """Counts up when the medium was or may have been changed, as far as the drive told us."""
        return self.link.media_generation

    @property
    def holds_known(self) -> bool:
        """Whether the medium is the one last looked at, as far as the drive told us."""
        return self._known == self.media_generation

    @property
    def identity(self) -> DriveIdentity:
        """Vendor, product, revision, serial number. Raises `NotAvailable` if it is no drive."""
        if self._identity is None:
            self._identity = self._identify_drive()
        return self._identity

    def _identify_drive(self) -> DriveIdentity:
        data = self.link.ask(Inquiry())
        if data.device_type != _OPTICAL:
            raise NotAvailable(f"{self.address} is not an optical drive ({data.product}).")
        found = self.link.try_ask(GetConfiguration(2, FeatureCode.SERIAL_NUMBER))
        serial = found.serial if found is not None else ""
        serial = serial or self.link.try_ask(InquirySerial()) or ""
        return DriveIdentity(data.vendor, data.product, data.revision, serial, self.address)

    def status(self) -> DriveStatus:
        """What the drive holds just now (TEST UNIT READY)."""
        reply = self.link.execute(TestUnitReady().command())
        if needs_start(reply):
            self.link.execute(StartStop(start=True, immediate=True).command())
        status = status_of(reply)
        if status is DriveStatus.READY:
            self.link.medium_seen()
        elif status is DriveStatus.EMPTY and reply.sense is not None and reply.sense.ascq == 0:
            event = self.media_events()  # 3A/00 does not tell the tray's position
            if event is not None and event.door_open:
                return DriveStatus.TRAY_OPEN
        return status

    def wait_ready(self, timeout: float = 90.0) -> DriveStatus:
        """Wait while the drive is becoming ready, and return what it is then.

        A damaged disc may take more than a minute. BECOMING_READY is returned if `timeout`
        seconds were not enough.
        """
        end = self._clock() + timeout
        pause = 0.05
        while (status := self.status()) is DriveStatus.BECOMING_READY:
            left = end - self._clock()
            if left <= 0:
                break
            self._sleep(min(pause, left))
            pause = min(pause * 1.5, 1.0)
        return status

    def media_events(self) -> MediaEvent | None:
        """The next media event, or None if the drive tells none. Consumes it."""
        event = self.link.try_ask(GetMediaEvent())
        if event is not None:
            if event.code == MediaEventCode.EJECT_REQUEST:
                self.link.eject_requested = True
            elif event.code in (MediaEventCode.NEW_MEDIA, MediaEventCode.REMOVAL):
                self.link.doubtful = True  # often the event of the insertion that we know of
        return event

    def configuration(self) -> Configuration | None:
        """Profile and features, None from a drive that is older than MMC-2."""
        return self.link.try_ask(GetConfiguration())

    def current_medium(self) -> Medium | None:
        """The family of the disc as the drive names it, without identifying it; None for none."""
        found = self.link.try_ask(GetConfiguration(scope=1))
        return None if found is None else medium_of(found.profile)

    def capabilities(self) -> Capabilities | None:
        """Mode page 2Ah: what the drive claims. `probe_read_features` tells what it does."""
        return self.link.try_ask(SenseCapabilities())

    def set_speed(self, kb_s: int | None) -> int | None:
        """Ask for a read speed in kB/s (1x: CD 176.4, DVD 1385, BD 4495); None: the fastest.

        Returns the speed that the drive then says it has, None if it does not say. A drive that
        refuses keeps its speed. The wish is repeated after a reset or a change of settings.
        """
        self._speed, self._speed_wanted = kb_s, True
        self._apply_speed()
        page = self.capabilities()
        return page.read_speed if page is not None and page.read_speed else None

    def _apply_speed(self) -> None:
        self.link.settings_lost = False
        if not self._speed_wanted:
            return
        disc = self._disc
        if disc is not None and disc.medium is not Medium.CD:
            streaming = SetStreaming(self._speed, max(disc.layout.end - 1, 0))
            if self.link.execute(streaming.command()).ok:
                return
        self.link.execute(SetCdSpeed(MAX_SPEED if self._speed is None else self._speed).command())

    def set_recovery(self, *, uncorrected: bool = False, retries: int | None = None) -> bool:
        """Mode page 01h: give sectors uncorrected (DCR), with `retries` of the drive's own at most.

        Without arguments the page is as after power on, as whoever comes next expects it. Returns
        whether the drive obeyed. The wish is repeated after a reset.
        """
        if self._recovery is None:
            ask = self.link.try_ask
            self._recovery = ask(SenseErrorRecovery(defaults=True)) or ask(SenseErrorRecovery())
        if self._recovery is None:
            return False
        page = self._recovery.changed(uncorrected=uncorrected, retries=retries)
        self._recovery_wanted = None if page == self._recovery.page else page
        return self.link.execute(SelectErrorRecovery(page).command()).ok

    def _apply_settings(self) -> None:
        """What a reset has taken from us."""
        self._apply_speed()
        if self._recovery_wanted is not None:
            self.link.execute(SelectErrorRecovery(self._recovery_wanted).command())

    def lock(self, locked: bool) -> bool:
        """Lock or unlock the tray; returns whether the drive obeyed."""
        return self.link.execute(PreventAllow(locked).command()).ok

    def eject(self, *, only_known: bool = False) -> None:
        """Unlock (udev locks every disc that is inserted) and open the tray.

        `only_known`: raises `WrongDisc` if it holds another disc than the one that was last looked
        at; that would come out unread. Raises `CommandFailed` if the drive does not obey.
        """
        if only_known:
            self.wait_ready(_SPIN_UP)  # another disc is announced when it is ready
        self.lock(False)
        known = self._known if only_known else None
        self._move(StartStop(start=False, load_eject=True), "open", known)
        self.link.medium_gone()
        self._disc = self._reader = None

    def close_tray(self) -> None:
        """Close the tray; slot and notebook drives cannot. Raises `CommandFailed`."""
        self._move(StartStop(start=True, load_eject=True), "close")

    def _move(self, request: StartStop, verb: str, generation: int | None = None) -> None:
        reply = self.link.execute(request.command(), generation)
        if not reply.ok:
            raise CommandFailed(
                f"{self.address} did not {verb} its tray: {explain(reply)}.", reply.sense
            )

    def flush_cache(self, lba: int) -> bool:
        """Have the drive drop its cache at `lba` (READ(12), FUA, no sectors).

        Returns whether it accepted; whether it did, only the time of the next read tells.
        """
        return self.link.execute(Read12(lba, 0, fua=True).command()).ok

    # -- the disc

    def identify(self, *, timeout: float = 90.0) -> Identified:
        """Find out, now, which disc is in the drive; waits until it is ready.

        Raises `NoMedium` or `UnreadableDisc`.
        """
        self._disc = self._reader = None
        self._features = self._adopted
        self._unprobed, self._probe_after = 0, 1
        for _ in range(3):
            self._require_ready(timeout)
            generation = self.media_generation
            disc = identify(self.link)
            if self.media_generation == generation:
                break  # else the disc was changed while we looked
        self.link.doubtful = False
        self._disc = disc
        self._known = disc.generation
        self._reader = SectorReader(
            self.link, disc.layout, self.probe_read_features, self._before, self._settle
        )
        self._apply_speed()
        return disc

    def _require_ready(self, timeout: float) -> None:
        status = self.wait_ready(timeout)
        self._known = self.media_generation
        if status in (DriveStatus.EMPTY, DriveStatus.TRAY_OPEN):
            state = "is empty" if status is DriveStatus.EMPTY else "has its tray open"
            raise NoMedium(f"{self.address} {state}; insert a disc.")
        if status is not DriveStatus.READY:
            why = (
                "cannot read this disc"
                if status is DriveStatus.UNREADABLE
                else f"was not ready after {timeout:.0f} seconds"
            )
            raise UnreadableDisc(
                f"{self.address} {why}; check that it lies label side up and is clean."
            )

    @property
    def disc(self) -> Identified:
        """The disc as it was identified; identifies it if that was not done yet."""
        return self._disc if self._disc is not None else self.identify()

    @property
    def layout(self) -> Layout:
        """The disc's layout. Raises `NoMedium` or `UnreadableDisc`."""
        return self.disc.layout

    @property
    def profile(self) -> int:
        """The MMC profile of the disc (`Profile` has names); 0 from drives that know none."""
        return self.disc.profile

    @property
    def medium(self) -> Medium:
        """The family of the disc."""
        return self.disc.medium

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd about the disc, as sentences."""
        return self.disc.warnings

    def toc_reply(self, form: int) -> bytes:
        """The reply to READ TOC/PMA/ATIP of a format as it comes now, header included.

        b"" if the drive gives none; then the disc has none, or the drive does not tell it.
        """
        return self.link.try_ask(ReadTocReply(form)) or b""

    def disc_information(self) -> DiscInformation | None:
        """READ DISC INFORMATION, None if the drive has none."""
        return self.link.try_ask(ReadDiscInformation())

    def mcn(self) -> str | None:
        """The disc's media catalogue number. A second or so of searching on real drives."""
        return self.link.try_ask(ReadMcn())

    def isrc(self, track: int) -> str | None:
        """The ISRC of a track. A second or so of searching on real drives."""
        return self.link.try_ask(ReadIsrc(track))

    def adopt(self, features: ReadFeatures) -> None:
        """Take `features` for granted: drives of this model and firmware were found to have them.

        Nothing is tried any more, on this disc and others, until the drive refuses what is asked.
        """
        self._adopted = self._features = features

    def probe_read_features(self, via: Sends | None = None) -> ReadFeatures:
        """C2 and subchannel as this drive really gives them; found out once for a disc.

        `attempt` calls it when C2 or subchannel is first asked for. Where no sector could be read
        to find out, it is tried again, but not each time: that costs dozens of commands. `via`
        sends the commands, if it is given.
        """
        if self._features.proven or not self.layout.is_cd:
            return self._features
        self._unprobed += 1
        if self._unprobed >= self._probe_after:
            self._features = probe(via or self.link, self.layout)
            self._unprobed, self._probe_after = 0, max(2 * self._probe_after, _PROBE_AGAIN)
        return self._features

    # -- sectors

    def max_sectors(self, stored: SectorFormat = SectorFormat.RAW) -> int:
        """Sectors that one `attempt` may ask for."""
        return self._sectors().max_sectors(stored)

    def next_cut(self, lba: int) -> int:
        """Where audio and data meet next after `lba`, or its pause begins, or the session ends.

        Many drives refuse a command that reaches across, with 05/64/00, after the good part.
        """
        return self._sectors().next_cut(lba)

    def attempt(self, request: ReadRequest) -> ReadResult:
        """ONE command to read, no retries; sees first to what a reset may have left.

        Medium errors are in the result, also that the medium is gone or was changed (sense 02/3A,
        06/28); after that `WrongDisc` is raised until `identify` is called. Raises `NoMedium`,
        `DriveLost`, and `ValueError` for more than `max_sectors`.
        """
        result = self._sectors().attempt(request)
        if self._adopted.proven and _is_beyond(request, result):
            self._adopted = self._features = NO_FEATURES
            self._unprobed, self._probe_after = 0, 1
        return result

    def read(self, lba: int, count: int) -> Sectors:
        """Sectors for whoever has no recovery of its own; see `SectorSource.read`.

        Raw sectors of a CD, blocks of other media. May return fewer than `count`. Raises
        `ValueError`, `WrongDisc`, `NoMedium`, `DriveLost`.
        """
        return self._sectors().read(lba, count)

    def close(self) -> None:
        """Close the transport; idempotent."""
        self.link.transport.close()

    def _sectors(self) -> SectorReader:
        if self._reader is None:
            self.identify()
        assert self._reader is not None
        return self._reader

    def _before(self) -> None:
        """What every command to read waits for."""
        if self.link.doubtful or self.link.settings_lost:
            self._settle()
        else:
            self._check()

    def _check(self) -> None:
        """Raise `WrongDisc` or `NoMedium` if the medium is not for sure the identified one."""
        if self._disc is not None and self.media_generation != self._disc.generation:
            if not self.link.holds_medium:
                raise self._gone()
            self.link.require(self._disc.generation)

    def _gone(self) -> NoMedium:
        return NoMedium(f"The disc is gone from {self.address}; put it back and try again.")

    def _settle(self) -> bool:
        """Wait for the drive, compare the disc if it was reset, repeat our settings."""
        status = self.wait_ready(_SETTLE)
        if status in (DriveStatus.EMPTY, DriveStatus.TRAY_OPEN):
            raise self._gone()
        ready = status is DriveStatus.READY
        if ready and self.link.doubtful and self._disc is not None:
            if fingerprint(self.link, self._disc.medium) != self._disc.fingerprint:
                self.link.media_generation += 1
            self.link.doubtful = False
        if ready and self.link.settings_lost:
            self._apply_settings()
        self._check()
        return ready


def _is_beyond(request: ReadRequest, result: ReadResult) -> bool:
    """Whether the drive refuses what was asked of it beside the data, or may do so.

    Some have C2 on data only, and say "illegal mode for this track" (05/64) elsewhere.
    """
    sense = None if result.fault is None else result.fault.sense
    if sense is None or result.sectors is not None:
        return False
    return (request.c2 or request.sub) and sense[0] == ILLEGAL_REQUEST
