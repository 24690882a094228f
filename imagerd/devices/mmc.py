# SPDX-License-Identifier: Apache-2.0
"""MMC commands as values: each builds its CDB and parses its reply.

This file has what they share and the general commands; the others are in the `mmc_*` modules:
`mmc_config` (features, events), `mmc_modes` (mode pages, speed), `mmc_toc`, `mmc_info` (disc and
track information, subchannel), `mmc_read` and `mmc_structure`.

A `parse` is given the bytes that were really transferred. It raises `ShortReply` when they are too
few to hold what the standard promises; fields that a drive cut off at the end are left out.

Sources: MMC-6 (T10/1836-D), SPC-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from imagerd.base.errors import MediumError
from imagerd.devices.scsi import Command, Direction, Sense

R_co = TypeVar("R_co", covariant=True)
Data = bytes | memoryview


class ShortReply(MediumError):
    """The drive sent fewer bytes than its reply must have."""


class MmcCommand(Protocol[R_co]):
    """A command whose reply is an `R_co`."""

    def command(self) -> Command:
        """The CDB and its transfer."""
        ...

    def parse(self, data: Data) -> R_co:
        """The reply's data, understood."""
        ...


def need(data: Data, length: int, what: str) -> bytes:
    """`data` as bytes, at least `length` of them; raises `ShortReply` otherwise."""
    if len(data) < length:
        raise ShortReply(
            f"The drive's reply to {what} has {len(data)} bytes where {length} are due."
        )
    return bytes(data)


def text(raw: bytes) -> str:
    """ASCII padded with blanks or NULs; anything else becomes a question mark."""
    clean = raw.replace(b"\0", b" ").strip()
    return "".join(chr(c) if 0x20 <= c < 0x7F else "?" for c in clean)


def u16(data: bytes, at: int) -> int:
    """Two bytes, big-endian."""
    return int.from_bytes(data[at : at + 2], "big")


def u24(data: bytes, at: int) -> int:
    """Three bytes, big-endian."""
    return int.from_bytes(data[at : at + 3], "big")


def u32(data: bytes, at: int) -> int:
    """Four bytes, big-endian."""
    return int.from_bytes(data[at : at + 4], "big")


def lba32(lba: int) -> bytes:
    """An LBA in a CDB: two's complement, as the lead-in's and pregap's are negative."""
    return (lba & 0xFFFFFFFF).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class TestUnitReady:
    """TEST UNIT READY (00h)."""

    __test__ = False  # not a test, whatever pytest thinks of the name
    timeout: float = 20.0

    def command(self) -> Command:
        """Six zeros."""
        return Command(bytes(6), timeout=self.timeout)

    def parse(self, data: Data) -> None:
        """Nothing comes back."""


@dataclass(frozen=True, slots=True)
class RequestSense:
    """REQUEST SENSE (03h)."""

    def command(self) -> Command:
        """Up to 18 bytes, fixed format."""
        return Command(bytes((0x03, 0, 0, 0, 18, 0)), Direction.IN, 18, timeout=20.0)

    def parse(self, data: Data) -> Sense | None:
        """The sense data, or None if the drive has none."""
        return Sense.parse(bytes(data))


@dataclass(frozen=True, slots=True)
class InquiryData:
    """Standard INQUIRY data (SPC-4, 6.4.2). `device_type` 5 is an optical drive."""

    device_type: int
    removable: bool
    vendor: str
    product: str
    revision: str


@dataclass(frozen=True, slots=True)
class Inquiry:
    """INQUIRY (12h), standard data: 36 bytes, which every device has."""

    def command(self) -> Command:
        """36 bytes."""
        return Command(bytes((0x12, 0, 0, 0, 36, 0)), Direction.IN, 36, timeout=20.0)

    def parse(self, data: Data) -> InquiryData:
        """Vendor, product, revision."""
        raw = need(data, 36, "INQUIRY")
        return InquiryData(
            device_type=raw[0] & 0x1F,
            removable=bool(raw[1] & 0x80),
            vendor=text(raw[8:16]),
            product=text(raw[16:32]),
            revision=text(raw[32:36]),
        )


@dataclass(frozen=True, slots=True)
class InquirySerial:
    """INQUIRY (12h), vital product data page 80h: the unit's serial number."""

    def command(self) -> Command:
        """Up to 255 bytes."""
        return Command(bytes((0x12, 1, 0x80, 0, 255, 0)), Direction.IN, 255, timeout=20.0)

    def parse(self, data: Data) -> str:
        """The serial number, "" if the page is another one (some bridges ignore EVPD)."""
        raw = need(data, 4, "INQUIRY (serial number)")
        return text(raw[4 : 4 + raw[3]]) if raw[1] == 0x80 else ""


@dataclass(frozen=True, slots=True)
class StartStop:
    """START STOP UNIT (1Bh). `start` and `load_eject` together load; `load_eject` alone ejects."""

    start: bool
    load_eject: bool = False
    immediate: bool = False
    timeout: float = 90.0

    def command(self) -> Command:
        """No data."""
        last = int(self.start) | int(self.load_eject) << 1
        return Command(bytes((0x1B, int(self.immediate), 0, 0, last, 0)), timeout=self.timeout)

    def parse(self, data: Data) -> None:
        """Nothing comes back."""


@dataclass(frozen=True, slots=True)
class PreventAllow:
    """PREVENT ALLOW MEDIUM REMOVAL (1Eh)."""

    prevent: bool

    def command(self) -> Command:
        """No data."""
        return Command(bytes((0x1E, 0, 0, 0, int(self.prevent), 0)), timeout=20.0)

    def parse(self, data: Data) -> None:
        """Nothing comes back."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """`sectors` readable blocks of `block_length` bytes, as the drive says."""

    sectors: int
    block_length: int


@dataclass(frozen=True, slots=True)
class ReadCapacity:
    """READ CAPACITY (25h)."""

    def command(self) -> Command:
        """8 bytes."""
        return Command(bytes((0x25,)) + bytes(9), Direction.IN, 8, timeout=30.0)

    def parse(self, data: Data) -> Capacity:
        """The reply has the last LBA; we count sectors."""
        raw = need(data, 8, "READ CAPACITY")
        return Capacity(sectors=u32(raw, 0) + 1, block_length=u32(raw, 4))
