# SPDX-License-Identifier: Apache-2.0
"""Which hunks were there already: a table of SHA-1s whose size is known beforehand."""

from __future__ import annotations

import hashlib
from array import array

from imagerd.base.digests import Buffer

_MARK = 16  # bytes of the SHA-1 that are compared


def mark_of(hunk: Buffer) -> bytes:
    """What a hunk is known by."""
    return hashlib.sha1(hunk, usedforsecurity=False).digest()[:_MARK]


class Seen:
    """Numbers up to `count` hunks in the order in which they are shown.

    An open hash table of 16 + 8 to 16 bytes for each hunk, where a dict of bytes takes 130.
    """

    def __init__(self, count: int) -> None:
        self._marks = bytearray(_MARK * count)
        self._mask = (1 << (2 * count).bit_length()) - 1
        self._slots = array("i", [-1]) * (self._mask + 1)
        self._shown = 0

    def first(self, mark: bytes) -> int:
        """The number of the first hunk with this mark: this one's own if it is new."""
        number, self._shown = self._shown, self._shown + 1
        slot = int.from_bytes(mark[:8], "little") & self._mask
        while (found := self._slots[slot]) >= 0:
            if self._marks[found * _MARK : (found + 1) * _MARK] == mark:
                return found
            slot = (slot + 1) & self._mask
        self._slots[slot] = number
        self._marks[number * _MARK : (number + 1) * _MARK] = mark
        return number
