# SPDX-License-Identifier: Apache-2.0
"""Near misses: audio at another offset, a track with bytes too many or too few at an end.

CRC-32 finds them (`crc`), a digest of the whole track must agree before they are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from imagerd.base.digests import Digests, Hasher
from imagerd.disc.layout import Track
from imagerd.disc.source import SectorSource
from imagerd.sectors.geometry import RAW
from imagerd.sectors.offset import SAMPLE, audio_areas
from imagerd.toolkit.dat.records import Rom
from imagerd.toolkit.match import crc
from imagerd.toolkit.match.listening import area_stream, track_stream

REACH: Final = 44_100  # samples to either side; drives and pressings differ by some thousands
_MOST_HITS: Final = 8  # with more of them it is silence, which is the same everywhere
_BLOCK: Final = 1 << 20
_MOST_ADDED: Final = 1 << 28  # bytes of zeros: a DAT can claim any size, and would keep us busy


def offsets(source: SectorSource, track: Track, rom: Rom) -> list[int]:
    """The offsets, the smallest first, at which the CRC-32 of audio `track` is that of `rom`.

    `source` gives raw sectors; outside the track's audio area there is silence. The sign is that
    of `sectors.offset`: audio that comes n samples late has the offset n.
    """
    area = next((area for area in audio_areas(source.layout) if track.start in area), None)
    if area is None or rom.crc32 is None or rom.size != len(track.stored_range) * RAW:
        return []
    reach = REACH * SAMPLE
    first = (track.stored_range.start - area.start) * RAW - reach
    steps = np.arange(0, 2 * reach + 1, SAMPLE)
    wanted = np.unique(np.concatenate((steps, steps + rom.size)))
    stream = area_stream(source, area, first, rom.size + 2 * reach)
    found = crc.at_positions(stream, wanted.tolist())
    begins = found[np.searchsorted(wanted, steps)]
    ends = found[np.searchsorted(wanted, steps + rom.size)]
    hits = np.flatnonzero(crc.pieces(begins, ends, rom.size) == int(rom.crc32, 16))
    moved = sorted((int(hit) - REACH for hit in hits), key=abs)
    return moved if len(moved) <= _MOST_HITS else []


@dataclass(frozen=True, slots=True)
class Ends:
    """How a track becomes the file of a DAT: bytes to cut off (negative: zeros to add) at its ends.

    `blank`: what is to be cut off is zeros.
    """

    rom: Rom
    head: int = 0
    tail: int = 0
    blank: bool = False

    def words(self, sector: int) -> str:
        """For people; `sector`: bytes of one."""
        where = "beginning" if self.head else "end"
        size = self.head or self.tail
        amount = _amount(abs(size), sector)
        if size < 0:
            return f"{amount} of zeros at the {where} are missing"
        return f"{amount} too many at the {where}{', all zeros' if self.blank else ''}"


def _amount(size: int, sector: int) -> str:
    sectors, rest = divmod(size, sector)
    if rest:
        return f"{size} bytes"
    return f"{size} bytes ({sectors} sector{'' if sectors == 1 else 's'})"


def ends(source: SectorSource, track: Track, whole: Digests, roms: Sequence[Rom]) -> Iterator[Ends]:
    """Which of `roms` the track (its digests: `whole`) is but for bytes at one of its ends."""
    known = [rom for rom in roms if rom.crc32 and _worth_it(rom.size, whole.size)]
    shorter = {rom.size for rom in known if rom.size is not None and rom.size < whole.size}
    order = sorted(shorter | {whole.size - size for size in shorter})
    prefix = dict(
        zip(order, crc.at_positions(track_stream(source, track), order).tolist(), strict=True)
    )
    for rom in known:
        for found in _possible(rom, whole, prefix):
            if _is_so(source, track, found):
                yield found
                break


def _worth_it(size: int | None, ours: int) -> bool:
    return bool(size) and size != ours and (size or 0) - ours <= _MOST_ADDED


def _possible(rom: Rom, whole: Digests, prefix: dict[int, int]) -> Iterator[Ends]:
    size, expected, all_of_it = rom.size or 0, int(rom.crc32 or "", 16), int(whole.crc32, 16)
    left = whole.size - size
    if left < 0:
        if crc.with_zeros(all_of_it, -left) == expected:
            yield Ends(rom, tail=left)
        if crc.without(crc.blank(-left), all_of_it, whole.size) == expected:
            yield Ends(rom, head=left)
        return
    if prefix[size] == expected:
        rest = crc.without(prefix[size], all_of_it, left)
        yield Ends(rom, tail=left, blank=rest == crc.blank(left))
    if crc.without(prefix[left], all_of_it, size) == expected:
        yield Ends(rom, head=left, blank=prefix[left] == crc.blank(left))


def _is_so(source: SectorSource, track: Track, found: Ends) -> bool:
    hasher = Hasher()
    for piece in _mended(track_stream(source, track), found):
        hasher.update(piece)
    return found.rom.same_as(hasher.digests()) is not None


def _mended(stream: Iterable[memoryview], found: Ends) -> Iterator[memoryview]:
    """The track with its ends as the DAT has them."""
    yield from _zeros(-found.head)
    skip, left = max(found.head, 0), (found.rom.size or 0) - max(-found.head, 0)
    for chunk in stream:
        piece = chunk[skip : skip + left]
        skip = max(skip - len(chunk), 0)
        left -= len(piece)
        yield piece
    yield from _zeros(left)


def _zeros(size: int) -> Iterator[memoryview]:
    block = memoryview(bytes(min(max(size, 0), _BLOCK)))
    while size > 0:
        yield block[:size]
        size -= len(block)
