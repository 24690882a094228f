# SPDX-License-Identifier: Apache-2.0
"""What proves that raw sectors, made again from their 2048 bytes, are those that there were."""

from __future__ import annotations

import hashlib

import msgspec

from imagerd.disc.layout import Layout, TrackMode
from imagerd.disc.source import Bytes2D
from imagerd.formats.keptsheet import KeptSheet
from imagerd.formats.origin import Origin


class Proof:
    """The digest of raw sectors, in their order, for the sheet that is kept of their disc."""

    def __init__(self, kept: KeptSheet) -> None:
        self.kept = kept
        self._digest = hashlib.sha256()
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
        self._digest.update(rows.data)

    def proven(self) -> KeptSheet:
        """The sheet with the digest; as it is where there were no raw sectors."""
        if not self._any:
            return self.kept
        return msgspec.structs.replace(self.kept, sha256=self._digest.digest())

    def holds(self) -> bool:
        """Whether the sectors are those of which the sheet has the digest."""
        return self._digest.digest() == self.kept.sha256
