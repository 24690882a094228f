# SPDX-License-Identifier: Apache-2.0
"""`merge`: several images of one disc, none of them whole, become one that is as whole as can be.

Sources are images and the folders of jobs; of these every reading counts that was kept. Audio is
moved to where the first has it (`aligning`); then each sector is settled for itself (`deciding`).
What all hold alike is left as it is, also where its EDC is wrong: it may have been made so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagerd.base.errors import BadInput
from imagerd.base.progress import Task
from imagerd.disc.layout import Layout, SectorFormat, Track, TrackMode
from imagerd.disc.ranges import Extent, from_mask
from imagerd.disc.source import Fault, FaultKind, Sectors, SectorSource, SectorState
from imagerd.recovery.conclude import Kind
from imagerd.recovery.testimony import Moved, Testimony
from imagerd.sectors.blocks import read_all
from imagerd.sectors.combine import How
from imagerd.sectors.geometry import MODE
from imagerd.sectors.verify import whole
from imagerd.sectors.views import MainView
from imagerd.toolkit.aligning import Aligned, Alignment, align, has_audio
from imagerd.toolkit.convert import ConvertOptions, ConvertResult, convert
from imagerd.toolkit.deciding import Decision, Outcome, Run, Voice, decide
from imagerd.toolkit.jobs import JobSource
from imagerd.toolkit.verdicts import is_provable

_Told = tuple[Testimony | Moved | None, ...]
_MODE2 = 2
_MOST = 512  # sectors of each source in memory


@dataclass(frozen=True, slots=True)
class Joined:
    """A sector of bytes from several readings, or mended: each of its bytes, and what it is then.

    PROVEN by its EDC; READ: audio of which readings of several sources tell enough; SUSPECT: it
    is in dispute, and each byte is as most readings have it.
    """

    lba: int
    how: How
    state: SectorState
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class MergeResult:
    """`written` is the image. `same`: sectors that all sources hold alike and good.

    `alignments`: for each source, where its audio lies; empty if it was not looked for. `taken`:
    for each source, the sectors that are its as the others have them not, or wrong. `joined`: put
    together of bytes of several readings. `outvoted`: unprovable, and most readings agree.
    `disputed`: unprovable, and no majority: written as doubtful. `lost`: no source has it.
    """

    ok: bool
    written: ConvertResult
    alignments: tuple[Alignment, ...]
    same: Extent
    taken: tuple[Extent, ...]
    joined: tuple[Joined, ...]
    outvoted: Extent
    disputed: Extent
    lost: Extent


def merge(
    sources: Sequence[SectorSource],
    target: Path,
    options: ConvertOptions | None = None,
    *,
    aligned: bool = True,
    reference: int | None = None,
) -> Task[MergeResult]:
    """Write the best of `sources` as `target`, whose suffix chooses the container.

    Audio comes to lie where source number `reference` has it, None: where the first does that has
    any; unless `aligned`, it is taken as it lies. Raises `BadInput` if they cannot be of one disc,
    and what `convert` raises.
    """
    merged = yield from merged_source(sources, aligned=aligned, reference=reference)
    written = yield from convert(merged, target, options)
    return merged.result(written)


def merged_source(
    sources: Sequence[SectorSource], *, aligned: bool = True, reference: int | None = None
) -> Task[MergedSource]:
    """The best of `sources`, as for `merge`, to be read."""
    testimonies = [one.testimony if isinstance(one, JobSource) else None for one in sources]
    plain = [MainView(one) for one in sources]
    _refuse_other_discs(plain)
    if not aligned or not has_audio(plain[0].layout):
        return MergedSource(plain, testimonies)
    found = yield from align(plain, reference)
    return MergedSource(found.sources, testimonies, found)


class MergedSource:
    """The best of several sources of one disc; remembers where it has each sector from.

    Its layout is that of the source which reaches furthest. Closing it closes the sources.
    """

    def __init__(
        self,
        sources: Sequence[SectorSource],
        testimonies: Sequence[Testimony | None] = (),
        aligned: Aligned | None = None,
    ) -> None:
        """`testimonies`: what the evidence of those tells that are jobs; `aligned`: how they were,
        if they were. Raises `BadInput` if the layouts are not those of one disc.
        """
        self._sources = tuple(sources)
        told = tuple(testimonies) or (None,) * len(sources)
        self._on_data: _Told = told
        self._on_audio: _Told = told
        self._alignments: tuple[Alignment, ...] = ()
        if aligned is not None:
            self._alignments = aligned.alignments
            self._on_audio = tuple(aligned.testimony(n, one) for n, one in enumerate(told))
        self._layout = _furthest(sources)
        _refuse_other_discs(sources)
        self._same: list[range] = []
        self._taken: list[list[int]] = [[] for _ in self._sources]
        self._joined: dict[int, Joined] = {}
        self._lbas: dict[Outcome, list[int]] = defaultdict(list)

    @property
    def layout(self) -> Layout:
        """The disc's layout."""
        return self._layout

    def read(self, lba: int, count: int) -> Sectors:
        """Up to `count` sectors from `lba`, within one track."""
        track = self._layout.track_at(lba)
        stop = lba + 1 if track is None else track.end
        blocks = [
            _reach(one, lba, min(count, stop - lba, _MOST), track, self._layout)
            for one in self._sources
        ]
        states = np.stack([block.states for block in blocks])
        data = np.stack([block.data for block in blocks])
        alike = (data == data[0]).all(axis=(0, 2)) & (states >= SectorState.READ).all(axis=0)
        out = replace(blocks[0], data=data[0].copy(), states=states.max(axis=0), c2=None)
        self._same += from_mask(lba, alike)
        kind = _kind(track, self._layout)
        settled = _whole(blocks, ~alike, kind).tolist()
        for row in np.flatnonzero(~alike).tolist():
            if settled[row] >= 0:  # there is nothing to decide
                out.data[row], out.states[row] = data[settled[row], row], SectorState.PROVEN
                self._taken[settled[row]].append(lba + row)
                continue
            found = self._decided(blocks, lba + row, kind)
            out.data[row], out.states[row] = found.data, found.state
        lost = from_mask(lba, out.states <= SectorState.FAILED)
        faults = tuple(Fault(area.start, len(area), FaultKind.FILLING) for area in lost)
        sub = next((block.sub for block in blocks if block.sub is not None), None)
        return replace(out, sub=sub, faults=faults)

    def close(self) -> None:
        """Close the sources."""
        for one in self._sources:
            one.close()

    def result(self, written: ConvertResult) -> MergeResult:
        """What became of all that was read so far."""
        lbas = {outcome: _extent(self._lbas[outcome]) for outcome in Outcome}
        disputed, lost = lbas[Outcome.DISPUTED], lbas[Outcome.LOST]
        return MergeResult(
            ok=written.ok and not disputed and not lost,
            written=written,
            alignments=self._alignments,
            same=Extent.of(self._same),
            taken=tuple(_extent(lbas) for lbas in self._taken),
            joined=tuple(self._joined.values()),
            outvoted=lbas[Outcome.OUTVOTED],
            disputed=disputed,
            lost=lost,
        )

    def _decided(self, blocks: Sequence[Sectors], lba: int, kind: Kind | None) -> Decision:
        voices = [self._voice(number, block, lba, kind) for number, block in enumerate(blocks)]
        found = decide(voices, lba, kind)
        source = found.runs[0].source if found.runs else None
        if found.outcome is Outcome.TAKEN and source is not None:
            self._taken[source].append(lba)
        else:
            self._lbas[found.outcome].append(lba)
        if found.outcome is Outcome.JOINED or len(found.runs) > 1:
            self._joined[lba] = Joined(lba, found.how, found.state, found.runs)
        return found

    def _voice(self, number: int, block: Sectors, lba: int, kind: Kind | None) -> Voice:
        told = (self._on_audio if kind is Kind.AUDIO else self._on_data)[number]
        if told is None or kind is None:
            return Voice.of(number, block, lba)
        return Voice.of_job(number, told, block, lba)


