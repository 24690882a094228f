# SPDX-License-Identifier: Apache-2.0
"""READ DISC STRUCTURE (MMC-6, 6.22) for DVD and BD images: as much as an image can say."""

from __future__ import annotations

from collections.abc import Callable

from imagerd.devices.scsi import Command, Reply
from imagerd.devices.virtual.answers import BAD_FIELD, WRONG_FORMAT, give, refuse, u16
from imagerd.devices.virtual.discinfo import loaded_of
from imagerd.devices.virtual.state import DriveState
from imagerd.disc.layout import Layout, Medium

_DVD_START = 0x30000  # physical sector number of LBA 0
_BD_START = 0x100000
_DI_SLOT = 64  # bytes of a disc information unit of a pressed disc


def read_disc_structure(drive: DriveState, command: Command) -> Reply:
    """READ DISC STRUCTURE. CDs have none; a medium type that does not fit is refused."""
    cdb, layout = command.cdb, loaded_of(drive).disc.layout
    if layout.is_cd:
        return refuse(WRONG_FORMAT)
    media, layer, kind = cdb[1] & 0x0F, cdb[6], cdb[7]
    if media != (1 if layout.medium is Medium.BD else 0) or layer > len(layout.layers):
        return refuse(BAD_FIELD)
    makers = _BD if layout.medium is Medium.BD else _DVD
    if kind == 0xFF:
        body = b"".join(bytes((code, 0x40, 0, 4)) for code in sorted(makers))
    elif kind in makers:
        body = makers[kind](layout)
    else:
        return refuse(BAD_FIELD)
    data = (len(body) + 2).to_bytes(2, "big") + bytes(2) + body
    return give(command, data, u16(cdb, 8))


def physical_format(layout: Layout) -> bytes:
    """Physical format information of a DVD, 2048 bytes; two layers as opposite track path."""
    body = bytearray(2048)
    hd = layout.medium is Medium.HDDVD
    body[0] = 0x40 if hd else 0x01  # book type, part version
    body[1] = 0x02  # 120 mm, 10.08 Mbit/s
    body[2] = 0x01  # embossed
    end = _DVD_START + layout.end - 1
    layer0_end = 0
    if layout.layers:
        body[2] |= 0x20 | 0x10
        layer0_end = _DVD_START + layout.layers[0] - 1
        # Layer 1 runs back from outside; its sector numbers are the inverted ones below them.
        end = (layer0_end ^ 0xFFFFFF) + (layout.end - layout.layers[0]) - 1
    body[5:8] = _DVD_START.to_bytes(3, "big")
    body[9:12] = end.to_bytes(3, "big")
    body[13:16] = layer0_end.to_bytes(3, "big")
    return bytes(body)


def disc_information(layout: Layout) -> bytes:
    """Disc information units of a BD-ROM, 4096 bytes: one slot of 64 for each layer."""
    starts = [0, *layout.layers]
    ends = [*layout.layers, layout.end]
    body = bytearray(4096)
    for layer, (start, end) in enumerate(zip(starts, ends, strict=True)):
        unit = bytearray(_DI_SLOT)
        unit[0:3] = b"DI\x01"
        unit[3] = len(starts) << 3 | layer
        unit[5] = layer  # sequence number
        unit[6] = 52  # bytes in use
        unit[8:12] = b"BDO\x01"
        unit[12] = len(starts) << 4 | 0x01
        first = _BD_START + start
        unit[20:24] = (_BD_START + layout.end - 1).to_bytes(4, "big")
        unit[24:28] = first.to_bytes(4, "big")
        unit[28:32] = (first + end - start - 2).to_bytes(4, "big")  # the last address unit
        body[layer * _DI_SLOT : (layer + 1) * _DI_SLOT] = unit
    return bytes(body)


def _no_copyright(layout: Layout) -> bytes:
    return bytes(4)


_DVD: dict[int, Callable[[Layout], bytes]] = {
    0x00: physical_format,
    0x01: _no_copyright,
    0x04: lambda layout: bytes(2048),  # manufacturing information: an image has none
}
_BD: dict[int, Callable[[Layout], bytes]] = {0x00: disc_information}
