# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies: any disc that a drive can hold, small enough to be read in a moment.

Tracks are as long as Q needs to tell of them: MCN and ISRC come once in a hundred sectors, and two
frames must agree. Where an index begins in a frame that holds one of those numbers, no drive can
tell its place to the sector: such discs are not made.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume
from hypothesis import strategies as st

from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import Control, DiscType, Layout, Medium, TrackMode
from tests.sources import MemorySource, TrackPlan, memory_blocks, memory_disc
from tests.strategies_formats import ISRCS, TITLES

PAUSE = 150  # sectors of pregap where the kind of track changes (ECMA-130, clause 20)
MCN_FRAME, ISRC_FRAME = 40, 80  # of every hundred sectors of a virtual disc
_SHORTEST = 230
_AUDIO_FLAGS = st.sampled_from(
    [Control.NONE, Control.COPY_PERMITTED, Control.PRE_EMPHASIS, Control.FOUR_CHANNEL]
)
_past_the_last = st.integers(3, 4)
_lengths = st.integers(_SHORTEST, _SHORTEST + 70)
_mcns = st.from_regex(r"[0-9]{12}[1-9]", fullmatch=True)
_xa = st.builds(
    lambda sectors, form2: TrackPlan(TrackMode.MODE2, sectors, form2=form2),
    _lengths,
    st.integers(0, 8),
)
_mode1 = st.builds(lambda sectors: TrackPlan(TrackMode.MODE1, sectors), _lengths)
_data = st.one_of(_mode1, _xa)


@st.composite
def _songs(draw: st.DrawFn, session: int = 1) -> TrackPlan:
    """An audio track: with or without pause, indexes, ISRC, flags."""
    pregap = draw(st.sampled_from([0, 0, 3, 33, PAUSE, 200]))
    indexes = tuple(draw(st.lists(st.integers(3, 60), max_size=3)))
    return TrackPlan(
        TrackMode.AUDIO,
        pregap + sum(indexes) + draw(_lengths),
        pregap,
        session,
        control=draw(_AUDIO_FLAGS) | draw(_AUDIO_FLAGS),
        isrc=draw(st.none() | ISRCS),
        indexes=indexes,
    )


def _with_pause(plan: TrackPlan) -> TrackPlan:
    """The same track with at least the two seconds that a change of kind needs."""
    more = PAUSE - plan.pregap
    return replace(plan, pregap=PAUSE, sectors=plan.sectors + more) if more > 0 else plan


@st.composite
def _plans(draw: st.DrawFn) -> list[TrackPlan]:
    """Tracks of a disc of one to three sessions, of any kinds."""
    shape = draw(st.sampled_from(["data", "music", "mixed", "extra", "music, data", "sessions"]))
    songs = draw(st.lists(_songs(), min_size=1, max_size=3))
    if shape == "data":
        return [draw(_data)]
    if shape == "music":  # a pause of track 1 is a hidden track
        return songs
    if shape == "sessions":
        return [replace(draw(_data), session=number) for number in range(1, draw(_past_the_last))]
    if shape == "extra":
        return [*songs, replace(draw(_data), session=2)]
    if shape == "mixed":
        return [draw(_data), _with_pause(songs[0]), *songs[1:]]
    return [*songs, _with_pause(draw(_data))]


@st.composite
def compact_discs(draw: st.DrawFn) -> MemorySource:
    """A CD."""
    plans = draw(_plans())
    first = draw(st.sampled_from([1, 1, 1, 2, 90]))
    disc = memory_disc(
        plans,
        first_track=first,
        seed=draw(st.integers(0, 999)),
        mcn=draw(st.none() | _mcns),
        disc_type=draw(st.sampled_from(list(DiscType))),
    )
    assume(not _untold(disc.layout))
    texts = draw(st.none() | st.lists(TITLES, min_size=1, max_size=len(plans) + 1))
    if texts is None:
        return disc
    numbers = (0, *range(first, first + len(plans)))
    titles = [Text(0, PackType.TITLE, *titled) for titled in zip(numbers, texts, strict=False)]
    packs = build(titles, len(plans), first)
    return MemorySource(replace(disc.layout, cd_text=packs), disc.raw)


def _untold(layout: Layout) -> bool:
    """Whether an index begins where Q holds the MCN or an ISRC instead of the position."""
    begins = {index.lba % 100 for track in layout.tracks for index in track.indexes if index.lba}
    return bool(begins & {MCN_FRAME, ISRC_FRAME})


@st.composite
def block_discs(draw: st.DrawFn) -> MemorySource:
    """A DVD of one or two layers, or a BD."""
    sectors = draw(st.integers(20, 900))
    medium = draw(st.sampled_from([Medium.DVD, Medium.BD]))
    two = draw(st.booleans()) and medium is Medium.DVD
    # The first layer is never the shorter one (ECMA-267); layers begin at ECC blocks.
    middle = -(-sectors // 32) * 16
    layers = (middle,) if two and middle < sectors else ()
    seed = draw(st.integers(0, 999)) * 2 + bool(layers)  # else they are one disc for the catalog
    return memory_blocks(sectors, medium=medium, layers=layers, seed=seed)


def discs() -> st.SearchStrategy[MemorySource]:
    """Any disc."""
    return st.one_of(compact_discs(), compact_discs(), compact_discs(), block_discs())
