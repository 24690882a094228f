# SPDX-License-Identifier: Apache-2.0
"""What a job was begun with: `job.json`, written once and never changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from imagerd.base.errors import BadInput, InternalError
from imagerd.disc.cdtext import CdText
from imagerd.disc.layout import (
    Control,
    DiscType,
    Index,
    Layout,
    Medium,
    SectorFormat,
    Session,
    Track,
    TrackMode,
)

FORMAT = 1


class DriveRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The drive that reads."""

    vendor: str = ""
    product: str = ""
    revision: str = ""
    serial: str = ""
    address: str = ""


class TocRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The drive's replies to READ TOC/PMA/ATIP as they came, headers included; b"": it gave none.

    In the order of the formats 0 (LBA), 2, 3, 4 (MSF) and 5 (MMC-6, 6.25).
    """

    tracks: bytes = b""
    full: bytes = b""
    pma: bytes = b""
    atip: bytes = b""
    cd_text: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.tracks or self.full)


class ReadFeatures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the drive gives beside the bytes of a sector."""

    c2: bool = False
    sub: bool = False


class TrackRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `Track` as it is stored."""

    number: int
    session: int
    mode: str
    indexes: list[tuple[int, int]]
    end: int
    stored: str = "RAW"
    control: int = 0
    isrc: str | None = None
    pregap_virtual: int = 0
    postgap_virtual: int = 0


class LayoutRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `Layout` as it is stored. `sessions` are (number, LBA of the lead-out)."""

    medium: str
    tracks: list[TrackRecord]
    sessions: list[tuple[int, int]]
    disc_type: int = 0
    mcn: str | None = None
    cd_text: bytes | None = None
    layers: list[int] = []

    @classmethod
    def of(cls, layout: Layout) -> LayoutRecord:
        """The record of `layout`."""
        return cls(
            medium=layout.medium.value,
            tracks=[_track_record(track) for track in layout.tracks],
            sessions=[(session.number, session.lead_out) for session in layout.sessions],
            disc_type=layout.disc_type.value,
            mcn=layout.mcn,
            cd_text=None if layout.cd_text is None else layout.cd_text.packs,
            layers=list(layout.layers),
        )

    def layout(self) -> Layout:
        """The layout again. Raises `ValueError` or `KeyError` if it makes no sense."""
        tracks = [_track(record) for record in self.tracks]
        return Layout(
            Medium(self.medium),
            tuple(
                Session(number, tuple(t for t in tracks if t.session == number), lead_out)
                for number, lead_out in self.sessions
            ),
            DiscType(self.disc_type),
            self.mcn,
            None if self.cd_text is None else CdText(self.cd_text),
            tuple(self.layers),
        )


def _track_record(track: Track) -> TrackRecord:
    return TrackRecord(
        number=track.number,
        session=track.session,
        mode=track.mode.value,
        indexes=[(index.number, index.lba) for index in track.indexes],
        end=track.end,
        stored=track.stored.name,
        control=int(track.control),
        isrc=track.isrc,
        pregap_virtual=track.pregap_virtual,
        postgap_virtual=track.postgap_virtual,
    )


def _track(record: TrackRecord) -> Track:
    return Track(
        record.number,
        record.session,
        TrackMode(record.mode),
        tuple(Index(number, lba) for number, lba in record.indexes),
        record.end,
        SectorFormat[record.stored],
        Control(record.control),
        record.isrc,
        record.pregap_virtual,
        record.postgap_virtual,
    )


class Job(msgspec.Struct, frozen=True):
    """A job: the disc it is for, the drive it was begun with, and how its gaps are filled.

    `fingerprint` is any text that is equal for the same disc and differs for others. Sectors that
    stay unread are filled with the byte `fill`, those of audio tracks with `fill_audio`. `labels`
    are the caller's own. `toc`: of a CD, what the drive said of it when the job was begun.
    """

    fingerprint: str
    layout: LayoutRecord
    drive: DriveRecord = DriveRecord()
    features: ReadFeatures = ReadFeatures()
    fill: int = 0x55
    fill_audio: int = 0x00
    software: str = ""
    created: datetime = datetime.fromtimestamp(0, UTC)
    labels: dict[str, str] = {}
    toc: TocRecord = TocRecord()
    format: int = FORMAT


def save_job(job: Job) -> bytes:
    """The bytes of `job.json`. Raises `InternalError` for a job that could not be read again."""
    raw = msgspec.json.encode(job)
    try:
        msgspec.json.decode(raw, type=Job)
    except msgspec.MsgspecError as error:
        raise InternalError(f"A job was made of wrong values: {error}.") from error
    return msgspec.json.format(raw, indent=1) + b"\n"


def load_job(path: Path) -> Job:
    """Read `job.json`; raises `BadInput` if it is damaged or of a later version."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"Cannot read {path}: {error.strerror}; is this a job's folder?") from error
    try:
        job = msgspec.json.decode(raw, type=Job)
        job.layout.layout()
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        raise BadInput(f"{path} is damaged ({error}); begin the job anew.") from error
    if job.format != FORMAT:
        raise BadInput(f"{path} was written by a later imagerd (format {job.format}); use that.")
    return job
