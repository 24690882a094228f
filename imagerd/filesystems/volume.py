# SPDX-License-Identifier: Apache-2.0
"""The volume on a disc: its id, size and dates, and which file systems are there.

For identification only, and tolerant: damaged or odd descriptors give what can be read of them.
After ECMA-119, 8 (ISO 9660), the High Sierra proposal, ECMA-167, 2/9 (UDF's volume recognition)
and Inside Macintosh: Files (HFS).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from imagerd.base.errors import BadInput
from imagerd.disc.source import SectorSource, SectorState
from imagerd.sectors.views import UserView

BLOCK = 2048
_FIRST = 16  # ECMA-119, 6.2.1: the data area begins here
_MOST_DESCRIPTORS = 64
_PRIMARY, _TERMINATOR = 1, 255
_HIGH_SIERRA = 8  # its descriptors begin with the block's address
_UDF = frozenset({b"NSR02", b"NSR03"})
_RECOGNITION = frozenset({b"CD001", b"CDW02", b"BEA01", b"BOOT2", b"TEA01"}) | _UDF


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    """What names a volume. Texts are trimmed, "" where empty; `blocks` counts `block_size` bytes.

    `volume_id` is that of ISO 9660 if there is one, of HFS or UDF's anchor otherwise. `iso9660`
    is True for High Sierra too; `joliet`, `udf`, `hfs`: whether these are there (as well).
    """

    volume_id: str = ""
    system_id: str = ""
    publisher_id: str = ""
    application_id: str = ""
    volume_set_id: str = ""
    blocks: int = 0
    block_size: int = BLOCK
    created: datetime | None = None
    modified: datetime | None = None
    iso9660: bool = False
    joliet: bool = False
    udf: bool = False
    hfs: bool = False


def volume_id(source: SectorSource, track: int | None = None) -> VolumeInfo | None:
    """The volume of data track `track` (the first one if None); None if none can be made out.

    Reads some twenty sectors; those that cannot be read count as empty.
    """
    try:
        view = UserView(source, track)
    except BadInput:  # no data track
        return None
    area = view.layout.tracks[0]
    disc = _Blocks(view, area.start, area.end)
    primary, joliet, udf = _descriptors(disc)
    hfs = _hfs(disc)
    if primary is None and not udf and hfs is None:
        return None
    info = primary or VolumeInfo(volume_id=hfs or _udf_label(disc))
    return replace(info, iso9660=primary is not None, joliet=joliet, udf=udf, hfs=hfs is not None)


class _Blocks:
    """Blocks by their number in the volume; b"" for what cannot be read."""

    def __init__(self, view: UserView, start: int, end: int) -> None:
        self._view = view
        self._start = start
        self._end = end

    def read(self, number: int) -> bytes:
        lba = self._start + number
        if not self._start <= lba < self._end:
            return b""
        block = self._view.read(lba, 1)
        return block.data[0].tobytes() if block.states[0] > SectorState.FAILED else b""

    @property
    def count(self) -> int:
        return self._end - self._start


def _descriptors(disc: _Blocks) -> tuple[VolumeInfo | None, bool, bool]:
    """The primary descriptor, whether there is Joliet, whether there is UDF."""
    primary: VolumeInfo | None = None
    joliet = udf = False
    for number in range(_FIRST, _FIRST + _MOST_DESCRIPTORS):
        block = disc.read(number)
        sierra = block[9:14] == b"CDROM"
        name = block[1:6]
        if not sierra and name not in _RECOGNITION:
            if block or number > _FIRST + 4:  # a run of unreadable ones may still go on
                break
            continue
        udf = udf or name in _UDF
        if primary is None and (sierra or name == b"CD001"):
            primary = _primary(block[_HIGH_SIERRA:] if sierra else block, sierra=sierra)
        joliet = joliet or (name == b"CD001" and block[0] == 2 and block[88:90] == b"%/")
    return primary, joliet, udf


def _primary(block: bytes, *, sierra: bool) -> VolumeInfo | None:
    if not block or block[0] != _PRIMARY:
        return None
    shift = 16 if sierra else 0  # four more path table locations before these
    texts = [_text(block, at + shift, 128) for at in (190, 318, 574)]
    volume_set, publisher, application = texts
    at, step = (782, 16) if sierra else (813, 17)  # without and with a time zone
    created, modified = (_date(block[start : start + step]) for start in (at, at + step))
    return VolumeInfo(
        _text(block, 40, 32),
        _text(block, 8, 32),
        publisher,
        application,
        volume_set,
        _both(block, 80, 4),
        _both(block, 128, 2) or BLOCK,
        created,
        modified,
    )


def _both(block: bytes, at: int, size: int) -> int:
    """A number in both byte orders (ECMA-119, 7.2.3): little-endian unless that is 0."""
    little = int.from_bytes(block[at : at + size], "little")
    return little or int.from_bytes(block[at + size : at + 2 * size], "big")


def _text(block: bytes, at: int, size: int) -> str:
    raw = block[at : at + size].split(b"\0", 1)[0]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("iso-8859-1")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _date(field: bytes) -> datetime | None:
    """Sixteen digits down to hundredths, then quarters of an hour (ECMA-119, 8.4.26.1)."""
    digits = field[:16]
    if not digits.isdigit() or len(digits) < 16:
        return None
    year, month, day, hour, minute, second = (
        int(digits[a:b]) for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
    )
    quarters = int.from_bytes(field[16:17], "big", signed=True)
    zone = timezone(timedelta(minutes=15 * quarters)) if -48 <= quarters <= 52 else UTC
    hundredths = int(digits[14:16])
    try:
        return datetime(year, month, day, hour, minute, second, hundredths * 10_000, zone)
    except ValueError:
        return None


def _hfs(disc: _Blocks) -> str | None:
    """The name of an HFS volume ("" for HFS+, whose name lies in its catalog); None if none.

    It lies 1024 bytes into the disc or into a partition of an Apple partition map (512 bytes a
    block, whatever its driver descriptor says: so do real hybrids).
    """
    first = disc.read(0)
    starts = [0]
    if first[512:514] == b"PM":
        starts += list(_apple_partitions(disc))
    for start in starts:
        number, offset = divmod(start * 512 + 1024, BLOCK)
        block = disc.read(number)[offset:]
        if block[:2] == b"BD" and len(block) >= 64:
            return block[37 : 37 + min(27, block[36])].decode("mac_roman")
        if block[:2] in (b"H+", b"HX"):
            return ""
    return None


def _apple_partitions(disc: _Blocks) -> Iterator[int]:
    """First 512-byte blocks of the HFS partitions; entries are 512 or 2048 bytes apart."""
    for spacing in (512, BLOCK):
        for entry in range(1, 16):
            number, offset = divmod(entry * spacing, BLOCK)
            block = disc.read(number)[offset : offset + 512]
            if block[:2] == b"PM" and block[48:57] == b"Apple_HFS":
                start = int.from_bytes(block[8:12], "big")
                yield start
                yield start * 4  # maps that count in 2048-byte blocks


def _udf_label(disc: _Blocks) -> str:
    """The volume id of UDF's primary volume descriptor, by the anchor at 256 (ECMA-167, 3/8.4)."""
    anchor = disc.read(256)
    if anchor[:2] != b"\2\0":
        return ""
    size, location = (int.from_bytes(anchor[at : at + 4], "little") for at in (16, 20))
    for number in range(location, location + min(size // BLOCK, 32)):
        block = disc.read(number)
        if block[:2] == b"\1\0" and len(block) >= 56:
            return _dstring(block[24:56])
    return ""


def _dstring(field: bytes) -> str:
    """OSTA compressed Unicode: the last byte is the length, the first the bits of a letter."""
    raw = field[: field[-1]]
    codec = "utf-16-be" if raw[:1] == b"\x10" else "iso-8859-1"
    return raw[1:].decode(codec, "replace").strip("\0 ")
