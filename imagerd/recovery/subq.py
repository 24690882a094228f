# SPDX-License-Identifier: Apache-2.0
"""What the Q subchannel adds to the table of contents: pauses, indexes, MCN and ISRCs.

A frame says itself where it belongs (absolute address, CRC), so a drive whose subchannel lags by a
few sectors does no harm, and frames with a wrong CRC are simply not there. Boundaries are put
where the fewest frames contradict. Where Q and the table of contents contradict each other on an
INDEX 01, the latter is followed and the difference told. (ECMA-130, clause 22.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Index, Layout, Session, Track
from imagerd.disc.source import Bytes2D
from imagerd.recovery.job import LayoutRecord
from imagerd.recovery.judge import bcd_ok, from_bcd, q_addresses
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.geometry import Flags
from imagerd.sectors.subchannel import Q, QIsrc, QMcn, parse_q, q_crc_ok, q_of

_CHUNK = 8192  # sectors of subchannel at a time
_NEAR = 150  # sectors around an INDEX 01 of the TOC in which Q may put its own
_ENOUGH = 2  # frames that must agree on an index, an MCN or an ISRC
_SECOND = 75

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Refined:
    """A layout with what Q told, and sentences on what was odd."""

    layout: Layout
    findings: tuple[str, ...] = ()

    @property
    def layout_record(self) -> LayoutRecord:
        """The layout as it is stored."""
        return LayoutRecord.of(self.layout)


@dataclass(frozen=True, slots=True)
class _Frames:
    """Positions that Q told, by ascending address: (n,) address, track, index, control."""

    address: Integers
    track: Integers
    index: Integers
    control: Integers

    def between(self, begin: int, end: int) -> _Frames:
        """Those of the addresses `begin` … `end`."""
        low, high = np.searchsorted(self.address, [begin, end])
        return self.where(slice(low, high))

    def where(self, which: slice | Flags | npt.NDArray[np.intp]) -> _Frames:
        """Some of them."""
        return _Frames(
            self.address[which], self.track[which], self.index[which], self.control[which]
        )


def refine(work: Workspace) -> Refined:
    """The layout of a job with what its subchannel tells; unchanged if it has none."""
    if not work.layout.is_cd or not work.has_sub:
        return Refined(work.layout)
    return refine_layout(work.layout, work.read_sub)


def refine_layout(layout: Layout, read_sub: Callable[[int, int], Bytes2D]) -> Refined:
    """`layout` with what the (n, 96) raw subchannel that `read_sub(lba, count)` gives tells."""
    frames, others = _collect(layout, read_sub)
    if not len(frames.address):
        return Refined(layout, ("The subchannel holds no readable position.",))
    findings: list[str] = []
    sessions = tuple(_session(session, frames, findings) for session in layout.sessions)
    refined = replace(layout, sessions=sessions)
    refined = _with_isrcs(refined, others, findings)
    return Refined(_with_mcn(refined, others, findings), tuple(findings))


# -- gathering ---------------------------------------------------------------------------------


def _collect(
    layout: Layout, read_sub: Callable[[int, int], Bytes2D]
) -> tuple[_Frames, list[tuple[int, bytes]]]:
    """All positions; and the other frames (ADR 2 and 3), with the LBA that they were read at."""
    parts: list[_Frames] = []
    others: list[tuple[int, bytes]] = []
    for area in layout.ranges():
        for lba in range(area.start, area.stop, _CHUNK):
            q = q_of(read_sub(lba, min(_CHUNK, area.stop - lba)))
            parts.append(_positions(q, area))
            rows = np.flatnonzero(np.isin(q[:, 0] & 15, (2, 3)))
            rows = rows[q_crc_ok(q[rows])]
            others.extend((lba + row, q[row].tobytes()) for row in rows.tolist())
    frames = _Frames(
        np.concatenate([part.address for part in parts]),
        np.concatenate([part.track for part in parts]),
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.control for part in parts]),
    )
    return frames.where(np.argsort(frames.address, kind="stable")), others


def _positions(q: Bytes2D, area: range) -> _Frames:
    known, address = q_addresses(q)
    known &= bcd_ok(q[:, 1:3]) & (address >= area.start) & (address < area.stop)
    rows = q[known]
    numbers = from_bcd(rows[:, 1:3])
    return _Frames(address[known], numbers[:, 0], numbers[:, 1], (rows[:, 0] >> 4).astype(np.int64))


# -- tracks ------------------------------------------------------------------------------------


def _session(session: Session, frames: _Frames, findings: list[str]) -> Session:
    tracks: list[Track] = []
    for number, track in enumerate(session.tracks):
        before = session.tracks[number - 1] if number else None
        following = session.tracks[number + 1 : number + 2]
        start = _pause(track, before, frames, findings) if before else track.start
        own_end = following[0].index1 if following else session.lead_out
        kept = [index for index in track.indexes if index.number == 0 and before is None]
        if before is not None and start < track.index1:
            kept = [Index(0, start)]
        indexes = (*kept, Index(1, track.index1), *_later(track, own_end, frames))
        _contradictions(track, own_end, frames, findings)
        tracks.append(replace(track, indexes=indexes, end=max(track.end, indexes[-1].lba)))
    ended = [replace(track, end=after.start) for track, after in pairwise(tracks)]
    return replace(session, tracks=(*map(_sound, ended), tracks[-1]))


def _sound(track: Track) -> Track:
    """Without indexes that a pause which follows has swallowed."""
    return replace(track, indexes=tuple(i for i in track.indexes if i.lba <= track.end))


def _pause(track: Track, before: Track, frames: _Frames, findings: list[str]) -> int:
    """Where INDEX 00 of `track` begins; its INDEX 01 if it has no pause."""
    window = frames.between(before.index1, track.index1)
    inside = (window.track == track.number) & (window.index == 0)
    if inside.sum() < _ENOUGH:
        return track.index1
    low, high = _boundary(window.address, inside, before.index1 + 1)
    # Between the last frame of the one and the first of the other: pauses like whole seconds.
    whole = [lba for lba in range(low, high + 1) if (track.index1 - lba) % _SECOND == 0]
    start = whole[-1] if whole else high
    if low < high and not whole:
        findings.append(
            f"The pause of track {track.number} begins between LBA {low} and {high}:"
            f" the subchannel there is unreadable; {start} is taken."
        )
    return start


def _later(track: Track, end: int, frames: _Frames) -> Iterable[Index]:
    """INDEX 02 and above."""
    window = frames.between(track.index1, end)
    window = window.where((window.track == track.number) & (window.index >= 1))
    at, number = track.index1, 2
    while (window.index == number).sum() >= _ENOUGH:
        _, high = _boundary(window.address, window.index >= number, at + 1)
        if not at < high < end:
            return
        yield Index(number, high)
        at, number = high, number + 1


def _boundary(address: Integers, inside: Flags, first: int) -> tuple[int, int]:
    """Where to cut so that the fewest frames lie on the wrong side: the lowest and highest LBA.

    `inside` tells which frames belong behind the cut. `first` bounds it from below.
    """
    wrong_before = np.concatenate(([0], np.cumsum(inside)))
    wrong_behind = np.concatenate(([0], np.cumsum(~inside[::-1])))[::-1]
    cut = int(np.argmin(wrong_before + wrong_behind))
    high = int(address[cut]) if cut < len(address) else int(address[-1]) + 1
    low = int(address[cut - 1]) + 1 if cut else first
    return max(min(low, high), first), max(high, first)


def _contradictions(track: Track, end: int, frames: _Frames, findings: list[str]) -> None:
    near = frames.between(track.index1 - _NEAR, min(track.index1 + _NEAR, end))
    if len(near.address) > _ENOUGH:
        inside = (near.track == track.number) & (near.index >= 1)
        low, high = _boundary(near.address, inside, track.index1 - _NEAR)
        if not low <= track.index1 <= high and inside.sum() > _ENOUGH:
            findings.append(
                f"Q puts INDEX 01 of track {track.number} at LBA {high}, the table of contents at"
                f" {track.index1}; the latter is followed."
            )
    own = frames.between(track.index1, end)
    controls = own.control[own.track == track.number]
    if len(controls) > _ENOUGH:
        usual = int(np.bincount(controls, minlength=16).argmax())
        if usual != int(track.control):
            findings.append(
                f"Q gives track {track.number} the flags {usual:#x}, the table of contents"
                f" {int(track.control):#x}; the latter are followed."
            )


# -- numbers -----------------------------------------------------------------------------------


def _with_mcn(layout: Layout, others: Sequence[tuple[int, bytes]], findings: list[str]) -> Layout:
    told = Counter(
        entry.mcn
        for _, raw in others
        if isinstance(entry := parse_q(raw[:Q]), QMcn) and entry.mcn.strip("0")
    )
    mcn = _majority(told, "media catalogue number", layout.mcn, findings)
    return replace(layout, mcn=mcn)


def _with_isrcs(layout: Layout, others: Sequence[tuple[int, bytes]], findings: list[str]) -> Layout:
    told: dict[int, Counter[str]] = {}
    for lba, raw in others:
        entry, track = parse_q(raw[:Q]), layout.track_at(lba)
        if isinstance(entry, QIsrc) and track is not None and entry.isrc.strip("0"):
            told.setdefault(track.number, Counter())[entry.isrc] += 1
    sessions = tuple(
        replace(
            session,
            tracks=tuple(
                replace(
                    track,
                    isrc=_majority(
                        told.get(track.number, Counter()),
                        f"ISRC of track {track.number}",
                        track.isrc,
                        findings,
                    ),
                )
                for track in session.tracks
            ),
        )
        for session in layout.sessions
    )
    return replace(layout, sessions=sessions)


def _majority(told: Counter[str], what: str, known: str | None, findings: list[str]) -> str | None:
    """What most frames say, if enough do; else what was known."""
    if not told:
        return known
    best, votes = told.most_common(1)[0]
    if votes < _ENOUGH or votes * 2 <= told.total():
        return known
    if known is not None and known != best:
        findings.append(f"Q tells the {what} as {best}, the drive told {known}; Q is followed.")
    return best
