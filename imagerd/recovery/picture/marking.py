# SPDX-License-Identifier: Apache-2.0
"""Text in XML: nothing that comes from a disc can end an attribute, open a tag or be no XML."""

from __future__ import annotations

from html import escape

from imagerd.base.harmless import clean

_NONE = str.maketrans({0xFFFE: "\N{REPLACEMENT CHARACTER}", 0xFFFF: "\N{REPLACEMENT CHARACTER}"})


class Markup(str):
    """Text that is XML already."""

    __slots__ = ()


def marked(text: str) -> Markup:
    """`text` as the content of an element or of a quoted attribute."""
    return text if isinstance(text, Markup) else Markup(escape(clean(text).translate(_NONE)))


def element(name: str, /, *content: str, **attributes: str) -> Markup:
    """An element with all that comes from outside escaped; an empty one closes itself.

    Attributes are named as in XML, with a trailing underscore where Python has the word.
    """
    said = "".join(f' {key.rstrip("_")}="{marked(value)}"' for key, value in attributes.items())
    inside = "".join(marked(part) for part in content)
    return Markup(f"<{name}{said}>{inside}</{name}>" if content else f"<{name}{said}/>")


def grouped(number: int) -> str:
    """Digits in groups of three, by thin spaces that do not break."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(number: int, one: str, many: str = "") -> str:
    """`1 sector`, `2 sectors`."""
    return f"{grouped(number)} {one if number == 1 else many or one + 's'}"
