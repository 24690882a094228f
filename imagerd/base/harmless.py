# SPDX-License-Identifier: Apache-2.0
"""Texts that come from a disc or a file name may hold anything: made harmless before they are
shown.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_LONGEST: Final = 5000  # characters of a sentence: longer than any path
_KEPT: Final = 500  # at each end of a longer one


def clean(text: str) -> str:
    """`text` with control characters, line ends and lone surrogates made harmless."""
    return "".join(_harmless(sign) for sign in text)


def _harmless(sign: str) -> str:
    category = unicodedata.category(sign)
    if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and sign not in "\u200c\u200d"):
        return "\N{REPLACEMENT CHARACTER}"
    return sign


def shortened(sentence: str) -> str:
    """`sentence`, its middle left out if it is of a length that only a hostile name gives it."""
    if len(sentence) <= _LONGEST:
        return sentence
    return f"{sentence[:_KEPT]} … {sentence[-_KEPT:]}"
