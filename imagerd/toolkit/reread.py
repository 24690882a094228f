# SPDX-License-Identifier: Apache-2.0
"""Whether what was written is what was to be written: read back and compared with its source."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from imagerd.base.progress import Task
from imagerd.disc.ranges import Extent, without
from imagerd.disc.source import SectorSource
from imagerd.formats import container_of, losses, open_image
from imagerd.formats.registry import COOKED
from imagerd.sectors.views import UserView
from imagerd.toolkit.beside import opened_by
from imagerd.toolkit.compare import CompareResult, Sameness, compare


@dataclass(frozen=True, slots=True)
class Reread:
    """`same`: every sector that the source gave is in the target, and as it was given.

    Sectors that the source could not give hold filling in the target, and say nothing. LBAs are
    the source's. `remarks`: differences of the layouts.
    """

    same: bool
    different: Extent
    missing: Extent
    sectors: int
    remarks: tuple[str, ...]


def reread(source: SectorSource, target: Path, *, track: int | None = None) -> Task[Reread]:
    """Open the image `target` and compare it, sector by sector, with what `source` gives.

    What the container cannot hold is not asked for. `track`: the data track that an .iso has.
    """
    container = container_of(target)
    lossy = losses(source, container, track=track) != ()
    with closing(open_image(opened_by(target))) as image:
        if container in COOKED:
            view = UserView(source, track)
            shift = image.layout.start - view.layout.start
            compared = yield from compare(view, image, common=True, shift=shift)
        else:
            compared = yield from compare(source, image, common=lossy)
    return _judge(compared)


def _judge(compared: CompareResult) -> Reread:
    different = Extent.of(area for track in compared.tracks for area in track.different.ranges)
    lost = [area for track in compared.tracks for area in track.unreadable_b.ranges]
    never = [area for track in compared.tracks for area in track.unreadable_a.ranges]
    missing = Extent.of((*compared.only_a.ranges, *without(lost, never)))
    same = compared.outcome is not Sameness.DIFFERENT and not missing and not compared.only_b
    return Reread(same, different, missing, compared.sectors, () if same else compared.layout)
