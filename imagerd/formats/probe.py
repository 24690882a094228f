# SPDX-License-Identifier: Apache-2.0
"""What the bytes themselves say: sector size and mode, by sync and header or by a volume's magic.

A sheet may lie or be missing; sync patterns at a regular distance do not lie (ECMA-130, 14).
"""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.disc.layout import SectorFormat, TrackMode
from imagerd.disc.msf import Msf
from imagerd.formats.datafile import DataFile
from imagerd.sectors.geometry import SYNC

_LOOKED_AT = 40  # sectors from where a track begins; the volume descriptors lie at 16 and above
_MODES = {0: TrackMode.MODE0, 1: TrackMode.MODE1, 2: TrackMode.MODE2}
_VOLUME = 16  # ECMA-119, 6.2.1
_MAGIC = ((1, b"CD001"), (1, b"BEA01"), (1, b"CD-I "), (9, b"CDROM"))
_APPLE = ((1024, b"BD"), (1024, b"H+"), (1024, b"HX"))  # HFS and HFS+, 1024 bytes into a volume
_STORED_BY_MAGIC = (
    (SectorFormat.USER, 0, TrackMode.MODE1),
    (SectorFormat.MODE2, 8, TrackMode.MODE2),
    (SectorFormat.XA_USER, 8, TrackMode.MODE2),
    (SectorFormat.RAW, 16, TrackMode.MODE1),
    (SectorFormat.RAW, 24, TrackMode.MODE2),
    (SectorFormat.RAW_SUB, 16, TrackMode.MODE1),
    (SectorFormat.RAW_SUB, 24, TrackMode.MODE2),
)


@dataclass(frozen=True, slots=True)
class Probed:
    """What was found. `lba` is where the headers say that the first sector lies, if they agree."""

    stored: SectorFormat
    mode: TrackMode
    lba: int | None = None


def probe(file: DataFile, offset: int, limit: int | None = None) -> Probed | None:
    """Look at the sectors from byte `offset`, at most `limit` bytes; None if nothing speaks."""
    length = _LOOKED_AT * SectorFormat.RAW_SUB.size
    data = file.peek(offset, length if limit is None else min(length, limit))
    return _by_sync(data) or _by_magic(data)


def _by_sync(data: bytes) -> Probed | None:
    found = []
    for stored in (SectorFormat.RAW, SectorFormat.RAW_SUB):
        starts = range(0, len(data) - 15, stored.size)
        hits = [at for at in starts if data.startswith(SYNC, at)]
        found.append((len(hits), -len(starts), stored, hits))
    count, candidates, stored, hits = max(found, key=lambda entry: entry[:2])
    # One sync in a lone sector, or at least a quarter of all: some may be damaged or filling.
    if count == 0 or (count * 4 < -candidates and hits[0] != 0) or (count == 1 < -candidates // 4):
        return None
    modes = [data[at + 15] & 0x1F for at in hits]  # the upper bits tell of run-in blocks
    known = [_MODES[mode] for mode in modes if mode in _MODES]
    if not known:
        return None
    mode = max(dict.fromkeys(known), key=known.count)
    return Probed(stored, mode, _address(data, stored, hits))


def _address(data: bytes, stored: SectorFormat, hits: list[int]) -> int | None:
    starts = set()
    for at in hits:
        try:
            msf = Msf.from_bcd(data[at + 12 : at + 15])
        except ValueError:
            continue
        starts.add(msf.program_lba - at // stored.size)
    return starts.pop() if len(starts) == 1 else None


def _by_magic(data: bytes) -> Probed | None:
    for stored, user, mode in _STORED_BY_MAGIC:
        sector = _VOLUME * stored.size + user
        if any(data.startswith(magic, sector + at) for at, magic in _MAGIC):
            return Probed(stored, mode)
    if any(data.startswith(magic, at) for at, magic in _APPLE):
        return Probed(SectorFormat.USER, TrackMode.MODE1)
    return None
