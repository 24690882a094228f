# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies: any CD layout that an image can hold, small enough to be written."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from imagerd.disc.cdtext import PackType, Text, build
from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)

_FLAGS = [Control.NONE, Control.COPY_PERMITTED, Control.PRE_EMPHASIS, Control.FOUR_CHANNEL]
_DATA_MODES = [TrackMode.MODE0, TrackMode.MODE1, TrackMode.MODE2]
ISRCS = st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True)
MCNS = st.from_regex(r"[0-9]{13}", fullmatch=True)
TITLES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)


@st.composite
def tracks(draw: st.DrawFn, number: int, session: int, start: int) -> Track:
    """A track of up to some thirty sectors, with or without virtual gaps and further indexes."""
    mode = draw(st.sampled_from([TrackMode.AUDIO, *_DATA_MODES]))
    virtual = draw(st.one_of(st.just(0), st.integers(1, 8), st.just(150)))
    stored_pregap = draw(st.one_of(st.just(0), st.integers(1, 9)))
    body = draw(st.lists(st.integers(0, 9), min_size=0, max_size=4))
    length = draw(st.integers(2, 12))
    postgap = draw(st.one_of(st.just(0), st.integers(1, 5)))
    index1 = start + virtual + stored_pregap
    indexes = [Index(0, start)] if index1 > start or draw(st.booleans()) else []
    indexes.append(Index(1, index1))
    for further, step in enumerate(body, 2):
        indexes.append(Index(further, indexes[-1].lba + step))
    control = draw(st.sampled_from(_FLAGS)) | draw(st.sampled_from(_FLAGS))
    if mode is not TrackMode.AUDIO:
        control |= Control.DATA
    return Track(
        number,
        session,
        mode,
        tuple(indexes),
        indexes[-1].lba + length + postgap,
        SectorFormat.RAW,
        control,
        draw(st.none() | ISRCS),
        virtual,
        postgap,
    )


@st.composite
def layouts(
    draw: st.DrawFn,
    *,
    most_sessions: int = 3,
    most_tracks: int = 4,
    starts: Sequence[int] = (0, 0, 0, 7),
) -> Layout:
    """A CD: several sessions at usual, GD and odd distances, mixed modes, CD-Text, MCN.

    `starts`: the LBAs that it may begin at.
    """
    sessions: list[Session] = []
    number = draw(st.sampled_from([1, 1, 1, 2, 90]))
    first = number
    lba = draw(st.sampled_from(starts))
    for which in range(1, draw(st.integers(1, most_sessions)) + 1):
        members = []
        for _ in range(draw(st.integers(1, min(most_tracks, 99 - number)))):
            members.append(draw(tracks(number, which, lba)))
            number, lba = number + 1, members[-1].end
        sessions.append(Session(which, tuple(members), lba))
        lba += draw(st.sampled_from([11400, 6900, 11250, 0, 1, 20000]))
        if number >= 98:
            break
    texts = draw(st.lists(st.tuples(st.integers(0, number - first), TITLES), max_size=4))
    names = [Text(0, PackType.TITLE, first - 1 + at if at else 0, name) for at, name in texts]
    return Layout(
        Medium.CD,
        tuple(sessions),
        draw(st.sampled_from(list(DiscType))),
        draw(st.none() | MCNS),
        build(names, number - first, first) if names else None,
    )