def _kind(track: Track | None, layout: Layout) -> Kind | None:
    """How a sector can be known; None: by nothing but who has it."""
    if track is None or not layout.is_cd or track.stored is not SectorFormat.RAW:
        return None
    if not is_provable(track):
        return Kind.AUDIO
    return Kind.MODE2 if track.mode is TrackMode.MODE2 else Kind.MODE1


def _whole(
    blocks: Sequence[Sectors], wanted: npt.NDArray[np.bool_], kind: Kind | None
) -> npt.NDArray[np.int16]:
    """(n,): for each row wanted, the first source whose sector is right in all bytes; -1: none."""
    found = np.full(len(wanted), -1, np.int16)
    rows = np.flatnonzero(wanted)
    if kind not in (Kind.MODE1, Kind.MODE2) or not len(rows):
        return found
    span = slice(int(rows[0]), int(rows[-1]) + 1)
    for number in reversed(range(len(blocks))):
        block = blocks[number]
        data = block.data[span]
        right = whole(data, block.lba + span.start) & (block.states[span] > SectorState.FAILED)
        right &= (data[:, MODE] == _MODE2) == (kind is Kind.MODE2)
        found[span][right & wanted[span]] = number
    return found


def _furthest(sources: Sequence[SectorSource]) -> Layout:
    return max((one.layout for one in sources), key=lambda layout: layout.end)


def _refuse_other_discs(sources: Sequence[SectorSource]) -> None:
    for number, one in enumerate(sources):
        _refuse_other_disc(_furthest(sources), one.layout, number)


def _refuse_other_disc(layout: Layout, other: Layout, number: int) -> None:
    """The same tracks at the same places, but that the last may end early."""
    for one, two in zip(_shape(layout), _shape(other), strict=False):
        if one != two:
            raise BadInput(
                f"Image {number + 1} is not of the same disc, or in another form: it has {two},"
                f" another has {one}."
            )
    if len(other.tracks) != len(layout.tracks):
        raise BadInput(
            f"Image {number + 1} has {len(other.tracks)} tracks, another {len(layout.tracks)}."
        )


def _shape(layout: Layout) -> list[str]:
    return [
        f"track {track.number} ({_form(track)}, {track.stored.size} bytes a sector)"
        f" at LBA {track.index1}"
        for track in layout.tracks
    ]


def _form(track: Track) -> str:
    """The mode; of user data alone no container knows it."""
    return "data" if track.stored is SectorFormat.USER else track.mode.value


def _reach(
    source: SectorSource, lba: int, count: int, track: Track | None, layout: Layout
) -> Sectors:
    """`count` sectors of a source; FAILED where it ends before the others."""
    area = next((area for area in source.layout.ranges() if lba in area), range(0))
    there = max(0, min(count, area.stop - lba))
    stored = SectorFormat.RAW if track is None else track.stored
    missing = Sectors(
        lba + there,
        stored,
        np.zeros((count - there, stored.size), np.uint8),
        np.full(count - there, SectorState.FAILED, np.uint8),
    )
    if not there:
        return missing
    block = read_all(source, lba, there)
    if there == count:
        return block
    return Sectors(
        lba,
        block.format,
        np.concatenate([block.data, missing.data]),
        np.concatenate([block.states, missing.states]),
        faults=block.faults,
    )


def _extent(lbas: list[int]) -> Extent:
    return Extent.of(range(lba, lba + 1) for lba in lbas)
