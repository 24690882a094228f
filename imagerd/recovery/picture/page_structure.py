# SPDX-License-Identifier: Apache-2.0
"""The page's part on what a CD is beside its sectors: sessions, pauses, numbers, offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imagerd.disc.layout import Layout
from imagerd.disc.msf import LBA_MAX, LBA_MIN, Msf
from imagerd.recovery.picture.marking import Markup, counted, element, grouped
from imagerd.recovery.picture.page_tables import folded, table
from imagerd.recovery.structure import StructureReport, WriteOffsetReport
from imagerd.recovery.subnumbers import NumberTold
from imagerd.recovery.subq import IndexTold

_MOST = 400  # rows: 99 tracks have two indexes each, seldom more


def structure_parts(told: StructureReport, layout: Layout) -> Iterator[Markup]:
    """The parts, those with nothing to tell left out."""
    yield _table(
        "Sessions",
        ("session", "tracks", ">from", ">lead-out"),
        [
            (
                str(session.number),
                f"{session.tracks[0].number}–{session.tracks[-1].number}",
                _place(session.start),
                _place(session.lead_out),
            )
            for session in layout.sessions
        ],
    )
    if told.indexes:
        yield _table(
            "Indexes by table of contents and by Q",
            (">track", ">index", ">table of contents", ">Q", ">used", ""),
            [_index(one) for one in told.indexes],
        )
    if told.flags:
        yield _table(
            "Flags that differ",
            (">track", ">table of contents, used", ">most frames of Q"),
            [(str(one.track), f"{one.toc:#x}", f"{one.q:#x}") for one in told.flags],
        )
    if told.numbers:
        yield _table(
            "Numbers",
            ("of", "by Q", "frames that say so", "by the drive", "used", ""),
            [_number(one) for one in told.numbers],
        )
    yield from _lines(told)


def _lines(told: StructureReport) -> Iterator[Markup]:
    lines = []
    if told.write_offset is not None:
        lines.append(_offset(told.write_offset))
    if told.bad_q:
        lines.append(f"{counted(len(told.bad_q), 'frame')} of Q made wrong on purpose.")
    if told.borders:
        blocks = sum(border.count for border in told.borders)
        lines.append(f"{counted(blocks, 'bad sector')} at borders of a recordable disc.")
    lines += [
        f"{counted(edge.count, 'sector')} of the {edge.where} of session {edge.session} from LBA"
        f" {edge.lba} on{'' if edge.checked else ', which Q does not name'}."
        for edge in told.outside
    ]
    if lines:
        yield element("h3", "Offsets and surroundings")
        yield element("ul", *(element("li", line) for line in lines[:_MOST]))


def _offset(told: WriteOffsetReport) -> str:
    own = "not known" if told.samples is None else f"{told.samples:+d} samples"
    drive = "" if told.read_offset is None else f", the drive's {told.read_offset:+d}"
    return (
        f"Write offset {own} ({told.confidence}, by {told.how}): combined with the drive's it is"
        f" {told.combined:+d}{drive}. {told.evidence}"
    )


def _index(one: IndexTold) -> tuple[str, ...]:
    odd = "they differ" if one.differs else ""
    places = (_known_place(one.toc), _known_place(one.q), _place(one.used))
    return str(one.track), f"{one.index:02d}", *places, odd


def _number(one: NumberTold) -> tuple[str, ...]:
    of = "disc (MCN)" if one.track is None else f"track {one.track} (ISRC)"
    frames = f"{grouped(one.votes)} of {grouped(one.frames)}" if one.q is not None else ""
    odd = "" if one.sound or one.q is None else "its form or check digit is wrong"
    return of, one.q or "", frames, one.drive or "", one.used or "", odd


def _known_place(lba: int | None) -> str:
    return "" if lba is None else _place(lba)


def _place(lba: int) -> str:
    """LBA and, where it has one, its address as MSF; a report may say anything."""
    return f"{lba} ({Msf.from_lba(lba)})" if LBA_MIN <= lba <= LBA_MAX else str(lba)


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    parts = [element("h3", title)]
    parts += folded(table(heads, rows[:_MOST]), len(rows), counted(len(rows), "row"))
    if (left := len(rows) - _MOST) > 0:
        parts.append(element("p", f"… and {counted(left, 'more row')} in the JSON report."))
    return Markup("".join(parts))
