# SPDX-License-Identifier: Apache-2.0
"""The forms that a container can be written in, by words that a person asks for.

A container's row in the registry has its `Variant`s; `WriteOptions.variant` the words that were
chosen, and its writer makes of them what they mean. Without any it writes its usual form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from imagerd.base.errors import BadInput
from imagerd.formats.features import Feature


@dataclass(frozen=True, slots=True)
class Variant:
    """One form. `word` asks for it; one that ends in "=" is followed by a number.

    `group`: of a group only one can be asked for; those of group "" do not exclude each other.
    `lacks`: features that the container holds, but not in this form.
    """

    word: str
    sentence: str
    group: str = ""
    lacks: frozenset[Feature] = frozenset()

    def is_meant_by(self, word: str) -> bool:
        """Whether `word` asks for it."""
        if self.word.endswith("="):
            return re.fullmatch(rf"{self.word}\d{{1,9}}", word) is not None
        return word == self.word


def words_of(text: str) -> tuple[str, ...]:
    """The words in "cdlz,cdzl", with commas between them."""
    return tuple(word for word in (part.strip().lower() for part in text.split(",")) if word)


def chosen(words: Iterable[str], variants: Iterable[Variant], name: str) -> tuple[Variant, ...]:
    """The variants that `words` ask for. Raises `BadInput`, where `name` cannot be such or is
    asked to be two things at once.
    """
    known = tuple(variants)
    found: list[Variant] = []
    for word in words:
        variant = next((one for one in known if one.is_meant_by(word)), None)
        if variant is None:
            may = ", ".join(one.word for one in known) or "nothing but what it is"
            raise BadInput(f"Cannot write {name} as {word!r}; it can be {may}.")
        if variant in found or any(one.group == variant.group != "" for one in found):
            raise BadInput(f"Cannot write {name} as {', '.join(words)}; {word!r} is one too many.")
        found.append(variant)
    return tuple(found)


NRG = (
    Variant("2", "version 2, as by default", "version"),
    Variant("1", "version 1, up to 4 GiB", "version"),
    Variant("dao", "disc at once, as by default", "way"),
    Variant(
        "tao",
        "track at once: no codes, flags, further indexes",
        "way",
        frozenset(
            {Feature.SESSIONS, Feature.INDEXES, Feature.FLAGS, Feature.MCN, Feature.ISRC}
            | {Feature.DISC_TYPE}
        ),
    ),
)
CSO = (
    Variant("1", "version 1, as by default", "version"),
    Variant("2", "version 2, deflate or LZ4", "version"),
)
CUE = (
    Variant("bin", "audio in .bin, as by default", "audio"),
    Variant("wav", "a WAVE file for each audio track", "audio"),
    Variant("flac", "a FLAC file for each audio track", "audio"),
)
CHD = (
    Variant("none", "not compressed"),
    Variant("zlib", "deflate"),
    Variant("lzma", "LZMA"),
    Variant("huff", "MAME's Huffman code"),
    Variant("flac", "FLAC"),
    Variant("zstd", "Zstandard"),
    Variant("cdzl", "deflate for CDs"),
    Variant("cdlz", "LZMA for CDs"),
    Variant("cdfl", "FLAC for CDs"),
    Variant("cdzs", "Zstandard for CDs"),
    Variant("hunk=", "bytes of a hunk", "hunk"),
)
