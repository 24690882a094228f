# SPDX-License-Identifier: Apache-2.0
"""Which disc it is: ids, label, and a fingerprint by which a job finds its disc again.

The fingerprint has two parts: the table of contents, which every readable disc has, and marks,
digests of a few sectors that differ between discs of one size (volume descriptors, with dates). A
mark whose sector cannot be read is left out, so two fingerprints of one scratched disc may differ
in their marks; `same_disc` compares only the marks that both have.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from imagerd.disc.ids import toc_text
from imagerd.disc.layout import Layout, Track
from imagerd.disc.source import SectorSource, SectorState
from imagerd.filesystems.volume import VolumeInfo, volume_id
from imagerd.sectors.convert import user_data
from imagerd.sectors.verify import check_data

# Of a data track: ISO 9660 descriptors, the usual places of UDF's and its anchor.
_MARKED = (16, 17, 32, 33, 256)
_TRIES = 3


@dataclass(frozen=True, slots=True)
class DiscIdentity:
    """A disc as it was recognised. `marks` are (LBA, digest)."""

    layout: Layout
    marks: tuple[tuple[int, str], ...]
    volume: VolumeInfo | None

    @property
    def fingerprint(self) -> str:
        """Text that is equal for the same disc: ``TOC digest`` and each mark, joined by dots."""
        toc = hashlib.sha256(toc_text(self.layout).encode()).hexdigest()[:16]
        return ".".join([toc, *(f"{lba}-{digest}" for lba, digest in self.marks)])


def identify_disc(source: SectorSource) -> DiscIdentity:
    """Recognise the disc behind `source`; never fails for a sector that cannot be read."""
    layout = source.layout
    track = next((track for track in layout.tracks if track.is_data), None)
    if track is None:
        return DiscIdentity(layout, (), None)
    return DiscIdentity(layout, _marks(source, track), volume_id(source))


def same_disc(one: str, other: str) -> bool:
    """Whether two fingerprints can be of one disc: same TOC, no mark that contradicts."""
    first_toc, *first = one.split(".")
    second_toc, *second = other.split(".")
    if first_toc != second_toc:
        return False
    marks = dict(mark.split("-", 1) for mark in first)
    return all(
        marks.get(lba, digest) == digest for lba, digest in (m.split("-", 1) for m in second)
    )


def _marks(source: SectorSource, track: Track) -> tuple[tuple[int, str], ...]:
    marks = []
    for offset in _MARKED:
        lba = track.index1 + offset
        data = _sound_data(source, track, lba) if lba < track.end else None
        if data is not None:
            marks.append((lba, hashlib.sha256(data).hexdigest()[:16]))
    return tuple(marks)


def _sound_data(source: SectorSource, track: Track, lba: int) -> bytes | None:
    """User data of one sector, or None if it cannot be read or does not prove itself."""
    for _ in range(_TRIES):
        block = source.read(lba, 1)
        if block.states[0] < SectorState.READ:
            continue
        if not source.layout.is_cd:
            return block.data.tobytes()
        if check_data(block.data, lba).data_ok[0]:
            return user_data(block.data, track.mode).tobytes()
    return None
