# SPDX-License-Identifier: Apache-2.0
"""Text in XML: nothing that comes from a disc can end an attribute, open a tag or be no XML."""

from __future__ import annotations

from html import escape

from imagerd.base.harmless import clean

_NONE = str.maketrans({0xFFFE: "\N{REPLACEMENT CHARACTER}", 0xFFFF: "\N{REPLACEMENT CHARACTER}"})


def marked(text: str) -> str:
    """`text` as the content of an element or of a quoted attribute."""
    return escape(clean(text).translate(_NONE))


def grouped(number: int) -> str:
    """Digits in groups of three, by thin spaces that do not break."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
