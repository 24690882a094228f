# SPDX-License-Identifier: Apache-2.0
"""Sources over ISO 9660 images in memory, and images made by other people's tools."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from imagerd.disc.layout import Layout, Medium, SectorFormat, TrackMode, single_track
from imagerd.disc.source import Fault, FaultKind, Sectors, SectorState
from tests.judges import ask


class Volume:
    """A DVD-like or CD-like disc of the blocks of an image; `failed` LBAs cannot be read."""

    def __init__(
        self,
        image: bytes,
        failed: Iterable[int] = (),
        *,
        medium: Medium = Medium.CD,
        layout: Layout | None = None,
    ) -> None:
        self.blocks = np.frombuffer(image, np.uint8).reshape(-1, 2048).copy()
        self.failed = frozenset(failed)
        mode = TrackMode.MODE1 if medium is Medium.CD else TrackMode.BLOCKS
        single = single_track(len(self.blocks), mode, medium=medium, stored=SectorFormat.USER)
        self.layout = layout or single
        self.reads = 0

    def read(self, lba: int, count: int) -> Sectors:
        block = Sectors.good(lba, self.blocks[lba : lba + count], SectorFormat.USER)
        self.reads += len(block)
        bad = [row for row in range(len(block)) if lba + row in self.failed]
        block.states[bad] = SectorState.FAILED
        faults = tuple(Fault(lba + row, 1, FaultKind.MEDIUM, (3, 0x11, 5)) for row in bad)
        return Sectors(lba, block.format, block.data, block.states, faults=faults)

    def close(self) -> None:
        pass


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Write `files` below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def made(tool: str, folder: Path, image: Path, *options: str) -> bytes:
    """The image that `tool` (genisoimage or xorriso) makes of `folder`."""
    command = ("-as", "mkisofs") if tool == "xorriso" else ()
    ask(tool, *command, "-quiet", "-V", "A_VOLUME", *options, "-o", image, folder)
    return image.read_bytes()
