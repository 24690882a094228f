# SPDX-License-Identifier: Apache-2.0
"""What an image is called: a template filled in, made safe, and never the name of another."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from pathlib import Path

_UNSAFE = re.compile(r"[^\w.+@=,'()\[\]&!-]+")
_LONGEST = 100  # characters of one part; leaves room for suffixes below NAME_MAX of 255 bytes


def safe_part(text: str) -> str:
    """`text` as one part of a path: no separators, controls, blanks or leading dots; never empty.

    A title of slashes or dots cannot name another folder.
    """
    plain = unicodedata.normalize("NFC", text)
    plain = "".join("_" if unicodedata.category(c).startswith("C") else c for c in plain)
    plain = _UNSAFE.sub("_", plain).strip("._ ")[:_LONGEST]
    while len(plain.encode()) > 200:  # bytes count for the file system
        plain = plain[:-1]
    return plain or "disc"


def fill_template(template: str, fields: dict[str, str]) -> Path:
    """The relative path, without suffix, that `template` gives; `/` in it makes folders.

    Each filled-in value is made safe first, so a label with a slash stays one part.
    """
    safe = {name: safe_part(value) if value else "" for name, value in fields.items()}
    text = template.format_map(safe)
    parts = [safe_part(part) for part in text.split("/") if part.strip()]
    return Path(*parts)


def fields_of(
    *, label: str, disc: str, job: str, drive: str, medium: str, now: datetime
) -> dict[str, str]:
    """The fields that a template may use."""
    return {
        "label": label,
        "disc": disc,
        "job": job[:8],
        "drive": drive,
        "medium": medium,
        "date": now.strftime("%Y-%m-%d"),
        "time": now.strftime("%H%M%S"),
    }


def free_folder(archive: Path, wanted: Path) -> Path:
    """`archive/wanted`, or with `-2`, `-3` … behind it: the first that is not there yet."""
    number = 1
    while True:
        name = wanted.name if number == 1 else f"{wanted.name}-{number}"
        folder = archive / wanted.parent / name
        if not folder.exists() and not folder.is_symlink():
            return folder
        number += 1
