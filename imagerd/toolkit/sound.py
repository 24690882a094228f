# SPDX-License-Identifier: Apache-2.0
"""The universal hash: what a disc sounds like, wherever a drive or a pressing began to count."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from imagerd.disc.source import Bytes2D
from imagerd.toolkit.match.records import Sound

_ZEROS: Final = bytes(1 << 16)


class SoundHash:
    """SHA-1 of the samples from the first that is not silent to the last that is not.

    redumper calls it "Universal Hash" (cd/cd_split.ixx): it does not depend on where a drive or a
    pressing begins. `lead` and `tail` are the silent samples before and behind.
    """

    def __init__(self) -> None:
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self.began = False
        self.lead = self.tail = 0

    def update(self, rows: Bytes2D) -> None:
        """Add rows of audio."""
        samples = np.ascontiguousarray(rows).reshape(-1).view(np.uint32)
        sound = np.flatnonzero(samples)
        if not len(sound):
            self._silence(len(samples))
            return
        first, end = int(sound[0]), int(sound[-1]) + 1
        self._silence(first)
        if self.began:
            self._flush()
        self.began = True
        self._sha1.update(samples[first:end].data)
        self.tail = len(samples) - end

    def hexdigest(self) -> str | None:
        """The digest; None if all was silent."""
        return self._sha1.hexdigest() if self.began else None

    def sound(self) -> Sound | None:
        """All that was found; None if all was silent."""
        return Sound(self._sha1.hexdigest(), self.lead, self.tail) if self.began else None

    def _silence(self, count: int) -> None:
        if self.began:
            self.tail += count
        else:
            self.lead += count

    def _flush(self) -> None:
        left, self.tail = self.tail * 4, 0
        while left:
            part = _ZEROS[: min(left, len(_ZEROS))]
            self._sha1.update(part)
            left -= len(part)
