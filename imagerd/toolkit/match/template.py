# SPDX-License-Identifier: Apache-2.0
"""What an image is to be called: a template filled in with what a DAT says, made safe.

``{system}/{name}[ (Track {track})]``: what stands in brackets is for the data files of an image of
several; without brackets, the words above are put behind. A value is one part of a path whatever it
holds, so a game cannot name another folder.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from imagerd.base.errors import BadInput

FIELDS: Final = ("name", "system", "dat", "version")
_TRACK: Final = "track"
_USUAL: Final = " (Track {track})"
_BRACKETS: Final = re.compile(r"([^\[\]]*)\[([^\[\]]+)\]([^\[\]]*)")
_LONGEST: Final = 200  # bytes of one part; leaves room for suffixes below NAME_MAX of 255
_SIGNS: Final = str.maketrans({"/": "_", "\\": "_", '"': "'"})


@dataclass(frozen=True, slots=True)
class Template:
    """For the image itself, and for each of several data files."""

    whole: str
    track: str

    @classmethod
    def parse(cls, text: str) -> Template:
        """Raises `BadInput` for unknown fields, several brackets, and what leads out."""
        match = _BRACKETS.fullmatch(text)
        if match is None and re.search(r"[\[\]]", text):
            raise BadInput(f"The template {text!r} may have one pair of brackets, for {{track}}.")
        before, inside, after = match.groups() if match else (text, _USUAL, "")
        template = cls(before + after, before + inside + after)
        _check(text, template.whole, FIELDS)
        _check(text, template.track, (*FIELDS, _TRACK))
        if "{track}" not in template.track:
            raise BadInput(f"The brackets of the template {text!r} lack {{track}}.")
        return template

    def path(self, fields: Mapping[str, str], track: str | None = None) -> PurePosixPath:
        """The relative path, without suffix. Raises `BadInput` for an empty one."""
        safe = {name: _part(fields.get(name, "")) or "unknown" for name in FIELDS}
        text = self.whole if track is None else self.track
        filled = text.format_map({**safe, _TRACK: track or ""})
        parts = [_part(part) for part in filled.split("/")]
        if not all(parts):
            raise BadInput(f"The template {text!r} gives no name for {fields.get('name', '')!r}.")
        return PurePosixPath(*parts)


def _check(text: str, template: str, fields: tuple[str, ...]) -> None:
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise BadInput(f"The template {text!r} cannot be read: {error}.") from error
    for _, field, spec, conversion in pieces:
        if field is not None and (field not in fields or spec or conversion):
            known = ", ".join(f"{{{name}}}" for name in fields)
            raise BadInput(f"The template {text!r} has {{{field}}}; it may have {known}.")
    if PurePosixPath(template).is_absolute() or ".." in PurePosixPath(template).parts:
        raise BadInput(f"The template {text!r} leads out of the image's folder.")


def _part(text: str) -> str:
    """`text` as one part of a path: no separators, controls, outer blanks or leading dots."""
    plain = unicodedata.normalize("NFC", text).translate(_SIGNS)
    kinds = {"C": "_", "Z": " "}  # controls, blanks of any width and line ends
    plain = "".join(kinds.get(unicodedata.category(sign)[0], sign) for sign in plain)
    plain = plain.strip().lstrip(".")
    while len(plain.encode()) > _LONGEST:
        plain = plain[:-1]
    return plain.strip()
