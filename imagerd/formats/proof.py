# SPDX-License-Identifier: Apache-2.0
"""What proves that raw sectors, made again from their 2048 bytes, are those that there were."""

from __future__ import annotations

import msgspec
from fastcrc import crc64

from imagerd.disc.layout import Layout, TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.formats.keptsheet import KeptSheet
from imagerd.formats.origin import Origin


class Proof:
    """The checksum of raw sectors, in their order, for the sheet that is kept of their disc.

    A CRC of 64 bits: against chance as good as a digest, and twenty times as fast. Who forges it
    forges the sheet as well.
    """

    def __init__(self, kept: KeptSheet) -> None:
        self.kept = kept
        self._crc = 0
        self._any = False

    @classmethod
    def of(cls, layout: Layout, origin: Origin) -> Proof | None:
        """For a disc of one mode 1 track, of whose sectors the 2048 bytes are to be kept."""
        kept, track = origin.kept_sheet, layout.tracks[0]
        whole = track.stored_range == range(track.index1, track.end) and layout.start == 0
        alone = layout.is_cd and len(layout.tracks) == 1 and track.mode is TrackMode.MODE1
        return cls(kept) if kept is not None and kept.files and alone and whole else None

    def update(self, rows: Bytes2D) -> None:
        """Count in the next sectors."""
        self._any = True
        self._crc = crc64.xz(rows.data.cast("B"), self._crc)

    def proven(self) -> KeptSheet:
        """The sheet with the checksum; as it is where there were no raw sectors."""
        if not self._any:
            return self.kept
        return msgspec.structs.replace(self.kept, checksum=self._checksum())

    def holds(self) -> bool:
        """Whether the sectors are those of which the sheet has the checksum."""
        return self._checksum() == self.kept.checksum

    def _checksum(self) -> bytes:
        return self._crc.to_bytes(8, "big")
