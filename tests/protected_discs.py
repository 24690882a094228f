# SPDX-License-Identifier: Apache-2.0
"""Discs with the marks of copy protections, made up: files at given places, bad sectors, odd Q."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np

from imagerd.disc.layout import Medium, TrackMode, single_track
from imagerd.disc.msf import Msf
from imagerd.filesystems.filetable import FileTable
from imagerd.filesystems.volume import VolumeInfo, volume_id
from imagerd.recovery.evidence import Why
from imagerd.recovery.protection.facts import BadRange, BadSectors, Facts
from imagerd.sectors.subchannel import q_crc
from tests.iso9660 import _both, _record, iso_image
from tests.volumes import Volume

_SECTOR = 2048


def placed_iso(
    places: Mapping[str, tuple[int, int]],
    total: int,
    *,
    label: str = "DISC",
    contents: Mapping[str, bytes] | None = None,
    claimed: int = 0,
    application_use: bytes = b"",
) -> bytes:
    """A volume whose files lie where `places` says: path → (LBA, sectors).

    Paths have one folder at most; folders lie from LBA 21 on, a block each. `claimed` is the
    volume's size if not `total`.
    """
    image = bytearray(iso_image(label, {}, pad_to=total))
    image[16 * _SECTOR + 80 : 16 * _SECTOR + 88] = _both(claimed or total)
    image[16 * _SECTOR + 883 : 16 * _SECTOR + 883 + len(application_use)] = application_use
    folders = sorted({path.partition("/")[0] for path in places if "/" in path})
    where = {"": 20, **{folder: 21 + number for number, folder in enumerate(folders)}}
    table = bytes((1, 0)) + struct.pack("<IH", 20, 1) + b"\0\0"
    for folder in folders:
        name = folder.encode()
        table += bytes((len(name), 0)) + struct.pack("<IH", where[folder], 1)
        table += name + b"\0" * (len(name) % 2)
    image[18 * _SECTOR : 18 * _SECTOR + len(table)] = table
    image[16 * _SECTOR + 132 : 16 * _SECTOR + 140] = _both(len(table))
    for folder, lba in where.items():
        block = _record(b"\0", lba, _SECTOR, folder=True) + _record(b"\1", 20, _SECTOR, folder=True)
        if not folder:
            for name in folders:
                block += _record(name.encode(), where[name], _SECTOR, folder=True)
        for path, (start, sectors) in sorted(places.items()):
            parent, _, name = path.rpartition("/")
            if parent == folder:
                block += _record(name.encode() + b";1", start, sectors * _SECTOR)
        assert len(block) <= _SECTOR
        image[lba * _SECTOR : (lba + 1) * _SECTOR] = block.ljust(_SECTOR, b"\0")
    for path, content in (contents or {}).items():
        at = places[path][0] * _SECTOR
        image[at : at + len(content)] = content
    return bytes(image)


def facts(
    image: bytes,
    bad: Iterable[range] = (),
    *,
    medium: Medium = Medium.CD,
    why: Why = Why.MEDIUM,
    lead_out: int = 0,
    **more: object,
) -> Facts:
    """The facts of a disc of that image of which `bad` cannot be read."""
    mode = TrackMode.MODE1 if medium is Medium.CD else TrackMode.BLOCKS
    layout = single_track(lead_out or len(image) // _SECTOR, mode, medium=medium)
    ranges = BadSectors(BadRange(area.start, len(area), why, (3, 0x11, 5)) for area in bad)
    table, volume = _file_systems(image, medium)
    return Facts(layout=layout, bad=ranges, files=table, volume=volume, **more)  # type: ignore[arg-type]


@cache
def _file_systems(image: bytes, medium: Medium) -> tuple[FileTable, VolumeInfo | None]:
    source = Volume(image, medium=medium)
    return FileTable.of(source), volume_id(source)


def joined(lbas: Iterable[int]) -> list[range]:
    """Single LBAs as ranges."""
    found: list[range] = []
    for lba in sorted(set(lbas)):
        if found and found[-1].stop == lba:
            found[-1] = range(found[-1].start, lba + 1)
        else:
            found.append(range(lba, lba + 1))
    return found


def strewn(area: range, share: float, seed: int = 1) -> list[range]:
    """Single sectors of `area`, so many of a hundred, without order."""
    rng = np.random.default_rng(seed)
    hit = rng.random(len(area)) < share
    return joined(area.start + int(at) for at in np.flatnonzero(hit))


def scratch(area: range, turn: int, width: int) -> list[range]:
    """A radial scratch: `width` sectors of each turn of `turn` sectors."""
    return [range(at, min(at + width, area.stop)) for at in range(area.start, area.stop, turn)]


def right_q(lba: int, control: int = 4) -> bytes:
    """The Q of a sector of track 1."""
    relative, absolute = Msf.from_frames(lba), Msf.from_frames(lba + 150)
    body = bytes((control << 4 | 1, 1, 1)) + relative.to_bcd() + b"\0" + absolute.to_bcd()
    return body + q_crc(body)


def turned_q(lba: int) -> bytes:
    """Two bits of its addresses changed; the CRC made for that, with bit 7 turned."""
    body = bytearray(right_q(lba)[:10])
    body[4] ^= 0x01
    body[8] ^= 0x01
    crc = int.from_bytes(q_crc(body), "big") ^ 0x0080
    return bytes(body) + crc.to_bytes(2, "big")


def kept_q(lba: int) -> bytes:
    """Two bits of its addresses changed; the CRC as it was, with two bits turned."""
    right = right_q(lba)
    body = bytearray(right[:10])
    body[4] ^= 0x01
    body[8] ^= 0x01
    crc = int.from_bytes(right[10:], "big") ^ 0x8001
    return bytes(body) + crc.to_bytes(2, "big")


def program(*sections: str) -> bytes:
    """A PE file of headers only."""
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x14C, len(sections), 0, 0, 0, 0, 0)
    table = b"".join(name.encode().ljust(8, b"\0") + bytes(32) for name in sections)
    return head + coff + table


def ifo(cells: Iterable[tuple[int, int]], vob: int) -> bytes:
    """A .IFO of a title set whose one program chain plays `cells` of the .VOB `vob` sectors on."""
    cells = tuple(cells)
    head = bytearray(2 * _SECTOR)
    head[:12] = b"DVDVIDEO-VTS"
    head[0xC4:0xC8] = vob.to_bytes(4, "big")
    head[0xCC:0xD0] = (1).to_bytes(4, "big")
    at = _SECTOR
    head[at : at + 16] = (1).to_bytes(2, "big") + bytes(10) + (16).to_bytes(4, "big")
    chain = at + 16
    head[chain + 3] = len(cells)
    head[chain + 0xE8 : chain + 0xEA] = (0xEC).to_bytes(2, "big")
    for number, (first, last) in enumerate(cells):
        where = chain + 0xEC + 24 * number
        head[where + 8 : where + 12] = first.to_bytes(4, "big")
        head[where + 20 : where + 24] = last.to_bytes(4, "big")
    return bytes(head)
