# SPDX-License-Identifier: Apache-2.0
"""What a disc has that not every container can hold, told before anything is written.

A container's row in the registry says which of these features it holds as we write it; what the
source has and the container does not hold is lost, and `imagerd.formats.losses` names it. Features
are of the disc, told by its layout and by what comes with its sectors; what only single sectors
tell (a form 2 sector in an .iso) is the writer's to refuse.

A container module whose images know more than a layout can say (density measurements, say) gives
its image the attribute `features`, see `Featured`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np

from imagerd.disc.layout import Control, DiscType, Layout, SectorFormat, Track, TrackMode
from imagerd.disc.source import SectorSource, SectorState
from imagerd.formats.cue.gaps import GD_HIGH_DENSITY
from imagerd.formats.rawform import empty_sectors, to_raw
from imagerd.sectors.blocks import blocks_of


class Feature(StrEnum):
    """Something that a container may or may not hold; a closed list.

    A writer that holds TRACKS and not AUDIO holds several data tracks, and so on: each is asked
    by itself.
    """

    BLOCKS = "blocks"  # a DVD or BD: 2048-byte blocks that have no raw form
    LAYERS = "layers"  # where the second layer begins
    AUDIO = "audio"
    TRACKS = "tracks"  # more than one data track
    SESSIONS = "sessions"
    GD_AREAS = "gd-areas"  # the two areas of a GD-ROM
    PREGAPS = "pregaps"  # sectors of INDEX 00, as far as they are stored
    INDEXES = "indexes"  # INDEX 02 and above
    FLAGS = "flags"  # copy permitted, pre-emphasis, four channels
    MCN = "mcn"
    ISRC = "isrc"
    CD_TEXT = "cd-text"
    DISC_TYPE = "disc-type"  # XA or CD-I, as point A0 has it
    SUBHEADERS = "subheaders"  # mode 2: what cannot be made again from 2048 bytes
    SUBCHANNEL = "subchannel"  # P to W of each sector
    DPM = "dpm"  # data position measurement: the density of a pressing


# Everything that the sectors and the table of contents of a CD tell, without the subchannel.
WHOLE_CD = frozenset(Feature) - {
    Feature.BLOCKS,
    Feature.LAYERS,
    Feature.SUBCHANNEL,
    Feature.DPM,
}


@dataclass(frozen=True, slots=True)
class Trait:
    """A feature of one source. `sentence` says which: a noun, without a full stop."""

    feature: Feature
    sentence: str


@runtime_checkable
class Featured(Protocol):
    """An image that has features which its layout does not tell."""

    @property
    def features(self) -> frozenset[Feature]:
        """Those features."""
        ...


def lost(
    source: SectorSource,
    holds: frozenset[Feature],
    *,
    track: int | None = None,
    more: frozenset[Feature] = frozenset(),
    empty_pregaps: bool = False,
) -> tuple[Trait, ...]:
    """What `source` has and a container that `holds` these features does not keep.

    `track`: the data track that is kept where only one is; the first if None. Of tracks that are
    lost as a whole nothing further is told. `more`: what the source has besides, as of `Featured`.
    `empty_pregaps`: those between tracks that are silent or empty are kept, whatever it holds.
    Reads one sector, to see whether subchannel comes, and pregaps where they matter.
    """
    layout = source.layout
    traits = [trait for trait in _of_disc(layout) if trait.feature not in holds]
    traits += _of_tracks(layout, holds, track, source if empty_pregaps else None)
    if Feature.SUBCHANNEL not in holds and _has_subchannel(source):
        traits.append(Trait(Feature.SUBCHANNEL, "the subchannel"))
    if isinstance(source, Featured):
        more |= source.features
    known = {trait.feature for trait in traits}
    traits += [Trait(feature, _name(feature)) for feature in sorted(more - holds - known)]
    return tuple(traits)


def is_gd(layout: Layout) -> bool:
    """Whether it is a GD-ROM: two areas, the second with its INDEX 01 where every one has it."""
    sessions = layout.sessions
    return layout.is_cd and len(sessions) == 2 and sessions[1].tracks[0].index1 == GD_HIGH_DENSITY


def _name(feature: Feature) -> str:
    if feature is Feature.DPM:
        return "the density measurements (DPM)"
    return f"the {feature.value.replace('-', ' ')}"


def _of_disc(layout: Layout) -> Iterator[Trait]:
    sessions = layout.sessions
    if not layout.is_cd:
        yield Trait(Feature.BLOCKS, f"the blocks of a {layout.medium.value.upper()}")
    if layout.layers:
        where = ", ".join(map(str, layout.layers))
        yield Trait(Feature.LAYERS, f"that a layer begins at LBA {where}")
    if is_gd(layout):
        yield Trait(Feature.GD_AREAS, "the two areas of a GD-ROM")
    elif len(sessions) > 1:
        yield Trait(Feature.SESSIONS, f"that there are {len(sessions)} sessions")
    if layout.mcn:
        yield Trait(Feature.MCN, f"the catalogue number {layout.mcn}")
    if layout.cd_text is not None:
        yield Trait(Feature.CD_TEXT, "CD-Text")
    if layout.disc_type is DiscType.CDI:  # XA follows from the mode of the tracks
        yield Trait(Feature.DISC_TYPE, "that it is a CD-I")


def _of_tracks(
    layout: Layout, holds: frozenset[Feature], chosen: int | None, gaps: SectorSource | None
) -> Iterator[Trait]:
    """`gaps`: the source, where pregaps that it has empty are no loss."""
    kept = list(layout.tracks)
    data = [track for track in kept if track.is_data]
    audio = [track for track in kept if not track.is_data]
    others = data[1:] if chosen is None else [track for track in data if track.number != chosen]
    for feature, what, group in (
        (Feature.AUDIO, "audio", audio),
        (Feature.TRACKS, "data", others),
    ):
        if group and feature not in holds:
            kept = [track for track in kept if track not in group]
            yield _trait(feature, what, group)
    if not layout.is_cd:
        return
    for feature, what, has in _TRACK_TRAITS:
        group = [track for track in kept if has(track)]
        if feature is Feature.PREGAPS and gaps is not None:
            group = [track for track in group if not _empty_between(gaps, track)]
        if group and feature not in holds:
            yield _trait(feature, what, group)


def _trait(feature: Feature, what: str, tracks: Sequence[Track]) -> Trait:
    many = "s" if len(tracks) > 1 else ""
    return Trait(feature, f"{what} track{many} {spans(track.number for track in tracks)}")


def _stored_pregap(track: Track) -> bool:
    return track.index1 > track.stored_range.start


def _empty_between(source: SectorSource, track: Track) -> bool:
    """Whether its pregap follows another track, and is silent or holds empty data sectors."""
    if track.number in {session.tracks[0].number for session in source.layout.sessions}:
        return False
    area = range(track.stored_range.start, track.index1)
    return all(
        (block.states > SectorState.FAILED).all()
        and np.array_equal(
            to_raw(block.data, block.format, track.mode, block.lba),
            empty_sectors(track.mode, SectorFormat.RAW, block.lba, len(block)),
        )
        for block in blocks_of(source, area, len(area))
    )


def _further(track: Track) -> bool:
    return any(index.number > 1 for index in track.indexes)


def _subheaders(track: Track) -> bool:
    return track.mode is TrackMode.MODE2 and track.stored.size > SectorFormat.FORM2.size


_TRACK_TRAITS: tuple[tuple[Feature, str, Callable[[Track], bool]], ...] = (
    (Feature.PREGAPS, "the pregap of", _stored_pregap),
    (Feature.INDEXES, "the indexes from 02 on of", _further),
    (Feature.FLAGS, "the flags of", lambda track: bool(track.control & ~Control.DATA)),
    (Feature.ISRC, "the ISRC of", lambda track: bool(track.isrc)),
    (Feature.SUBHEADERS, "the subheaders of", _subheaders),
)


def _has_subchannel(source: SectorSource) -> bool:
    layout = source.layout
    if not layout.is_cd or not layout.tracks[0].stored_range:
        return False
    stored = {track.stored for track in layout.tracks}
    if stored & {SectorFormat.RAW_SUB, SectorFormat.USER_SUB}:
        return True
    return source.read(layout.tracks[0].stored_range.start, 1).sub is not None


def spans(numbers: Iterable[int]) -> str:
    """1, 2, 3, 5 as "1–3, 5"."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return ", ".join(
        f"{run.start}–{run.stop - 1}" if len(run) > 1 else str(run.start) for run in runs
    )
