# SPDX-License-Identifier: Apache-2.0
"""The writing stage of a job: layout by Q, output rule, image, account of its sectors, proof."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from imagerd.archive.account import image_map, moves_audio
from imagerd.archive.identify import DiscIdentity
from imagerd.archive.naming import fields_of, fill_template, free_folder
from imagerd.archive.output import choose_output
from imagerd.archive.publish import Publication, fresh_staging, read_back, remember
from imagerd.archive.sidecars import Wanted, write_sidecars
from imagerd.archive.world import World
from imagerd.base.progress import Task
from imagerd.disc.source import Sectors, SectorSource
from imagerd.formats.write import write_image
from imagerd.formats.written import WriteOptions
from imagerd.recovery.job import LayoutRecord
from imagerd.recovery.outside import sound_edges
from imagerd.recovery.report import FileDigests
from imagerd.recovery.subq import refine
from imagerd.recovery.worksource import WorkSource
from imagerd.recovery.workspace import Workspace
from imagerd.sectors.offset import OffsetView
from imagerd.toolkit.match.listening import Ear


@dataclass(frozen=True, slots=True)
class Subject:
    """What is written: `name` is the disc's, `drive` the model, `job` the id.

    `warnings`: what was odd about the disc when it was identified.
    """

    identity: DiscIdentity
    name: str
    job: str
    drive: str
    read_offset: int | None
    warnings: tuple[str, ...] = ()


def write_publication(work: Workspace, subject: Subject, world: World) -> Task[Publication]:
    """Write and prove the files of the image in a staging folder, and remember them for the job."""
    policy = world.config.policy
    refined = refine(work)
    refined = replace(refined, findings=(*subject.warnings, *refined.findings))
    offset = subject.read_offset if moves_audio(refined.layout, subject.read_offset) else None
    source, notes = _corrected(WorkSource(work, refined.layout), offset, sound_edges(work.folder))
    choice = yield from choose_output(source, policy.output)
    folder = _folder(subject, world)
    with fresh_staging(world.config.archive.folder, subject.job) as staging:
        target = staging / f"{folder.name}{choice.suffix}"
        options = WriteOptions(split_tracks=policy.split_tracks, fill=bytes([work.job.fill]))
        ear = Ear(source)
        written = yield from write_image(ear, target, options)
        sectors = image_map(work, refined.layout, offset)
        wanted = Wanted(policy.keep_subchannel, policy.repair_subchannel, subject.read_offset)
        others = write_sidecars(work, sectors, refined, written, wanted)
        files = (*written.files, *others)
        verified = yield from read_back(files)
        publication = Publication(
            staging=str(staging),
            folder=str(folder),
            container=written.format,
            main=written.target.name,
            layout=LayoutRecord.of(refined.layout),
            files=[FileDigests.of(file.path.name, file.digests) for file in files],
            tracks=[FileDigests.of(str(t.number), t.digests) for t in written.tracks],
            reason=choice.reason,
            notes=[*refined.findings, *notes, *(f"Left out: {what}." for what in written.left_out)],
            fill=f"bytes {work.job.fill:#04x}, silence in audio" if written.bad else None,
            read_offset=offset,
            verified=verified,
            sounds=ear.sounds(),
        )
        remember(work.folder, publication)
    return publication


def _corrected(
    source: WorkSource, offset: int | None, beyond: tuple[Sectors, ...]
) -> tuple[SectorSource, tuple[str, ...]]:
    """The source with the drive's read offset taken out of its audio, and what to say of it.

    `beyond` are sectors just outside the sessions, for what the offset moves in from there.
    """
    if not offset:
        return source, ()
    view = OffsetView(source, offset, beyond)
    missing = ", ".join(f"{area.start}–{area.stop - 1}" for area in view.padded)
    said = f"Audio was moved by the drive's read offset of {offset} samples"
    if missing:
        said += f"; what lies beyond the audio was not read: LBA {missing} hold silence there"
    else:
        said += "; what comes from beyond the audio was read there"
    return view, (said + ".",)


def _folder(subject: Subject, world: World) -> Path:
    """The image's folder in the archive; its last part names the files, too."""
    identity, archive = subject.identity, world.config.archive
    fields = fields_of(
        label=subject.name,
        disc=identity.fingerprint[:8],
        job=subject.job,
        drive=subject.drive,
        medium=identity.layout.medium.value,
        now=datetime.now(UTC),
    )
    return free_folder(archive.folder, fill_template(archive.naming, fields))
