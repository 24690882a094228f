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
    return open_file(DataFile(path))


def open_file(file: DataFile, format: str = "bin") -> ExtentImage:
    """As `open_image`, of bytes that need not be a file's own."""
    path = file.path
    warnings = [Warning_(path, None, note) for note in file.store.notes]
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
    sheet = sheet_beside(path)
    if sheet is not None:
        warnings.append(
            Warning_(path, None, f"open {sheet.name} for its tracks; this is one track")
        )
    return _image(file, format, found, warnings)


def sheet_beside(path: Path) -> Path | None:
    """The sheet beside it: X.cue for X.bin, and for X.bin.ecm."""
    names = [path.with_suffix(suffix) for suffix in (".cue", ".CUE")]
    if path.with_suffix("").suffix.lower() in (".bin", ".img"):
        names += [path.with_suffix("").with_suffix(suffix) for suffix in (".cue", ".CUE")]
    return next((name for name in names if name.exists()), None)


def _image(file: DataFile, format: str, found: Probed, warnings: list[Warning_]) -> ExtentImage:
    path = file.path
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
    return ExtentImage(
        path, format, layout, [extent], files=file.store.files, warnings=tuple(warnings)
    )
