# SPDX-License-Identifier: Apache-2.0
"""Images cut into parts: X.iso.001, .002 …; X.part1, .part2 …; X.i00, .i01 …: joined again.

The parts have no header: the name tells, and one without a second part is taken for what is in it.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.formats import names
from imagerd.formats.datafile import DataFile
from imagerd.formats.signs import split_name

_MOST_PARTS = 1000


Part = tuple[DataFile, int, int]  # a file, where in it, and how many bytes


class JoinedStore:
    """A `ByteStore` of files, or parts of files, one behind the other."""

    suspect = False

    def __init__(self, parts: list[Part], notes: tuple[str, ...] = ()) -> None:
        self._parts = parts
        self._starts = [0, *accumulate(length for _, _, length in parts)]
        self.size = self._starts.pop()
        self.files = tuple(dict.fromkeys(file.path for file, _, _ in parts))
        self.notes = notes

    def read_into(self, view: memoryview, offset: int) -> int:
        """See `ByteStore`."""
        got = 0
        while got < len(view) and offset + got < self.size:
            file, at, length = self._at(offset + got)
            wanted = view[got : got + length]
            read = file.store.read_into(wanted, at)
            got += read
            if read < len(wanted):
                break
        return got

    def lost(self, offset: int) -> int:
        """See `ByteStore`: the next part may be whole."""
        if offset >= self.size:
            return 0
        file, at, length = self._at(offset)
        return min(length, file.store.lost(at) or length)

    def rest(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """See `ByteStore`."""
        for file, _, _ in self._parts:
            file.close()

    def _at(self, offset: int) -> Part:
        """The file, the place in it, and what is left of the part."""
        number = bisect_right(self._starts, offset) - 1
        file, begin, length = self._parts[number]
        at = offset - self._starts[number]
        return file, begin + at, length - at


def open_store(file: DataFile) -> JoinedStore:
    """All parts of which `file` is the first. Raises `BadInput` if it is not, or one is missing."""
    name = split_name(file.path)
    if name is None:
        raise BadInput(f"{file.path} is not called like the part of an image.")
    stem, number, digits = name
    if number > 1 or (number == 1 and _part(file.path, stem, 0, digits) is not None):
        first = _part(file.path, stem, 0, digits) or _part(file.path, stem, 1, digits)
        where = f"open {first.name}" if first else "its first part is not beside it"
        raise BadInput(f"{file.path} is not the first part of its image; {where}.")
    parts = [file]
    try:
        for following in range(number + 1, number + _MOST_PARTS):
            path = _part(file.path, stem, following, digits)
            if path is None:
                break
            parts.append(DataFile(path))
        _refuse_gap(file.path, stem, number + len(parts), digits)
    except BadInput:
        for part in parts[1:]:
            part.close()
        raise
    sizes = {part.size for part in parts[:-1]}
    notes: tuple[str, ...] = ()
    if len(sizes) > 1 or parts[-1].size > max(sizes, default=parts[-1].size):
        notes = ("its parts are not of one size, as they should be: one may be cut short",)
    return JoinedStore([(part, 0, part.size) for part in parts], notes)


def _part(first: Path, stem: str, number: int, digits: int) -> Path | None:
    found = names.find(first, (f"{stem}{number:0{digits}}",))
    return found.path if found else None


def _refuse_gap(first: Path, stem: str, missing: int, digits: int) -> None:
    """Raise `BadInput` if there is a part behind the one that is missing."""
    for number in range(missing + 1, missing + 4):
        if _part(first, stem, number, digits) is not None:
            raise BadInput(
                f"{first}: the part {stem}{missing:0{digits}} is missing; put it beside the others."
            )
