# SPDX-License-Identifier: Apache-2.0
"""From a sector map to the surface of a disc: each layer in rings, each ring in cells.

A cell shows the worst of its sectors, so none that is bad can hide behind good ones. Radii and
angles are those of the nominal spiral (`imagerd.disc.spiral`). A real disc's pitch and density may
differ by some percent: radii then are right to a millimetre or two, and a straight scratch across
many turns may come out bent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorState
from imagerd.recovery.geometry import Geometry
from imagerd.recovery.picture.polar import Cells, Grid
from imagerd.recovery.picture.scheme import EFFORTS, STATES, Effort, Mark, Scheme
from imagerd.recovery.sectormap import SectorMap

RADIUS = 60.0  # mm of a disc
HOLE = 7.5
HUB_END = 20.0  # outer radius of what is drawn lighter
CELLS = 720
_RING = 0.1  # mm: thinner rings could not be told apart
_NARROWEST = 16.0  # mm: a disc of few sectors is drawn wider than it is
_WIDEST = 58.5  # mm: where the data of the fullest disc end

Numbers = npt.NDArray[np.int64]
_MARKS = {
    SectorState.PROVEN: Mark.PROVEN,
    SectorState.READ: Mark.READ,
    SectorState.SUSPECT: Mark.SUSPECT,
    SectorState.UNREAD: Mark.UNREAD,
    SectorState.FAILED: Mark.FAILED,
}


@dataclass(frozen=True, slots=True)
class Disc:
    """One layer as it is seen from the side that is read, angles clockwise from the top.

    `cells`: (rings, cells a ring), values of the picture's scheme, rings from the inner edge.
    """

    caption: str
    cells: Cells


@dataclass(frozen=True, slots=True)
class Picture:
    """What the writers draw. `counts`: sectors of each value of the scheme from 1 on.

    `inner`, `outer`: mm between which the rings are drawn. `remark`: what must be said of that.
    """

    title: str
    scheme: Scheme
    discs: tuple[Disc, ...]
    counts: tuple[int, ...]
    inner: float
    outer: float
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Runs:
    """Sectors with one value each: `table` has a row (begin, end, value) for each, half open."""

    table: Numbers

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int]]) -> Runs:
        """Of (begin, end, value)."""
        return cls(np.array(list(rows), np.int64).reshape(-1, 3))

    def within(self, area: range, value: int) -> tuple[Numbers, Numbers]:
        """Begins and ends of the runs of `value` in `area`, clipped to it."""
        begins, ends, values = self.table.T
        mine = (values == value) & (begins < area.stop) & (ends > area.start)
        return np.maximum(begins[mine], area.start), np.minimum(ends[mine], area.stop)

    def sizes(self, most: int) -> Numbers:
        """Sectors of each value up to `most`."""
        begins, ends, values = self.table.T
        return np.bincount(values, ends - begins, most + 1).astype(np.int64)


def state_picture(sectors: SectorMap, layout: Layout, title: str = "") -> Picture:
    """The disc by the state of its sectors."""
    return _picture(sectors, layout, title, STATES, _marked(sectors))


def effort_picture(sectors: SectorMap, layout: Layout, title: str = "") -> Picture:
    """The disc by the attempts that failed, whatever came of the sectors in the end."""
    return _picture(sectors, layout, title, EFFORTS, _tried(sectors))


def _picture(sectors: SectorMap, layout: Layout, title: str, scheme: Scheme, runs: Runs) -> Picture:
    place, most = _Place(layout, sectors), len(scheme.tones)
    discs = tuple(
        Disc(place.caption(layer), place.cells(layer, runs, most)) for layer in place.layers
    )
    sizes = runs.sizes(most)
    sizes[1] += len(sectors) - sizes.sum()  # what has no run of its own
    counts = tuple(int(size) for size in sizes[1:])
    return Picture(title, scheme, discs, counts, place.inner, place.outer, place.remark)


class _Place:
    """The rings of a disc, the same for all its layers, and where they are drawn."""

    def __init__(self, layout: Layout, sectors: SectorMap) -> None:
        self.geometry = Geometry(layout)
        self.layers = {n: lbas for n, lbas in enumerate(self.geometry.layers) if lbas}
        self._areas = sectors.areas
        spiral = self.geometry.spiral
        turns = max(
            float(self.geometry.turns(layer, (lbas.start, lbas.stop)).max())
            for layer, lbas in self.layers.items()
        )
        self.inner = spiral.inner * 1e3
        width = turns * spiral.pitch * 1e3
        shown = min(max(width, _NARROWEST), _WIDEST - self.inner)
        self.grid = Grid.of(turns, round(shown / _RING), CELLS)
        self.outer = self.inner + shown
        self.remark = ""
        if width < _NARROWEST:
            self.remark = f"The recorded band is drawn {_NARROWEST / width:.3g} times as wide."

    def caption(self, layer: int) -> str:
        """What is said of a layer, if there are several."""
        if len(self.layers) == 1:
            return ""
        return f"layer {layer}, read {'inward' if layer % 2 else 'outward'}"

    def cells(self, layer: int, runs: Runs, most: int) -> Cells:
        """The highest value in each cell. What no run tells of has the value 1."""
        lbas = self.layers[layer]
        cells = np.zeros((self.grid.rings, self.grid.cells), np.uint8)
        areas = Runs.of((area.start, area.stop, 1) for area in self._areas)
        self._draw(cells, layer, areas.within(lbas, 1), 1)
        for value in range(2, most + 1):
            self._draw(cells, layer, runs.within(lbas, value), value)
        return cells[:, ::-1] if layer % 2 else cells  # there, turns are counted against reading

    def _draw(self, cells: Cells, layer: int, run: tuple[Numbers, Numbers], value: int) -> None:
        if len(run[0]):
            here, there = (self.geometry.turns(layer, lbas) for lbas in run)
            cells[self.grid.covered(np.minimum(here, there), np.maximum(here, there))] = value


def _marked(sectors: SectorMap) -> Runs:
    """The states of all sectors in runs; repaired is what was, unless it is bad again."""
    table = np.zeros(256, np.uint8)
    for state, mark in _MARKS.items():
        table[state] = mark
    parts = []
    for area in sectors.areas:
        marks = table[sectors.states(area.start, len(area))]
        for part in sectors.repaired:
            here = marks[max(part.start - area.start, 0) : max(part.stop - area.start, 0)]
            here[here <= Mark.READ] = Mark.REPAIRED
        parts.append(_runs(marks, area.start))
    return Runs(np.concatenate(parts))


def _tried(sectors: SectorMap) -> Runs:
    """The failed attempts in runs."""
    table = Runs.of((story.lba, story.end, story.attempts) for story in sectors.errors).table
    table[:, 2] = np.searchsorted([level.least for level in Effort], table[:, 2], side="right") - 1
    return Runs(table)


def _runs(values: npt.NDArray[np.uint8], start: int) -> Numbers:
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    bounds = np.concatenate(([0], edges, [len(values)])).astype(np.int64)
    begins, ends = bounds[:-1], bounds[1:]
    whole = ends > begins
    begins, ends = begins[whole], ends[whole]
    return np.stack((begins + start, ends + start, values[begins].astype(np.int64)), axis=1)
