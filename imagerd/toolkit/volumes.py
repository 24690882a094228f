# SPDX-License-Identifier: Apache-2.0
"""How large a disc must be by what its volume descriptor says (ECMA-119, 8.4.8)."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.disc.layout import Layout
from imagerd.disc.source import SectorSource
from imagerd.filesystems.volume import VolumeInfo, volume_id

_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class VolumeVerdict:
    """The volume descriptor's size against the sectors there are, in sectors of 2048 bytes.

    `sentence` says it in words.
    """

    ok: bool
    volume: str
    claimed: int
    present: int
    sentence: str


def check_volume(source: SectorSource) -> VolumeVerdict | None:
    """Compare the size that the volume descriptor claims; None where there is none."""
    volume = volume_id(source)
    return None if volume is None else volume_size(source.layout, volume)


def volume_size(layout: Layout, volume: VolumeInfo) -> VolumeVerdict | None:
    """As `check_volume`, of a volume that was read already; None if it claims no size."""
    claimed = -(-volume.blocks * volume.block_size // _BLOCK)
    if not claimed:
        return None
    present = _present(layout)
    if claimed > present:
        sentence = (
            f"The volume {volume.volume_id} claims {claimed} sectors, {claimed - present} more "
            "than there are: the image is cut short."
        )
    else:
        rest = present - claimed
        single = len(layout.tracks) == 1  # else other tracks follow, which is no wonder
        more = f" and {rest} more follow" if rest and single else ""
        sentence = f"The volume {volume.volume_id} claims {claimed} sectors: all are there{more}."
    return VolumeVerdict(claimed <= present, volume.volume_id, claimed, present, sentence)


def _present(layout: Layout) -> int:
    """Sectors that a volume can have: on discs of several tracks or sessions its size may count
    from LBA 0 to the very end.
    """
    if len(layout.tracks) > 1:
        return layout.end
    track = layout.tracks[0]
    return track.end - track.index1
