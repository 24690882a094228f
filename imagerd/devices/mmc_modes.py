# SPDX-License-Identifier: Apache-2.0
"""Mode pages 01h and 2Ah, SET CD SPEED, SET STREAMING (MMC-6, 7.3, 7.11, 6.37, 6.39)."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.devices.mmc import Data, ShortReply, need, u16
from imagerd.devices.scsi import Command, Direction

MAX_SPEED = 0xFFFF  # "as fast as the drive dares" in SET CD SPEED


def _page(data: Data, code: int) -> bytes:
    """The wanted page out of a MODE SENSE(10) reply, its two bytes of header included."""
    raw = need(data, 8, f"MODE SENSE (page {code:02X}h)")
    at = 8 + u16(raw, 6)  # block descriptors, which some bridges send though there are none
    if len(raw) < at + 2 or raw[at] & 0x3F != code:
        raise ShortReply(f"The drive's reply to MODE SENSE does not hold page {code:02X}h.")
    return raw[at : at + 2 + raw[at + 1]]


_DEFAULTS = 2  # page control: the values after power on


def _mode_sense(code: int, length: int, control: int = 0) -> Command:
    cdb = bytes((0x5A, 0, control << 6 | code)) + bytes(4) + length.to_bytes(2, "big") + b"\0"
    return Command(cdb, Direction.IN, length, timeout=20.0)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Page 2Ah. Speeds are kB/s (1 kB = 1000 bytes); 0 where the drive does not say."""

    reads_cd_r: bool
    reads_dvd: bool
    cdda: bool
    accurate_stream: bool
    subchannel: bool
    subchannel_corrected: bool
    c2: bool
    isrc: bool
    upc: bool
    can_lock: bool
    locked: bool
    can_eject: bool
    loader: int
    max_read_speed: int
    buffer_kb: int
    read_speed: int


@dataclass(frozen=True, slots=True)
class SenseCapabilities:
    """MODE SENSE(10), page 2Ah: CD/DVD capabilities and mechanical status."""

    def command(self) -> Command:
        """Up to 80 bytes."""
        return _mode_sense(0x2A, 80)

    def parse(self, data: Data) -> Capabilities:
        """The page; a short one (before MMC-1) is filled with zeros."""
        page = _page(data, 0x2A).ljust(16, b"\0")
        return Capabilities(
            reads_cd_r=bool(page[2] & 0x01),
            reads_dvd=bool(page[2] & 0x08),
            cdda=bool(page[5] & 0x01),
            accurate_stream=bool(page[5] & 0x02),
            subchannel=bool(page[5] & 0x04),
            subchannel_corrected=bool(page[5] & 0x08),
            c2=bool(page[5] & 0x10),
            isrc=bool(page[5] & 0x20),
            upc=bool(page[5] & 0x40),
            can_lock=bool(page[6] & 0x01),
            locked=bool(page[6] & 0x02),
            can_eject=bool(page[6] & 0x08),
            loader=page[6] >> 5,
            max_read_speed=u16(page, 8),
            buffer_kb=u16(page, 12),
            read_speed=u16(page, 14),
        )


DISABLE_CORRECTION = 0x01  # DCR: sectors come as they are read, uncorrected


@dataclass(frozen=True, slots=True)
class ErrorRecovery:
    """Page 01h: `flags` is byte 2 (AWRE … DCR), `retries` byte 3; `page` the page as it came."""

    flags: int
    retries: int
    page: bytes

    def changed(self, *, uncorrected: bool, retries: int | None) -> bytes:
        """The page with DCR as wanted, and at most so many retries of the drive's own."""
        flags = self.flags | DISABLE_CORRECTION if uncorrected else self.flags
        count = self.retries if retries is None else min(retries, self.retries)
        return self.page[:2] + bytes((flags, count)) + self.page[4:]


@dataclass(frozen=True, slots=True)
class SenseErrorRecovery:
    """MODE SENSE(10), page 01h: read/write error recovery; the `defaults` or what holds now."""

    defaults: bool = False

    def command(self) -> Command:
        """Up to 32 bytes."""
        return _mode_sense(0x01, 32, _DEFAULTS if self.defaults else 0)

    def parse(self, data: Data) -> ErrorRecovery:
        """The page."""
        page = _page(data, 0x01)
        if len(page) < 4:
            raise ShortReply("The drive's error recovery page is cut short.")
        return ErrorRecovery(page[2], page[3], page)


@dataclass(frozen=True, slots=True)
class SelectErrorRecovery:
    """MODE SELECT(10), page 01h: give back a page got by `SenseErrorRecovery`, maybe changed.

    Save and restore: a drive keeps it for whoever comes next.
    """

    page: bytes

    def command(self) -> Command:
        """A zero header, then the page with its PS bit cleared."""
        body = bytes(8) + bytes((self.page[0] & 0x3F,)) + self.page[1:]
        cdb = bytes((0x55, 0x10)) + bytes(5) + len(body).to_bytes(2, "big") + b"\0"
        return Command(cdb, Direction.OUT, len(body), body, timeout=20.0)

    def parse(self, data: Data) -> None:
        """Nothing comes back."""


@dataclass(frozen=True, slots=True)
class SetCdSpeed:
    """SET CD SPEED (BBh): `read` kB/s, `MAX_SPEED` for the fastest; CLV unless `cav`."""

    read: int = MAX_SPEED
    cav: bool = False

    def command(self) -> Command:
        """No data. The write speed is left to the drive."""
        cdb = bytes((0xBB, int(self.cav))) + min(self.read, MAX_SPEED).to_bytes(2, "big")
        return Command(cdb + b"\xff\xff" + bytes(6), timeout=30.0)

    def parse(self, data: Data) -> None:
        """Nothing comes back."""


@dataclass(frozen=True, slots=True)
class SetStreaming:
    """SET STREAMING (B6h): `read` kB/s from LBA 0 to `end`; None restores the drive's defaults."""

    read: int | None
    end: int = 0

    def command(self) -> Command:
        """A performance descriptor of 28 bytes (MMC-6, table 572)."""
        body = bytearray(28)
        if self.read is None:
            body[0] = 0x04  # RDD
        else:
            body[8:12] = self.end.to_bytes(4, "big")
            for at in (12, 20):  # read size and time, write size and time
                body[at : at + 4] = self.read.to_bytes(4, "big")
                body[at + 4 : at + 8] = (1000).to_bytes(4, "big")
        cdb = bytes((0xB6,)) + bytes(8) + len(body).to_bytes(2, "big") + b"\0"
        return Command(cdb, Direction.OUT, len(body), bytes(body), timeout=30.0)

    def parse(self, data: Data) -> None:
        """Nothing comes back."""
