# SPDX-License-Identifier: Apache-2.0
"""Which hunks were there already: a table of SHA-1s whose size is known beforehand."""

from __future__ import annotations

import hashlib
from array import array

from imagerd.base.digests import Buffer

_DIGEST = 16  # bytes of the SHA-1 that are compared


class Seen:
    """Numbers up to `count` hunks in the order in which they are shown.

    An open hash table of 16 + 8 to 16 bytes for each hunk, where a dict of bytes takes 130.
    """

    def __init__(self, count: int) -> None:
        self._digests = bytearray(_DIGEST * count)
        self._mask = (1 << (2 * count).bit_length()) - 1
        self._slots = array("i", [-1]) * (self._mask + 1)
        self._shown = 0

    def first(self, hunk: Buffer) -> int:
        """The number of the first hunk with these bytes: this one's own if it is new."""
        digest = hashlib.sha1(hunk, usedforsecurity=False).digest()[:_DIGEST]
        number, self._shown = self._shown, self._shown + 1
        slot = int.from_bytes(digest[:8], "little") & self._mask
        while (found := self._slots[slot]) >= 0:
            if self._digests[found * _DIGEST : (found + 1) * _DIGEST] == digest:
                return found
            slot = (slot + 1) & self._mask
        self._slots[slot] = number
        self._digests[number * _DIGEST : (number + 1) * _DIGEST] = digest
        return number
