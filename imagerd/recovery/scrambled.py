# SPDX-License-Identifier: Apache-2.0
"""Data read as audio: the scrambled stream of the disc, put back into sectors.

Some drives give the sectors that their own error correction has given up when they are asked for
CD-DA: uncorrected, scrambled (ECMA-130, annex B), with C2 pointers, and at once instead of after a
dozen tries. But the stream is moved by the drive's read offset (and the disc's write offset), so a
sector begins somewhere in what comes. How far is found out once on a good sector, by its sync.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from imagerd.devices.reading import ReadRequest, ReadResult
from imagerd.disc.layout import SectorFormat
from imagerd.disc.source import Bytes2D, Fault, Sectors
from imagerd.recovery.reader import Reader
from imagerd.recovery.writeoffset import SyncNote, agreed, sync_offsets
from imagerd.sectors.geometry import RAW, SYNC_ROW, lba_msf
from imagerd.sectors.offset import SAMPLE
from imagerd.sectors.scramble import scramble

_AROUND = 2  # sectors before and after the one that is looked for: offsets are below 1200 samples
_C2 = 294


@dataclass(frozen=True, slots=True)
class Shift:
    """Bytes by which the stream comes late; negative: early."""

    bytes: int

    @classmethod
    def told(cls, by: SyncNote) -> Shift:
        """What syncs have told."""
        return cls(by.combined * SAMPLE)

    @property
    def before(self) -> int:
        """Sectors before the wanted one that are needed."""
        return -(self.bytes // RAW)

    @property
    def inside(self) -> int:
        """Where in the first of them the wanted one begins."""
        return self.bytes % RAW


def find_syncs(reader: Reader, lba: int) -> SyncNote | None:
    """What the syncs say that are read as audio around the good data sector `lba`.

    None if the drive gives no stream there, or one that is not scrambled.
    """
    around = range(lba - _AROUND, lba + _AROUND + 1)
    step = min(len(around), reader.max_sectors(SectorFormat.RAW))
    rows: list[Bytes2D] = []
    for at in around[::step]:
        count = min(step, around.stop - at)
        block = reader.attempt(ReadRequest(at, count, as_audio=True)).sectors
        if block is None or len(block) < count:
            return None
        rows.append(block.data.copy())
    return agreed(list(sync_offsets(np.concatenate(rows), around.start)))


def attempt_scrambled(reader: Reader, request: ReadRequest, shift: Shift) -> ReadResult:
    """`request` as audio, with the shift undone: its sectors scrambled, and their C2 with them.

    One sector more is read where the shift is not a whole number of sectors.
    """
    more = 1 if shift.inside else 0
    wide = replace(request, lba=request.lba - shift.before, count=request.count + more)
    result = reader.attempt(wide)
    got = 0 if result.sectors is None else len(result.sectors) - more
    if got <= 0 or result.sectors is None:
        fault = _fault(result.fault, request, 0)
        return ReadResult(request.lba, request.count, None, fault, result.seconds)
    block = _shifted(result.sectors, request.lba, got, shift.inside)
    fault = _fault(result.fault, request, got) if result.fault is not None else None
    return ReadResult(request.lba, request.count, block, fault, result.seconds)


def _fault(fault: Fault | None, request: ReadRequest, got: int) -> Fault | None:
    if fault is None:
        return None
    return replace(fault, lba=request.lba + got, count=request.count - got)


def _shifted(block: Sectors, lba: int, count: int, inside: int) -> Sectors:
    size = count * RAW
    data = block.data.reshape(-1)[inside : inside + size].reshape(count, RAW)
    c2 = None
    if block.c2 is not None:
        bits = np.unpackbits(block.c2).reshape(-1)[inside : inside + size]
        c2 = np.packbits(bits).reshape(count, _C2)
    return Sectors(lba, block.format, data.copy(), block.states[:count].copy(), None, c2)


def descrambled(block: Sectors) -> Bytes2D:
    """Rows in plain form; those that are not scrambled as they came.

    A row is taken for scrambled unless it names its own address in plain: a damaged header must not
    keep the rest of the sector from being of use.
    """
    plain_already = (block.data[:, :12] == SYNC_ROW).sum(axis=1) >= 8
    plain_already &= (block.data[:, 12:15] == lba_msf(block.lba, len(block))).all(axis=1)
    return np.where(plain_already[:, np.newaxis], block.data, scramble(block.data))
