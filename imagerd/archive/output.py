# SPDX-License-Identifier: Apache-2.0
"""The output rule: `.iso` only where nothing is lost by it, else `.cue/.bin` at 2352.

A CD's raw sectors may be dropped only if each of them can be made again, bit by bit, from its 2048
bytes of user data and its address: one session, one mode 1 track, right sync, header, EDC, zeros
and parity everywhere. A sector that could not be read holds nothing that could be lost; a doubtful
one does. Discs without raw sectors (DVD, BD) are always `.iso`.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.base.config import Output
from imagerd.base.progress import Progress, Task
from imagerd.disc.layout import Layout, TrackMode
from imagerd.disc.source import SectorSource, SectorState
from imagerd.sectors.blocks import blocks_of
from imagerd.sectors.verify import regenerable

_BLOCK = 2048  # sectors looked at in one go


@dataclass(frozen=True, slots=True)
class Choice:
    """A container and one sentence why. `suffix` is ``.iso`` or ``.cue``."""

    suffix: str
    reason: str


def choose_output(source: SectorSource, wanted: Output) -> Task[Choice]:
    """Apply the rule to what was read, or what the policy asks for instead.

    Stops looking at the first sector that an .iso would lose something of.
    """
    layout = source.layout
    if not layout.is_cd:
        return Choice(".iso", "The medium has no raw sectors.")
    if wanted is Output.CUE:
        return Choice(".cue", "The policy asks for it.")
    shape = _shape_that_needs_raw(layout)
    if wanted is Output.ISO and any(track.is_data for track in layout.tracks):
        return Choice(".iso", "The policy asks for it.")
    if shape is not None:
        return Choice(".cue", shape)
    lost = yield from _first_loss(source)
    if lost is not None:
        return Choice(".cue", f"The raw form of LBA {lost} cannot be made again from its data.")
    return Choice(".iso", "Every raw sector can be made again from its 2048 bytes.")


def _shape_that_needs_raw(layout: Layout) -> str | None:
    """Why the layout alone rules an .iso out, or None."""
    tracks = layout.tracks
    if len(tracks) != 1:
        return f"The disc has {len(tracks)} tracks."
    track = tracks[0]
    if track.mode is not TrackMode.MODE1:
        return f"Its track is {track.mode.value}."
    if track.start != 0 or len(track.indexes) != 1:
        return "Its track has indexes that an .iso cannot hold."
    return None


def _first_loss(source: SectorSource) -> Task[int | None]:
    """The first LBA whose raw form would be lost; None if there is none."""
    layout = source.layout
    for block in blocks_of(source, range(layout.start, layout.end), _BLOCK):
        kept = regenerable(block.data, block.lba)
        kept |= block.states <= SectorState.FAILED
        kept &= block.states != SectorState.SUSPECT
        if not kept.all():
            return block.lba + int(kept.argmin())
        yield Progress(
            block.end - layout.start, layout.end - layout.start, "sectors", "output rule"
        )
    return None
