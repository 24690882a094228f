# SPDX-License-Identifier: Apache-2.0
"""Whether a drive's C2 pointers can be believed: learned from data sectors, which prove themselves.

A data sector has an EDC, so it is known what became of it whatever C2 says. On damage, a sector
that is wrong without a pointer shows a drive that is *blind*: what it leaves unmarked in audio is
not to be trusted. A sector that is right with a pointer shows one that is *nervous*; a few are no
fault, as the drive's third layer of correction may have mended what C2 could not.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

_ENOUGH = 100  # wrong sectors that must have been seen before silence means anything
_BLIND = 100  # one wrong sector in so many may go unmarked: the bus, too, may spoil one
_CASES = 3  # so many must have, before a drive counts as blind
_NERVOUS = 100  # marked sectors that must have been seen, nineteen in twenty of them right
_SHARE = 20


class C2Verdict(StrEnum):
    """What C2 pointers of a model are worth."""

    TRUSTED = "trusted"  # what is wrong was marked
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"


class C2Counts(msgspec.Struct, frozen=True):
    """Data sectors that were read with C2, by their EDC (wrong, right) and C2 (marked, silent)."""

    wrong_silent: int = 0
    wrong_marked: int = 0
    right_marked: int = 0
    right_silent: int = 0

    def __add__(self, other: C2Counts) -> C2Counts:
        return C2Counts(
            self.wrong_silent + other.wrong_silent,
            self.wrong_marked + other.wrong_marked,
            self.right_marked + other.right_marked,
            self.right_silent + other.right_silent,
        )

    def __bool__(self) -> bool:
        return bool(
            self.wrong_silent or self.wrong_marked or self.right_marked or self.right_silent
        )

    @property
    def blind(self) -> bool:
        """Whether too many wrong sectors went unmarked."""
        wrong = self.wrong_silent + self.wrong_marked
        return self.wrong_silent >= _CASES and self.wrong_silent * _BLIND > wrong

    @property
    def nervous(self) -> bool:
        """Whether nearly all that is marked is right: a mark then says nothing."""
        marked = self.wrong_marked + self.right_marked
        return marked >= _NERVOUS and self.wrong_marked * _SHARE < marked


def judge(counts: C2Counts) -> C2Verdict:
    """What the evidence says; UNKNOWN until there is enough of it."""
    if counts.blind or counts.nervous:
        return C2Verdict.UNTRUSTED
    if counts.wrong_silent + counts.wrong_marked < _ENOUGH:
        return C2Verdict.UNKNOWN
    trusted = counts.wrong_silent * _BLIND <= counts.wrong_marked
    return C2Verdict.TRUSTED if trusted else C2Verdict.UNKNOWN
