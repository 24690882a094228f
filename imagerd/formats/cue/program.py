# SPDX-License-Identifier: Apache-2.0
"""What the commands of a sheet say, before any data file is looked at.

Forgiving: whatever can be understood is, and each oddity is noted with its line number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from imagerd.disc.cdtext import PackType
from imagerd.disc.layout import Control, DiscType, SectorFormat, TrackMode

Notes = list[tuple[int | None, str]]  # line number, sentence
_MOST_NOTES = 1000


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A FILE command. `names`: its name in the likely decodings. `kind` "" where it has none."""

    names: tuple[str, ...]
    kind: str
    line: int


@dataclass(frozen=True, slots=True)
class Position:
    """`frames` sectors into file number `file` (an index into `Program.files`)."""

    file: int
    frames: int
    line: int


@dataclass(slots=True)
class TrackEntry:
    """A TRACK with all that is said of it. `stored` None: the sheet does not tell."""

    number: int
    line: int
    session: int
    mode: TrackMode
    stored: SectorFormat | None
    indexes: dict[int, Position] = field(default_factory=dict)
    pregap: int = 0
    postgap: int = 0
    control: Control = Control.NONE
    isrc: str | None = None
    address: tuple[int, int] | None = None  # index number and its LBA, by REM MSF

    @property
    def first(self) -> Position:
        """Its first index."""
        return next(iter(self.indexes.values()))


@dataclass(slots=True)
class SessionEntry:
    """What the REM lines say of one session; times in sectors, None where nothing is said.

    `lead_out` is a duration or a position, depending on the files: `place` decides.
    """

    number: int
    line: int
    lead_out: int | None = None
    lead_in: int | None = None
    pregap: int | None = None
    high_density: bool = False


@dataclass(slots=True)
class Program:
    """A whole sheet, understood."""

    files: list[FileEntry] = field(default_factory=list)
    tracks: list[TrackEntry] = field(default_factory=list)
    sessions: list[SessionEntry] = field(default_factory=list)
    catalog: str | None = None
    cdtextfile: tuple[str, int] | None = None
    texts: list[tuple[PackType, int, str, int]] = field(
        default_factory=list
    )  # …, track, text, line
    disc_type: DiscType | None = None
    media_type: str = ""
    notes: Notes = field(default_factory=list)

    def note(self, line: int | None, sentence: str) -> None:
        """Remember an oddity; those of a sheet that is nothing else are not all told."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append((line, sentence))
        elif len(self.notes) == _MOST_NOTES:
            self.notes.append((line, "from here on there is more that is odd"))


_TYPES: dict[str, tuple[TrackMode, SectorFormat | None]] = {
    "AUDIO": (TrackMode.AUDIO, SectorFormat.RAW),
    "AUDIO/2352": (TrackMode.AUDIO, SectorFormat.RAW),
    "CDG": (TrackMode.AUDIO, SectorFormat.RAW_SUB),
    "MODE1": (TrackMode.MODE1, SectorFormat.USER),
    "MODE1/2048": (TrackMode.MODE1, SectorFormat.USER),
    "MODE1/2352": (TrackMode.MODE1, SectorFormat.RAW),
    "MODE1_RAW": (TrackMode.MODE1, SectorFormat.RAW),
    "MODE1/2448": (TrackMode.MODE1, SectorFormat.RAW_SUB),
    "MODE2": (TrackMode.MODE2, SectorFormat.MODE2),
    "MODE2/2048": (TrackMode.MODE2, SectorFormat.USER),
    "MODE2_FORM1": (TrackMode.MODE2, SectorFormat.USER),
    "MODE2/2324": (TrackMode.MODE2, SectorFormat.FORM2),
    "MODE2/2342": (TrackMode.MODE2, SectorFormat.FORM2),  # a widespread slip of the pen
    "MODE2_FORM2": (TrackMode.MODE2, SectorFormat.FORM2),
    "MODE2/2332": (TrackMode.MODE2, SectorFormat.XA_USER),
    "MODE2/2336": (TrackMode.MODE2, SectorFormat.MODE2),
    "MODE2_FORM_MIX": (TrackMode.MODE2, SectorFormat.MODE2),
    "MODE2/2352": (TrackMode.MODE2, SectorFormat.RAW),
    "MODE2_RAW": (TrackMode.MODE2, SectorFormat.RAW),
    "MODE2/2448": (TrackMode.MODE2, SectorFormat.RAW_SUB),
    "CDI/2336": (TrackMode.MODE2, SectorFormat.MODE2),
    "CDI/2352": (TrackMode.MODE2, SectorFormat.RAW),
    "MODE0/2352": (TrackMode.MODE0, SectorFormat.RAW),
    "MODE0/2336": (TrackMode.MODE0, SectorFormat.MODE2),
}
_WITH_SUB = re.compile(r"\bRW(_RAW)?\b", re.IGNORECASE)


def track_type(words: list[str]) -> tuple[TrackMode, SectorFormat | None] | None:
    """Mode and stored format of the words after a track's number; None for an unknown type."""
    if not words:
        return None
    found = _TYPES.get(words[0].upper())
    if found is None or found[1] is not SectorFormat.RAW:
        return found
    if any(_WITH_SUB.fullmatch(word) for word in words[1:]):
        return found[0], SectorFormat.RAW_SUB
    return found
