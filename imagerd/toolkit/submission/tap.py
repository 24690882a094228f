# SPDX-License-Identifier: Apache-2.0
"""A source that counts and hashes along while somebody else reads it through, once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from imagerd.disc.layout import Layout, Track
from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import Bytes2D, Sectors, SectorSource, SectorState
from imagerd.sectors.subchannel import q_crc_ok, q_of
from imagerd.sectors.verify import EdcState, SectorKind, check_data
from imagerd.toolkit.redumper.judging import has_marker, stored_raw
from imagerd.toolkit.sound import SoundHash

MOST_FRAMES: Final = 400  # of Q that are listed; with more of them it is damage


@dataclass(frozen=True, slots=True)
class OddFrame:
    """The twelve bytes of Q at `lba`, whose CRC is wrong."""

    lba: int
    q: bytes


class Tap:
    """`source`, whose sectors come raw if it is a CD.

    `lost` and `doubtful` sectors; `wrong`: those of data that were read and contradict themselves;
    `form2` and `form2_edc`: mode 2 form 2 sectors, and those of them with an EDC. `frames` of Q
    with a wrong CRC, of `frames_wrong` in all, out of `frames_known`.
    """

    def __init__(self, source: SectorSource, stored: Layout) -> None:
        self._source = source
        self._stored = stored
        audio = [track for track in stored.tracks if not track.is_data]
        self.sound = SoundHash() if stored.is_cd and len(audio) == len(stored.tracks) else None
        self._lost: list[range] = []
        self._doubtful: list[range] = []
        self._wrong: list[range] = []
        self.form2 = self.form2_edc = 0
        self.frames: list[OddFrame] = []
        self.frames_known = self.frames_wrong = 0

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._source.layout

    @property
    def lost(self) -> Extent:
        """Sectors that hold filling."""
        return Extent.of(self._lost)

    @property
    def doubtful(self) -> Extent:
        """Sectors that may be wrong."""
        return Extent.of(self._doubtful)

    @property
    def wrong(self) -> Extent:
        """Data sectors that were read, and whose sync, address, mode or EDC is wrong."""
        return Extent.of(self._wrong)

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads."""
        block = self._source.read(lba, count)
        track = self._stored.track_at(lba)
        lost = block.states <= SectorState.FAILED
        if track is not None and track.is_data:
            lost |= has_marker(block.data)
        self._lost += from_mask(lba, lost)
        self._doubtful += from_mask(lba, block.states == SectorState.SUSPECT)
        if self.sound is not None:
            self.sound.update(block.data)
        if self._stored.is_cd and track is not None and track.is_data and stored_raw(track):
            self._check(block, ~lost)
        if block.sub is not None:
            self._listen(block.lba, block.sub)
        return block

    def _check(self, block: Sectors, read: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        found = check_data(block.data, block.lba, parity=False)
        self._wrong += from_mask(block.lba, found.wrong & read)
        form2 = (found.kind == SectorKind.MODE2_FORM2) & read
        self.form2 += int(form2.sum())
        self.form2_edc += int((form2 & (found.edc != EdcState.NOT_COMPUTED)).sum())

    def _listen(self, lba: int, sub: Bytes2D) -> None:
        q = q_of(sub)
        known = sub.any(axis=1)
        wrong = np.flatnonzero(known & ~q_crc_ok(q))
        self.frames_known += int(known.sum())
        self.frames_wrong += len(wrong)
        room = MOST_FRAMES - len(self.frames)
        self.frames += [OddFrame(lba + row, q[row].tobytes()) for row in wrong[:room].tolist()]

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def unread_gaps(tracks: tuple[Track, ...]) -> Iterator[Track]:
    """Tracks of which a gap is not stored, so that their digests are not those of the disc."""
    for track in tracks:
        if track.pregap_virtual or track.postgap_virtual:
            yield track
