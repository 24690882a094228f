# SPDX-License-Identifier: Apache-2.0
"""File systems as far as they tell how large the disc must be (ECMA-119, 8.4)."""

from __future__ import annotations

from dataclasses import dataclass

from imagerd.disc.layout import TrackMode
from imagerd.disc.source import SectorSource, SectorState
from imagerd.sectors.views import UserView

_PVD = 16  # the first volume descriptor, from the start of its track


@dataclass(frozen=True, slots=True)
class VolumeVerdict:
    """The primary volume descriptor against the sectors there are. `sentence` says it in words."""

    ok: bool
    volume: str
    claimed: int
    present: int
    sentence: str


def check_volume(source: SectorSource) -> VolumeVerdict | None:
    """Compare the size in the ISO 9660 volume descriptor; None where there is none."""
    track = next((track for track in source.layout.tracks if track.is_data), None)
    if track is None or (track.mode is TrackMode.MODE0):
        return None
    view = UserView(source)
    area = view.layout.tracks[0]
    if area.end - area.start <= _PVD:
        return None
    block = view.read(area.start + _PVD, 1)
    data = block.data[0].tobytes()
    if block.states[0] <= SectorState.FAILED or data[:6] != b"\x01CD001":
        return None
    name = data[40:72].decode("ascii", "replace").rstrip(" \0")
    claimed = int.from_bytes(data[80:84], "little") * int.from_bytes(data[128:130], "little")
    # On discs of several tracks or sessions the descriptor may count from LBA 0 to the very end.
    last = area.end if len(source.layout.tracks) == 1 else source.layout.end
    return _verdict(name, -(-claimed // 2048), last)


def _verdict(name: str, claimed: int, present: int) -> VolumeVerdict:
    if claimed > present:
        sentence = (
            f"The volume {name} claims {claimed} sectors, {claimed - present} more than there "
            "are: the image is cut short."
        )
    else:
        rest = present - claimed
        more = f" and {rest} more follow" if rest else ""
        sentence = f"The volume {name} claims {claimed} sectors: all are there{more}."
    return VolumeVerdict(claimed <= present, name, claimed, present, sentence)
