# SPDX-License-Identifier: Apache-2.0
"""What a cdrdao TOC says, before its files are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from imagerd.disc.cdtext import PackType
from imagerd.disc.layout import Control, DiscType, SectorFormat, TrackMode


class Sub(Enum):
    """The subchannel behind each sector."""

    NONE = ""
    PACKED = "RW"  # R–W packs as a program writes them, 96 bytes of six bits
    RAW = "RW_RAW"  # R–W as on the disc, interleaved; P and Q are there where a drive gave them


MODES: dict[str, tuple[TrackMode, SectorFormat]] = {
    "AUDIO": (TrackMode.AUDIO, SectorFormat.RAW),
    "MODE0": (TrackMode.MODE0, SectorFormat.MODE2),
    "MODE1": (TrackMode.MODE1, SectorFormat.USER),
    "MODE1_RAW": (TrackMode.MODE1, SectorFormat.RAW),
    "MODE2": (TrackMode.MODE2, SectorFormat.MODE2),
    "MODE2_RAW": (TrackMode.MODE2, SectorFormat.RAW),
    "MODE2_FORM1": (TrackMode.MODE2, SectorFormat.USER),
    "MODE2_FORM2": (TrackMode.MODE2, SectorFormat.FORM2),
    "MODE2_FORM_MIX": (TrackMode.MODE2, SectorFormat.MODE2),
}
DISC_TYPES = {
    "CD_DA": DiscType.CDDA_OR_ROM,
    "CD_ROM": DiscType.CDDA_OR_ROM,
    "CD_ROM_XA": DiscType.XA,
    "CD_I": DiscType.CDI,
}
SAMPLES = 588  # of one sector of audio
COMMENT = "// imagerd-sheet "  # begins the lines that keep the cue sheet of the disc


@dataclass(frozen=True, slots=True)
class Length:
    """A length or a start: in sectors, or `units`, which are samples of audio, bytes of data."""

    sectors: int = 0
    units: int = 0

    def bytes(self, size: int, *, samples: bool) -> int:
        """In bytes of a file with sectors of `size` bytes; `samples`: the units are samples."""
        if not samples:
            return self.sectors * size + self.units
        whole, rest = divmod(self.units, SAMPLES)
        return (self.sectors + whole) * size + rest * 4


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a track: of the file number `file` of the program, or of zeros if it is None.

    `offset` is in bytes and `start` comes on top of it; a `length` of None goes to the end of the
    file. `samples`: what is no time counts samples, not bytes. Audio is
    big-endian unless `swap` (and little-endian in a WAVE file unless `swap`).
    """

    line: int
    file: int | None = None
    length: Length | None = None
    offset: int = 0
    start: Length = Length()
    samples: bool = False
    swap: bool = False


@dataclass(slots=True)
class TrackEntry:
    """A TRACK and what follows. `pregap_parts` come before START; `start` is its time, if any."""

    line: int
    mode: TrackMode
    stored: SectorFormat
    sub: Sub = Sub.NONE
    control: Control = Control.NONE
    isrc: str | None = None
    parts: list[Part] = field(default_factory=list)
    pregap_parts: int = 0
    start: int | None = None
    indexes: list[tuple[int, int]] = field(default_factory=list)  # line, sectors from INDEX 01


@dataclass(frozen=True, slots=True)
class TextEntry:
    """One text of a CD_TEXT block; `track` counts from 1, 0 is the disc."""

    line: int
    language: int
    kind: PackType
    track: int
    value: str


@dataclass(slots=True)
class Program:
    """A whole TOC. `files` are the names, each once; `notes` are oddities with their lines."""

    disc_type: DiscType | None = None
    catalog: str | None = None
    files: list[str] = field(default_factory=list)
    tracks: list[TrackEntry] = field(default_factory=list)
    texts: list[TextEntry] = field(default_factory=list)
    binary_texts: bool = False
    notes: list[tuple[int | None, str]] = field(default_factory=list)

    def note(self, line: int | None, sentence: str) -> None:
        """Remember an oddity."""
        self.notes.append((line, sentence))
