# SPDX-License-Identifier: Apache-2.0
"""The cue sheet that a disc was described by once, kept inside of other containers.

Kept are the bytes of the sheet, those of its CD-Text file, and which sectors lay in which of its
files, so that the way back gives the very files again. As JSON, which every container puts where
it has room for it: a comment, a chunk, metadata; else a file beside it (``sidecar``). What is
read back may have been written by anybody: it is believed only as far as the sectors bear it out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from imagerd.disc.layout import SectorFormat

LARGEST = 1 << 18  # bytes of a sheet; real ones have some kilobytes
LARGEST_PACKED = 8 << 20
_LONGEST_LINE = 96
_VERSION = 1
_FORMATS = {form.name: form for form in SectorFormat}

_Number = Annotated[int, Meta(ge=0, le=1 << 27)]


class Run(msgspec.Struct, frozen=True, array_like=True):
    """`count` sectors from `lba`, each as `form` names it (a member of `SectorFormat`)."""

    lba: _Number
    count: _Number
    form: str

    @property
    def stored(self) -> SectorFormat:
        """How they are stored."""
        return _FORMATS[self.form]

    @property
    def lbas(self) -> range:
        """Which sectors they are."""
        return range(self.lba, self.lba + self.count)


Runs = tuple[Run, ...]


class KeptSheet(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sheet. `files`: for each FILE command, the sectors of that file, which is nothing else.

    Empty `files`: they cannot be made again as they were (WAVE, or not whole), so that only the
    remarks and texts of the sheet are of use. `cdt`: the bytes of the CDTEXTFILE. `checksum`: of
    all sectors of the files, raw as they were, where less than that is kept of them (``proof``).
    `lost`: names of the features that a container on the way could not hold, for which the sheet
    alone speaks now.
    """

    sheet: bytes
    files: Annotated[tuple[Runs, ...], Meta(max_length=1000)] = ()
    cdt: Annotated[bytes, Meta(max_length=LARGEST)] = b""
    checksum: Annotated[bytes, Meta(max_length=8)] = b""
    lost: Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    version: int = _VERSION

    @property
    def too_long(self) -> bool:
        """Whether it is longer than what other containers keep."""
        return len(self.sheet) > LARGEST or len(self.cdt) > LARGEST


def pack(kept: KeptSheet) -> bytes:
    """As JSON."""
    return msgspec.json.encode(kept)


def unpack(data: bytes) -> KeptSheet | None:
    """The sheet of `pack`; None for what is none."""
    if len(data) > LARGEST_PACKED:
        return None
    try:
        kept = msgspec.json.decode(data.rstrip(b"\0 \r\n"), type=KeptSheet)
    except (msgspec.MsgspecError, RecursionError):
        return None
    known = all(run.form in _FORMATS and run.count for runs in kept.files for run in runs)
    good = kept.version == _VERSION and known and not kept.too_long
    return kept if good else None


def text_lines(kept: KeptSheet) -> Iterator[str]:
    """`pack` in letters and digits, in short lines, for containers of text."""
    text = base64.b64encode(pack(kept)).decode("ascii")
    yield from (text[at : at + _LONGEST_LINE] for at in range(0, len(text), _LONGEST_LINE))


def from_lines(lines: Iterable[str]) -> KeptSheet | None:
    """The sheet of `text_lines`; None for what is none."""
    text = "".join(lines)
    try:
        return unpack(base64.b64decode(text, validate=True)) if text else None
    except ValueError:
        return None
