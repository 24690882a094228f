# SPDX-License-Identifier: Apache-2.0
"""Stacks of discs and what may happen to them."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.robot import Mishap, World


@dataclass(frozen=True)
class Plan:
    """A stack with unreadable discs, bad ones that the archive rejects, and mishaps by motion."""

    discs: int
    unreadable: frozenset[int]
    bad: frozenset[int]
    mishaps: dict[int, Mishap]

    def world(self) -> World:
        return World.with_stack(self.discs, self.unreadable)


@st.composite
def plans(draw: st.DrawFn, mishaps: st.SearchStrategy[Mishap] | None = None) -> Plan:
    """Up to six discs and four mishaps.

    Two discs at once of which the lower cannot be read are beyond any drive's eyes: not drawn.
    """
    discs = draw(st.integers(0, 6))
    some = st.frozensets(st.integers(1, max(1, discs)), max_size=3)
    what = mishaps if mishaps is not None else st.sampled_from(Mishap)
    planned = draw(st.dictionaries(st.integers(0, 20), what, max_size=4))
    doubles = Mishap.DOUBLE in planned.values()
    unreadable = frozenset() if doubles else draw(some)
    return Plan(discs, unreadable, draw(some), planned)
