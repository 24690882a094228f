# SPDX-License-Identifier: Apache-2.0
"""READ DISC STRUCTURE (ADh): what the lead-in of a DVD or BD says of itself.

MMC-6, 6.22; ECMA-267 (DVD-ROM) for the physical format information, the Blu-ray Disc
Association's format books for the disc information units. Layer lengths of BD by the formula
that redumper established on real discs.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.devices.mmc import Data, need, u16, u24, u32
from imagerd.devices.scsi import Command, Direction

DVD = 0
BD = 1
_HEADER = 4


@dataclass(frozen=True, slots=True)
class ReadDiscStructure:
    """READ DISC STRUCTURE (ADh), any format, as bytes after the four of header.

    `media` is `DVD` (and HD DVD) or `BD`. Asked in full at once: two-step probes for the length
    make some drives fail.
    """

    format: int
    media: int = DVD
    layer: int = 0
    length: int = 2048 + _HEADER

    def command(self) -> Command:
        """Up to `length` bytes."""
        cdb = bytes((0xAD, self.media, 0, 0, 0, 0, self.layer, self.format))
        cdb += self.length.to_bytes(2, "big") + bytes(2)
        return Command(cdb, Direction.IN, self.length, timeout=60.0)

    def parse(self, data: Data) -> bytes:
        """The structure, without the header, up to the length that the header tells."""
        raw = need(data, _HEADER, "READ DISC STRUCTURE")
        return raw[_HEADER : max(u16(raw, 0) + 2, _HEADER)]


@dataclass(frozen=True, slots=True)
class PhysicalFormat:
    """Physical format information of a DVD. PSNs are physical sector numbers.

    `opposite` track path: layer 1 runs back from outside (OTP); else both run outward (PTP).
    """

    book_type: int
    part_version: int
    layers: int
    opposite: bool
    start: int
    end: int
    end_layer0: int
    bca: bool

    @property
    def sectors(self) -> int:
        """Sectors of the user data area (of this layer alone for two layers in PTP)."""
        if self.opposite and self.end_layer0:
            # Layer 1's numbers are the bit-inverted ones of the layer 0 sectors below them.
            return self.layer0 + self.end - (self.end_layer0 ^ 0xFFFFFF) + 1
        return self.end - self.start + 1

    @property
    def layer0(self) -> int:
        """Sectors of layer 0: the LBA at which layer 1 begins, for OTP."""
        return self.end_layer0 - self.start + 1

    @property
    def plausible(self) -> bool:
        """Whether the numbers can be those of a disc."""
        return 0 < self.sectors < 1 << 24 and (not self.opposite or 0 < self.layer0 < 1 << 24)


@dataclass(frozen=True, slots=True)
class ReadPhysicalFormat:
    """READ DISC STRUCTURE, DVD format 00h: physical format information."""

    layer: int = 0

    def command(self) -> Command:
        """2052 bytes."""
        return ReadDiscStructure(0x00, DVD, self.layer).command()

    def parse(self, data: Data) -> PhysicalFormat:
        """The first seventeen bytes are the same in all kinds of DVD."""
        return parse_physical_format(bytes(data)[_HEADER:])


def parse_physical_format(raw: bytes) -> PhysicalFormat:
    """Physical format information without the header of the reply."""
    raw = need(raw, 17, "READ DISC STRUCTURE (physical format)")
    return PhysicalFormat(
        book_type=raw[0] >> 4,
        part_version=raw[0] & 15,
        layers=(raw[2] >> 5 & 3) + 1,
        opposite=bool(raw[2] & 0x10),
        start=u24(raw, 5),
        end=u24(raw, 9),
        end_layer0=u24(raw, 13),
        bca=bool(raw[16] & 0x80),
    )


@dataclass(frozen=True, slots=True)
class Copyright:
    """Copyright information: `system` 0 none, 1 CSS/CPPM, 2 CPRM, 3 AACS (HD DVD), 10h AACS (BD).

    `regions` are the player regions (1–8) in which a DVD-Video may be played. Facts to record;
    nothing here is circumvented.
    """

    system: int
    regions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadCopyright:
    """READ DISC STRUCTURE, DVD format 01h: copyright information."""

    def command(self) -> Command:
        """8 bytes."""
        return ReadDiscStructure(0x01, length=8).command()

    def parse(self, data: Data) -> Copyright:
        """The region mask is inverted: a set bit forbids."""
        raw = need(data, 6, "READ DISC STRUCTURE (copyright)")
        regions = tuple(bit + 1 for bit in range(8) if not raw[5] >> bit & 1)
        return Copyright(raw[4], regions)


@dataclass(frozen=True, slots=True)
class DiscLayer:
    """One layer of a BD out of its disc information unit; `sectors` by redumper's formula."""

    layer: int
    layers: int
    disc_type: str
    last_psn: int
    first_aun: int
    last_aun: int

    @property
    def sectors(self) -> int:
        """Sectors of this layer."""
        if self.layer + 1 == self.layers:
            return self.last_psn - self.first_aun + 1
        return self.last_aun - self.first_aun + 2


@dataclass(frozen=True, slots=True)
class ReadBdInformation:
    """READ DISC STRUCTURE, BD format 00h: the disc information units."""

    def command(self) -> Command:
        """4100 bytes."""
        return ReadDiscStructure(0x00, BD, length=4096 + _HEADER).command()

    def parse(self, data: Data) -> tuple[DiscLayer, ...]:
        """The layers in order; empty if there is no unit that we know."""
        return parse_disc_information(bytes(data)[_HEADER:])


def parse_disc_information(raw: bytes) -> tuple[DiscLayer, ...]:
    """The disc information units of format 1, one for each layer, in order of the layers.

    Units lie in slots of 64 bytes on pressed discs, of 112 on recordable ones.
    """
    slot = 64 if raw[64:66] == b"DI" or raw[8:11] not in (b"BDR", b"BDW") else 112
    found: dict[int, DiscLayer] = {}
    for at in range(0, min(len(raw) - 31, 32 * slot), slot):
        unit = raw[at : at + slot]
        if unit[:2] != b"DI":
            break
        if unit[2] != 1:
            continue
        layer = unit[3] & 7
        found.setdefault(
            layer,
            DiscLayer(
                layer=layer,
                layers=unit[12] >> 4,
                disc_type=unit[8:11].decode("ascii", "replace"),
                last_psn=u32(unit, 20),
                first_aun=u32(unit, 24),
                last_aun=u32(unit, 28),
            ),
        )
    return tuple(found[layer] for layer in sorted(found))
