# SPDX-License-Identifier: Apache-2.0
"""READ TOC/PMA/ATIP (43h) in its formats (MMC-6, 6.25)."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.devices.mmc import Data, need, u16, u32
from imagerd.devices.scsi import Command, Direction
from imagerd.disc.cdtext import PACK

LEAD_OUT = 0xAA


def _read_toc(form: int, length: int, *, msf: bool = False, track: int = 0) -> Command:
    cdb = bytes((0x43, 0x02 if msf else 0, form, 0, 0, 0, track)) + length.to_bytes(2, "big")
    return Command(cdb + b"\0", Direction.IN, length, timeout=60.0)


def _body(data: Data, what: str) -> bytes:
    """The reply up to the length that its header tells, or to what was transferred."""
    raw = need(data, 4, what)
    return need(raw[: u16(raw, 0) + 2], 4, what)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


@dataclass(frozen=True, slots=True)
class TocTrack:
    """One line of format 0: `lba` of INDEX 01; track AAh is the lead-out."""

    number: int
    adr: int
    control: int
    lba: int


@dataclass(frozen=True, slots=True)
class Toc:
    """Format 0: first and last track, all tracks of all sessions, the last lead-out."""

    first: int
    last: int
    tracks: tuple[TocTrack, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class ReadToc:
    """READ TOC, format 0, addresses as LBA."""

    def command(self) -> Command:
        """A header and at most 100 lines of 8 bytes."""
        return _read_toc(0, 804)

    def parse(self, data: Data) -> Toc:
        """Whole lines only."""
        raw = _body(data, "READ TOC")
        tracks = tuple(
            TocTrack(raw[at + 2], raw[at + 1] >> 4, raw[at + 1] & 15, _signed(u32(raw, at + 4)))
            for at in range(4, len(raw) - 7, 8)
        )
        return Toc(raw[2], raw[3], tracks, raw)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """Format 1: numbers of the sessions; first track of the last one and its LBA."""

    first: int
    last: int
    track: int
    lba: int


@dataclass(frozen=True, slots=True)
class ReadSessionInfo:
    """READ TOC, format 1."""

    def command(self) -> Command:
        """12 bytes."""
        return _read_toc(1, 12)

    def parse(self, data: Data) -> SessionInfo:
        """One line."""
        raw = need(data, 12, "READ TOC (sessions)")
        return SessionInfo(raw[2], raw[3], raw[6], _signed(u32(raw, 8)))


@dataclass(frozen=True, slots=True)
class TocEntry:
    """One line of the full TOC: a Q of the lead-in, numbers as the drive gave them.

    `point` 01h–63h are tracks, A0h first track and disc type, A1h last track, A2h lead-out,
    B0h… pointers to the next session (ADR 5). `start` is PMIN, PSEC, PFRAME.
    """

    session: int
    adr: int
    control: int
    tno: int
    point: int
    running: tuple[int, int, int]
    zero: int
    start: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class FullToc:
    """Format 2: `raw` is the whole reply, header included."""

    first_session: int
    last_session: int
    entries: tuple[TocEntry, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class ReadFullToc:
    """READ TOC, format 2. At once and in full: a probe for the length upsets some drives."""

    def command(self) -> Command:
        """Room for some 370 lines of 11 bytes."""
        return _read_toc(2, 4096, msf=True)

    def parse(self, data: Data) -> FullToc:
        """Whole lines only."""
        raw = _body(data, "READ TOC (full)")
        entries = tuple(
            TocEntry(
                session=raw[at],
                adr=raw[at + 1] >> 4,
                control=raw[at + 1] & 15,
                tno=raw[at + 2],
                point=raw[at + 3],
                running=(raw[at + 4], raw[at + 5], raw[at + 6]),
                zero=raw[at + 7],
                start=(raw[at + 8], raw[at + 9], raw[at + 10]),
            )
            for at in range(4, len(raw) - 10, 11)
        )
        return FullToc(raw[2], raw[3], entries, raw)


@dataclass(frozen=True, slots=True)
class ReadTocReply:
    """READ TOC of any format, for its bytes alone: asked as redumper asks, to be kept beside them.

    Formats 0 (tracks) and 5 (CD-Text) with addresses as LBA; 2 (full TOC), 3 (PMA) and 4 (ATIP)
    as MSF. From the first track or session on.
    """

    form: int

    def command(self) -> Command:
        """Room for all that the format may hold."""
        length = 4 + 8 * 256 * PACK if self.form == 5 else 4096
        return _read_toc(self.form, length, msf=self.form in (2, 3, 4), track=self.form in (0, 2))

    def parse(self, data: Data) -> bytes:
        """The reply, header included; b"" if there is nothing behind that."""
        raw = bytes(_body(data, "READ TOC"))
        return raw if len(raw) > 4 else b""


@dataclass(frozen=True, slots=True)
class ReadAtip:
    """READ TOC, format 4: what the pregroove of a CD-R or CD-RW says of the disc."""

    def command(self) -> Command:
        """Up to 32 bytes; MSF must be set."""
        return _read_toc(4, 32, msf=True)

    def parse(self, data: Data) -> bytes:
        """The reply after its header; the lead-in start in bytes 4–6 names the maker."""
        return _body(data, "READ TOC (ATIP)")[4:]


@dataclass(frozen=True, slots=True)
class ReadCdText:
    """READ TOC, format 5: CD-Text packs of the lead-in."""

    def command(self) -> Command:
        """Room for eight blocks of 256 packs."""
        return _read_toc(5, 4 + 8 * 256 * PACK)

    def parse(self, data: Data) -> bytes:
        """Whole packs, trailing empty ones (all zeros) left out; may be b""."""
        raw = _body(data, "READ TOC (CD-Text)")[4:]
        packs = [raw[at : at + PACK] for at in range(0, len(raw) - PACK + 1, PACK)]
        while packs and not any(packs[-1]):
            packs.pop()
        return b"".join(packs)
