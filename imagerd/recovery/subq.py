# SPDX-License-Identifier: Apache-2.0
"""What the Q subchannel adds to the table of contents: pauses, indexes, MCN and ISRCs.

A frame says itself where it belongs (absolute address, CRC), so a drive whose subchannel lags by a
few sectors does no harm, and frames with a wrong CRC are simply not there. Boundaries are put
where the fewest frames contradict. Where Q and the table of contents contradict each other on an
INDEX 01, the latter is followed and the difference told. (ECMA-130, clause 22.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from imagerd.disc.layout import Index, Layout, Session, Track
from imagerd.disc.source import Bytes2D
from imagerd.recovery.job import LayoutRecord
from imagerd.recovery.judge import bcd_ok, from_bcd, q_addresses
from imagerd.recovery.subnumbers import NumberTold, findings_on, numbers_told
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.geometry import Flags
from imagerd.sectors.subchannel import q_crc_ok, q_of

_CHUNK = 8192  # sectors of subchannel at a time
_NEAR = 150  # sectors around an INDEX 01 of the TOC in which Q may put its own
_ENOUGH = 2  # frames that must agree on an index
_SECOND = 75

Integers = npt.NDArray[np.int64]


class IndexTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an index begins: by the table of contents (None: that does not tell), by Q (None: its
    frames do not), and as `used` in the layout.
    """

    track: int
    index: int
    toc: int | None
    q: int | None
    used: int

    @property
    def differs(self) -> bool:
        """Whether both tell, and not the same."""
        return None not in (self.toc, self.q) and self.toc != self.q


class FlagsTold(msgspec.Struct, frozen=True):
    """The CONTROL of a track by the table of contents, which is used, and by most frames of Q."""

    track: int
    toc: int
    q: int


@dataclass(frozen=True, slots=True)
class Refined:
    """A layout with what Q told, and sentences on what was odd.

    `indexes` and `flags` (those that differ) are what both sources say; `numbers` the MCN and the
    ISRCs with what speaks for them. All are empty without a readable subchannel.
    """

    layout: Layout
    findings: tuple[str, ...] = ()
    indexes: tuple[IndexTold, ...] = ()
    flags: tuple[FlagsTold, ...] = ()
    numbers: tuple[NumberTold, ...] = ()

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
    told = _Told()
    sessions = tuple(_session(session, frames, told) for session in layout.sessions)
    refined = replace(layout, sessions=sessions)
    numbers = numbers_told(refined, others)
    return Refined(
        _with_numbers(refined, numbers),
        (*told.findings, *findings_on(numbers)),
        tuple(told.indexes),
        tuple(told.flags),
        numbers,
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """What gathers on the way."""

    findings: list[str] = field(default_factory=list)
    indexes: list[IndexTold] = field(default_factory=list)
    flags: list[FlagsTold] = field(default_factory=list)


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


def _session(session: Session, frames: _Frames, told: _Told) -> Session:
    tracks: list[Track] = []
    for number, track in enumerate(session.tracks):
        before = session.tracks[number - 1] if number else None
        following = session.tracks[number + 1 : number + 2]
        start = _pause(track, before, frames, told.findings) if before else track.start
        own_end = following[0].index1 if following else session.lead_out
        kept = [index for index in track.indexes if index.number == 0 and before is None]
        if before is not None and start < track.index1:
            kept = [Index(0, start)]
        indexes = (*kept, Index(1, track.index1), *_later(track, own_end, frames))
        _compare(track, indexes, own_end, frames, told)
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


def _compare(
    track: Track, indexes: tuple[Index, ...], end: int, frames: _Frames, told: _Told
) -> None:
    """Note where each index begins by either source, and where they contradict each other."""
    own = {index.number: index.lba for index in track.indexes}
    for index in indexes:
        toc = own.get(index.number)
        q: int | None = index.lba
        if index.number == 1:
            q = _index1(track, end, frames)
        elif toc is not None:
            q = toc if _has_pause(track, frames) else None
        told.indexes.append(IndexTold(track.number, index.number, toc, q, index.lba))
        if told.indexes[-1].differs:
            told.findings.append(
                f"Q puts INDEX 01 of track {track.number} at LBA {q}, the table of contents at"
                f" {toc}; the latter is followed."
            )
    usual = _usual_control(track, end, frames)
    if usual is not None and usual != int(track.control):
        told.flags.append(FlagsTold(track.number, int(track.control), usual))
        told.findings.append(
            f"Q gives track {track.number} the flags {usual:#x}, the table of contents"
            f" {int(track.control):#x}; the latter are followed."
        )


def _index1(track: Track, end: int, frames: _Frames) -> int | None:
    """Where Q puts INDEX 01; where the TOC has it if no frame contradicts that."""
    near = frames.between(track.index1 - _NEAR, min(track.index1 + _NEAR, end))
    inside = (near.track == track.number) & (near.index >= 1)
    if len(near.address) <= _ENOUGH or inside.sum() <= _ENOUGH:
        return None
    low, high = _boundary(near.address, inside, track.index1 - _NEAR)
    return track.index1 if low <= track.index1 <= high else high


def _has_pause(track: Track, frames: _Frames) -> bool:
    """Whether frames tell of the pause that the first track has by the table of contents."""
    window = frames.between(track.start, track.index1)
    return bool(((window.track == track.number) & (window.index == 0)).sum() >= _ENOUGH)


def _usual_control(track: Track, end: int, frames: _Frames) -> int | None:
    own = frames.between(track.index1, end)
    controls = own.control[own.track == track.number]
    if len(controls) <= _ENOUGH:
        return None
    return int(np.bincount(controls, minlength=16).argmax())


def _with_numbers(layout: Layout, numbers: Sequence[NumberTold]) -> Layout:
    used = {number.track: number.used for number in numbers}
    told = layout.with_tracks(lambda track: replace(track, isrc=used.get(track.number, track.isrc)))
    return replace(told, mcn=used.get(None, layout.mcn))
