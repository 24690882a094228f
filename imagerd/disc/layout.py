# SPDX-License-Identifier: Apache-2.0
"""The layout of a disc: sessions, tracks, indexes, and what is known of them.

All addresses are LBAs of the program area; ranges are half open. Track 1's implied pregap at LBA
-150 … -1 is not part of a layout; a longer one (hidden track one audio) shows as INDEX 00 at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, IntFlag, StrEnum

from imagerd.disc.cdtext import CdText


class Medium(StrEnum):
    """The family of discs. What is common to all CDs (raw sectors, tracks) is decided by it."""

    CD = "cd"
    DVD = "dvd"
    BD = "bd"
    HDDVD = "hddvd"


class TrackMode(StrEnum):
    """What the sectors of a track are, whatever their stored form."""

    AUDIO = "audio"
    MODE0 = "mode0"
    MODE1 = "mode1"
    MODE2 = "mode2"  # formless or XA; the form is a matter of each sector
    BLOCKS = "blocks"  # DVD, BD: 2048 bytes of user data, no raw form


class DiscType(Enum):
    """PSEC of point A0 in the TOC (MMC-6, READ TOC format 2)."""

    CDDA_OR_ROM = 0x00
    CDI = 0x10
    XA = 0x20


class Control(IntFlag):
    """The CONTROL nibble of Q (ECMA-130, 22.3.1)."""

    NONE = 0
    PRE_EMPHASIS = 1
    COPY_PERMITTED = 2
    DATA = 4
    FOUR_CHANNEL = 8


class SectorFormat(Enum):
    """How a sector is stored: its size and which part of the 2352 bytes it is.

    The value is ``(bytes, name)``.
    """

    RAW = (2352, "raw")  # audio samples, or sync to parity of a data sector
    USER = (2048, "user")  # user data of mode 1 or mode 2 form 1; blocks of a DVD
    FORM2 = (2324, "form2")  # user data of mode 2 form 2
    XA_USER = (2332, "subheader+form2-data")  # mode 2: 8 bytes subheader + 2324, no EDC
    MODE2 = (2336, "mode2")  # all after the header of a mode 2 (or mode 0) sector
    RAW_SUB = (2448, "raw+sub")  # RAW, then 96 bytes of raw (interleaved) P–W subchannel
    USER_SUB = (2144, "user+sub")  # USER, then 96 bytes of subchannel

    @property
    def size(self) -> int:
        """Bytes of one sector."""
        return self.value[0]


@dataclass(frozen=True, slots=True)
class Index:
    """Index `number` (0–99) begins at `lba`. INDEX 00 is the pregap, INDEX 01 the start."""

    number: int
    lba: int


@dataclass(frozen=True, slots=True)
class Track:
    """One track: LBAs `start` (of INDEX 00 if there is one) up to, not including, `end`.

    `indexes` ascend in number and LBA and hold INDEX 01. The first `pregap_virtual` and the last
    `postgap_virtual` sectors exist on the disc but not in the image (PREGAP, POSTGAP of a cue
    sheet); a source gives silence or empty sectors for them.
    """

    number: int
    session: int
    mode: TrackMode
    indexes: tuple[Index, ...]
    end: int
    stored: SectorFormat = SectorFormat.RAW
    control: Control = Control.NONE
    isrc: str | None = None
    pregap_virtual: int = 0
    postgap_virtual: int = 0

    def __post_init__(self) -> None:
        numbers = [index.number for index in self.indexes]
        lbas = [index.lba for index in self.indexes]
        if 1 not in numbers or numbers != sorted(set(numbers)) or lbas != sorted(lbas):
            raise ValueError(f"track {self.number}: bad indexes {self.indexes}")
        if self.end < lbas[-1]:
            raise ValueError(f"track {self.number} ends at {self.end}, before its last index")

    @property
    def start(self) -> int:
        """First LBA that belongs to the track, its pregap included."""
        return self.indexes[0].lba

    @property
    def index1(self) -> int:
        """LBA of INDEX 01, the address in the TOC."""
        return next(index.lba for index in self.indexes if index.number == 1)

    @property
    def is_data(self) -> bool:
        """Whether it is anything but audio."""
        return self.mode is not TrackMode.AUDIO

    @property
    def pregap(self) -> int:
        """Sectors of INDEX 00, stored or not."""
        return self.index1 - self.start

    @property
    def stored_range(self) -> range:
        """The LBAs that an image of this track really holds."""
        return range(self.start + self.pregap_virtual, self.end - self.postgap_virtual)

    def index_at(self, lba: int) -> int:
        """The index number that `lba` falls under."""
        return max(i.number for i in self.indexes if i.lba <= lba)


@dataclass(frozen=True, slots=True)
class Session:
    """One session. `lead_out` is the LBA where its lead-out begins."""

    number: int
    tracks: tuple[Track, ...]
    lead_out: int

    @property
    def start(self) -> int:
        """First LBA of its first track."""
        return self.tracks[0].start


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole disc. `layers`: LBAs at which a further layer begins (DVD, BD); empty for one."""

    medium: Medium
    sessions: tuple[Session, ...]
    disc_type: DiscType = DiscType.CDDA_OR_ROM
    mcn: str | None = None
    cd_text: CdText | None = None
    layers: tuple[int, ...] = field(default=())

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks of all sessions."""
        return tuple(track for session in self.sessions for track in session.tracks)

    @property
    def start(self) -> int:
        """First LBA."""
        return self.sessions[0].start

    @property
    def end(self) -> int:
        """LBA of the last lead-out: one past the last readable sector."""
        return self.sessions[-1].lead_out

    @property
    def is_cd(self) -> bool:
        """Whether sectors have a raw form of 2352 bytes."""
        return self.medium is Medium.CD

    def ranges(self) -> Iterator[range]:
        """The program area of each session; between them lie lead-out, lead-in and pregap."""
        for session in self.sessions:
            yield range(session.start, session.lead_out)

    @property
    def sectors(self) -> int:
        """Readable sectors of all sessions."""
        return sum(len(area) for area in self.ranges())

    def with_tracks(self, change: Callable[[Track], Track]) -> Layout:
        """The same with each track as `change` makes it."""
        sessions = tuple(
            replace(session, tracks=tuple(change(track) for track in session.tracks))
            for session in self.sessions
        )
        return replace(self, sessions=sessions)

    def track_at(self, lba: int) -> Track | None:
        """The track that holds `lba`, or None in a gap between sessions and outside."""
        for track in self.tracks:
            if track.start <= lba < track.end:
                return track
        return None


def single_track(
    sectors: int,
    mode: TrackMode,
    *,
    medium: Medium = Medium.CD,
    stored: SectorFormat = SectorFormat.RAW,
    layers: tuple[int, ...] = (),
) -> Layout:
    """The layout of one session with one track at LBA 0."""
    control = Control.NONE if mode is TrackMode.AUDIO else Control.DATA
    track = Track(1, 1, mode, (Index(1, 0),), sectors, stored, control)
    return Layout(medium, (Session(1, (track,), sectors),), layers=layers)
