# SPDX-License-Identifier: Apache-2.0
"""The DATs in a file: itself, or those in a zip archive, which is never unpacked to the disk."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol, cast

from imagerd.base.errors import BadInput, NotAvailable
from imagerd.base.harmless import clean
from imagerd.toolkit.dat.clrmamepro import BEGINNING, read_text_dat
from imagerd.toolkit.dat.reading import LARGEST, read_dat
from imagerd.toolkit.dat.records import Game, Header

_MOST_MEMBERS: Final = 20_000
_SUFFIXES: Final = frozenset({".dat", ".xml"})


def read_dats(path: Path) -> Iterator[Iterator[Header | Game]]:
    """One stream (see `read_dat`) for each DAT file in `path`, in the archive's order.

    Each must be read to its end before the next is asked for. Raises `BadInput` for what is no
    DAT, `NotAvailable` for a file that cannot be read.
    """
    try:
        with path.open("rb") as stream:
            if stream.peek(4).startswith(b"PK\x03\x04"):
                yield from _of_zip(path, stream)
            else:
                yield _read(stream, path.name)
    except OSError as error:
        raise NotAvailable(f"Cannot read {path}: {error.strerror or error}.") from error


class _Peeking(Protocol):
    """A stream that can be looked into: what `open` gives, and what `zipfile` does."""

    def peek(self, size: int = ..., /) -> bytes: ...


def _read(stream: _Peeking, name: str) -> Iterator[Header | Game]:
    """One DAT in whichever form."""
    head = stream.peek(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    read = read_text_dat if head[: len(BEGINNING)].lower() == BEGINNING else read_dat
    return read(cast("BinaryIO", stream), name)


def _of_zip(path: Path, stream: BinaryIO) -> Iterator[Iterator[Header | Game]]:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                raise BadInput(f"{path} holds more than {_MOST_MEMBERS} files; unpack it.")
            dats = [m for m in members if PurePosixPath(m.filename).suffix.lower() in _SUFFIXES]
            if sum(member.file_size for member in dats) > LARGEST:
                raise BadInput(f"{path} unpacks to more than {LARGEST >> 20} MiB; unpack it.")
            if not dats:
                raise BadInput(f"{path} holds no DAT (a file called .dat or .xml).")
            for member in dats:
                name = clean(PurePosixPath(member.filename).name)
                with archive.open(member) as inner:
                    yield _in_zip(cast("_Peeking", inner), path, name)
    except _BROKEN as error:
        raise BadInput(f"{path} is not a zip archive that can be read: {error}.") from error


# RuntimeError and NotImplementedError: zipfile's words for encryption and unknown methods; the last
# two: it does not look at what it unpacks its own structures from.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError, EOFError,
    ValueError, struct.error,
)  # fmt: skip


def _in_zip(stream: _Peeking, path: Path, name: str) -> Iterator[Header | Game]:
    try:
        yield from _read(stream, name)
    except _BROKEN as error:
        raise BadInput(f"{name} in {path} cannot be unpacked: {error}.") from error
