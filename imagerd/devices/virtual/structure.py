# SPDX-License-Identifier: Apache-2.0
"""READ DISC STRUCTURE (MMC-6, 6.22) for DVD and BD images: as much as an image can say."""

from __future__ import annotations

from collections.abc import Callable

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import BAD_FIELD, WRONG_FORMAT, give, refuse, u16
from imagerd.devices.virtual.disc import Disc
from imagerd.devices.virtual.discinfo import loaded_of
from imagerd.devices.virtual.state import DriveState
from imagerd.disc.layout import Medium

_DVD_START = 0x30000  # physical sector number of LBA 0
_BD_START = 0x100000
_DI_SLOT = 64  # bytes of a disc information unit of a pressed disc
_DI_SLOT_RECORDABLE = 112
# Disc type identifier, class 0 and version; by whether it is rewritable, None: pressed.
_BD_TYPES = {None: b"BDO\x01", False: b"BDR\x01", True: b"BDW\x02"}
_CAPABILITIES = 0xFF


def read_disc_structure(drive: DriveState, command: Command) -> Reply:
    """READ DISC STRUCTURE. CDs have none; a medium type that does not fit is refused."""
    cdb, disc = command.cdb, loaded_of(drive).disc
    layout = disc.layout
    if layout.is_cd:
        return refuse(WRONG_FORMAT)
    media, layer, code = cdb[1] & 0x0F, cdb[6], cdb[7]
    if media != (1 if layout.medium is Medium.BD else 0) or layer > len(layout.layers):
        return refuse(BAD_FIELD)
    makers = _BD if layout.medium is Medium.BD else _DVD
    if code == _CAPABILITIES:
        body = b"".join(_readable(code, makers[code](disc)) for code in sorted(makers))
    elif code in makers:
        body = makers[code](disc)
    else:
        return refuse(BAD_FIELD)
    data = (len(body) + 2).to_bytes(2, "big") + bytes(2) + body
    return give(command, data, u16(cdb, 8))


def _readable(code: int, body: bytes) -> bytes:
    """An entry of the capability list: the structure can be read, and how long it is."""
    return bytes((code, 0x40)) + (len(body) + 4).to_bytes(2, "big")


def _room(disc: Disc) -> int:
    """Sectors of the data area that the lead-in tells: all that a recordable disc can hold."""
    return disc.layout.end if disc.kind is None else max(disc.kind.room, disc.layout.end)


def physical_format(disc: Disc) -> bytes:
    """Physical format information of a DVD, 2048 bytes; two layers as opposite track path."""
    layout, kind, sectors = disc.layout, disc.kind, _room(disc)
    body = bytearray(2048)
    hd = layout.medium is Medium.HDDVD
    body[0] = kind.book if kind is not None else 0x40 if hd else 0x01  # book type, part version
    body[1] = 0x02 if kind is None else 0x0F  # 120 mm; 10.08 Mbit/s, not specified
    body[2] = 0x01 if kind is None else 0x04 if kind.rewritable else 0x02  # embossed, rewritable
    end = _DVD_START + sectors - 1
    layer0_end = 0
    if layout.layers:
        body[2] |= 0x20 | 0x10
        layer0_end = _DVD_START + layout.layers[0] - 1
        # Layer 1 is no longer than layer 0. It runs back from outside; its sector numbers are the
        # inverted ones below them.
        sectors = min(sectors, max(2 * layout.layers[0], layout.end))
        end = (layer0_end ^ 0xFFFFFF) + (sectors - layout.layers[0]) - 1
    body[5:8] = _DVD_START.to_bytes(3, "big")
    body[9:12] = end.to_bytes(3, "big")
    body[13:16] = layer0_end.to_bytes(3, "big")
    return bytes(body)


def disc_information(disc: Disc) -> bytes:
    """Disc information units of a BD, 4096 bytes: a slot of 64 (recordable: 112) for each layer."""
    layout, kind, sectors = disc.layout, disc.kind, _room(disc)
    starts = [0, *layout.layers]
    ends = [*layout.layers, sectors]
    slot = _DI_SLOT if kind is None else _DI_SLOT_RECORDABLE
    body = bytearray(4096)
    for layer, (start, end) in enumerate(zip(starts, ends, strict=True)):
        unit = bytearray(slot)
        unit[0:3] = b"DI\x01"
        unit[3] = len(starts) << 3 | layer
        unit[5] = layer  # sequence number
        unit[6] = slot - 12  # bytes in use
        unit[8:12] = _BD_TYPES[None if kind is None else kind.rewritable]
        unit[12] = len(starts) << 4 | (0x01 if kind is None else 0x04 if kind.rewritable else 0x02)
        first = _BD_START + start
        unit[20:24] = (_BD_START + sectors - 1).to_bytes(4, "big")
        unit[24:28] = first.to_bytes(4, "big")
        unit[28:32] = (first + end - start - 2).to_bytes(4, "big")  # the last address unit
        body[layer * slot : (layer + 1) * slot] = unit
    return bytes(body)


_DVD: dict[int, Callable[[Disc], bytes]] = {
    0x00: physical_format,
    0x01: lambda disc: bytes(4),  # no protection, all regions
    0x04: lambda disc: bytes(2048),  # manufacturing information: an image has none
}
_BD: dict[int, Callable[[Disc], bytes]] = {0x00: disc_information}
