# SPDX-License-Identifier: Apache-2.0
"""Texts that come from a disc or a file name may hold anything: made harmless before they are
shown.
"""

from __future__ import annotations

import unicodedata


def clean(text: str) -> str:
    """`text` with control characters, line ends and lone surrogates made harmless."""
    return "".join(_harmless(sign) for sign in text)


def _harmless(sign: str) -> str:
    category = unicodedata.category(sign)
    if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and sign not in "\u200c\u200d"):
        return "\N{REPLACEMENT CHARACTER}"
    return sign
