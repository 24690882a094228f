# SPDX-License-Identifier: Apache-2.0
"""Raw TOC to layout: what drives send, and what they send when they are strange."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerd.base.errors import UnreadableDisc
from imagerd.devices import toc
from imagerd.devices.mmc_toc import FullToc, ReadFullToc, ReadToc, SessionInfo, Toc
from imagerd.disc.layout import Control, DiscType, Index, TrackMode
from imagerd.disc.msf import Msf, to_bcd


@dataclass(frozen=True)
class Line:
    """A track as it shall be: number, session, first LBA, CONTROL."""

    number: int
    session: int
    lba: int
    control: int = 0


def full_toc(
    lines: list[Line], lead_outs: dict[int, int], *, psec: int = 0, bcd: bool = False
) -> FullToc:
    """The reply to READ TOC format 2, made apart from the parser and parsed."""

    def entry(session: int, control: int, point: int, start: tuple[int, int, int]) -> bytes:
        number = to_bcd(point) if bcd and point < 100 else point
        where = tuple(map(to_bcd, start)) if bcd else start
        return bytes((session, 0x10 | control, 0, number, 0, 0, 0, 0, *where))

    def msf(lba: int) -> tuple[int, int, int]:
        frames = lba + 150
        return frames // 4500, frames // 75 % 60, frames % 75

    body = b""
    for session, end in sorted(lead_outs.items()):
        mine = [line for line in lines if line.session == session]
        numbers = [line.number for line in mine] or [1]
        disc_type = psec // 16 * 10 if bcd else psec  # 10 and 20, hexadecimal in either case
        body += entry(session, 0, 0xA0, (min(numbers), disc_type, 0))
        body += entry(session, 0, 0xA1, (max(numbers), 0, 0))
        body += entry(session, 0, 0xA2, msf(end))
        for line in mine:
            body += entry(session, line.control, line.number, msf(line.lba))
        body += bytes((session, 0x50, 0, 0xB0, 0, 0, 0, 2, 79, 59, 74))
    head = struct.pack(">HBB", len(body) + 2, 1, max(lead_outs))
    return ReadFullToc().parse(head + body)


def short_toc(lines: list[Line], lead_out: int) -> Toc:
    """The reply to READ TOC format 0."""
    rows = [*((line.control, line.number, line.lba) for line in lines), (0, 0xAA, lead_out)]
    body = b"".join(struct.pack(">BBBBi", 0, 0x10 | c, n, 0, lba) for c, n, lba in rows)
    head = struct.pack(">HBB", len(body) + 2, lines[0].number, lines[-1].number)
    return ReadToc().parse(head + body)


@st.composite
def discs(draw: st.DrawFn) -> tuple[list[Line], dict[int, int]]:
    """One to three sessions of tracks as a disc can have them."""
    at = draw(st.sampled_from([0, 0, 33, 5000]))
    number = draw(st.integers(1, 40))
    lines: list[Line] = []
    lead_outs: dict[int, int] = {}
    for session in range(1, draw(st.integers(1, 3)) + 1):
        for _ in range(draw(st.integers(1, 4))):
            control = draw(st.sampled_from([0, 1, 2, 3, 4, 6, 8]))
            lines.append(Line(number, session, at, control))
            number += 1
            at += draw(st.integers(300, 30_000))
        lead_outs[session] = at
        at += 11400 if session == 1 else 6900
    return lines, lead_outs


@given(discs(), st.booleans(), st.booleans(), st.sampled_from(DiscType))
def test_a_full_toc_gives_the_disc(
    disc: tuple[list[Line], dict[int, int]], bcd: bool, checked: bool, kind: DiscType
) -> None:
    lines, lead_outs = disc
    full = full_toc(lines, lead_outs, psec=kind.value, bcd=bcd and checked)
    simple = short_toc(lines, max(lead_outs.values())) if checked else None
    found = toc.decode(full, simple, None)
    assert found.warnings == ()
    modes = {line.number: TrackMode.MODE2 for line in lines}
    layout = toc.build_layout(found, modes)
    assert layout.disc_type is kind
    assert {s.number: s.lead_out for s in layout.sessions} == lead_outs
    assert [(t.number, t.session, t.index1, int(t.control)) for t in layout.tracks] == [
        (line.number, line.session, line.lba, line.control) for line in lines
    ]
    for session in layout.sessions:
        ends = [*(t.index1 for t in session.tracks[1:]), session.lead_out]
        assert [t.end for t in session.tracks] == ends
    for track in layout.tracks:
        wanted = TrackMode.MODE2 if track.control & Control.DATA else TrackMode.AUDIO
        assert track.mode is wanted
    assert layout.start == 0


@given(discs())
def test_the_short_toc_gives_a_disc_of_one_or_two_sessions(
    disc: tuple[list[Line], dict[int, int]],
) -> None:
    lines, lead_outs = disc
    end = max(lead_outs.values())
    last = max(lead_outs)
    first = next(line for line in lines if line.session == last)
    found = toc.decode(None, short_toc(lines, end), SessionInfo(1, last, first.number, first.lba))
    assert [t.lba for t in found.tracks] == [line.lba for line in lines]
    assert found.lead_outs[last] == end
    if last == 1:
        assert found.warnings == ()
        assert found.sessions == (1,)
    elif last == 2:
        assert dict(found.lead_outs) == lead_outs
        assert [t.session for t in found.tracks] == [line.session for line in lines]
        assert "lead-out" in found.warnings[0]
    else:
        assert any("earlier ones count as one" in note for note in found.warnings)


def test_hidden_audio_before_track_one_is_its_index_zero() -> None:
    found = toc.decode(full_toc([Line(1, 1, 500), Line(2, 1, 900)], {1: 2000}), None, None)
    track = toc.build_layout(found, {}).tracks[0]
    assert track.indexes == (Index(0, 0), Index(1, 500))


def test_later_sessions_and_ordinary_starts_have_no_index_zero() -> None:
    lines = [Line(1, 1, 0), Line(2, 2, 13400, 4)]
    layout = toc.build_layout(toc.decode(full_toc(lines, {1: 2000, 2: 15000}), None, None), {})
    assert [track.indexes for track in layout.tracks] == [(Index(1, 0),), (Index(1, 13400),)]
    assert layout.tracks[1].mode is TrackMode.MODE1


def test_a_disagreement_is_a_warning_and_the_full_toc_counts() -> None:
    lines = [Line(1, 1, 0), Line(2, 1, 1000)]
    found = toc.decode(
        full_toc(lines, {1: 2000}), short_toc([lines[0], Line(2, 1, 1002)], 2005), None
    )
    assert [t.lba for t in found.tracks] == [0, 1000]
    assert found.lead_outs == {1: 2000}
    assert len(found.warnings) == 2
    assert "Track 2 begins at LBA 1000 in the full TOC, at 1002" in found.warnings[0]
    assert "lead-out" in found.warnings[1]


def test_a_full_toc_of_the_first_session_alone_does_not_hide_the_second() -> None:
    lines = [Line(1, 1, 0), Line(2, 2, 13400, 4)]
    found = toc.decode(
        full_toc(lines[:1], {1: 2000}), short_toc(lines, 15000), SessionInfo(1, 2, 2, 13400)
    )
    assert [t.number for t in found.tracks] == [1, 2]
    assert found.lead_outs == {1: 2000, 2: 15000}
    assert any("lacks track 2" in note for note in found.warnings)


def test_a_track_that_cannot_be_where_it_is_said_to_be_is_left_out() -> None:
    lines = [Line(1, 1, 0), Line(2, 1, 300_000), Line(3, 1, 1000)]
    found = toc.decode(full_toc(lines, {1: 2000}), None, None)
    assert [t.number for t in found.tracks] == [1, 3]
    assert "track 2 at LBA 300000" in found.warnings[0]


def test_a_missing_lead_out_is_reckoned_from_the_next_session() -> None:
    lines = [Line(1, 1, 0), Line(2, 2, 20_000), Line(3, 3, 40_000)]
    full = full_toc(lines, {1: 8600, 2: 33_100, 3: 45_000})
    entries = tuple(e for e in full.entries if e.point != 0xA2 or e.session == 3)
    found = toc.decode(FullToc(1, 3, entries, full.raw), None, None)
    assert found.lead_outs == {1: 8600, 2: 33_100, 3: 45_000}
    assert len(found.warnings) == 2


def test_an_overlong_disc_is_not_mistaken_for_its_lead_in() -> None:
    end = Msf(95, 0, 0).frames - 150
    found = toc.decode(full_toc([Line(1, 1, 0)], {1: end}), None, None)
    assert found.lead_outs == {1: end}


@pytest.mark.parametrize("simple", [None, Toc(1, 1, (), b"")])
def test_no_track_at_all_is_an_unreadable_disc(simple: Toc | None) -> None:
    with pytest.raises(UnreadableDisc, match="table of contents"):
        toc.decode(None, simple, None)
    with pytest.raises(UnreadableDisc):
        toc.decode(FullToc(1, 1, (), b""), simple, None)


@given(st.binary(max_size=400), st.binary(max_size=200))
def test_any_bytes_are_a_toc_or_an_unreadable_disc(full: bytes, simple: bytes) -> None:
    long = ReadFullToc().parse(struct.pack(">HBB", len(full) + 2, 1, 1) + full)
    short = ReadToc().parse(struct.pack(">HBB", len(simple) + 2, 1, 1) + simple)
    try:
        found = toc.decode(long, short, None)
    except UnreadableDisc:
        return
    layout = toc.build_layout(found, {})
    assert layout.tracks
    assert all(track.end > track.index1 for track in layout.tracks)
