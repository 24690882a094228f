# SPDX-License-Identifier: Apache-2.0
"""What is known of the sectors of an image, where a read offset was taken out of its audio.

The map of a job tells of the sectors as the drive gave them. A corrected sector is made of parts of
two of them, and is as good as the worse.
"""

from __future__ import annotations

import numpy as np

from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorState, States
from imagerd.recovery.evidence import ErrorBook, ErrorRange
from imagerd.recovery.sectormap import SectorMap
from imagerd.recovery.worksource import WorkSource
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.offset import SAMPLES, OffsetView, audio_areas


def moves_audio(layout: Layout, samples: int | None) -> bool:
    """Whether there is audio, and an offset to take out of it."""
    return bool(samples) and layout.is_cd and bool(audio_areas(layout))


def image_map(work: Workspace, layout: Layout, samples: int | None) -> SectorMap:
    """The map of the image that is written of a job under `layout`, its audio moved by `samples`.

    What the correction had to fill up with silence counts as READ; the image's notes name it.
    """
    if samples is None or not moves_audio(layout, samples):
        return work.map
    areas = OffsetView(WorkSource(work, layout), samples).areas
    read = work.map
    states = read.states(read.start, read.end - read.start)
    for area in areas:
        part = slice(area.start - read.start, area.stop - read.start)
        states[part] = _moved(states[part], samples)
    shown = SectorMap(read.areas)
    for session in read.areas:
        shown.raise_to(session.start, states[session.start - read.start :][: len(session)])
    _move_stories(read.errors, shown.errors, areas, samples)
    for repaired in read.repaired:
        shown.repaired.add(repaired)
    return shown


def _moved(states: States, samples: int) -> States:
    sectors, rest = divmod(samples, SAMPLES)
    count, edge = len(states), abs(sectors) + 1
    padded = np.pad(states, edge, constant_values=SectorState.READ)
    first = padded[edge + sectors :][:count] if abs(sectors) <= count else _silent(count)
    behind = padded[edge + sectors + 1 :][:count] if abs(sectors) < count else _silent(count)
    return np.minimum(first, behind) if rest else first


def _silent(count: int) -> States:
    return np.full(count, SectorState.READ, np.uint8)


def _move_stories(
    read: ErrorBook, shown: ErrorBook, areas: tuple[range, ...], samples: int
) -> None:
    """Each story where its bytes went, and at the neighbour that they spoil as well."""
    sectors, rest = divmod(samples, SAMPLES)
    told = -1 << 40
    for story in read:
        for begin, end, moved in _pieces(story, areas):
            if moved is not None:
                begin, end = begin - sectors - (rest > 0), end - sectors
                begin, end = max(begin, moved.start), min(end, moved.stop)
            begin = max(begin, told)
            if begin < end:
                shown.add(story.part(begin, end))
                told = end


def _pieces(story: ErrorRange, areas: tuple[range, ...]) -> list[tuple[int, int, range | None]]:
    """A story cut at the edges of the areas that are moved."""
    pieces: list[tuple[int, int, range | None]] = []
    at = story.lba
    for area in areas:
        begin, end = max(at, area.start), min(story.end, area.stop)
        if begin >= end:
            continue
        if at < begin:
            pieces.append((at, begin, None))
        pieces.append((begin, end, area))
        at = end
    if at < story.end:
        pieces.append((at, story.end, None))
    return pieces
