# SPDX-License-Identifier: Apache-2.0
"""Whether bad sectors keep to an area, as made ones do and scratches do not.

A scratch knows nothing of files. Where an area is bad because it was made so, its neighbours on
both sides read well, and so does the disc as a whole.
"""

from __future__ import annotations

from imagerd.recovery.protection.facts import ANY, DEFECTS, Facts

_NEAR = 256  # sectors on each side that must be good at least; twelve turns and more of a CD
_NEAR_RATIO = 5  # how much denser the area is than the sectors just outside it
_FAR_RATIO = 2  # and than the rest of the disc, which may have scratches of its own
_EDGE = 64
_PARTS = 10


def confined(facts: Facts, area: range, *, least: int) -> bool:
    """Whether `least` sectors of `area` or more are bad, and its surroundings are not."""
    inside = facts.bad.count(area, DEFECTS)
    if inside < least:
        return False
    density = inside / len(area)
    # Damage that runs across the edge is damage: what is made ends where its file does.
    for edge in (range(area.start - _EDGE, area.start), range(area.stop, area.stop + _EDGE)):
        if facts.bad.count(edge, ANY):
            return False
    layout = facts.layout
    near = max(len(area) // 4, _NEAR)
    for margin in (range(area.start - near, area.start), range(area.stop, area.stop + near)):
        there = range(max(margin.start, layout.start), min(margin.stop, layout.end))
        if there and facts.bad.count(there, ANY) / len(there) * _NEAR_RATIO > density:
            return False
    rest = layout.sectors - len(area)
    others = facts.bad.total - facts.bad.count(area, ANY)
    return not rest or others / rest * _FAR_RATIO <= density


def scattered(facts: Facts, area: range) -> bool:
    """Whether bad sectors lie singly all over `area`, most of it good: no scratch does that."""
    runs = facts.bad.within(area)
    bad = sum(map(len, runs))
    if bad * 2 > len(area) or not runs or bad > len(runs) * 4:
        return False
    hit = {(run.start - area.start) * _PARTS // len(area) for run in runs}
    return len(hit) >= _PARTS - 2


def solid(facts: Facts, area: range) -> bool:
    """Whether the bad sectors of `area` are one stretch, with hardly a good one in it."""
    runs = facts.bad.within(area)
    if not runs:
        return False
    whole = runs[-1].stop - runs[0].start
    return sum(map(len, runs)) * 10 >= whole * 9
