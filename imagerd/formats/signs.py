# SPDX-License-Identifier: Apache-2.0
"""Which container a file is, by its content first. Light: needs no container's module."""

from __future__ import annotations

import re
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile, PlainStore
from imagerd.formats.names import find
from imagerd.sectors.geometry import SYNC

_SHEET = re.compile(
    rb'(?im)^[ \t"\xef\xbb\xbf]*(?:FILE[ \t]+\S|TRACK[ \t]+\d+[ \t]+\w|INDEX[ \t]+\d+[ \t]+\d+:)'
)
_CDRDAO = re.compile(rb"(?m)^\s*(?:CD_DA|CD_ROM|CD_ROM_XA|CD_I)\s*(?://|$)")
_CDRDAO_TRACK = re.compile(rb"(?m)^[ \t]*TRACK[ \t]+(?:AUDIO|MODE[012]\w*)\b")
_CUE_INDEX = re.compile(rb"(?im)^[ \t]*INDEX[ \t]+\d+[ \t]+\d+:")
_GDI = re.compile(rb"\s*\d{1,2}\s*\n\s*\d{1,2}[ \t]+\d{1,6}[ \t]+\d{1,2}[ \t]+\d{4}[ \t]+\S")
_PART = re.compile(r"(.*\.)(\d{3})|(.*\.part)(\d{1,3})|(.*\.i)(\d{2})", re.IGNORECASE)
_VOLUME = 16 * 2048


def is_sheet(file: DataFile) -> bool:
    """Whether it is text with the commands of a cue sheet."""
    head = file.peek(0, 65536)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head[:4:3]:
        head = head.replace(b"\0", b"")  # UTF-16; the commands are ASCII
    return b"\0" not in head and _SHEET.search(head) is not None and not is_cdrdao_toc(file)


def is_cdrdao_toc(file: DataFile) -> bool:
    """Whether it is a cdrdao TOC, which some call .cue."""
    head = file.peek(0, 4096)
    if b"\0" in head:
        return False
    if _CDRDAO.search(head):
        return True
    return _CDRDAO_TRACK.search(head) is not None and not _CUE_INDEX.search(head)


def is_ccd(file: DataFile) -> bool:
    """Whether it is the text of a CloneCD image."""
    head = file.peek(0, 4096).lower()
    return b"[clonecd]" in head and b"\0" not in head


def is_nrg(file: DataFile) -> bool:
    """Whether it ends as a Nero image does, with a place within itself."""
    tail = file.peek(max(0, file.size - 12), 12)
    new = tail[:4] == b"NER5" and int.from_bytes(tail[4:], "big") < file.size
    return new or (tail[-8:-4] == b"NERO" and int.from_bytes(tail[-4:], "big") < file.size)


def is_mds(file: DataFile) -> bool:
    """Whether it is the description of an Alcohol 120% image."""
    return file.peek(0, 16) == b"MEDIA DESCRIPTOR"


def is_mdx(file: DataFile) -> bool:
    """Whether it is an image of DAEMON Tools: a .mdx, or the description of version 2."""
    return file.peek(0, 17) == b"MEDIA DESCRIPTOR\2"


def is_gdi(file: DataFile) -> bool:
    """Whether it is the text of a GD-ROM image."""
    return _GDI.match(file.peek(0, 256)) is not None


def is_cdi(file: DataFile) -> bool:
    """Whether it ends as a DiscJuggler image does: the version, and where its description is."""
    tail = file.peek(max(0, file.size - 8), 8)
    versions = (b"\4\0\0\x80", b"\5\0\0\x80", b"\6\0\0\x80")
    return tail[:4] in versions and int.from_bytes(tail[4:], "little") < file.size


def is_b6t(file: DataFile) -> bool:
    """Whether it is the description of a BlindWrite 5 or 6 image."""
    return file.peek(0, 16) == b"BWT5 STREAM SIGN"


def is_c2d(file: DataFile) -> bool:
    """Whether it is an image of WinOnCD."""
    head = file.peek(0, 32)
    return head.startswith((b"Adaptec CeQuadrat VirtualCD File", b"Roxio Image File Format 3.0"))


def is_raw(file: DataFile) -> bool:
    """Whether it begins with raw data sectors."""
    return file.peek(0, 12) == SYNC


def is_chd(file: DataFile) -> bool:
    """Whether it begins as a CHD of any version."""
    return file.peek(0, 8) == b"MComprHD"


def is_iso(file: DataFile) -> bool:
    """Whether it is an image of 2048-byte blocks with a volume in it."""
    magic = file.peek(_VOLUME, 14)
    return magic[1:6] in (b"CD001", b"BEA01", b"CD-I ") or magic[9:14] == b"CDROM"


def is_cso(file: DataFile) -> bool:
    """Whether it is CSO, version 1 or 2."""
    return file.peek(0, 4) == b"CISO"


def is_zso(file: DataFile) -> bool:
    """Whether it is ZSO."""
    return file.peek(0, 4) == b"ZISO"


def is_ecm(file: DataFile) -> bool:
    """Whether it is ECM."""
    return file.peek(0, 4) == b"ECM\0"


def is_gzip(file: DataFile) -> bool:
    """Whether it is gzip (RFC 1952)."""
    return file.peek(0, 3) == b"\x1f\x8b\x08"


def is_xz(file: DataFile) -> bool:
    """Whether it is xz."""
    return file.peek(0, 6) == b"\xfd7zXZ\0"


def is_zstd(file: DataFile) -> bool:
    """Whether it is zstd (RFC 8878)."""
    return file.peek(0, 4) == b"\x28\xb5\x2f\xfd"


def is_bzip2(file: DataFile) -> bool:
    """Whether it is bzip2, with a block in it."""
    head = file.peek(0, 10)
    return head[:3] == b"BZh" and head[4:] == b"1AY&SY"


def is_daa(file: DataFile) -> bool:
    """Whether it is DAA, or a further part of it."""
    return file.peek(0, 16) in (b"DAA".ljust(16, b"\0"), b"DAA VOL".ljust(16, b"\0"))


def is_dax(file: DataFile) -> bool:
    """Whether it is DAX."""
    return file.peek(0, 4) == b"DAX\0"


def is_isz(file: DataFile) -> bool:
    """Whether it is ISZ."""
    return file.peek(0, 4) == b"IsZ!"


def is_dmg(file: DataFile) -> bool:
    """Whether it is an Apple disk image: its trailer is at the end, in old ones at the front."""
    return file.peek(file.size - 512, 8) == b"koly\0\0\0\4"


def split_name(path: Path) -> tuple[str, int, int] | None:
    """Of the name of a part: what is before its number, the number, and its digits."""
    found = _PART.fullmatch(path.name)
    if found is None:
        return None
    stem, number = (group for group in found.groups() if group is not None)
    return stem, int(number), len(number)


def is_split(file: DataFile) -> bool:
    """Whether it and its neighbour are called like parts, and the later is no image of its own."""
    name = split_name(file.path)
    if name is None or not isinstance(file.store, PlainStore):
        return False
    stem, number, digits = name
    try:
        for other in (number - 1, number + 1):
            found = find(file.path, (f"{stem}{other:0{digits}}",)) if other >= 0 else None
            if found is not None:
                return not (is_iso(file) if other < number else _has_volume(found.path))
    except BadInput:  # it leads out of the folder, as opening will say
        return True
    return False


def _has_volume(path: Path) -> bool:
    """Whether a further file begins like a disc: X.001 and X.002 may be two."""
    file = DataFile(path)
    try:
        return is_iso(file)
    finally:
        file.close()
