# SPDX-License-Identifier: Apache-2.0
"""The tables of the page, cut where nobody would read on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from imagerd.recovery.picture.advice import expected_of
from imagerd.recovery.picture.marking import Markup, counted, element, grouped
from imagerd.recovery.picture.scheme import STATES
from imagerd.recovery.picture.svg import hexed
from imagerd.recovery.report import RangeReport, Report

_BAD, _GOOD = 1000, 200  # rows
_OPEN = 40  # rows that are shown unasked
_NAMES = 5
_LONGEST = 200  # signs of a name

_COLOURS = {tone.name: hexed(tone.colour) for tone in STATES.tones}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table. A head that begins with `>` aligns its column right."""
    right = [head.startswith(">") for head in heads]
    head = element(
        "tr", *(_cell("th", h.removeprefix(">"), r) for h, r in zip(heads, right, strict=True))
    )
    body = [
        element("tr", *(_cell("td", cell, flush) for cell, flush in zip(row, right, strict=True)))
        for row in rows
    ]
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, class_="wide")


def bad_table(report: Report, files_hit: Callable[[range], Sequence[str]]) -> Iterator[Markup]:
    """The sectors that are not good, by LBA."""
    stories = sorted(report.bad, key=lambda story: story.lba)
    meant = expected_of(report)
    rows: list[tuple[str, ...]] = []
    named = False
    for story in stories[:_BAD]:
        names = files_hit(range(story.lba, story.lba + story.count))
        named |= bool(names)
        why = story.why + (" (copy protection)" if story.lba in meant else "")
        rows.append((*_story(story, why), _names(names)))
    heads = (*_HEADS, "hits") if named else _HEADS
    shown = [row[: len(heads)] for row in rows]
    yield from folded(table(heads, shown), len(rows), counted(len(stories), "range"))
    if left := stories[_BAD:]:
        sectors = counted(sum(story.count for story in left), "sector")
        more = counted(len(left), "more range")
        yield element("p", f"… and {more} with {sectors}: the JSON report has them all.")


def good_again(report: Report) -> Iterator[Markup]:
    """The sectors that are good now and were not at first."""
    stories = sorted(report.recovered, key=lambda story: story.lba)
    if not stories:
        return
    sectors = counted(sum(story.count for story in stories), "sector")
    yield element("p", f"{sectors} failed at first and came good in the end.")
    rows = [_story(story, story.why) for story in stories[:_GOOD]]
    yield from folded(table(_HEADS, rows), len(rows), counted(len(stories), "range"))
    if len(stories) > _GOOD:
        yield element("p", f"… and {counted(len(stories) - _GOOD, 'more range')}.")


def repaired_table(report: Report) -> Iterator[Markup]:
    """The sectors that were mended by their own parity."""
    if not report.repaired:
        return
    sectors = counted(sum(count for _, count in report.repaired), "sector")
    said = ", ".join(_extent(lba, count) for lba, count in report.repaired[:_GOOD])
    if len(report.repaired) > _GOOD:
        said += f" and {counted(len(report.repaired) - _GOOD, 'more range')}"
    yield element(
        "p", f"{sectors} mended by their own parity, and proven by their EDC: LBA {said}."
    )


_HEADS = ("LBA", ">sectors", "state", ">track", "why", "sense", ">attempts", "last tried (UTC)")


def _story(story: RangeReport, why: str) -> tuple[str, ...]:
    return (
        _extent(story.lba, story.count),
        grouped(story.count),
        _state(story.state),
        "" if story.track is None else str(story.track),
        why,
        story.sense or "",
        grouped(story.attempts) if story.attempts else "",
        _time(story.last),
    )


def _state(state: str) -> Markup:
    colour = _COLOURS.get(state, "#888888")
    return Markup(f'<i class="dot" style="background:{colour}"></i>{element("span", state)}')


def _names(names: Sequence[str]) -> str:
    shown = [name if len(name) <= _LONGEST else name[:_LONGEST] + "…" for name in names[:_NAMES]]
    more = len(names) - _NAMES
    return ", ".join(shown) + (f" and {grouped(more)} more" if more > 0 else "")


def _extent(lba: int, count: int) -> str:
    return str(lba) if count == 1 else f"{lba}–{lba + count - 1}"


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def folded(content: Markup, rows: int, summary: str) -> Iterator[Markup]:
    """Long tables wait to be opened."""
    if rows <= _OPEN:
        yield content
    else:
        yield element("details", element("summary", summary), content)


def _cell(name: str, content: str, right: bool) -> Markup:
    return element(name, content, class_="r") if right else element(name, content)
