# SPDX-License-Identifier: Apache-2.0
"""The account of a job as JSON: what was read by what, and what is known of each bad sector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from imagerd import __version__
from imagerd.base.digests import Digests
from imagerd.base.errors import BadInput, InternalError
from imagerd.base.files import write_text_atomically
from imagerd.disc.ids import toc_text
from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorState
from imagerd.formats.binary import read_small
from imagerd.formats.written import WrittenFile
from imagerd.recovery.engine import PassNote, RunNote
from imagerd.recovery.evidence import ErrorRange
from imagerd.recovery.history import Gain, History, Timeline
from imagerd.recovery.job import DriveRecord, LayoutRecord, TocRecord
from imagerd.recovery.looking import Standing, history_of
from imagerd.recovery.protection.facts import Finding
from imagerd.recovery.sectormap import BAD, GOOD, RangeSet, SectorMap
from imagerd.recovery.structure import StructureReport

FORMAT = 1
_LARGEST = 64 << 20  # bytes of a report that is read again
_MOST_PROVEN = 4096  # ranges: a disc of interleaved forms may have a hundred times as many


class DiscReport(msgspec.Struct, frozen=True):
    """The disc. `layout` is whole; reports of an earlier imagerd have none, nor `replies`: what the
    drive said to READ TOC, byte by byte.
    """

    fingerprint: str
    medium: str
    toc: str
    sectors: int
    mcn: str | None = None
    layout: LayoutRecord | None = None
    replies: TocRecord | None = None


class PassReport(msgspec.Struct, frozen=True):
    """One pass of one run. `ended` None: it was cut short. Counts are sectors by state."""

    name: str
    began: datetime
    before: dict[str, int]
    ended: datetime | None = None
    after: dict[str, int] | None = None
    end: str = ""


class RunReport(msgspec.Struct, frozen=True):
    """One process that worked on the job."""

    began: datetime
    software: str
    drive: DriveRecord
    passes: list[PassReport] = []


class RangeReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sectors with one story. `sense` as "KK/AA/QQ" in hexadecimal; `attempts` are those failed.

    `state`: failed (filled), suspect (bytes came but are doubtful), unread (never tried).
    """

    lba: int
    count: int
    state: str
    track: int | None = None
    why: str = ""
    sense: str | None = None
    attempts: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Fill(msgspec.Struct, frozen=True):
    """The byte that unread sectors of data and of audio tracks are filled with."""

    data: int
    audio: int


class FileDigests(msgspec.Struct, frozen=True):
    """Digests of a file of the image, or of a track (its number as `name`)."""

    name: str
    size: int
    crc32: str
    md5: str
    sha1: str
    sha256: str

    @classmethod
    def of(cls, name: str, digests: Digests | None) -> FileDigests:
        """As a record; a file of an archive always has digests."""
        if digests is None:
            raise InternalError(f"{name} was written without digests.")
        return cls(name, digests.size, digests.crc32, digests.md5, digests.sha1, digests.sha256)


class AudioReport(msgspec.Struct, frozen=True):
    """Good sectors of audio, which prove nothing: `twice` that came alike from two readings that no
    cache can have answered, `once` that came without complaint from one. As the drive placed them.
    """

    twice: int
    once: int


class ProtectionReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """A copy protection. `expected` are the sectors that are bad because they were made so, (LBA,
    count); `channel`: "sectors", or "q" where only their Q is. See docs/protection.md.
    """

    name: str
    confidence: str
    evidence: list[str]
    basis: str
    expected: list[tuple[int, int]] = []
    channel: str = "sectors"


class Report(msgspec.Struct, frozen=True):
    """All of it. `bad` are the sectors that are not good, `recovered` those that were not at first.

    `repaired`: good sectors whose bytes were corrected by us with their parity, (LBA, count).
    `protection`: copy protections that were recognised. `structure`: of a CD, see its own page,
    docs/subchannel.md.
    `job` and `name` are what the archive calls
    job and disc. `proven`: where the sectors lie that prove themselves, (LBA, count); None if they
    are too scattered to be listed. `gains`: what came in special ways of reading. `audio`: None
    without any that is good, and in reports of an earlier imagerd.
    """

    format: int
    software: str
    made: datetime
    created: datetime
    disc: DiscReport
    drive: DriveRecord
    counts: dict[str, int]
    complete: bool
    fill: Fill
    runs: list[RunReport]
    bad: list[RangeReport]
    recovered: list[RangeReport]
    repaired: list[tuple[int, int]]
    findings: list[str] = []
    protection: list[ProtectionReport] = []
    structure: StructureReport | None = None
    job: str = ""
    name: str = ""
    proven: list[tuple[int, int]] | None = None
    timeline: Timeline | None = None
    gains: list[Gain] = []
    files: list[FileDigests] = []
    audio: AudioReport | None = None


