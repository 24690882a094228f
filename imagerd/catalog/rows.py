# SPDX-License-Identifier: Apache-2.0
"""From rows to records and back: the one place where both are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import RowMapping

from imagerd.base.digests import Digests
from imagerd.catalog.models import (
    DiscRow,
    DriveRow,
    EventRow,
    FileRow,
    ImageRow,
    JobRow,
    RunRow,
    TrackRow,
)
from imagerd.catalog.records import (
    Counts,
    Disc,
    Drive,
    ErrorRange,
    Event,
    Image,
    ImageFile,
    ImageSummary,
    ImageTrack,
    Job,
    JobState,
    Pass,
    RangeState,
)


def clean(text: str) -> str:
    """`text` as every database takes it: no NULs, nothing that is not Unicode."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def clean_or_none(text: str | None) -> str | None:
    """As `clean`; nothing stays nothing."""
    return None if text is None else clean(text)


def drive_of(row: DriveRow) -> Drive:
    """A drive."""
    return Drive(
        vendor=row.vendor,
        product=row.product,
        revision=row.revision,
        serial=row.serial,
        address=row.address,
        read_offset=row.read_offset,
        capabilities=row.capabilities,
        id=row.id,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )


def disc_of(row: DiscRow) -> Disc:
    """A disc."""
    return Disc(
        fingerprint=row.fingerprint,
        medium=row.medium,
        toc=row.toc,
        sectors=row.sectors,
        layout=row.layout,
        musicbrainz_id=row.musicbrainz_id,
        cddb_id=row.cddb_id,
        volume_id=row.volume_id,
        title=row.title,
        id=row.id,
        first_seen=row.first_seen,
    )


def job_of(row: JobRow) -> Job:
    """A job with its drive and disc."""
    return Job(
        id=row.id,
        state=JobState(row.state),
        created=row.created,
        policy=row.policy,
        attempts=row.attempts,
        workspace=row.workspace,
        error=row.error,
        started=row.started,
        ended=row.ended,
        progress=row.progress,
        drive=None if row.drive is None else drive_of(row.drive),
        disc=None if row.disc is None else disc_of(row.disc),
    )


def pass_of(row: RunRow) -> Pass:
    """A pass."""
    return Pass(
        name=row.name,
        started=row.started,
        ended=row.ended,
        drive_id=row.drive_id,
        speed=row.speed,
        asked=row.asked,
        good=row.good,
        bad=row.bad,
        software=row.software,
    )


def range_of(row: RowMapping) -> ErrorRange:
    """An error range, from the columns of its table."""
    sense = None
    if row["sense_key"] is not None:
        sense = (row["sense_key"], row["asc"], row["ascq"])
    return ErrorRange(
        lba=row["lba"],
        count=row["count"],
        state=RangeState(row["state"]),
        kind=row["kind"],
        sense=sense,
        attempts=row["attempts"],
        first=row["first"],
        last=row["last"],
        repaired=row["repaired"],
    )


def range_values(
    ranges: Iterable[ErrorRange], job_id: str, image_id: int | None
) -> list[Mapping[str, object]]:
    """Rows for a bulk insert."""
    return [
        {
            "job_id": job_id,
            "image_id": image_id,
            "lba": r.lba,
            "count": r.count,
            "state": r.state.value,
            "kind": r.kind,
            "sense_key": None if r.sense is None else r.sense[0],
            "asc": None if r.sense is None else r.sense[1],
            "ascq": None if r.sense is None else r.sense[2],
            "attempts": r.attempts,
            "first": r.first,
            "last": r.last,
            "repaired": r.repaired,
        }
        for r in ranges
    ]


def summary_of(row: ImageRow) -> ImageSummary:
    """An image without files and tracks, which need not be loaded."""
    return ImageSummary(
        name=row.name,
        format=row.format,
        folder=row.folder,
        main=row.main,
        counts=_counts_of(row),
        read_offset=row.read_offset,
        fill=row.fill,
        verified=row.verified,
        notes=tuple(row.notes),
        id=row.id,
        job_id=row.job_id,
        state=JobState(row.state),
        created=row.created,
        size=row.size,
        errors=row.errors,
        disc=None if row.disc is None else disc_of(row.disc),
    )


def image_of(row: ImageRow) -> Image:
    """An image with files and tracks, which must be loaded."""
    return Image(
        name=row.name,
        format=row.format,
        folder=row.folder,
        main=row.main,
        counts=_counts_of(row),
        read_offset=row.read_offset,
        fill=row.fill,
        verified=row.verified,
        notes=tuple(row.notes),
        id=row.id,
        job_id=row.job_id,
        state=JobState(row.state),
        created=row.created,
        size=row.size,
        errors=row.errors,
        disc=None if row.disc is None else disc_of(row.disc),
        files=tuple(ImageFile(file.path, digests_of(file)) for file in row.files),
        tracks=tuple(_track_of(track) for track in row.tracks),
    )


def _counts_of(row: ImageRow) -> Counts:
    return Counts(proven=row.proven, good=row.good, suspect=row.suspect, failed=row.failed)


def digests_of(row: FileRow) -> Digests:
    """The digests of a file."""
    return Digests(size=row.size, crc32=row.crc32, md5=row.md5, sha1=row.sha1, sha256=row.sha256)


def file_row(file: ImageFile) -> FileRow:
    """A file's row, not yet of an image."""
    d = file.digests
    return FileRow(
        path=file.path, size=d.size, crc32=d.crc32, md5=d.md5, sha1=d.sha1, sha256=d.sha256
    )


def track_row(track: ImageTrack) -> TrackRow:
    """A track's row, not yet of an image."""
    digests = track.digests
    return TrackRow(
        number=track.number,
        session=track.session,
        mode=track.mode,
        start=track.start,
        index1=track.index1,
        end=track.end,
        pregap=track.pregap,
        isrc=track.isrc,
        control=track.control,
        size=None if digests is None else digests.size,
        crc32=None if digests is None else digests.crc32,
        md5=None if digests is None else digests.md5,
        sha1=None if digests is None else digests.sha1,
        sha256=None if digests is None else digests.sha256,
    )


def _track_of(row: TrackRow) -> ImageTrack:
    digests = None
    if row.size is not None:
        digests = Digests(
            size=row.size,
            crc32=row.crc32 or "",
            md5=row.md5 or "",
            sha1=row.sha1 or "",
            sha256=row.sha256 or "",
        )
    return ImageTrack(
        number=row.number,
        session=row.session,
        mode=row.mode,
        start=row.start,
        index1=row.index1,
        end=row.end,
        pregap=row.pregap,
        isrc=row.isrc,
        control=row.control,
        digests=digests,
    )


def event_of(row: EventRow) -> Event:
    """An event."""
    return Event(row.id, row.time, row.kind, row.subject, row.detail)
