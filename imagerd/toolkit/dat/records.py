# SPDX-License-Identifier: Apache-2.0
"""What a DAT says, as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from imagerd.base.digests import Digests

# Files beside the tracks of a disc: sheets, subchannel, notes. They describe, and are no track.
_BESIDE: Final = frozenset(
    {".cue", ".gdi", ".ccd", ".sub", ".toc", ".mds", ".m3u", ".sbi", ".cdt", ".log", ".txt"}
)
_DATED: Final = re.compile(r"\D*((?:19|20)\d\d)[-./ ]?(\d\d)[-./ ]?(\d\d)(?!\d)(.*)", re.DOTALL)


class Form(StrEnum):
    """How a DAT is written."""

    LOGIQX = "logiqx"
    SOFTWARE_LIST = "softwarelist"


class Status(StrEnum):
    """What the DAT holds of a dump (Logiqx' DTD, `status` of rom and disk)."""

    GOOD = "good"
    VERIFIED = "verified"
    BAD_DUMP = "baddump"
    NO_DUMP = "nodump"


@dataclass(frozen=True, slots=True)
class Header:
    """Which DAT it is. `name` is that of its system, but for a software list: `system` tells it.

    `publisher`: its home page or else its author: two may call a DAT the same.
    """

    name: str
    form: Form = Form.LOGIQX
    description: str = ""
    version: str = ""
    date: str = ""
    publisher: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True)
class Rom:
    """A file of a dump: digests in lower-case hexadecimal, None where the DAT has none.

    Without a size it is a CHD of MAME's, known by the SHA-1 in its header.
    """

    name: str
    size: int | None
    crc32: str | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    status: Status = Status.GOOD

    @property
    def is_track(self) -> bool:
        """Whether it holds sectors of a disc, and does not only describe them."""
        return PurePosixPath(self.name.replace("\\", "/")).suffix.lower() not in _BESIDE

    def same_as(self, digests: Digests) -> str | None:
        """The strongest digest by which it is the same: sha256, sha1, md5, crc32; None if not.

        All that the DAT has must agree: one that contradicts another proves nothing.
        """
        if self.size is not None and self.size != digests.size:
            return None
        strongest = None
        for name in ("sha256", "sha1", "md5", "crc32"):
            expected = getattr(self, name)
            if expected is None:
                continue
            if expected != getattr(digests, name):
                return None
            strongest = strongest or name
        return None if strongest == "crc32" and self.size is None else strongest


@dataclass(frozen=True, slots=True)
class Game:
    """A dump of a disc (or whatever else the DAT lists) with its files, in the DAT's order."""

    name: str
    roms: tuple[Rom, ...] = ()
    description: str = ""

    @property
    def tracks(self) -> tuple[Rom, ...]:
        """The files that hold sectors."""
        return tuple(rom for rom in self.roms if rom.is_track)


def age(header: Header) -> tuple[str, tuple[int, ...]] | None:
    """A key that grows with newer versions of one DAT; None where nothing tells.

    Keys compare only if their first part is the same: "date" or "number".
    """
    for text in (header.version, header.date):
        dated = _DATED.fullmatch(text)
        if dated is not None:
            rest = re.findall(r"\d+", dated[4])
            clock = re.findall(r"\d\d", "".join(rest))
            return "date", tuple(int(part) for part in (*dated.group(1, 2, 3), *clock))
        numbers = re.findall(r"\d{1,18}", text)
        if numbers:
            return "number", tuple(int(part) for part in numbers)
    return None


def is_older(one: Header, other: Header) -> bool:
    """Whether `one` surely is an older version than `other`."""
    mine, theirs = age(one), age(other)
    if mine is None or theirs is None or mine[0] != theirs[0]:
        return False
    return mine[1] < theirs[1]
