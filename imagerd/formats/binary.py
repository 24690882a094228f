# SPDX-License-Identifier: Apache-2.0
"""Structures in a file that may say anything: every field is bounded, or it is `BadInput`."""

from __future__ import annotations

import struct
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.formats.datafile import DataFile


class Fields:
    """Bytes with fields at offsets in them. Errors hold no file name; `base` is added in them."""

    def __init__(self, data: bytes, base: int = 0) -> None:
        self.data = data
        self._base = base

    def bytes(self, at: int, count: int) -> bytes:
        """`count` bytes at offset `at`."""
        if at < 0 or count < 0 or at + count > len(self.data):
            raise BadInput(f"it points to byte {self._base + at}, where there is nothing")
        return self.data[at : at + count]

    def unpack(self, form: str, at: int) -> tuple[int, ...]:
        """The integers of the `struct` format `form` at offset `at`."""
        return struct.unpack(form, self.bytes(at, struct.calcsize(form)))


def read_small(path: Path, what: str, largest: int) -> bytes:
    """All of the file `path`, a `what`. Raises `BadInput` if it is larger than that can be."""
    file = DataFile(path)
    try:
        if file.size > largest:
            raise BadInput(f"{path} is too long for a {what} ({file.size} bytes).")
        return file.peek(0, largest)
    finally:
        file.close()
