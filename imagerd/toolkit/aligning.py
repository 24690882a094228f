# SPDX-License-Identifier: Apache-2.0
"""Audio that was read, or pressed, at different offsets: found, and put right.

The shift between two sources is looked for at places all over the disc. It counts only if several
of them name the same one: else nobody knows where the samples belong, and the audio of that source
is doubtful, whatever else is said of it. Data carry their address and are never shifted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout
from imagerd.disc.ranges import from_mask
from imagerd.disc.source import Fault, FaultKind, Sectors, SectorSource, SectorState
from imagerd.recovery.testimony import Moved, Testimony
from imagerd.sectors.alignment import Place, displacement
from imagerd.sectors.blocks import read_all
from imagerd.sectors.offset import OffsetView, audio_areas

_WINDOW = 4  # sectors that are looked for
_REACH = 10  # sectors before and behind in which they are: drives and pressings differ by less
_MOST = 64  # places
_LEAST = 3  # that must agree
_ENOUGH = 8  # that do, and none that does not


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the audio of source number `source` lies, as `agreeing` places of `asked` tell.

    `samples`: so many later than that of the source that stays (positive: it was moved to the front
    by them). None: not found, its audio is doubtful. `by`: the source that it was held against.
    """

    source: int
    samples: int | None
    by: int
    agreeing: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Aligned:
    """Sources after they were moved, by how many samples each was, and in which LBAs."""

    sources: tuple[SectorSource, ...]
    alignments: tuple[Alignment, ...]
    areas: tuple[tuple[range, ...], ...]

    def testimony(self, number: int, told: Testimony | None) -> Testimony | Moved | None:
        """What source `number` testifies to of audio: nothing, if nobody knows where that lies."""
        samples = self.alignments[number].samples
        if told is None or samples is None:
            return None
        return Moved(told, samples, self.areas[number]) if samples else told


def align(sources: Sequence[SectorSource], reference: int | None = None) -> Task[Aligned]:
    """Move the audio of all `sources` to where that of number `reference` lies.

    None: of the first that has any. What does not fit it is held against those that do. Closing
    the sources that come back closes these.
    """
    if reference is None:
        reference = next((n for n, one in enumerate(sources) if _can_be_measure(one)), 0)
    found = {reference: Alignment(reference, 0, reference)}
    missed: dict[int, Alignment] = {}
    asked: set[tuple[int, int]] = set()
    total = len(sources)
    for by in _as_they_are_found(found):
        for number, one in enumerate(sources):
            if number in found or (number, by) in asked:
                continue
            yield Progress(len(found), total, "images", "aligning audio")
            asked.add((number, by))
            told = measure(sources[by], one, number, by)
            if told.samples is None:
                missed.setdefault(number, told)
            else:
                base = found[by].samples or 0
                found[number] = replace(told, samples=base + told.samples)
    alignments = tuple((missed | found)[number] for number in range(total))
    moved = [_moved(one, told) for one, told in zip(sources, alignments, strict=True)]
    return Aligned(
        tuple(source for source, _ in moved), alignments, tuple(areas for _, areas in moved)
    )


def _as_they_are_found(found: dict[int, Alignment]) -> Iterator[int]:
    """The keys of a dictionary that grows."""
    at = 0
    while at < len(found):
        yield list(found)[at]
        at += 1


def measure(one: SectorSource, other: SectorSource, source: int = 1, by: int = 0) -> Alignment:
    """How much later the audio of `other` lies than that of `one`."""
    told: Counter[int] = Counter()
    asked = 0
    for lba in _places(one.layout):
        place = _look(one, other, lba)
        asked += place.asked
        if place.samples is not None:
            told[place.samples] += 1
        if asked == _ENOUGH and len(told) == 1 and told.total() == asked:
            break
    samples, agreeing = told.most_common(1)[0] if told else (0, 0)
    sure = agreeing >= _LEAST and 2 * agreeing > asked and 4 * agreeing >= 3 * told.total()
    return Alignment(source, samples if sure else None, by, agreeing, asked)


def has_audio(layout: Layout) -> bool:
    """Whether there is audio that can be moved."""
    return layout.is_cd and any(not track.is_data for track in layout.tracks)


def _places(layout: Layout) -> list[int]:
    """LBAs of windows all over the audio, those that lie far from each other first.

    What lies at the rim of the audio may be beyond it in another source: it is asked only if there
    is not enough else.
    """
    windows = _windows(layout, _REACH)
    if len(windows) < _ENOUGH:
        windows = _windows(layout, 0)
    count = min(_MOST, len(windows))
    chosen = [windows[number * len(windows) // count] for number in range(count)]
    return [lba for step in range(_ENOUGH) for lba in chosen[step::_ENOUGH]]


def _windows(layout: Layout, rim: int) -> list[int]:
    return [
        lba
        for area in audio_areas(layout)
        for lba in range(area.start + rim, area.stop - rim - _WINDOW + 1, _WINDOW)
    ]


def _can_be_measure(source: SectorSource) -> bool:
    """Whether some of its audio came without complaint."""
    places = _places(source.layout)
    good = (lba for lba in places if _came(read_all(source, lba, _WINDOW)).all())
    return len(list(islice(good, _LEAST))) == _LEAST


def _look(one: SectorSource, other: SectorSource, lba: int) -> Place:
    area = next((area for area in audio_areas(other.layout) if lba in area), None)
    if area is None:
        return Place(asked=False)
    mine = read_all(one, lba, _WINDOW)
    first = max(lba - _REACH, area.start)
    its = read_all(other, first, min(lba + _WINDOW + _REACH, area.stop) - first)
    return displacement(mine.data, _came(mine), its.data, _came(its), lba - first)


def _came(block: Sectors) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    good: np.ndarray[tuple[int], np.dtype[np.bool_]] = block.states >= SectorState.READ
    return good


def _moved(source: SectorSource, told: Alignment) -> tuple[SectorSource, tuple[range, ...]]:
    """The source as it lies when it is moved, and what of it is; its audio doubtful if nobody knows
    where to.
    """
    if told.samples is None:
        return Lowered(source, audio_areas(source.layout), SectorState.SUSPECT), ()
    if not told.samples:
        return source, ()
    view = OffsetView(source, told.samples)
    return Lowered(view, view.padded, SectorState.FAILED), view.areas


class Lowered:
    """A source of which the sectors in `areas` are `most` at best. Closing it closes the source."""

    def __init__(self, source: SectorSource, areas: Sequence[range], most: SectorState) -> None:
        self._source, self._areas, self._most = source, tuple(areas), most

    @property
    def layout(self) -> Layout:
        """The source's layout."""
        return self._source.layout

    def read(self, lba: int, count: int) -> Sectors:
        """As the source reads, the states lowered."""
        block = self._source.read(lba, count)
        here = np.zeros(len(block), np.bool_)
        for area in self._areas:
            here[max(area.start - block.lba, 0) : max(area.stop - block.lba, 0)] = True
        lower = here & (block.states > self._most)
        if not lower.any():
            return block
        states = np.where(lower, self._most, block.states).astype(np.uint8)
        faults = block.faults
        if self._most <= SectorState.FAILED:
            gone = from_mask(block.lba, lower)
            faults += tuple(Fault(run.start, len(run), FaultKind.FILLING) for run in gone)
        return replace(block, states=states, faults=faults)

    def close(self) -> None:
        """Close the source."""
        self._source.close()
