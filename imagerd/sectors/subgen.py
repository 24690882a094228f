# SPDX-License-Identifier: Apache-2.0
"""Subchannel made out of a layout, for thousands of sectors at a time (ECMA-130, clause 22).

P is set in pauses. Q holds the position; once in 100 sectors it holds the media catalogue number
and once the ISRC, where the layout knows them (at most once in 100 each is what the standard asks
for). R to W are zero. What surrounds the tracks is made as well: the pregap of each session, its
lead-out (track AA), and the lead-in with its table of contents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from imagerd.disc.layout import Control, DiscType, Layout, Session, Track
from imagerd.disc.msf import LBA_MAX, LBA_MIN, PREGAP, Msf, to_bcd
from imagerd.disc.source import Bytes2D
from imagerd.sectors.geometry import SUB, lba_msf, msf_table
from imagerd.sectors.subchannel import (
    LEAD_OUT,
    Q,
    QIsrc,
    QLeadIn,
    QMcn,
    build_q_isrc,
    build_q_lead_in,
    build_q_mcn,
    seal,
    with_p_q,
)

_MCN_AT: Final = 40  # of every 100 sectors
_ISRC_AT: Final = 80
_PERIOD: Final = 100
_LEAD_IN: Final = 4500  # sectors of the lead-in of a further session
_CHUNK: Final = 1024


@dataclass(frozen=True, slots=True)
class _Span:
    """LBAs with the same control, track and index. `zero` is the LBA of relative time 0.

    A track number of 0 is the lead-in of `session`.
    """

    first: int
    end: int
    control: Control
    track: int
    index: int
    zero: int
    session: Session
    isrc: str | None = None
    disc_type: DiscType = DiscType.CDDA_OR_ROM


def _track_spans(track: Track, session: Session, first: int) -> Iterator[_Span]:
    ends = [*(index.lba for index in track.indexes[1:]), track.end]
    for index, end in zip(track.indexes, ends, strict=True):
        start = min(first, index.lba) if index.number == 0 else index.lba
        zero = track.index1 - 1 if index.number == 0 else track.index1
        isrc = track.isrc if index.number else None
        yield _Span(start, end, track.control, track.number, index.number, zero, session, isrc)


def _spans(layout: Layout) -> Iterator[_Span]:
    previous = LBA_MIN
    for session in layout.sessions:
        opening = session.tracks[0]
        pause = max(session.start - PREGAP, previous)
        lead_in = LBA_MIN if previous == LBA_MIN else max(pause - _LEAD_IN, previous)
        if lead_in > previous:
            yield _lead_out(layout, previous, lead_in)
        yield _Span(
            lead_in, pause, opening.control, 0, 0, lead_in, session, disc_type=layout.disc_type
        )
        zero = opening.index1 - 1
        yield _Span(pause, session.start, opening.control, opening.number, 0, zero, session)
        for track in session.tracks:
            yield from _track_spans(track, session, track.start)
        previous = session.lead_out
    yield _lead_out(layout, previous, LBA_MAX + 1)


def _lead_out(layout: Layout, first: int, end: int) -> _Span:
    session = next(s for s in layout.sessions if s.lead_out == first)
    return _Span(first, end, session.tracks[-1].control, LEAD_OUT, 1, first, session)


class Subchannel:
    """Raw P–W of any address of a disc with this layout. Keeps one chunk at hand."""

    def __init__(self, layout: Layout) -> None:
        self._mcn = layout.mcn
        self._spans = tuple(span for span in _spans(layout) if span.first < span.end)
        self._chunk: Bytes2D = np.empty((0, SUB), np.uint8)
        self._chunk_lba = 0

    def read(self, lba: int, count: int) -> Bytes2D:
        """(count, 96) raw subchannel from `lba`; -45150 … 449849, else `ValueError`.

        What it returns may be shared: copy it before changing it.
        """
        if lba < self._chunk_lba or lba + count > self._chunk_lba + len(self._chunk):
            ahead = min(max(count, _CHUNK), LBA_MAX + 1 - lba)
            self._chunk, self._chunk_lba = self.build(lba, max(count, ahead)), lba
        start = lba - self._chunk_lba
        return self._chunk[start : start + count]

    def build(self, lba: int, count: int) -> Bytes2D:
        """As `read`, always made anew."""
        if lba < LBA_MIN or lba + count - 1 > LBA_MAX:
            raise ValueError(f"LBA {lba}+{count} is on no CD")
        q = np.zeros((count, Q), np.uint8)
        pause = np.zeros(count, np.bool_)
        for span in self._spans:
            first, end = max(lba, span.first), min(lba + count, span.end)
            if first < end:
                pause[first - lba : end - lba] = span.track != 0 and span.index == 0
                _fill(q[first - lba : end - lba], first, span)
        q[:, 7:10] = lba_msf(lba, count)
        seal(q)
        for span in self._spans:
            first, end = max(lba, span.first), min(lba + count, span.end)
            if first < end:
                self._insert(q[first - lba : end - lba], first, span)
        return with_p_q(pause, q)

    def _insert(self, q: Bytes2D, lba: int, span: _Span) -> None:
        """Replace positions by the MCN and the ISRC, once in a hundred sectors each."""
        if span.track == 0:
            _table_of_contents(q, lba, span)
            return
        if self._mcn is not None and span.track != LEAD_OUT:
            for row in range((_MCN_AT - lba) % _PERIOD, len(q), _PERIOD):
                frame = (lba + row + PREGAP) % 75
                q[row] = _row(build_q_mcn(QMcn(span.control, self._mcn, frame)))
        if span.isrc is not None:
            for row in range((_ISRC_AT - lba) % _PERIOD, len(q), _PERIOD):
                frame = (lba + row + PREGAP) % 75
                q[row] = _row(build_q_isrc(QIsrc(span.control, span.isrc, frame)))


def build_sub(layout: Layout, lba: int, count: int) -> Bytes2D:
    """(count, 96) raw subchannel from `lba`; for repeated reads keep a `Subchannel`."""
    return Subchannel(layout).build(lba, count)


def _row(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(data, np.uint8)


def _fill(q: Bytes2D, lba: int, span: _Span) -> None:
    """Control, track, index and relative time of consecutive sectors of one span."""
    q[:, 0] = span.control << 4 | 1
    q[:, 1] = span.track if span.track == LEAD_OUT else to_bcd(span.track)
    q[:, 2] = to_bcd(span.index)
    table = msf_table()
    if span.index or span.track == 0:
        since = lba - span.zero
        q[:, 3:6] = table[since : since + len(q)]
    else:
        left = span.zero - lba
        q[:, 3:6] = table[left - len(q) + 1 : left + 1][::-1]


def _table_of_contents(q: Bytes2D, lba: int, span: _Span) -> None:
    """The lead-in: every point three times, over and over (ECMA-130, 22.3.4)."""
    points = _points(span.session, span.disc_type)
    for row in range(len(q)):
        since = lba + row - span.zero
        control, point, pointer = points[since // 3 % len(points)]
        time = Msf.from_frames(since).to_bcd()
        q[row] = _row(build_q_lead_in(QLeadIn(control, 1, point, time, pointer)))


def _points(session: Session, disc_type: DiscType) -> list[tuple[Control, int, bytes]]:
    first, last = session.tracks[0], session.tracks[-1]
    return [
        *((t.control, to_bcd(t.number), Msf.from_lba(t.index1).to_bcd()) for t in session.tracks),
        (first.control, 0xA0, bytes((to_bcd(first.number), disc_type.value, 0))),
        (last.control, 0xA1, bytes((to_bcd(last.number), 0, 0))),
        (last.control, 0xA2, Msf.from_lba(session.lead_out).to_bcd()),
    ]
