# SPDX-License-Identifier: Apache-2.0
"""Open an .iso: the 2048-byte blocks of one data track, or of a DVD or BD."""

from __future__ import annotations

from pathlib import Path

from imagerd.disc.layout import Layout, Medium, SectorFormat, TrackMode, single_track
from imagerd.disc.msf import LBA_MAX
from imagerd.formats.datafile import DataFile
from imagerd.formats.extents import Extent, ExtentImage
from imagerd.formats.image import Warning_
from imagerd.formats.sidecar import read_sidecar

_BLOCK = SectorFormat.USER
LARGEST_DVD = 4_173_824  # blocks of a DVD+R DL


def open_image(path: Path, *, allow_outside: bool = False) -> ExtentImage:
    """Open `path`. There is no header: how large it is tells the family of discs."""
    return open_file(DataFile(path))


def open_file(file: DataFile, format: str = "iso") -> ExtentImage:
    """As `open_image`, of bytes that need not be a file's own."""
    path = file.path
    blocks, left = divmod(file.size, _BLOCK.size)
    warnings = [Warning_(path, None, note) for note in file.store.notes]
    if left:
        warnings.append(
            Warning_(path, None, f"it ends in the middle of a block: {left} of {_BLOCK.size} bytes")
        )
        blocks += 1
    promised = _volume_blocks(file)
    if promised > blocks:
        warnings.append(
            Warning_(path, None, f"its volume has {promised} blocks, the file {blocks}: cut short")
        )
    layout = block_layout(blocks)
    extent = Extent(0, blocks, layout.tracks[0].mode, _BLOCK, file)
    return ExtentImage(
        path,
        format,
        layout,
        [extent],
        files=file.store.files,
        warnings=tuple(warnings),
        sheet=read_sidecar(path) if layout.is_cd else None,
    )


def block_layout(blocks: int) -> Layout:
    """The layout of `blocks` blocks: a mode 1 CD as far as one reaches, then DVD, then BD."""
    if blocks <= LBA_MAX + 1:
        return single_track(blocks, TrackMode.MODE1, stored=_BLOCK)
    medium = Medium.DVD if blocks <= LARGEST_DVD else Medium.BD
    return single_track(blocks, TrackMode.BLOCKS, medium=medium, stored=_BLOCK)


def _volume_blocks(file: DataFile) -> int:
    """The volume space size of a primary volume descriptor (ECMA-119, 8.4.8), or 0."""
    descriptor = file.peek(16 * _BLOCK.size, 132)
    if len(descriptor) < 132 or descriptor[:6] != b"\1CD001":
        return 0
    blocks = int.from_bytes(descriptor[80:84], "little")
    size = int.from_bytes(descriptor[128:130], "little")
    return blocks if size == _BLOCK.size else 0
