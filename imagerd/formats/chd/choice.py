# SPDX-License-Identifier: Apache-2.0
"""Which codecs and which hunks a CHD is asked to have: the words of `WriteOptions.variant`."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.base.errors import BadInput
from imagerd.formats.chd.decoders import CD, PLAIN, require

_MOST_CODECS = 4  # slots in the header
_LARGEST = 1 << 19  # bytes of a hunk; MAME's tools make no larger ones
_HUNK = "hunk="
_NONE = "none"


@dataclass(frozen=True, slots=True)
class Choice:
    """`codecs`: in their order, none of them for an uncompressed file; None where nobody chose.
    `hunk`: its bytes.
    """

    codecs: tuple[bytes, ...] | None
    hunk: int


def choice_of(words: tuple[str, ...], unit: int, hunk: int, *, is_cd: bool) -> Choice:
    """What `words` ask for; `hunk` is the size where they ask for none, `unit` divides any.

    Raises `BadInput` for what cannot be, `NotAvailable` for codecs that lack their library.
    """
    names = tuple(word for word in words if not word.startswith(_HUNK))
    for word in words:
        if word.startswith(_HUNK):
            hunk = int(word.removeprefix(_HUNK))
    if not 0 < hunk <= _LARGEST or hunk % unit:
        raise BadInput(
            f"A CHD cannot have hunks of {hunk} bytes here; ask for a multiple of {unit}, at most"
            f" {_LARGEST // unit * unit}."
        )
    if not names:
        return Choice(None, hunk)
    if _NONE in names and len(names) > 1:
        raise BadInput("A CHD cannot be uncompressed and have codecs; ask for none, or for these.")
    codecs = tuple(name.encode() for name in names if name != _NONE)
    if len(codecs) > _MOST_CODECS:
        raise BadInput(f"A CHD has {_MOST_CODECS} codecs at most; ask for fewer.")
    for codec in codecs:
        if codec in CD and not is_cd:
            fit = ", ".join(name.decode() for name in PLAIN)
            raise BadInput(
                f"The codec {codec.decode()} is for CDs, and this is none; ask for {fit}."
            )
    require(codecs)
    return Choice(codecs, hunk)
