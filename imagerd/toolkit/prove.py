# SPDX-License-Identifier: Apache-2.0
"""What the sectors of a disc or an image prove, per track, and where they do not.

CD data sectors carry a sync pattern, their own address, a CRC (EDC) and parity (ECMA-130, 14 and
annex A). Audio, and the 2048-byte sectors of an .iso or a DVD, carry nothing: for them a result
says so instead of "good".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, Track, TrackMode
from imagerd.disc.ranges import Extent, pieces
from imagerd.disc.source import SectorSource
from imagerd.toolkit.account import Account, accounted
from imagerd.toolkit.crew import Crew
from imagerd.toolkit.verdicts import BAD, Tally, Verdict, is_provable, tally

_CHUNK = 4096  # sectors of one piece of work: 9.6 MB
_LONGEST_PREGAP = 450  # sectors without sync before audio that may be its pregap; mostly 150


@dataclass(frozen=True, slots=True)
class TrackVerdict:
    """One track: the counts add up to `sectors`. LBAs are the disc's."""

    number: int
    session: int
    mode: TrackMode
    stored: str  # how its sectors are stored: raw, user, …
    first: int
    sectors: int
    good: int
    unproven: int
    not_computed: int
    doubtful: Extent
    wrong_parity: Extent
    wrong_edc: Extent
    wrong_header: Extent
    unreadable: Extent
    faults: dict[str, int]  # why sectors were unreadable: sectors by kind
    remark: str

    @property
    def bad(self) -> int:
        """Sectors with a finding."""
        return sum(
            extent.count
            for extent in (
                self.doubtful,
                self.wrong_parity,
                self.wrong_edc,
                self.wrong_header,
                self.unreadable,
            )
        )


@dataclass(frozen=True, slots=True)
class SectorsVerdict:
    """All tracks. `ok`: no sector is unreadable or contradicts itself."""

    ok: bool
    sectors: int
    proven: int
    bytes: int
    tracks: tuple[TrackVerdict, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    track: int  # place in layout.tracks
    area: range


def prove(
    source: SectorSource, *, workers: int = 1, reopen: Callable[[], SectorSource] | None = None
) -> Task[SectorsVerdict]:
    """Read every stored sector and let it prove itself.

    With `workers` above 1, `reopen` (picklable) opens the same source again in each process.
    """
    tracks = source.layout.tracks
    jobs = [
        _Piece(at, area)
        for at, track in enumerate(tracks)
        for area in pieces(track.stored_range, _CHUNK)
    ]
    sizes = [len(job.area) * tracks[job.track].stored.size for job in jobs]
    total, done = sum(sizes), 0
    tallies = [Tally() for _ in tracks]
    results = (
        Crew(reopen, _work).run(jobs, workers)
        if reopen is not None and workers > 1
        else ((at, _work(source, job)) for at, job in enumerate(jobs))
    )
    yield Progress(0, total, "bytes")
    try:
        for at, part in results:
            tallies[jobs[at].track].merge(part)
            done += sizes[at]
            yield Progress(done, total, "bytes", f"track {tracks[jobs[at].track].number}")
    finally:
        results.close()
    return _summary(source.layout, tallies, total)


def reopener(
    path: Path, account: Account | None = None, *, allow_outside: bool = False
) -> Callable[[], SectorSource]:
    """What opens the image at `path` again, in another process, heeding `account`."""
    return partial(_open, path, account, allow_outside)


def _open(path: Path, account: Account | None, allow_outside: bool) -> SectorSource:
    from imagerd.formats import open_image

    return accounted(open_image(path, allow_outside=allow_outside), account)


def _work(source: SectorSource, job: _Piece) -> Tally:
    return tally(source, source.layout.tracks[job.track], job.area)


def _summary(layout: Layout, tallies: list[Tally], size: int) -> SectorsVerdict:
    for track, found in zip(layout.tracks, tallies, strict=True):
        _excuse_pregap(layout, track, found)
    return _verdict(layout, tallies, size)


def _excuse_pregap(layout: Layout, track: Track, found: Tally) -> None:
    """Take what has no sync at the end of a data track for the pregap of the audio after it.

    A table of contents does not tell where that pregap begins (ECMA-130, 20.2: at least 150
    sectors), so in the layout of a drive it belongs to the data track.
    """
    after = next((t for t in layout.tracks if t.start == track.end), None)
    if after is None or after.is_data or len(after.indexes) > 1 or not is_provable(track):
        return
    lost = Extent.of(found.ranges.get(Verdict.WRONG_HEADER, ()))
    if not lost or lost.ranges[-1].stop != track.end or len(lost.ranges[-1]) > _LONGEST_PREGAP:
        return
    found.pregap = len(lost.ranges[-1])
    found.ranges[Verdict.WRONG_HEADER] = list(lost.ranges[:-1])
    found.counts[Verdict.WRONG_HEADER] -= found.pregap
    found.counts[Verdict.UNPROVEN] += found.pregap


def _verdict(layout: Layout, tallies: list[Tally], size: int) -> SectorsVerdict:
    tracks = tuple(
        _track(track, found) for track, found in zip(layout.tracks, tallies, strict=True)
    )
    return SectorsVerdict(
        ok=not any(track.bad for track in tracks),
        sectors=sum(track.sectors for track in tracks),
        proven=sum(track.good for track in tracks),
        bytes=size,
        tracks=tracks,
    )


def _track(track: Track, found: Tally) -> TrackVerdict:
    extents = {verdict: Extent.of(found.ranges.get(verdict, ())) for verdict in BAD}
    return TrackVerdict(
        number=track.number,
        session=track.session,
        mode=track.mode,
        stored=track.stored.value[1],
        first=track.stored_range.start,
        sectors=len(track.stored_range),
        good=found.counts[Verdict.GOOD],
        unproven=found.counts[Verdict.UNPROVEN],
        not_computed=found.counts[Verdict.NOT_COMPUTED],
        doubtful=extents[Verdict.DOUBTFUL],
        wrong_parity=extents[Verdict.WRONG_PARITY],
        wrong_edc=extents[Verdict.WRONG_EDC],
        wrong_header=extents[Verdict.WRONG_HEADER],
        unreadable=extents[Verdict.UNREADABLE],
        faults={str(kind): count for kind, count in sorted(found.faults.items())},
        remark=_remark(track, found),
    )


def _remark(track: Track, found: Tally) -> str:
    """What the counts mean, where they prove less than a reader may think."""
    if track.mode is TrackMode.AUDIO:
        return "audio carries nothing to prove it by: only reading was tested"
    if not is_provable(track):
        return f"sectors of {track.stored.size} bytes carry no proof: only reading was tested"
    if found.pregap:
        return f"its last {found.pregap} sectors are taken for the pregap of the next track"
    if found.counts[Verdict.UNPROVEN]:
        return "formless mode 2 sectors carry no EDC"
    if found.counts[Verdict.NOT_COMPUTED]:
        return "form 2 sectors without EDC (legal) carry no proof"
    return ""
