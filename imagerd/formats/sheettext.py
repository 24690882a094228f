# SPDX-License-Identifier: Apache-2.0
"""Small text files that describe an image: read whole, bounded, and decoded."""

from __future__ import annotations

from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.formats.cue.text import detect
from imagerd.formats.datafile import DataFile

LARGEST = 1 << 20


def read_text(path: Path, what: str) -> str:
    """The text of `path`, a `what`. Raises `BadInput` if it is too long to be one."""
    file = DataFile(path)
    try:
        if file.size > LARGEST:
            raise BadInput(f"{path} is too long for a {what} ({file.size} bytes).")
        data = file.peek(0, LARGEST)
    finally:
        file.close()
    encoding = detect(data)
    return data[len(encoding.mark) :].decode(encoding.codec, "replace")


def with_path(path: Path, error: BadInput) -> BadInput:
    """The error with the file's name before it and a full stop after."""
    text = str(error)
    if str(path) not in text and not text.endswith("."):
        text = f"{path}: {text}"
    return BadInput(text if text.endswith(".") else f"{text}; correct the file.")