def build_report(
    work: Standing,
    *,
    layout: Layout | None = None,
    sectors: SectorMap | None = None,
    findings: Sequence[str] = (),
    protection: Sequence[Finding] = (),
    structure: StructureReport | None = None,
    files: Iterable[WrittenFile] = (),
    history: History | None = None,
) -> Report:
    """The report of a job as it stands; `layout` and `findings` as refined by the subchannel.

    `sectors`: the map of the image that it is to be about, where that differs from the reading's.
    `protection`: what `recognise_in` found; `structure`: what `structure_of` did.
    `files`: those of the image. `history`: the job's, if it is known already.
    """
    history = history or history_of(work)
    layout = layout or work.layout
    sectors = work.map if sectors is None else sectors
    counts = {state.name.lower(): count for state, count in sectors.counts().items()}
    return Report(
        format=FORMAT,
        software=__version__,
        made=datetime.now(UTC),
        created=work.job.created,
        disc=DiscReport(
            work.job.fingerprint,
            layout.medium.value,
            toc_text(layout),
            layout.sectors,
            layout.mcn,
            LayoutRecord.of(layout),
            work.job.toc or None,
        ),
        drive=work.job.drive,
        counts=counts,
        complete=sectors.count(*GOOD) == len(sectors),
        fill=Fill(work.job.fill, work.job.fill_audio),
        runs=_runs(work),
        bad=list(bad_ranges(sectors, layout)),
        recovered=list(_recovered(sectors, layout)),
        repaired=[(part.start, len(part)) for part in sectors.repaired],
        findings=list(findings),
        protection=[_protection(found) for found in protection],
        structure=structure,
        job=work.job.labels.get("job", ""),
        name=work.job.labels.get("disc", ""),
        proven=_proven(sectors),
        timeline=history.timeline(),
        gains=history.gains(),
        files=[FileDigests.of(file.path.name, file.digests) for file in files],
        audio=_audio(work.map, layout),
    )


def _proven(sectors: SectorMap) -> list[tuple[int, int]] | None:
    runs = list(islice(sectors.ranges((SectorState.PROVEN,)), _MOST_PROVEN + 1))
    return None if len(runs) > _MOST_PROVEN else [(run.start, len(run)) for run in runs]


def _audio(sectors: SectorMap, layout: Layout) -> AudioReport | None:
    good = RangeSet(
        run
        for track in layout.tracks
        if not track.is_data
        for run in sectors.ranges((SectorState.READ,), track.start, track.end)
    )
    once = len(good.without(sectors.confirmed))
    return AudioReport(len(good) - once, once) if len(good) else None


def _protection(found: Finding) -> ProtectionReport:
    return ProtectionReport(
        found.name,
        found.confidence.value,
        list(found.evidence),
        found.basis,
        [(area.start, len(area)) for area in found.expected],
        found.channel.value,
    )


def bad_ranges(sectors: SectorMap, layout: Layout) -> Iterator[RangeReport]:
    """The sectors that are not good, in ranges of one state and story, cut at tracks."""
    for state in (SectorState.UNREAD, *BAD):
        for run in sectors.ranges((state,)):
            for part in _by_track(run, layout):
                yield from _stories(sectors, part, state, layout)


def write_report(path: Path, report: Report, *, overwrite: bool = False) -> None:
    """Write the report as indented JSON. Raises `AlreadyThere` rather than replace unasked."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"
    write_text_atomically(path, text, overwrite=overwrite)


def read_report(path: Path) -> Report:
    """Read a report again. Raises `BadInput`."""
    try:
        return msgspec.json.decode(read_small(path, "report", _LARGEST), type=Report)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput(f"{path} is not a report of imagerd: {error}.") from error


def _stories(
    sectors: SectorMap, part: range, state: SectorState, layout: Layout
) -> Iterator[RangeReport]:
    at = part.start
    if state is not SectorState.UNREAD:
        for story in sectors.errors.within(part.start, part.stop):
            if at < story.lba:
                yield _plain(at, story.lba, state, layout)
            yield _told(story, state.name.lower(), layout)
            at = story.end
    if at < part.stop:
        yield _plain(at, part.stop, state, layout)


def _recovered(sectors: SectorMap, layout: Layout) -> Iterator[RangeReport]:
    """Good sectors that a command for them alone failed on, or that were doubtful, before."""
    for story in sectors.errors:
        if not story.alone:
            continue
        for run in sectors.ranges(GOOD, story.lba, story.end):
            for state in GOOD:
                for part in sectors.ranges((state,), run.start, run.stop):
                    yield _told(story.part(part.start, part.stop), state.name.lower(), layout)


def _told(story: ErrorRange, state: str, layout: Layout) -> RangeReport:
    return RangeReport(
        story.lba,
        story.count,
        state,
        _track(layout, story.lba),
        story.why.word,
        None if story.sense is None else "{:02X}/{:02X}/{:02X}".format(*story.sense),
        story.attempts,
        datetime.fromtimestamp(story.first, UTC),
        datetime.fromtimestamp(story.last, UTC),
    )


def _plain(begin: int, end: int, state: SectorState, layout: Layout) -> RangeReport:
    return RangeReport(begin, end - begin, state.name.lower(), _track(layout, begin))


def _track(layout: Layout, lba: int) -> int | None:
    track = layout.track_at(lba)
    return None if track is None else track.number


def _by_track(run: range, layout: Layout) -> Iterator[range]:
    at = run.start
    for track in layout.tracks:
        if at < track.start < run.stop:
            yield range(at, track.start)
            at = track.start
    yield range(at, run.stop)


def _runs(work: Standing) -> list[RunReport]:
    runs: list[RunReport] = []
    for note in work.notes:
        if note.kind == "run":
            begun = msgspec.json.decode(note.body, type=RunNote)
            runs.append(RunReport(_when(begun.time), begun.software, begun.drive, []))
        elif note.kind in ("pass", "end") and runs:
            told = msgspec.json.decode(note.body, type=PassNote)
            passes = runs[-1].passes
            if note.kind == "pass":
                passes.append(PassReport(told.name, _when(told.time), told.counts))
            elif passes:
                passes[-1] = msgspec.structs.replace(
                    passes[-1], ended=_when(told.time), after=told.counts, end=told.end
                )
    return runs


def _when(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
