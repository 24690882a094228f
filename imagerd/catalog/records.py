# SPDX-License-Identifier: Apache-2.0
"""What goes into the catalog and what comes out: frozen values, never rows of a session.

Classes named `New…` go in; the others come out, with the ids that the catalog gave. Times are
aware, in UTC. `JsonObject` values must be what JSON can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from imagerd.base.digests import Digests
from imagerd.devices.knowledge.c2 import C2Counts, C2Verdict, judge
from imagerd.devices.knowledge.record import DriveKnowledge
from imagerd.toolkit.dat.records import Header

JsonObject: TypeAlias = Mapping[str, object]


class JobState(StrEnum):
    """Where a job stands; `imagerd.catalog.states` says what may follow what."""

    QUEUED = "queued"
    IDENTIFYING = "identifying"
    READING = "reading"
    WRITING = "writing"
    VERIFYING = "verifying"
    PAUSED = "paused"  # goes on by itself or when told: disk full, drive gone, the daemon stopped
    WAITING = "waiting"  # for a person's answer
    DONE = "done"
    PARTIAL = "partial"  # an image exists, and some of its sectors are filling
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # by policy: an image of this disc exists


class RangeState(StrEnum):
    """What is the matter with a range of sectors."""

    UNREAD = "unread"  # never tried: the job ended before
    FAILED = "failed"  # tried, not read; filling in the image
    SUSPECT = "suspect"  # bytes came, but something says that they may be wrong
    READ = "read"  # was bad once, then read without complaint
    PROVEN = "proven"  # was bad once, now proves itself


@dataclass(frozen=True, slots=True)
class NewDrive:
    """A drive as it says it is. `address` is where it was seen (by-id link, device, socket)."""

    vendor: str
    product: str
    revision: str = ""
    serial: str = ""
    address: str = ""
    read_offset: int | None = None  # audio samples, AccurateRip's sign
    capabilities: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drive(NewDrive):
    """A drive that the catalog knows."""

    id: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class DriveModel:
    """A model of drive with one firmware. `knowledge` None: none that this imagerd understands."""

    vendor: str
    product: str
    revision: str
    knowledge: DriveKnowledge | None
    c2: C2Counts

    @property
    def trust(self) -> C2Verdict:
        """What its C2 pointers are worth, by what they said of data sectors so far."""
        return judge(self.c2)


@dataclass(frozen=True, slots=True)
class NewDisc:
    """A disc as identified. Discs with the same `fingerprint` are one disc (or copies of it)."""

    fingerprint: str
    medium: str  # a Medium's value
    toc: str
    sectors: int
    layout: JsonObject
    musicbrainz_id: str | None = None
    cddb_id: str | None = None
    volume_id: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Disc(NewDisc):
    """A disc that the catalog knows."""

    id: int = 0
    first_seen: datetime | None = None

    @property
    def name(self) -> str:
        """What a person would call it."""
        return self.volume_id or self.title or f"{self.medium} {self.fingerprint[:8]}"


@dataclass(frozen=True, slots=True)
class Job:
    """A job: one disc in one drive, from insertion to an image in the archive.

    `progress` is the last snapshot that the worker left; `policy` is as it was when the job began.
    """

    id: str  # a UUID
    state: JobState
    created: datetime
    policy: JsonObject
    attempts: int = 0
    workspace: str | None = None
    error: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    progress: JsonObject | None = None
    drive: Drive | None = None
    disc: Disc | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of reading. `asked`, `good`, `bad` count sectors; `speed` is in kB/s."""

    name: str
    started: datetime
    ended: datetime | None = None
    drive_id: int | None = None
    speed: int | None = None
    asked: int = 0
    good: int = 0
    bad: int = 0
    software: str = ""


@dataclass(frozen=True, slots=True)
class ErrorRange:
    """`count` sectors from `lba` that are, or once were, bad.

    `kind` is a FaultKind's value; `sense` is (key, ASC, ASCQ); `first` and `last` are when the
    trouble was first and last seen. `repaired` tells bytes that were computed, not read.
    """

    lba: int
    count: int
    state: RangeState
    kind: str | None = None
    sense: tuple[int, int, int] | None = None
    attempts: int = 0
    first: datetime | None = None
    last: datetime | None = None
    repaired: bool = False

    @property
    def end(self) -> int:
        """One past the last LBA."""
        return self.lba + self.count


@dataclass(frozen=True, slots=True)
class Counts:
    """How many sectors of an image are in which state; together they are all of it."""

    proven: int = 0
    good: int = 0  # read without complaint, by one reading
    suspect: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All sectors."""
        return self.proven + self.good + self.suspect + self.failed

    @property
    def complete(self) -> bool:
        """Whether no sector is missing or doubtful."""
        return not (self.suspect or self.failed)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file of an image; `path` is relative to the image's folder."""

    path: str
    digests: Digests


@dataclass(frozen=True, slots=True)
class ImageTrack:
    """A track of an image: LBAs as in the layout; `pregap` in sectors; digests of its bytes."""

    number: int
    session: int
    mode: str  # a TrackMode's value
    start: int
    index1: int
    end: int
    pregap: int = 0
    isrc: str | None = None
    control: int = 0
    digests: Digests | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What is said of an image before and after it is in the catalog."""

    name: str
    format: str
    folder: str
    main: str
    counts: Counts
    read_offset: int | None = None
    fill: str | None = None
    verified: datetime | None = None
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The absolute path of the main file."""
        return f"{self.folder.rstrip('/')}/{self.main}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage(_About):
    """A finished image. `folder` is absolute; `main` (the .iso, the .cue) is relative to it.

    `name` is what people call it; it need not be unique. `read_offset` is the number of samples by
    which audio was corrected, `fill` says what stands in sectors that are missing, `notes` what
    was left out and what was odd.
    """

    files: tuple[ImageFile, ...]
    tracks: tuple[ImageTrack, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSummary(_About):
    """An image in the catalog. `size` is of all files, in bytes; `errors` counts error ranges."""

    id: int
    job_id: str
    state: JobState  # done or partial
    created: datetime
    size: int
    errors: int
    disc: Disc | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(ImageSummary):
    """An image with all that the catalog knows of it but its error ranges."""

    files: tuple[ImageFile, ...]
    tracks: tuple[ImageTrack, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; never changed afterwards."""

    id: int
    time: datetime
    kind: str
    subject: str
    detail: JsonObject


@dataclass(frozen=True, slots=True)
class Dat:
    """A DAT in the catalog. `source`: the file it came from."""

    id: int
    header: Header
    source: str
    imported: datetime
    games: int
    roms: int


@dataclass(frozen=True, slots=True)
class DatImport:
    """A DAT that was imported, and the one whose place it took."""

    dat: Dat
    before: Dat | None = None


def utc_now() -> datetime:
    """The time for the catalog."""
    return datetime.now(UTC)
