# SPDX-License-Identifier: Apache-2.0
"""Fault plans for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from imagerd.devices.scsi import Sense
from imagerd.devices.virtual.faults import Approach, Better, FaultPlan, SectorFault, What

_SENSES = st.sampled_from((Sense(3, 0x11, 5), Sense(3, 2, 0), Sense(4, 9, 0)))


@st.composite
def areas(draw: st.DrawFn, end: int) -> tuple[range, ...]:
    """One to three stretches of sectors below `end`."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, end - 1))
        found.append(range(start, min(end, start + draw(st.integers(1, 12)))))
    return tuple(found)


@st.composite
def sector_faults(draw: st.DrawFn, end: int) -> SectorFault:
    """Any kind of fault but hanging."""
    every = draw(st.integers(1, 5))
    better = st.builds(
        Better, st.floats(0, 1), st.sampled_from((None, 706)), st.sampled_from((None, *Approach))
    )
    return SectorFault(
        what=draw(st.sampled_from([what for what in What if what is not What.HANG])),
        areas=draw(areas(end)),
        every=every,
        width=draw(st.integers(1, every)),
        times=draw(st.none() | st.integers(1, 4)),
        sense=draw(_SENSES),
        seconds=draw(st.sampled_from((None, 0.5))),
        p=draw(st.floats(0, 1)),
        better=tuple(draw(st.lists(better, max_size=2))),
        bytes=draw(st.integers(1, 60)),
        stable=draw(st.booleans()),
        missed=draw(st.sampled_from((0.0, 0.5))),
        refused=draw(st.booleans()),
    )


@st.composite
def fault_plans(draw: st.DrawFn, end: int) -> FaultPlan:
    """Plans for a disc of `end` sectors."""
    faults = draw(st.lists(sector_faults(end), max_size=4))
    return FaultPlan(tuple(faults), seed=draw(st.integers(0, 2**32)))
