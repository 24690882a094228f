# SPDX-License-Identifier: Apache-2.0
"""How things look in words: sizes, times, ranges, tables. Pure functions over strings.

Texts that come from a disc or a file name may hold anything, terminal controls included; `clean`
them before they are shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import click

from imagerd.base.harmless import clean as clean  # for all verbs

_LEAST = 8  # columns: less of a cell says nothing
_LIST_RANGES = 8  # ranges shown in one line before "and n more"


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal; styles take none, East Asian signs two."""
    plain = click.unstyle(text)
    if plain.isascii():
        return len(plain)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in plain
    )


def fit(text: str, width: int) -> str:
    """Cut a plain text to `width` columns, with an ellipsis."""
    if cells(text) <= width:
        return text
    kept = ""
    for sign in text:
        if cells(kept + sign) >= width:
            break
        kept += sign
    return kept + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill `text` up to `width` columns; `right` aligns it to the right."""
    space = " " * max(0, width - cells(text))
    return space + text if right else text + space


def wrap(line: str, width: int) -> list[str]:
    """Break a line between words, so that it fits `width` columns; what follows is indented more.

    Styles take no room and go on in the next line. A word that is too long stays where it is.
    """
    if cells(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    lines: list[str] = []
    now, used = "", 0
    for word in re.findall(r" *[^ ]+", line):
        size = cells(word)
        alone = cells(word.lstrip(" "))
        if now.strip() and used + size > width and len(indent) + alone <= width:
            lines.append(now)
            now, used = indent, len(indent)
            word, size = word.lstrip(" "), alone
        now, used = now + word, used + size
    return [*lines, now]


def table(
    rows: Sequence[Sequence[str]],
    heads: Sequence[str],
    *,
    indent: int = 2,
    width: int | None = None,
) -> list[str]:
    """Lines of a table. A head that begins with `>` aligns its column right.

    With a `width`, the last column is cut so that lines fit, as long as that leaves some of it.
    """
    if width is not None:
        rows = _cut_last(rows, heads, width - indent)
    right = [head.startswith(">") for head in heads]
    titles = [head.removeprefix(">") for head in heads]
    widths = [max(cells(row[at]) for row in [titles, *rows]) for at in range(len(heads))]
    dim = [click.style(title, dim=True) for title in titles]
    return [
        " " * indent
        + "  ".join(
            pad(cell, width, right=flush)
            for cell, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in [dim, *rows]
    ]


def _cut_last(
    rows: Sequence[Sequence[str]], heads: Sequence[str], width: int
) -> Sequence[Sequence[str]]:
    others = [[*row[:-1]] for row in [*rows, [head.removeprefix(">") for head in heads]]]
    used = sum(max(map(cells, column)) + 2 for column in zip(*others, strict=True))
    room = width - used
    if room < _LEAST:
        return rows
    return [[*row[:-1], row[-1] if cells(row[-1]) <= room else fit(row[-1], room)] for row in rows]


def facts(pairs: Iterable[tuple[str, str | None]], *, indent: int = 2) -> list[str]:
    """Lines of `name  value`, aligned; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((cells(name) for name, _ in shown), default=0)
    return [
        " " * indent + click.style(pad(name, width), dim=True) + "  " + value
        for name, value in shown
    ]


def grouped(number: int) -> str:
    """Digits in groups of three, by thin spaces that do not break: 1 234 567."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def count(number: int, one: str, many: str = "") -> str:
    """`1 sector`, `2 sectors`."""
    return f"{grouped(number)} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Bytes in decimal units, three figures: 629 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return (
                f"{number:.0f} {unit}" if number >= 99.5 or unit == "B" else f"{number:.1f} {unit}"
            )
        number /= 1000
    return f"{number:.1f} TB"


def rate(per_second: float) -> str:
    """Bytes a second."""
    return f"{size(per_second)}/s"


def clock(seconds: float) -> str:
    """A duration: 0:04, 12:30, 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def ranges(items: Sequence[range], limit: int = _LIST_RANGES) -> str:
    """LBA ranges, inclusive as people read them: `17, 20–29 and 3 more ranges`."""
    shown = ", ".join(
        str(item.start) if len(item) == 1 else f"{item.start}–{item.stop - 1}"
        for item in items[:limit]
    )
    hidden = len(items) - limit
    return shown + (f" and {count(hidden, 'more range')}" if hidden > 0 else "")


def mode(value: str) -> str:
    """A track's mode as people write it: mode 1, audio."""
    return f"mode {value[-1]}" if value.startswith("mode") else value


def good(text: str) -> str:
    """What is right."""
    return click.style(text, fg="green")


def bad(text: str) -> str:
    """What is wrong."""
    return click.style(text, fg="red")


def doubtful(text: str) -> str:
    """What is worth a look."""
    return click.style(text, fg="yellow")


def strong(text: str) -> str:
    """A heading."""
    return click.style(text, bold=True)


def faint(text: str) -> str:
    """A remark."""
    return click.style(text, dim=True)
