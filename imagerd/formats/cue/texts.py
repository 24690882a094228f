# SPDX-License-Identifier: Apache-2.0
"""The texts of a sheet (TITLE, PERFORMER and the like) as CD-Text."""

from __future__ import annotations

from collections.abc import Sequence

from imagerd.disc.cdtext import CdText, Text, build
from imagerd.formats.cue.program import Program

_LONGEST = 160


def cd_text_of(program: Program, numbers: Sequence[int]) -> CdText | None:
    """The packs that the sheet's own texts would make for tracks of these numbers; None if none.

    Notes in `program` what CD-Text cannot hold.
    """
    texts = []
    for kind, track, value, line in program.texts:
        try:
            value.encode("iso-8859-1")
        except UnicodeEncodeError:
            program.note(line, "a text with letters outside ISO 8859-1 stays in the sheet only")
            continue
        clean = value.replace("\0", " ").replace("\t", " ")[:_LONGEST]
        texts.append(Text(0, kind, track, clean))
    if not texts:
        return None
    return build(texts, numbers[-1] - numbers[0] + 1, numbers[0])
