# SPDX-License-Identifier: Apache-2.0
"""Open a .bin or .img that has no sheet: one track, whose size and mode the data tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imagerd.base.errors import BadInput
from imagerd.disc.layout import DiscType, SectorFormat, TrackMode, single_track
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent, ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.probe import Probed, probe


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open `path`. Raises `BadInput` if neither syncs nor a volume nor its length tell a size."""
    file = DataFile(path)
    warnings: list[Warning_] = []
    found = probe(file, 0)
    if found is None and file.size % SectorFormat.RAW.size == 0:
        found = Probed(SectorFormat.RAW, TrackMode.AUDIO)
        warnings.append(Warning_(path, None, "no data sectors in it; taken for audio"))
    elif found is None and file.size % SectorFormat.USER.size == 0:
        found = Probed(SectorFormat.USER, TrackMode.MODE1)
        warnings.append(Warning_(path, None, "no volume in it; taken for blocks of 2048 bytes"))
    if found is None:
        file.close()
        raise BadInput(
            f"{path} has neither data sectors nor a volume, and its length fits no sector size;"
            " name its cue sheet instead."
        )
    sheet = next((s for s in (".cue", ".CUE") if path.with_suffix(s).exists()), None)
    if sheet is not None:
        other = path.with_suffix(sheet).name
        warnings.append(Warning_(path, None, f"open {other} for its tracks; this is one track"))
    return _image(path, file, found, warnings)


def _image(path: Path, file: DataFile, found: Probed, warnings: list[Warning_]) -> ExtentImage:
    count = file.sectors_from(0, found.stored.size)
    left = file.size % found.stored.size
    if left:
        size = found.stored.size
        warnings.append(
            Warning_(path, None, f"it ends in the middle of a sector: {left} of {size} bytes")
        )
    layout = single_track(count, found.mode, stored=found.stored)
    if found.mode is TrackMode.MODE2:
        layout = replace(layout, disc_type=DiscType.XA)
    extent = Extent(0, count, found.mode, found.stored, file)
    return ExtentImage(path, "bin", layout, [extent], files=(path,), warnings=tuple(warnings))
